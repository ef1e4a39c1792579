"""Fitting a network, epoch by epoch, so that it can be killed at any moment and resumed.

The order of the slices and their augmentation depend on the seed and the number of the epoch alone.
After each epoch (at most every few seconds) the whole state is written as one checkpoint.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError
from backbeat.files.text import number, significant
from backbeat.training import Training, checkpoint
from backbeat.training.augmentation import augment
from backbeat.training.fused import fuse
from backbeat.training.history import Epoch, write_history
from backbeat.zoo.build import build, compile_network, load_keras, use_threads
from backbeat.zoo.spec import Augmentation, Recipe, Spec

_SECONDS_BETWEEN_CHECKPOINTS = 5.0
_EVALUATION_BATCH = 512
_WARM_UP = 0.25  # share of all steps
_MIN_RATE = 1e-3  # share of the learning rate that is left at the end
_STEPS_AT_ONCE = 32  # a fraction of a second: the bar still moves, and Ctrl-C still stops

Array = npt.NDArray[np.float32]
OnEpoch = Callable[[tuple[Epoch, ...]], None]


@dataclass(frozen=True)
class Progress:
    """How far a training is, after some batches of an epoch."""

    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    history: tuple[Epoch, ...]


OnProgress = Callable[[Progress], None]


class StoppedError(BackbeatError):
    """Training was stopped (Ctrl-C or SIGTERM) and can be resumed.

    `status` is the exit status that stands for the signal.
    """

    def __init__(self, message: str, status: int = 128 + signal.SIGINT) -> None:
        super().__init__(message)
        self.status = status


class DivergedError(BackbeatError):
    """The loss of a training is no number any more, and nothing that follows can be.

    The network is as after epoch `kept`, the best before; 0 where the first one failed.
    """

    def __init__(self, training: Training, epoch: int, kept: int) -> None:
        spec, out = training.spec, training.out
        rate = significant(spec.learning_rate)
        self.reason = f"epoch {epoch}: the loss is no number; lower learning_rate ({rate})"
        self.kept = kept
        end = f"; epoch {kept} is kept in {out / 'model.keras'}" if kept else ""
        super().__init__(f"{out}: {self.reason}{end}")


def new_network(training: Training) -> Any:
    """Build and compile the ``keras.Model`` of a training; all its randomness is of the seed."""
    spec, examples = training.spec, training.examples
    utils = load_keras().utils
    use_threads(training.threads)
    # Nothing of a network trained before in this process must stay in memory or in the seeds.
    utils.clear_session()
    utils.set_random_seed(training.seed)
    network = build(spec, (examples.x.shape[1], examples.x.shape[2]), len(examples.genres))
    compile_network(network, spec)
    fuse(network.optimizer)
    network.steps_per_execution = steps_at_once(spec)
    return network


@contextmanager
def enough_memory(spec: Spec) -> Iterator[None]:
    """Turn Python's or TensorFlow's error of too little memory into a BackbeatError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            raise BackbeatError(
                f"{spec.name}: not enough memory to train it; make the network or its batch_size "
                f"({number(spec.batch_size)}) smaller, or train on fewer songs"
            ) from error
        raise


