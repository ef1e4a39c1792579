"""The log of a training for TensorBoard: loss and accuracy by epoch, in TensorFlow's event files.

Not Keras's callback: where the package tensorboard is missing, as it is beside TensorFlow 2.21,
`tensorflow.summary.scalar` writes nothing, and does not say so.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from backbeat.errors import BackbeatError, needing
from backbeat.training.history import Epoch

TAGS = ("loss", "accuracy", "val_loss", "val_accuracy")


def refuse_log_of_another(folder: Path) -> None:
    """Refuse a folder that holds a log already, for a run that is only to begin."""
    if any(folder.glob("events.out.tfevents.*")):
        raise BackbeatError(
            f"{folder}: holds the log of another run; remove it or choose another --tensorboard"
        )


@contextlib.contextmanager
def logging_to(folder: Path | None) -> Iterator[Callable[[tuple[Epoch, ...]], None] | None]:
    """Open a log for the epochs of one run; it is called with the history after each epoch.

    A resumed run writes its history again: equal values, of equal steps.
    """
    if folder is None:
        yield None
        return
    with needing("train", "--tensorboard"):
        import tensorflow as tf
    folder.mkdir(parents=True, exist_ok=True)
    writer = tf.summary.create_file_writer(str(folder))
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    metadata.data_class = 1  # DATA_CLASS_SCALAR
    written = 0

    def log(history: tuple[Epoch, ...]) -> None:
        nonlocal written
        with writer.as_default():
            for epoch in history[written:]:
                for tag in TAGS:
                    value = tf.constant(getattr(epoch, tag), tf.float32)
                    tf.summary.write(tag, value, step=epoch.epoch, metadata=metadata)
        written = len(history)
        writer.flush()

    try:
        yield log
    finally:
        writer.close()
