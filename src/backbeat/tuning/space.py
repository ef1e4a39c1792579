"""The space of a general search: what the paper recommends to vary next, as a function.

"More Dense layers can be added, and their number of nodes varied. Mixing and/or introducing other
types of activation functions can be trialed; other optimization functions can be introduced and
trialed. Varying the order of pooling, normalizing and dropout layers within the convolutional
sequences can be varied; dropout rates can be tuned as well. Batch sizes and learning rates were
held constant, but these hyperparameters can be tuned as well." (Sears 2021)
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from backbeat.files.text import percent, plural, significant
from backbeat.tuning.moves import Family, named, scaled
from backbeat.zoo.spec import (
    Activation,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Normalization,
    Optimizer,
    Pooling,
    Spec,
)

if TYPE_CHECKING:
    import optuna

_MAX_SEQUENCES = 4
_MAX_DENSE = {"mlp": 7, "cnn": 2}
_ACTIVATIONS = tuple(name for name in get_args(Activation) if name != "linear")
_ORDERS = tuple(" ".join(order) for order in itertools.permutations(("pool", "norm", "drop")))


def suggest(
    trial: "optuna.Trial", family: Family, shape: tuple[int, int], scale: float = 1.0
) -> Spec:
    """Make a spec of what an ``optuna.Trial`` suggests; `scale` is a factor on its epochs.

    Convolutions are suggested as long as they fit a slice of shape (frames, bands).
    """
    activation: Activation = trial.suggest_categorical("activation", _ACTIVATIONS)
    of_dense = activation
    normalised = trial.suggest_categorical("normalise", (True, False))
    layers: list[Layer] = []
    if family == "cnn":
        order = trial.suggest_categorical("order", _ORDERS)
        layers += _suggest_sequences(trial, shape, activation, order, normalised)
        of_dense = trial.suggest_categorical("activation_dense", _ACTIVATIONS)
    layers.append(Flatten())
    dense = trial.suggest_int("dense", int(family == "mlp"), _MAX_DENSE[family])
    for number in range(1, dense + 1):
        units = trial.suggest_categorical(f"units_{number}", (64, 128, 256, 512))
        layers.append(Dense(units=units, activation=of_dense))
        if family == "mlp":
            layers += _between(trial, f"dropout_dense_{number}", ("norm", "drop"), normalised)
    optimizer: Optimizer = trial.suggest_categorical("optimizer", get_args(Optimizer))
    return named(
        family,
        layers,
        optimizer=optimizer,
        learning_rate=float(
            significant(trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True), 3)
        ),
        batch_size=trial.suggest_categorical("batch_size", (16, 32, 64, 128)),
        epochs=scaled(trial.suggest_int("epochs", 10, 200, step=10), scale),
    )


def _suggest_sequences(
    trial: "optuna.Trial",
    shape: tuple[int, int],
    activation: Activation,
    order: str,
    normalised: bool,
) -> list[Layer]:
    layers: list[Layer] = []
    size = min(shape)
    for number in range(1, _MAX_SEQUENCES + 1):
        begun = number == 1 or (
            size >= 2 and trial.suggest_categorical(f"sequence_{number}", (True, False))
        )
        if not begun:
            break
        kernel = trial.suggest_int(f"kernel_{number}", 2, max(2, min(3, size)))
        filters = trial.suggest_categorical(f"filters_{number}", (16, 32, 64))
        layers.append(Convolution(filters=filters, kernel=kernel, activation=activation))
        layers += _between(trial, f"dropout_{number}", order.split(), normalised)
        size = -(-(size - kernel + 1) // 2)
    return layers


def _between(
    trial: "optuna.Trial", rate: str, order: Sequence[str], normalised: bool
) -> list[Layer]:
    """Give the layers that follow a convolution or a dense layer, in the order asked for."""
    share = round(trial.suggest_float(rate, 0.0, 0.5, step=0.1), 1)
    made: dict[str, list[Layer]] = {
        "pool": [Pooling()],
        "norm": [Normalization()] if normalised else [],
        "drop": [Dropout(rate=share)] if share else [],
    }
    return [layer for name in order for layer in made[name]]


def describe(spec: Spec) -> str:
    """Sum up in a line what was chosen."""
    parts = [_in_brief(layer) for layer in spec.layers if not isinstance(layer, Flatten)]
    training = (
        f"{spec.optimizer} {significant(spec.learning_rate)}",
        f"batch {spec.batch_size}",
        plural(spec.epochs, "epoch"),
    )
    return f"{' '.join(parts)}; {', '.join(training)}"


def _in_brief(layer: Layer) -> str:
    match layer:
        case Convolution():
            return f"conv{layer.kernel}x{layer.kernel}:{layer.filters}:{layer.activation}"
        case Dense():
            return f"dense:{layer.units}:{layer.activation}"
        case Dropout():
            return f"drop:{percent(layer.rate, 0)}"
        case Pooling():
            return "pool"
        case Normalization():
            return "norm"
        case _:
            return layer.kind