def fit(
    network: Any,
    training: Training,
    on_progress: OnProgress | None = None,
    on_epoch: OnEpoch | None = None,
) -> tuple[Epoch, ...]:
    """Train a new network, from the checkpoint in ``training.out`` if there is one.

    Only the training part and the part that the split monitors are used. `on_progress` is called
    after every few batches, and after each epoch's validation. `on_epoch` is called with the
    history after each epoch, and at the start if there is one already; what it raises ends the
    training. Ctrl-C and SIGTERM raise a StoppedError and keep the last whole epoch. The first loss
    that is no number raises a DivergedError, with the network as after the best epoch.
    """
    spec, split, examples, out = training.spec, training.split, training.examples, training.out
    train_rows, monitored_rows = split.rows("train"), split.rows(split.monitored)
    targets = np.eye(len(examples.genres), dtype=np.float32)[examples.y]
    x, y = examples.x[train_rows], targets[train_rows]
    monitored = examples.x[monitored_rows], targets[monitored_rows]
    network.optimizer.build(network.trainable_variables)
    history = checkpoint.restore(network, out / checkpoint.NAME)
    if history and math.isnan(history[-1].loss):
        raise DivergedError(training, history[-1].epoch, len(history) - 1)
    if history and on_epoch:
        on_epoch(history)
    state = checkpoint.snapshot(network)
    best, best_state = len(history), state
    saved_at = time.monotonic()
    with _catching_signals() as caught:
        for epoch in range(len(history), spec.epochs):
            start = time.perf_counter()
            order = np.random.default_rng([training.seed, epoch]).permutation(len(x))
            logs = network.fit(
                **batches_of(x, y, order, spec, [training.seed, epoch]),
                shuffle=False,
                verbose=0,
                callbacks=[
                    _progress_callback(spec, epoch, len(x), history, on_progress, caught),
                    *schedule_callbacks(network, spec, epoch, len(x)),
                ],
            ).history
            val_loss, val_accuracy = network.evaluate(
                *monitored, batch_size=_EVALUATION_BATCH, verbose=0
            )
            if not math.isfinite(val_loss):
                caught.is_lost = True
                break
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
            if on_progress:
                batches, done = -(-len(x) // spec.batch_size), history[-1]
                on_progress(
                    Progress(
                        *(epoch + 1, spec.epochs, batches, batches),
                        *(done.loss, done.accuracy, history),
                    )
                )
            state = checkpoint.snapshot(network)
            # A part that is to test must choose nothing.
            if not best or split.monitored == "test" or val_loss <= history[best - 1].val_loss:
                best, best_state = len(history), state
            if time.monotonic() - saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
                checkpoint.save(out / checkpoint.NAME, state, history)
                write_history(out / "history.csv", history)
                saved_at = time.monotonic()
            if on_epoch:
                on_epoch(history)
            if caught.number:
                break
    if caught.is_lost:
        lost = Epoch(len(history) + 1, math.nan, math.nan, math.nan, math.nan, seconds=0.0)
        checkpoint.assign(network, best_state)
        checkpoint.save(out / checkpoint.NAME, best_state, (*history[:best], lost))
        write_history(out / "history.csv", (*history, lost))
        raise DivergedError(training, lost.epoch, best)
    if caught.number:  # even after the last epoch: nothing more is to begin
        checkpoint.save(out / checkpoint.NAME, state, history)
        write_history(out / "history.csv", history)
        raise StoppedError(
            f"{out}: stopped after {len(history)} of {spec.epochs} epochs; "
            "go on with the same command and --resume",
            128 + caught.number,
        )
    return history


def batches_of(
    x: Array, y: Array, order: npt.NDArray[np.intp], spec: Spec, seed: list[int]
) -> dict[str, Any]:
    """Give what ``keras.Model.fit`` takes of an epoch: slices in order, as they are or augmented.

    `x` has shape (n, frames, bands), `y` (n, genres), `order` (n,). The augmentation depends on the
    seed alone, not on what was drawn before, so that a resumed training equals an unbroken one.
    """
    augmentation = (spec.recipe or Recipe()).augmentation
    keras = load_keras()
    if augmentation == Augmentation():
        if keras.backend.backend() == "tensorflow":
            return {"x": _gathered(x, y, order, spec.batch_size)}
        return {"x": x[order], "y": y[order], "batch_size": spec.batch_size}

    class Batches(keras.utils.PyDataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return -(-len(order) // spec.batch_size)

        def __getitem__(self, number: int) -> tuple[Array, Array]:
            rows = order[number * spec.batch_size : (number + 1) * spec.batch_size]
            return augment(x[rows], y[rows], augmentation, np.random.default_rng([*seed, number]))

    return {"x": Batches()}


def _gathered(x: Array, y: Array, order: npt.NDArray[np.intp], batch_size: int) -> Any:
    """Give batches that TensorFlow's graph gathers itself: many steps need no Python between."""
    import tensorflow as tf

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # gathering is quick, the network is not
    options.autotune.enabled = False
    # The songs stay in the main memory, whatever the network is computed on.
    with tf.device("CPU:0"):
        every_x, every_y = tf.constant(x), tf.constant(y)
    return (
        tf.data.Dataset.from_tensor_slices(order)
        .batch(batch_size)
        .map(lambda rows: (tf.gather(every_x, rows), tf.gather(every_y, rows)))
        .with_options(options)
    )


def steps_at_once(spec: Spec) -> int:
    """Give how many steps may follow each other without Python, ``steps_per_execution`` in Keras.

    One where something changes from step to step: the learning rate, or slices that are augmented.
    """
    recipe = spec.recipe or Recipe()
    changing = recipe.schedule != "constant" or recipe.augmentation != Augmentation()
    return 1 if changing else _STEPS_AT_ONCE


def schedule_callbacks(network: Any, spec: Spec, epoch: int, slices: int) -> list[Any]:
    """Give the Keras callback that sets the learning rate of each step, if the spec has one."""
    if (spec.recipe or Recipe()).schedule == "constant":
        return []
    batches = -(-slices // spec.batch_size)

    def set_rate(batch: int, logs: Any = None) -> None:
        done = (epoch * batches + batch) / (spec.epochs * batches)
        network.optimizer.learning_rate = spec.learning_rate * one_cycle(done)

    return [load_keras().callbacks.LambdaCallback(on_train_batch_begin=set_rate)]


def one_cycle(done: float) -> float:
    """Give the share of the greatest learning rate after a share of all steps.

    It rises linearly over the first quarter and falls by half a cosine [1]_.

    References
    ----------
    .. [1] L. Smith and N. Topin, "Super-Convergence: Very Fast Training of Neural Networks Using
       Large Learning Rates", 2018.
    """
    if done < _WARM_UP:
        return max(_MIN_RATE, done / _WARM_UP)
    return max(_MIN_RATE, 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))))


def _progress_callback(
    spec: Spec,
    epoch: int,
    slices: int,
    history: tuple[Epoch, ...],
    on_progress: OnProgress | None,
    caught: "_Caught",
) -> Any:
    """Make the Keras callback that reports progress and stops between batches."""
    batches = -(-slices // spec.batch_size)

    def after_batch(batch: int, logs: dict[str, float]) -> None:
        if on_progress:
            loss, accuracy = float(logs["loss"]), float(logs["accuracy"])
            on_progress(
                Progress(epoch + 1, spec.epochs, batch + 1, batches, loss, accuracy, history)
            )
        caught.is_lost = not math.isfinite(logs["loss"])
        if caught.number or caught.is_lost:
            raise _StopNowError

    return load_keras().callbacks.LambdaCallback(on_train_batch_end=after_batch)


@dataclass
class _Caught:
    """What stops a training."""

    number: int = 0
    """Of the signal; 0 as long as there was none."""
    is_lost: bool = False
    """Whether the loss is no number."""


@contextmanager
def _catching_signals() -> Iterator[_Caught]:
    """Take note of Ctrl-C and SIGTERM, so that no epoch is cut in its middle unseen."""
    caught = _Caught()
    if threading.current_thread() is not threading.main_thread():
        with suppress(_StopNowError):
            yield caught
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        caught.number = number

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with suppress(_StopNowError):
            yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _StopNowError(Exception):
    """Leaves Keras's loop between two batches."""
