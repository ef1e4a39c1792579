"""Training: a spec, features and a split to a run directory.

A run can be killed at any moment and resumed: after each epoch (at most every few seconds) the
whole state, weights and optimiser, is written as one atomic checkpoint, and the order of the slices
depends on the seed and the number of the epoch alone. A finished run holds::

    spec.yaml         the model as trained
    split.json        names in each part, and their hash
    environment.json  settings, versions and machine
    history.csv       a row an epoch
    model.keras       the network, for Keras
    validation.csv    predictions for the validation part, if there is one, a row a slice
    predictions.csv   the same for the test part
    metrics.json      their scores
    SHA256SUMS        checksums of all of these
    model.backbeat    the bundle that `classify` takes
"""

import json
import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from backbeat import __version__
from backbeat.errors import BackbeatError, one_line
from backbeat.evaluation.calibration.fitting import MAX_ERROR
from backbeat.features.store import Examples, Features
from backbeat.files import atomic
from backbeat.files.documents import read_json
from backbeat.files.locks import locked
from backbeat.splits import Split, write_split
from backbeat.training import checkpoint
from backbeat.training.finishing import finish_run
from backbeat.training.fused import fuse
from backbeat.training.history import Epoch, write_history
from backbeat.training.recipes import batches_of, schedule_callbacks, steps_at_once
from backbeat.training.tensorboard import logging_to
from backbeat.zoo.build import build, compile_network, load_keras
from backbeat.zoo.spec import Spec

_SECONDS_BETWEEN_CHECKPOINTS = 5.0
_EVALUATION_BATCH = 512


