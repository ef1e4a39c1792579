"""Recipes in use: the batches of an epoch, augmented, and the learning rate of each step."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.training.augmentation import augment
from backbeat.zoo.build import load_keras
from backbeat.zoo.spec import Augmentation, Recipe, Spec

Array = npt.NDArray[np.float32]

_WARM_UP = 0.25  # share of all steps
_LAST = 1e-3  # share of the learning rate that is left at the end
_STEPS_AT_ONCE = 32  # a fraction of a second: progress is still told, and Ctrl-C heard


def batches_of(
    x: Array, y: Array, order: npt.NDArray[np.intp], spec: Spec, seed: list[int]
) -> dict[str, Any]:
    """Give what ``keras.Model.fit`` takes of an epoch: slices in order, as they are or augmented.

    Parameters
    ----------
    x : ndarray of float32, shape (n, frames, bands)
    y : ndarray of float32, shape (n, genres)
    order : ndarray of int, shape (n,)
    spec : Spec
    seed : list of int
        Of all chance in the augmentation, which does not depend on what was drawn before, so that
        a resumed training goes on as an unbroken one would.

    Returns
    -------
    dict of str to object
        Keyword arguments.
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
        return max(_LAST, done / _WARM_UP)
    return max(_LAST, 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))))
