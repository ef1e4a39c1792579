"""From a spec to a Keras network."""

import contextlib
import functools
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backbeat.errors import BackbeatError, needing, one_line
from backbeat.files.text import number as shown
from backbeat.files.text import plural
from backbeat.parallel.bounds import address_space
from backbeat.zoo.shapes import check_size
from backbeat.zoo.spec import (
    Activated,
    BandNormalization,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Normalization,
    Pooling,
    Recipe,
    Residual,
    Spec,
    Statistics,
)

_MIN_ADDRESS_SPACE = 4 * 2**30  # with 2.5, TensorFlow ends the process without a word of Python's
_MIN_VARIANCE = 1e-3  # of statistics pooling: the root of less has too steep a slope


def load_keras() -> Any:
    """Import Keras, quietly, or raise a BackbeatError that says what to install."""
    allowed = address_space()
    if allowed and allowed < _MIN_ADDRESS_SPACE and "keras" not in sys.modules:
        raise BackbeatError(
            f"training needs {shown(_MIN_ADDRESS_SPACE / 2**30, 1)} GB of memory for TensorFlow, "
            f"and may take {shown(allowed / 2**30, 1)}; raise the limit (ulimit -v)"
        )
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow's C++ side greets with a page of advice that no user of backbeat can act upon.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # It also warns that functions are traced anew, as they must be where models follow each other.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    first = "tensorflow" not in sys.modules
    with needing("train", "training"), _quiet():
        keras = importlib.import_module("keras")
    if first and keras.backend.backend() == "tensorflow":
        use_threads(1)
    return keras


def use_threads(threads: int) -> None:
    """Have TensorFlow compute with so many threads, whatever the machine has.

    How it divides sums among its threads decides their last digits, and so what is learnt. A
    BackbeatError if it has computed with another number in this process, as that number then stays.
    """
    if load_keras().backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    config = tf.config.threading
    now = config.get_intra_op_parallelism_threads()
    if now != threads:
        try:
            config.set_intra_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise BackbeatError(
                f"TensorFlow computes with {plural(now, 'thread') if now else 'all processors'} in "
                f"this process already; train with {plural(threads, 'thread')} in a new one"
            ) from error
    if config.get_inter_op_parallelism_threads() != 1:
        with contextlib.suppress(RuntimeError):  # the order of operations changes no result
            config.set_inter_op_parallelism_threads(1)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Close standard error for C++ code, which respects no setting while it is loaded."""
    if "keras" in sys.modules:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def build(spec: Spec, input_shape: tuple[int, int], genres: int) -> Any:
    """Build the ``keras.Model`` of a spec, from (batch, frames, bands) to (batch, genres).

    `input_shape` is (frames, bands) of one slice; a network that is trained on pieces of slices
    takes any number of frames. It is not compiled. Layers that do not fit, or
    have too many weights, raise a BackbeatError.
    """
    check_size(spec, input_shape, genres)
    keras = load_keras()
    frames, bands = input_shape
    cropped = spec.recipe is not None and spec.recipe.augmentation.crop > 0
    inputs = keras.Input(shape=(None if cropped else frames, bands), name="slice")
    # Convolutions see an image of one channel; the layer does nothing to a network of dense layers.
    image = (-1 if cropped else frames, bands, 1)
    tensor = keras.layers.Reshape(image)(inputs) if spec.family == "cnn" else inputs
    for number, layer in enumerate(spec.layers, start=1):
        try:
            tensor = _keras_layer(keras, layer)(tensor)
            if 0 in tensor.shape:  # Keras before 3.15 lets pooling leave nothing
                raise ValueError("nothing would be left of it")
        except ValueError as error:
            raise BackbeatError(
                f"{spec.name}: layer {number} ({layer.kind}) does not fit an input of "
                f"{frames} x {bands}: {one_line(error)}"
            ) from error
    if len(tensor.shape) != 2:
        raise BackbeatError(f"{spec.name}: the layers lack a flatten before the output")
    outputs = keras.layers.Dense(genres, activation="softmax", name="genre")(tensor)
    return keras.Model(inputs, outputs, name=spec.name.replace(".", "_"))


def compile_network(network: Any, spec: Spec) -> None:
    """Give a network the loss and the optimiser of its spec."""
    keras = load_keras()
    recipe = spec.recipe or Recipe()
    optimizers = {
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "adamw": functools.partial(keras.optimizers.AdamW, **_decay(spec.recipe)),
        "nadam": keras.optimizers.Nadam,
        "sgd": functools.partial(keras.optimizers.SGD, momentum=0.9),
    }
    optimizer = optimizers[spec.optimizer](learning_rate=spec.learning_rate)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        # XLA on a processor makes convolutions many times slower.
        jit_compile=False,
    )


def _decay(recipe: Recipe | None) -> dict[str, float]:
    """Give AdamW's weight decay: Keras's own (0.004) where a spec says nothing."""
    return {} if recipe is None else {"weight_decay": recipe.weight_decay}


def _keras_layer(keras: Any, layer: Layer) -> Any:
    """Give the function from tensor to tensor that a layer is."""
    layers = keras.layers
    match layer:
        case Convolution():
            return layers.Conv2D(
                layer.filters,
                layer.kernel,
                strides=(1, layer.band_stride),
                padding=layer.padding,
                activation=layer.activation,
            )
        case Pooling():
            return layers.MaxPooling2D(layer.size, strides=layer.stride, padding="same")
        case Normalization():
            return layers.BatchNormalization()
        case BandNormalization():
            return layers.BatchNormalization(axis=2)
        case Activated():
            return layers.Activation(layer.activation)
        case Residual():
            return functools.partial(_residual, keras, layer)
        case Statistics():
            return functools.partial(_statistics, keras)
        case Dropout():
            return layers.Dropout(layer.rate)
        case Flatten():
            return layers.Flatten()
        case Dense():
            return layers.Dense(layer.units, activation=layer.activation)


def _residual(keras: Any, layer: Residual, image: Any) -> Any:
    layers = keras.layers

    def convolved(tensor: Any, kernel: int) -> Any:
        tensor = layers.Conv2D(layer.filters, kernel, padding="same", use_bias=False)(tensor)
        return layers.BatchNormalization()(tensor)

    inner = layers.Activation("relu")(convolved(image, 3))
    inner = convolved(inner, 3)
    around = image if image.shape[-1] == layer.filters else convolved(image, 1)
    joined = layers.Activation("relu")(layers.Add()([around, inner]))
    return layers.MaxPooling2D(layer.pool)(joined) if layer.pool > 1 else joined


def _statistics(keras: Any, image: Any) -> Any:
    """Pool (batch, frames, bands, filters) to (batch, 2 filters)."""
    ops = keras.ops
    series = ops.mean(image, axis=2) + ops.max(image, axis=2)
    spread = ops.sqrt(ops.var(series, axis=1) + _MIN_VARIANCE)
    return keras.layers.Concatenate()([ops.mean(series, axis=1), spread])
