"""The verb models."""

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backbeat.cli.console import say, say_json, table
from backbeat.cli.options import Json
from backbeat.files.tables import Column
from backbeat.files.text import number, percent

if TYPE_CHECKING:
    from backbeat.zoo import Spec

_GENRES = 10  # GTZAN's, for which weights are counted


def models(
    name: Annotated[str | None, typer.Argument(help="Show this one's spec.")] = None,
    as_json: Json = False,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Count weights for slices of so many (default: what each takes)."),
    ] = None,
) -> None:
    """List the models of the zoo, or show one's spec as YAML to start your own from."""
    from backbeat import zoo

    specs = zoo.specs().values() if name is None else [zoo.find(name)]
    counted = [_count_weights(spec, frames) for spec in specs]
    if as_json:
        described = [
            spec.model_dump(mode="json") | counts
            for spec, counts in zip(specs, counted, strict=True)
        ]
        say_json(described if name is None else described[0])
        return
    if name is not None:
        [spec], [counts] = specs, counted
        shape = " x ".join(map(str, counts["input_shape"]))
        weights = counts["unfit"] or f"{number(counts['weights'])} weights"
        say(f"{spec.to_yaml()}# layers: {_describe(spec)}")
        say(f"# for slices of {shape} and {_GENRES} genres: {weights}")
        return
    rows = [
        (
            spec.name,
            _activations(spec),
            spec.optimizer,
            spec.epochs,
            "" if counts["weights"] is None else counts["weights"],
            number(spec.paper.accuracy, 2) if spec.paper else "",
            number(spec.paper.minutes, 2) if spec.paper else "",
        )
        for spec, counts in zip(specs, counted, strict=True)
    ]
    columns = (
        *("model", Column("activation", optional=4), Column("optimiser", optional=3), "epochs"),
        *("weights", Column("paper %", optional=1), Column("paper min", optional=2)),
    )
    table("", columns, rows)
    shape = "of the shape that each takes" if frames is None else f"of {number(frames)} frames"
    say(f"\nweights: for slices {shape} and {_GENRES} genres")
    for counts in counted:
        if counts["unfit"]:
            say(f"  none for {counts['unfit']}")
    say("paper %: accuracy printed there, of random slices (leaking)")
    say("The layers of one: backbeat models NAME")


def _count_weights(spec: "Spec", frames: int | None) -> dict[str, Any]:
    """Count a model's weights, or say why it takes no slices of so many frames."""
    from backbeat import frontend, zoo
    from backbeat.zoo.shapes import UnfitError

    if spec.input == "vectors":
        return {"input_shape": (1, "d"), "weights": None, "unfit": "d is that of the vectors"}
    front = frontend.by_name("logmel" if spec.input.startswith("logmel") else spec.input)
    _, own_frames, bands = frontend.input_shape(front, spec.input)
    shape = (frames or own_frames, bands)
    weights = unfit = None
    try:
        weights = zoo.count_weights(spec, shape, _GENRES)
    except UnfitError as error:
        unfit = str(error)
    return {"input_shape": shape, "weights": weights, "unfit": unfit}


def _describe(spec: "Spec") -> str:
    """Sum a network up as the paper does, such as ``2x (3x3, pool, norm), 1x (2x2) | 64``."""
    sequences: list[list[str]] = [[]]
    dense = []
    for layer in spec.layers:
        match layer.kind:
            case "conv":
                sequences.append([f"{layer.kernel}x{layer.kernel}"])
            case "residual":
                pooled = f", pool {layer.pool}" if layer.pool > 1 else ""
                sequences.append([f"residual {layer.filters}{pooled}"])
            case "statistics":
                sequences.append(["statistics"])
            case "pool":
                sequences[-1].append(f"pool {layer.size}")
            case "batch_norm":
                sequences[-1].append("norm")
            case "dropout":
                sequences[-1].append(f"drop {percent(layer.rate, 0)}")
            case "dense":
                dense.append(str(layer.units))
    sequences = [sequence for sequence in sequences if sequence]
    alike = [f"{len(list(group))}x ({text})" for text, group in groupby(map(", ".join, sequences))]
    return " | ".join(part for part in (", ".join(alike), " ".join(dense)) if part)


def _activations(spec: "Spec") -> str:
    """Name the activations of a network, the convolutions' first."""
    used = [getattr(layer, "activation", "linear") for layer in spec.layers]
    return "/".join(dict.fromkeys(kind for kind in used if kind != "linear"))
