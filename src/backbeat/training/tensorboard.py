"""The log of a training for TensorBoard: loss and accuracy by epoch, in TensorFlow's event files.

Written with TensorFlow alone; only looking at it needs the package tensorboard.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backbeat.errors import BackbeatError, needing
from backbeat.training.history import Epoch

TAGS = ("loss", "accuracy", "val_loss", "val_accuracy")
_PATTERN = "events.out.tfevents.*"


@contextlib.contextmanager
def logging_to(
    folder: Path | None, *, go_on: bool = False
) -> Iterator[Callable[[tuple[Epoch, ...]], None] | None]:
    """Open a log for the epochs of one run.

    Parameters
    ----------
    folder : Path or None
        Where the event files of this run lie; None logs nothing.
    go_on : bool
        The run was begun before, so what the folder holds is of this run: the epochs in it are not
        written again, and those that it lacks are.

    Yields
    ------
    callable or None
        To be called with the history after each epoch. None if nothing is logged.

    Raises
    ------
    BackbeatError
        If `folder` holds the log of another run, or TensorFlow is not installed.
    """
    if folder is None:
        yield None
        return
    last = last_step(folder)
    if last and not go_on:
        raise BackbeatError(
            f"{folder}: holds the log of another run; remove it or choose another --tensorboard"
        )
    tensorflow = _load_tensorflow()
    folder.mkdir(parents=True, exist_ok=True)
    writer = tensorflow.summary.create_file_writer(str(folder))

    def log(history: tuple[Epoch, ...]) -> None:
        nonlocal last
        for epoch in history:
            if epoch.epoch > last:
                write_epoch(tensorflow, writer, epoch)
                last = epoch.epoch
        writer.flush()

    try:
        yield log
    finally:
        writer.close()


def write_epoch(tensorflow: Any, writer: Any, epoch: Epoch) -> None:
    """Write the scalars of one epoch, with its number as the step."""
    # Not `tensorflow.summary.scalar`: where the package tensorboard is missing it writes nothing,
    # and does not say so.
    summary = tensorflow.compat.v1.SummaryMetadata()
    summary.plugin_data.plugin_name = "scalars"
    summary.data_class = 1  # DATA_CLASS_SCALAR
    values = asdict(epoch)
    with writer.as_default():
        for tag in TAGS:
            value = tensorflow.constant(values[tag], tensorflow.float32)
            tensorflow.summary.write(tag, value, step=epoch.epoch, metadata=summary)


def read_scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Read a log back: of each tag, the value by step.

    A record that a kill has cut short ends its file, without an error.
    """
    scalars: dict[str, dict[int, float]] = {}
    files = sorted(folder.glob(_PATTERN))
    if not files:
        return scalars
    tensorflow = _load_tensorflow()
    for file in files:
        with contextlib.suppress(tensorflow.errors.DataLossError):
            for event in tensorflow.compat.v1.train.summary_iterator(str(file)):
                for value in event.summary.value:
                    number = float(tensorflow.make_ndarray(value.tensor))
                    scalars.setdefault(value.tag, {})[event.step] = number
    return scalars


def last_step(folder: Path) -> int:
    """Give the last epoch of which a log holds every tag; 0 where there is none."""
    scalars = read_scalars(folder)
    return min((max(scalars.get(tag, {0: 0.0})) for tag in TAGS), default=0)


def _load_tensorflow() -> Any:
    with needing("train", "--tensorboard"):
        import tensorflow
    return tensorflow
