"""The verbs about models: models, train, evaluate."""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backbeat.cli.console import (
    epoch_progress,
    job_progress,
    list_failed_runs,
    progress,
    say,
    say_json,
    table,
    warn,
)
from backbeat.cli.options import Folds, SplitName, Workers, refuse, refuse_for_split

if TYPE_CHECKING:
    from backbeat.features.store import Features
    from backbeat.runs.evaluation import Evaluation
    from backbeat.splits import Split
    from backbeat.zoo import Spec

_GENRES = 10  # GTZAN's, for which weights are counted


def models(
    name: Annotated[str | None, typer.Argument(help="Show this one's spec.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Specs with their weights counted, as JSON.")
    ] = False,
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
        weights = counts["unfit"] or f"{counts['weights']:,} weights"
        say(f"{spec.to_yaml()}# for slices of {shape} and {_GENRES} genres: {weights}")
        return
    rows = [
        (
            spec.name,
            _describe(spec),
            _activations(spec),
            spec.optimizer,
            spec.epochs,
            "" if counts["weights"] is None else counts["weights"],
            spec.paper.accuracy if spec.paper else "",
            spec.paper.minutes if spec.paper else "",
        )
        for spec, counts in zip(specs, counted, strict=True)
    ]
    columns = (
        *("model", "layers", "activation", "optimiser", "epochs", "weights"),
        *("paper %", "paper min"),
    )
    table("Models", columns, rows)
    taken = "of the shape that each takes" if frames is None else f"of {frames:,} frames"
    say(f"\nweights: for slices {taken} and {_GENRES} genres")
    for counts in counted:
        if counts["unfit"]:
            say(f"  none for {counts['unfit']}")
    say("paper %: accuracy printed there, of random slices (leaking)")


def _count_weights(spec: "Spec", frames: int | None) -> dict[str, Any]:
    """Count a model's weights, or say why it takes no slices of so many frames."""
    from backbeat import frontend, zoo
    from backbeat.zoo.shapes import UnfitError

    front = frontend.by_name("logmel" if spec.input.startswith("logmel") else spec.input)
    _, own_frames, bands = frontend.input_shape(front, spec.input)
    shape = (frames or own_frames, bands)
    weights = unfit = None
    try:
        weights = zoo.count_weights(spec, shape, _GENRES)
    except UnfitError as error:
        unfit = str(error)
    return {"input_shape": shape, "weights": weights, "unfit": unfit}


def train(
    context: typer.Context,
    features: Annotated[Path, typer.Argument(help="A feature store, from prepare.")],
    model: Annotated[str, typer.Option(help="A model of the zoo, a YAML spec, or transfer.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run directory to make.")],
    split: SplitName,
    folds: Folds = None,
    test_share: Annotated[float, typer.Option(help="Share to test on.")] = 0.3,
    valid_share: Annotated[
        float | None,
        typer.Option(help="Share of the rest to choose by (default: slices 0, others 0.15)."),
    ] = None,
    max_error: Annotated[
        float, typer.Option(help='Share of wrong answers that "unsure" aims at.')
    ] = 0.2,
    seed: Annotated[int, typer.Option(min=0, help="Of the split, weights and order.")] = 0,
    epochs: Annotated[int | None, typer.Option(help="Instead of the model's own number.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Log each epoch here, for TensorBoard.")
    ] = None,
    workers: Workers = None,
) -> None:
    """Train a model, evaluate it and leave a bundle that `classify` takes.

    With --folds, or the published folds, train it on every fold. Ctrl-C keeps the last whole epoch.
    """
    from backbeat import splits, zoo
    from backbeat.features.store import open_features
    from backbeat.training import train as training
    from backbeat.training.jobs import load_examples

    splits.check_protocol(split)
    spec = zoo.find(model).with_epochs(epochs)
    is_transfer = spec.family == "transfer"
    is_crossvalidation = splits.is_crossvalidation(split, folds)
    if is_transfer:
        refuse(context, "with --model transfer", "epochs", "tensorboard")
    if not is_crossvalidation:
        refuse(context, "without --folds", "workers")
    opened = open_features(features)
    # Before any worker begins, so that none has to listen for itself.
    with progress("listening with MusiCNN", shown=is_transfer) as listening:
        examples = load_examples(opened, spec.input, on_progress=listening)
    more = ("seed",) if is_transfer else ()  # a head is fitted without chance
    refuse_for_split(context, examples, split, folds, valid_share, *more)
    drawing: dict[str, Any] = {"seed": seed, "valid_share": valid_share}
    if is_crossvalidation:
        _refuse_max_error(context, splits.make_folds(examples, split, folds, **drawing)[0])
        _cross_validate(
            opened,
            spec,
            out,
            split,
            folds=folds,
            max_error=max_error,
            resume=resume,
            tensorboard=tensorboard,
            workers=workers,
            **drawing,
        )
        evaluate(out)
        return
    drawn = splits.make_split(examples, split, test_share=test_share, **drawing)
    _refuse_max_error(context, drawn)
    _tell_split(drawn, f"{spec.name}: ")
    with epoch_progress(drawn.monitored) as on_progress:
        training.train(
            opened,
            spec,
            drawn,
            examples,
            out,
            seed=seed,
            max_error=max_error,
            resume=resume,
            on_progress=on_progress,
            tensorboard=tensorboard,
        )
    evaluate(out)


def _refuse_max_error(context: typer.Context, split: "Split") -> None:
    """Refuse --max-error where there are no songs to choose the threshold of "unsure" by."""
    if not len(split.rows("valid")) or split.divides_tracks:
        refuse(context, "without a validation part of whole songs", "max_error")


def _cross_validate(
    opened: "Features", spec: "Spec", out: Path, split: str, *, workers: int | None, **options: Any
) -> None:
    from backbeat.parallel.executors import open_executor
    from backbeat.training.crossvalidation import cross_validate

    with (
        open_executor(workers) as executor,
        job_progress(spec.name, "folds") as on_progress,
    ):
        failures = cross_validate(
            opened, spec, split, out, executor=executor, on_progress=on_progress, **options
        )
    list_failed_runs(failures)
    if failures:
        raise typer.Exit(1)


def _tell_split(split: "Split", before: str = "") -> None:
    """Say on standard error how large the parts are, what is unknown, and what leaks."""
    from backbeat import splits

    counts = ", ".join(f"{len(split.rows(part)):,} {part}" for part in splits.PARTS)
    warn(f"{before}{counts} slices; split {split.protocol}, hash {split.hash}")
    if split.unknown_artists and split.protocol not in ("slices", "tracks"):
        warn(
            f"artists unknown of {split.unknown_artists:,} of {split.tracks:,} tracks: "
            "each stands for itself"
        )
    warn(split.leak)


def evaluate(
    run: Annotated[
        Path | None,
        typer.Argument(help="A run directory or cross-validation, from train."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Instead of a run: a bundle, or gtzan; with --on.")
    ] = None,
    on: Annotated[
        Path | None,
        typer.Option(help="Another feature store; songs that the model was trained on left out."),
    ] = None,
    near_duplicates: Annotated[
        Path | None,
        typer.Option(
            metavar="STORE",
            help="With --on: the store that it was trained on, to find near duplicates too.",
        ),
    ] = None,
    clean: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="The same model on a split without a leak, to show beside."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Score a run: accuracy with its interval, recall of each genre, confusion, calibration.

    Writes figures and a report page into it (not with --on).
    """
    from backbeat.bundle.shipped import find_bundle
    from backbeat.errors import BackbeatError
    from backbeat.runs import scoring

    if near_duplicates is not None and on is None:
        raise BackbeatError("--near-duplicates: goes with --on")
    if clean is not None and (run is None or on is not None):
        raise BackbeatError("--clean: goes with a run's own test part, not with --on or --model")
    if (run is None) == (model is None):
        raise BackbeatError("name a run, or a bundle with --model")
    with progress("answering", "slices", shown=on is not None) as told:
        if run is not None:
            evaluated = scoring.evaluate_run(
                run, on=on, clean=clean, near_duplicates=near_duplicates, on_progress=told
            )
        elif model is not None and on is not None:
            evaluated = scoring.evaluate_bundle(
                find_bundle(model), on, near_duplicates=near_duplicates, on_progress=told
            )
        else:
            raise BackbeatError("--model: name the features to evaluate it on with --on")
    report = None if on or run is None else scoring.write_evaluation(run, evaluated)
    if as_json:
        say_json(scoring.evaluation_json(evaluated))
        return
    _print_scores(evaluated)
    if report and run is not None:
        say(f"\nReport: {report}\nFigures: {run / 'figures'}")
        if (run / "model.backbeat").exists():
            say(f"Bundle: {run / 'model.backbeat'}")


def _print_scores(evaluated: "Evaluation") -> None:
    from backbeat.runs.headlines import certainty_lines, first_lines

    metrics = evaluated.metrics
    say(metrics.slice_report.text())
    tracks = [
        (genre, f"{100 * (scores.recall or 0):.0f}" if scores.support else "-", scores.support)
        for genre, scores in zip(metrics.genres, metrics.tracks, strict=True)
    ]
    table("Tracks (vote of their slices)", ("genre", "recall %", "tracks"), tracks)
    say(
        f"\n{evaluated.model}: accuracy of slices {metrics.slice_accuracy:.2%} "
        f"({metrics.n_slices:,}), of tracks {metrics.track_accuracy:.2%} ({metrics.n_tracks:,}); "
        f"variance of recall {metrics.recall_variance:.1%}"
        # Of a bundle alone it is not known.
        + f"; processing time {evaluated.training_seconds / 60:.2f} min"
        * bool(evaluated.training_seconds)
    )
    for line in (*first_lines(evaluated), *certainty_lines(evaluated)):
        say(line)


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
                sequences[-1].append(f"drop {layer.rate:.0%}")
            case "dense":
                dense.append(str(layer.units))
    sequences = [sequence for sequence in sequences if sequence]
    alike = [f"{len(list(group))}x ({text})" for text, group in groupby(map(", ".join, sequences))]
    return " | ".join(part for part in (", ".join(alike), " ".join(dense)) if part)


def _activations(spec: "Spec") -> str:
    """Name the activations of a network, the convolutions' first."""
    used = [getattr(layer, "activation", "linear") for layer in spec.layers]
    return "/".join(dict.fromkeys(kind for kind in used if kind != "linear"))
