"""The verb evaluate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import progress, say, say_json, table
from backbeat.cli.options import Json, refuse
from backbeat.files.text import number, percent

if TYPE_CHECKING:
    from backbeat.runs.evaluation import Evaluation


def evaluate(
    context: typer.Context,
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
    as_json: Json = False,
) -> None:
    """Score a run: accuracy with its interval, recall of each genre, confusion, calibration.

    Writes figures and a report page into it (not with --on).
    """
    from backbeat.bundle.shipped import find_bundle
    from backbeat.errors import BackbeatError
    from backbeat.runs import scoring

    if (run is None) == (model is None):
        raise BackbeatError("name a run, or a bundle with --model")
    if on is None:
        refuse(context, "without --on", "near_duplicates")
        if run is None:
            raise BackbeatError("--model: name the features to evaluate it on with --on")
        score_run(run, clean=clean, as_json=as_json)
        return
    refuse(context, "with --on", "clean")
    with progress("predicting", "slices") as show:
        if run is not None:
            evaluated = scoring.evaluate_run(
                run, on=on, near_duplicates=near_duplicates, on_progress=show
            )
        else:
            evaluated = scoring.evaluate_bundle(
                find_bundle(model or ""), on, near_duplicates=near_duplicates, on_progress=show
            )
    _show(evaluated, as_json=as_json)


def score_run(run: Path, *, clean: Path | None = None, as_json: bool = False) -> None:
    """Score a run on its own test part, write its figures and report, and print its scores."""
    from backbeat.runs import scoring

    evaluated = scoring.evaluate_run(run, clean=clean)
    report = scoring.write_evaluation(run, evaluated)
    _show(evaluated, as_json=as_json)
    if not as_json:
        say(f"\nReport: {report}\nFigures: {run / 'figures'}")
        if (run / "model.backbeat").exists():
            say(f"Bundle: {run / 'model.backbeat'}")


def _show(evaluated: "Evaluation", *, as_json: bool) -> None:
    from backbeat.runs.scoring import evaluation_json

    if as_json:
        say_json(evaluation_json(evaluated))
    else:
        _print_scores(evaluated)


def _print_scores(evaluated: "Evaluation") -> None:
    from backbeat.runs.headlines import certainty_lines, first_lines

    metrics = evaluated.metrics
    say(metrics.slice_report.text())
    tracks = [
        (genre, number(100 * (scores.recall or 0)) if scores.support else "-", scores.support)
        for genre, scores in zip(metrics.genres, metrics.tracks, strict=True)
    ]
    table("Tracks (vote of their slices)", ("genre", "recall %", "tracks"), tracks)
    say(
        f"\n{evaluated.model}: accuracy of slices {percent(metrics.slice_accuracy, 2)} "
        f"({number(metrics.n_slices)}), of tracks {percent(metrics.track_accuracy, 2)} "
        f"({number(metrics.n_tracks)}); "
        f"variance of recall {percent(metrics.recall_variance)}"
        # Of a bundle alone it is not known.
        + f"; processing time {number(evaluated.training_seconds / 60, 2)} min"
        * bool(evaluated.training_seconds)
    )
    for line in (*first_lines(evaluated), *certainty_lines(evaluated)):
        say(line)
