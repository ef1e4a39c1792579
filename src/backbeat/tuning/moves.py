"""The ways in which the paper changes a model, as pure functions from a spec to specs.

The paper starts from a simple model and changes it "by adding an additional hidden layer or
changing the number of epochs" (Sears 2021, "Model Building"). `start` and `changes` write down the
layers that its series add (Tables 1, 2, 4, 5 and 6), in their order. A number of layers is often
found good only with more or fewer epochs (mlp_06 and mlp_07), so the first layer to add is also
tried with these.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

from backbeat.files.text import percent, plural
from backbeat.zoo.spec import (
    Activation,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Normalization,
    Pooling,
    Spec,
)

Family = Literal["mlp", "cnn"]
Layers = tuple[Layer, ...]

EPOCHS = (10, 20, 30, 40, 50, 60, 80, 100, 200)
"""Numbers of epochs to choose from: the paper's, and two below."""
DROPOUT = 0.3
_WIDTHS = (512, 256, 128, 64)
_MAX_DENSE = 3  # after convolutions


@dataclass(frozen=True)
class Change:
    """A way to change a model: in words, and the spec that it leads to."""

    words: str
    spec: Spec


def start(family: Family, scale: float = 1.0) -> tuple[Change, ...]:
    """Give the two simple models to begin with, which differ in their activation.

    `scale` is a factor on all numbers of epochs, here and below.
    """
    activations: tuple[Activation, ...] = ("relu", "sigmoid")
    changes = []
    for activation in activations:
        layers: Layers = (
            (Flatten(), Dense(units=512, activation=activation))
            if family == "mlp"
            else (Convolution(activation=activation), Flatten())
        )
        epochs = scaled(50, scale)
        what = "dense 512" if family == "mlp" else "convolution 3x3"
        words = f"{what}, {activation}, {plural(epochs, 'epoch')}"
        changes.append(Change(words, named(family, layers, epochs=epochs)))
    return tuple(changes)


def changes(spec: Spec, scale: float = 1.0) -> tuple[Change, ...]:
    """Give the ways to change a model of `start` or of here, in the order of trying, none twice."""
    added = list(_dense_added(spec) if spec.family == "mlp" else _sequences_changed(spec))
    timed = list(_epochs_changed(spec, scale))
    # A deeper network may need another number of epochs to show what it can do.
    both = [
        Change(f"{first.words}; {time.words}", _made(spec, first.spec.layers, time.spec.epochs))
        for first in added[:1]
        for time in timed[:2]
    ]
    return tuple(_without_repeats([*added, *timed, *both], spec))


def scaled(epochs: int, scale: float) -> int:
    """Give a number of epochs times a factor, at least 1."""
    return max(1, round(epochs * scale))


