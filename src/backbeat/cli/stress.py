"""The verb stress."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import failures_json, list_failures, progress, say, say_json, table
from backbeat.cli.options import Json, Workers, refuse
from backbeat.files.tables import Column
from backbeat.files.text import number, percent

if TYPE_CHECKING:
    from backbeat.classify.stress import Stress


def stress(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="gtzan, gtzan-fast, a bundle, or a run.")],
    on: Annotated[
        Path,
        typer.Option(
            help="A store of log-mel maps, or labelled songs: a folder a genre, or a table."
        ),
    ],
    only: Annotated[
        str | None,
        typer.Option(metavar="PATTERNS", help="Some changes alone, such as 'hiss*,*kbit/s'."),
    ] = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Measure what a model answers when the recording changes and the music does not.

    Changes are band limits, tilt and hiss; of songs also codecs, sample rates, hum, crackle, a
    room and level. Songs that the model was trained on count only for whether it keeps its answer.
    """
    from backbeat.bundle.shipped import find_bundle
    from backbeat.classify.classifier import load
    from backbeat.classify.stress import stress_features, stress_songs
    from backbeat.collections.collection import read_collection
    from backbeat.features.store import open_features
    from backbeat.parallel.executors import open_executor

    if (on / "zarr.json").is_file():
        refuse(context, "on a feature store", "workers")
        with progress("changing maps", "changes") as show:
            found = stress_features(
                find_bundle(model), open_features(on), only=only, on_progress=show
            )
    else:
        classifier, collection = load(model, windows=1), read_collection(on)
        with (
            progress("changing songs", "songs") as show,
            open_executor(workers, isolated=True) as executor,
        ):
            found = stress_songs(classifier, collection, executor, only=only, on_progress=show)
    if as_json:
        say_json(found.to_json() | {"failures": failures_json(found.failures)})
    else:
        _show(found)
    if list_failures(found.failures):
        raise typer.Exit(1)


def _show(found: "Stress") -> None:
    weakest = min(found.rows, key=lambda row: row.kept if row.correct is None else row.correct)
    if found.new:
        say(
            f"{found.model}: {percent(found.rows[0].correct)} of {number(found.new)} songs "
            f"correct unchanged, {percent(weakest.correct)} at worst ({weakest.change}).\n"
        )
    else:
        say(
            f"{found.model}: at worst {percent(weakest.kept)} of {number(found.songs)} songs keep "
            f"their answer ({weakest.change}).\n"
        )
    columns = (
        *("change", Column("correct", right=True), Column("weakest genre", shorten="end")),
        *(Column("its recall", right=True), Column("keep their answer", right=True)),
        *(Column("answered", right=True), Column("wrong of these", right=True, optional=1)),
    )
    rows = [
        (
            *(row.change, percent(row.correct), row.worst or "–"),
            percent(row.recall.get(row.worst)),
            *map(percent, (row.kept, row.answered, row.wrong)),
        )
        for row in found.rows
    ]
    table("", columns, rows)
    say("")
    say(found.overlap)
    if not found.new:
        say("So how often it is correct is not known; name songs that it was not trained on.")
