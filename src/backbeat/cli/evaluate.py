"""The verb evaluate."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import progress, say, say_json, say_sentence, table
from backbeat.cli.options import Json, refuse
from backbeat.files.tables import Column
from backbeat.files.text import duration, percent

if TYPE_CHECKING:
    from backbeat.evaluation.metrics import Scores
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
    from backbeat.bundle.archive import read_bundle
    from backbeat.runs import scoring

    evaluated = scoring.evaluate_run(run, clean=clean)
    report = scoring.write_evaluation(run, evaluated)
    _show(evaluated, as_json=as_json)
    if not as_json:
        say(f"\nReport: {report}")
        if (run / "model.backbeat").exists() and read_bundle(run).description.takes_audio:
            say(f"Next: backbeat classify SONGS --model {shlex.quote(str(run))}")
        else:  # a cross-validation's folds are no model to use, but one to compare
            say(f"Next: backbeat compare {shlex.quote(str(run))} OTHER")


def _show(evaluated: "Evaluation", *, as_json: bool) -> None:
    from backbeat.runs.scoring import evaluation_json

    if as_json:
        say_json(evaluation_json(evaluated))
    else:
        _print_scores(evaluated)


def _print_scores(evaluated: "Evaluation") -> None:
    from backbeat.runs.headlines import (
        certainty_lines,
        first_lines,
        genre_lines,
        measured,
        result_warnings,
        verdict,
    )

    metrics = evaluated.metrics
    say_sentence(f"{evaluated.model}: {verdict(evaluated)}")
    say("")
    rows = [
        (genre, *_scores(by_song), *_scores(by_slice)[:2])
        for genre, by_song, by_slice in zip(
            metrics.genres, metrics.tracks, metrics.slices, strict=True
        )
    ]
    whole = (
        *("all", metrics.n_tracks, percent(metrics.track_accuracy), "", ""),
        *(metrics.n_slices, percent(metrics.slice_accuracy)),
    )
    columns = (
        *(Column("genre", shorten="end"), "songs", "recall"),
        *(Column("precision", right=True, optional=2), Column("F1", right=True, optional=3)),
        *(Column("slices", optional=4), Column("recall of slices", optional=1)),
    )
    table("", columns, [*rows, whole])
    say("")
    for line in (
        measured(evaluated),
        *first_lines(evaluated),
        *genre_lines(evaluated),
        *certainty_lines(evaluated),
        *result_warnings(evaluated),
    ):
        say_sentence(line)
    # Of a bundle alone it is not known.
    if evaluated.training_seconds:
        say(f"Processing time of training: {duration(evaluated.training_seconds)}.")


def _scores(scores: "Scores") -> tuple[int | str, ...]:
    """Give how many there are, and recall, precision and F1; dashes for a genre without any."""
    if not scores.support:
        return 0, "–", "–", "–"
    return scores.support, *map(percent, (scores.recall, scores.precision, scores.f1))