def fingerprint(spec: Spec) -> str:
    """Give a hash of all that decides how a spec trains: equal for equal models of any name."""
    content = spec.model_dump(mode="json", exclude={"name", "paper"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def named(family: Family, layers: Sequence[Layer], **training: Any) -> Spec:
    """Make a spec that is named after its own content."""
    spec = Spec(name=family, family=family, layers=tuple(layers), **training)
    return spec.model_copy(update={"name": f"{family}_{fingerprint(spec)}"})


def _made(spec: Spec, layers: Sequence[Layer], epochs: int | None = None) -> Spec:
    """Give `spec` with other layers or epochs, and the name that belongs to them."""
    kept = spec.model_dump(include={"input", "optimizer", "learning_rate", "batch_size", "epochs"})
    if epochs is not None:
        kept["epochs"] = epochs
    return named(cast(Family, spec.family), layers, **kept)


def _dense_added(spec: Spec) -> Iterator[Change]:
    """Add a dense layer to an MLP: the next narrower one, or one of a width that stands once."""
    dense = [layer for layer in spec.layers if isinstance(layer, Dense)]
    widths = [layer.units for layer in dense]
    activation = dense[0].activation
    wanted = [width for width in _WIDTHS if width < min(widths)][:1]
    wanted += [width for width in _WIDTHS if widths.count(width) == 1]
    for width in wanted:
        # As in the paper, from wide to narrow.
        ordered = sorted([*widths, width], reverse=True)
        layers: list[Layer] = [Flatten()]
        layers += [Dense(units=units, activation=activation) for units in ordered]
        words = f"another dense {width}" if width in widths else f"dense {width}"
        yield Change(f"+ {words}", _made(spec, layers))


def _sequences_changed(spec: Spec) -> Iterator[Change]:
    """Complete a CNN's sequences, add one, or add a dense layer; then other rates of dropout."""
    sequences, dense = _taken_apart(spec.layers)
    convolution = sequences[0][0]
    assert isinstance(convolution, Convolution)
    activation = convolution.activation

    def changed(words: str, to: Iterable[Layers], head: Sequence[Dense]) -> Change:
        layers = [layer for sequence in to for layer in sequence]
        return Change(words, _made(spec, [*layers, Flatten(), *head]))

    # The paper's dense layers are ReLU, whatever the convolutions are.
    head = dense or [Dense(units=64)]
    if not _all_have(sequences, Pooling):
        yield changed("+ pooling", [_with(each, Pooling()) for each in sequences], dense)
    if not _all_have(sequences, Normalization):
        full = [_with(_with(each, Normalization()), Dropout(rate=DROPOUT)) for each in sequences]
        words = f"+ normalisation, dropout {percent(DROPOUT, 0)}" + ("" if dense else ", dense 64")
        yield changed(words, full, head)
    tail = sequences[-1][1:]
    threes = sum(_kernel(each) == 3 for each in sequences)
    more = [*sequences[:threes], sequences[threes - 1], *sequences[threes:]]
    yield changed("+ sequence 3x3", more, dense)
    two = (Convolution(kernel=2, activation=activation), *tail)
    yield changed("+ sequence 2x2", [*sequences, two], dense)
    if len(dense) < _MAX_DENSE:
        wider = [Dense(units=2 * dense[0].units), *dense] if dense else head
        yield changed(f"+ dense {wider[0].units}", sequences, wider)
    if len(sequences) > 1 and _all_have(sequences, Dropout):
        rates = [0.4 - 0.2 * number / (len(sequences) - 1) for number in range(len(sequences))]
        graded = [
            tuple(
                Dropout(rate=round(rate, 2)) if isinstance(layer, Dropout) else layer
                for layer in each
            )
            for each, rate in zip(sequences, rates, strict=True)
        ]
        yield changed("dropout from 40 % to 20 %", graded, dense)


def _epochs_changed(spec: Spec, scale: float) -> Iterator[Change]:
    """Change the number of epochs: far up, far down, and then by a step."""
    ladder = sorted({scaled(epochs, scale) for epochs in EPOCHS})
    up = [epochs for epochs in ladder if epochs > spec.epochs]
    down = [epochs for epochs in reversed(ladder) if epochs < spec.epochs]
    far_up = [epochs for epochs in up if epochs >= 2 * spec.epochs][:1]
    far_down = [epochs for epochs in down if epochs <= 0.6 * spec.epochs][:1]
    for epochs in (*far_up, *far_down, *up[:1], *down[:1]):
        yield Change(plural(epochs, "epoch"), _made(spec, spec.layers, epochs))


def _without_repeats(found: Iterable[Change], spec: Spec) -> Iterator[Change]:
    seen = {fingerprint(spec)}
    for change in found:
        key = fingerprint(change.spec)
        if key not in seen:
            seen.add(key)
            yield change


def _taken_apart(layers: Layers) -> tuple[list[Layers], list[Dense]]:
    """Divide a CNN's layers into its sequences, each begun by a convolution, and dense layers."""
    begins = [place for place, layer in enumerate(layers) if isinstance(layer, Convolution)]
    flat = next(place for place, layer in enumerate(layers) if isinstance(layer, Flatten))
    sequences = [layers[begin:end] for begin, end in pairwise([*begins, flat])]
    return sequences, [layer for layer in layers[flat:] if isinstance(layer, Dense)]


def _all_have(sequences: Iterable[Layers], kind: type[Any]) -> bool:
    return all(any(isinstance(layer, kind) for layer in each) for each in sequences)


def _with(sequence: Layers, layer: Layer) -> Layers:
    """Give a sequence with `layer` at its end, or as it is if it has one of that kind."""
    return sequence if any(type(own) is type(layer) for own in sequence) else (*sequence, layer)


def _kernel(sequence: Layers) -> int:
    convolution = sequence[0]
    return convolution.kernel if isinstance(convolution, Convolution) else 0