@dataclass(frozen=True)
class Progress:
    """How far a training is, told after every few batches."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    history: tuple[Epoch, ...]


class StoppedError(BackbeatError):
    """Training was stopped (Ctrl-C or SIGTERM) and can be resumed.

    Parameters
    ----------
    message : str
    status : int
        The exit status that tells of the signal.
    """

    def __init__(self, message: str, status: int = 128 + signal.SIGINT) -> None:
        super().__init__(message)
        self.status = status


def train(
    features: Features,
    spec: Spec,
    split: Split,
    examples: Examples,
    out: Path,
    *,
    seed: int = 0,
    max_error: float = MAX_ERROR,
    resume: bool = False,
    wait: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    tensorboard: Path | None = None,
) -> Path:
    """Train a model and leave a finished run in `out`.

    Parameters
    ----------
    features : Features
        Where the examples come from; its front-end goes into the bundle.
    spec : Spec
    split : Split
        Of `examples`.
    examples : Examples
        ``features.examples(spec.input)``.
    out : Path
        The run directory, which must not hold another run.
    seed : int
        Of the weights, the order of slices and dropout.
    max_error : float
        The share of wrong answers that the threshold of "unsure" is chosen for.
    resume : bool
        Go on with the run that `out` holds, if it was begun with the same settings; a finished one
        is left as it is.
    wait : bool
        Where another process is at this run, wait for it rather than refuse.
    on_progress : callable, optional
        Called after every few batches, and after the last of an epoch.
    tensorboard : Path, optional
        Write each epoch's loss and accuracy to the folder of `out`'s name in here, for TensorBoard.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    StoppedError
        On Ctrl-C or SIGTERM: the last whole epoch is kept, for `resume`.
    BackbeatError
        If `out` or the log for TensorBoard is of another run or in use, or the spec does not fit
        the features.
    """
    if not 0 < max_error < 1:
        raise BackbeatError("--max-error must lie between 0 and 1")
    if not split.names["test"]:
        raise BackbeatError(
            f"{features.path}: holds no song of the test part of --split {split.protocol}, so "
            "nothing could be measured; `backbeat tune` needs none"
        )
    settings = _settings(features, spec, split, seed, max_error)
    with locked(out, wait=wait):
        _claim(out, settings, resume)
        if (out / "model.backbeat").exists():
            return out
        begun = (out / "environment.json").exists()
        network = new_network(spec, examples, seed)
        with logging_to(tensorboard and tensorboard / out.resolve().name, go_on=begun) as on_epoch:
            _describe(out, settings)
            atomic.write_text(out / "spec.yaml", spec.to_yaml())
            write_split(out / "split.json", split)
            history = fit(network, spec, split, examples, out, seed, on_progress, on_epoch)
        finish_run(network, features, spec, split, examples, out, history, max_error)
        return out


def begin_run(
    out: Path,
    features: Features,
    spec: Spec,
    split: Split,
    *,
    seed: int,
    max_error: float,
    resume: bool,
) -> None:
    """Make a run's folder and its ``environment.json``, by which it is known again after a kill.

    Raises
    ------
    BackbeatError
        If `out` is not free, and holds no run with these settings to be resumed.
    """
    settings = _settings(features, spec, split, seed, max_error)
    _claim(out, settings, resume)
    if not (out / "model.backbeat").exists():
        _describe(out, settings)


def _describe(out: Path, settings: dict[str, Any]) -> None:
    content = json.dumps(settings | _machine(), indent=1) + "\n"
    atomic.write_text(out / "environment.json", content)


def new_network(spec: Spec, examples: Examples, seed: int) -> Any:
    """Build and compile the network of a spec for `examples`; all chance in it is of `seed`."""
    utils = load_keras().utils
    # Nothing of a network trained before in this process must stay in memory or in the seeds.
    utils.clear_session()
    utils.set_random_seed(seed)
    network = build(spec, (examples.x.shape[1], examples.x.shape[2]), len(examples.genres))
    compile_network(network, spec)
    fuse(network.optimizer)
    network.steps_per_execution = steps_at_once(spec)
    return network


def fit(
    network: Any,
    spec: Spec,
    split: Split,
    examples: Examples,
    out: Path,
    seed: int,
    on_progress: Callable[[Progress], None] | None = None,
    on_epoch: Callable[[tuple[Epoch, ...]], None] | None = None,
) -> tuple[Epoch, ...]:
    """Train a new network epoch by epoch, from the checkpoint in `out` if there is one.

    Parameters
    ----------
    network : keras.Model
        From `new_network`.
    spec, split, examples, seed
        As for `train`. Only the training part and the part that the split monitors are looked at.
    out : Path
        Where the checkpoint is kept; it stays there when all is done.
    on_progress : callable, optional
        Called after every few batches, and after the last of an epoch.
    on_epoch : callable, optional
        Called with the history after every epoch, and at the start if there is one already. What
        it raises ends the training.

    Returns
    -------
    tuple of Epoch

    Raises
    ------
    StoppedError
        On Ctrl-C or SIGTERM; the last whole epoch is kept.
    """
    keras = load_keras()
    train_rows, watched_rows = split.rows("train"), split.rows(split.monitored)
    targets = np.eye(len(examples.genres), dtype=np.float32)[examples.y]
    x, y = examples.x[train_rows], targets[train_rows]
    watched = examples.x[watched_rows], targets[watched_rows]
    network.optimizer.build(network.trainable_variables)
    history = checkpoint.restore(network, out / checkpoint.NAME)
    if history and on_epoch:
        on_epoch(history)
    kept = checkpoint.snapshot(network)
    saved_at = time.monotonic()
    with _stopping_politely() as stopped:
        for epoch in range(len(history), spec.epochs):
            start = time.perf_counter()
            order = np.random.default_rng([seed, epoch]).permutation(len(x))
            teller = _batch_teller(keras, spec, epoch, len(x), history, on_progress, stopped)
            logs = network.fit(
                **batches_of(x, y, order, spec, [seed, epoch]),
                shuffle=False,
                verbose=0,
                callbacks=[teller, *schedule_callbacks(network, spec, epoch, len(x))],
            ).history
            val_loss, val_accuracy = network.evaluate(
                *watched, batch_size=_EVALUATION_BATCH, verbose=0
            )
            history = (
                *history,
                Epoch(
                    epoch=epoch + 1,
                    loss=float(logs["loss"][0]),
                    accuracy=float(logs["accuracy"][0]),
                    val_loss=float(val_loss),
                    val_accuracy=float(val_accuracy),
                    seconds=round(time.perf_counter() - start, 3),
                ),
            )
            kept = checkpoint.snapshot(network)
            if time.monotonic() - saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
                checkpoint.save(out / checkpoint.NAME, kept, history)
                write_history(out / "history.csv", history)
                saved_at = time.monotonic()
            if on_epoch:
                on_epoch(history)
            if stopped.by:
                break
    if stopped.by:  # even after the last epoch: whoever said so wants nothing more to begin
        checkpoint.save(out / checkpoint.NAME, kept, history)
        write_history(out / "history.csv", history)
        raise StoppedError(
            f"{out}: stopped after {len(history)} of {spec.epochs} epochs; "
            "go on with the same command and --resume",
            128 + stopped.by,
        )
    return history


def _settings(
    features: Features, spec: Spec, split: Split, seed: int, max_error: float
) -> dict[str, Any]:
    """Gather what must be the same for a run to be gone on with."""
    return {
        "features": str(features.path),
        "frontend": features.frontend.model_dump(),
        "spec": spec.model_dump(mode="json"),
        "split": split.hash,
        "seed": seed,
        "max_error": max_error,
    }


def _machine() -> dict[str, Any]:
    packages = ("keras", "tensorflow", "numpy", "scipy", "onnxruntime")
    return {
        "backbeat": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _claim(out: Path, settings: dict[str, Any], resume: bool) -> None:
    """Make sure that `out` is free, or holds this very run where it is to be resumed."""
    if out.is_dir() and not atomic.is_free(out):
        described = out / "environment.json"
        if not described.exists():
            raise BackbeatError(f"{out}: not empty and not a run; choose another -o")
        if not resume:
            raise BackbeatError(
                f"{out}: holds a run already; --resume goes on with it, another -o begins anew"
            )
        try:
            before = dict(read_json(described))
        except (OSError, ValueError, TypeError) as error:
            raise BackbeatError(
                f"{described}: damaged ({one_line(error)}); remove {out}"
            ) from error
        for key in ("frontend", "spec", "split", "seed", "max_error"):
            if before.get(key) != settings[key]:
                raise BackbeatError(
                    f"{out}: was begun with another {key}; choose another -o or the same settings"
                )
    elif out.exists() and not out.is_dir():
        raise BackbeatError(f"{out}: is a file; choose another -o")
    out.mkdir(parents=True, exist_ok=True)


def _batch_teller(
    keras: Any,
    spec: Spec,
    epoch: int,
    slices: int,
    history: tuple[Epoch, ...],
    on_progress: Callable[[Progress], None] | None,
    stopped: "_Stopped",
) -> Any:
    """Make the Keras callback that tells of progress and stops between batches."""
    batches = -(-slices // spec.batch_size)

    def told(batch: int, logs: dict[str, float]) -> None:
        if on_progress:
            on_progress(
                Progress(
                    epoch + 1,
                    spec.epochs,
                    batch + 1,
                    batches,
                    float(logs["loss"]),
                    float(logs["accuracy"]),
                    history,
                )
            )
        if stopped.by:
            raise _StopNowError

    return keras.callbacks.LambdaCallback(on_train_batch_end=told)


@dataclass
class _Stopped:
    """Whether a training is to stop."""

    by: int = 0
    """The number of the signal that said so; 0 as long as none did."""


@contextmanager
def _stopping_politely() -> Iterator[_Stopped]:
    """Take note of Ctrl-C and SIGTERM, so that no epoch is cut in its middle unseen."""
    stopped = _Stopped()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.by = number

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    except _StopNowError:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _StopNowError(Exception):
    """Leaves Keras's loop between two batches."""
