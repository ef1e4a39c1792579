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
from backbeat.zoo.spec import (
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Normalization,
    Pooling,
    Spec,
)


def load_keras() -> Any:
    """Import Keras, quietly, or say what to install.

    Raises
    ------
    BackbeatError
        If Keras or its back end is not installed.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    # TensorFlow's C++ side greets with a page of advice that no user of backbeat can act upon.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # It also warns that functions are traced anew, as they must be where models follow each other.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with needing("train", "training"), _quiet():
        return importlib.import_module("keras")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Close standard error for C++ code, which heeds no setting while it is being loaded."""
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
    """Build the network of a spec.

    Parameters
    ----------
    spec : Spec
    input_shape : (frames, bands)
        Of one slice.
    genres : int
        Nodes of the softmax output.

    Returns
    -------
    keras.Model
        From (batch, frames, bands) to (batch, genres) probabilities; not compiled.

    Raises
    ------
    BackbeatError
        If the layers do not fit the input (such as a convolution larger than what is left of it).
    """
    keras = load_keras()
    inputs = keras.Input(shape=input_shape, name="slice")
    # Convolutions see an image of one channel; the layer does nothing to a network of dense layers.
    tensor = keras.layers.Reshape((*input_shape, 1))(inputs) if spec.family == "cnn" else inputs
    for number, layer in enumerate(spec.layers, start=1):
        try:
            tensor = _keras_layer(keras, layer)(tensor)
        except ValueError as error:
            raise BackbeatError(
                f"{spec.name}: layer {number} ({layer.kind}) does not fit an input of "
                f"{input_shape[0]} x {input_shape[1]}: {one_line(error)}"
            ) from error
    if len(tensor.shape) != 2:
        raise BackbeatError(f"{spec.name}: the layers lack a flatten before the output")
    outputs = keras.layers.Dense(genres, activation="softmax", name="genre")(tensor)
    return keras.Model(inputs, outputs, name=spec.name.replace(".", "_"))


def compile_network(network: Any, spec: Spec) -> None:
    """Give a network the loss and the optimiser of its spec."""
    keras = load_keras()
    optimizers = {
        "adam": keras.optimizers.Adam,
        "rmsprop": keras.optimizers.RMSprop,
        "adamw": keras.optimizers.AdamW,
        "nadam": keras.optimizers.Nadam,
        "sgd": functools.partial(keras.optimizers.SGD, momentum=0.9),
    }
    network.compile(
        optimizer=optimizers[spec.optimizer](learning_rate=spec.learning_rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        # XLA on a processor makes convolutions many times slower.
        jit_compile=False,
    )


def _keras_layer(keras: Any, layer: Layer) -> Any:
    layers = keras.layers
    match layer:
        case Convolution():
            return layers.Conv2D(layer.filters, layer.kernel, activation=layer.activation)
        case Pooling():
            return layers.MaxPooling2D(layer.size, strides=layer.stride, padding="same")
        case Normalization():
            return layers.BatchNormalization()
        case Dropout():
            return layers.Dropout(layer.rate)
        case Flatten():
            return layers.Flatten()
        case Dense():
            return layers.Dense(layer.units, activation=layer.activation)
