"""The verb classify."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backbeat.cli.answering import AnswerOptions, answering, open_known
from backbeat.cli.console import (
    count_failures,
    in_colour,
    list_failures,
    list_notes,
    progress,
    say_json,
    terminal_width,
    warn,
)
from backbeat.cli.options import (
    Again,
    Cluster,
    IndexPath,
    Json,
    Model,
    Songs,
    Windows,
    Workers,
    refuse,
)
from backbeat.files.tables import bar_chart
from backbeat.files.text import number, plural

if TYPE_CHECKING:
    from backbeat.classify import Answer, Failure, Found

_MIN_SONGS_IN_A_CHART = 20
_WITHHELD = ("unsure", "out of genre")


def classify(
    context: typer.Context,
    paths: Songs,
    model: Model = "gtzan",
    top: Annotated[int, typer.Option(min=1, help="How many genres to name.")] = 3,
    output_format: Annotated[
        Literal["table", "csv", "jsonl"], typer.Option("--format", help="Of the answers.")
    ] = "table",
    bom: Annotated[
        bool,
        typer.Option("--bom", help="With --format csv: mark it as UTF-8, which Excel needs."),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to a file.")] = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", help="The genre through each song, slice by slice.")
    ] = False,
    tags: Annotated[
        bool, typer.Option("--tags", help="MusiCNN's tags too: other genres, instruments, moods.")
    ] = False,
    windows: Windows = None,
    index: IndexPath = None,
    again: Again = False,
    forget_gone: Annotated[
        bool,
        typer.Option(
            "--forget-gone", help="Forget answers for files in these folders that are gone."
        ),
    ] = False,
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Predict the genre of songs of any length.

    An answer that the model is not sure enough of is "unsure"; music that is strange to it is "out
    of genre". Each other file is listed at the end: what cannot be read failed (exit status 1);
    what is whole but too short or silent is skipped, and a link to a song that is answered is
    named as a link (exit status 0 for both).
    """
    from backbeat.classify import Answer, answers, search

    if timeline and output_format == "csv":
        refuse(context, "with --format csv --timeline, a row a slice", "top", "tags")
    if output_format != "csv":
        refuse(context, "without --format csv", "bom")
    if as_json and out is None:
        refuse(context, "with --json and without -o", "output_format", "bom")
    found = search(paths)
    songs = found.songs
    results: list[Answer | Failure] = []  # of --json
    failures: list[Failure] = []
    in_part: list[Answer] = []  # of the formats that do not show it
    counts: Counter[str] = Counter()
    # A timeline is asked for to see the whole song.
    windows = windows or ("all" if timeline else None)
    nowhere = Path(os.devnull)
    options = AnswerOptions(model, windows, again, workers, cluster, tags)
    with open_known(index) as known:
        with (
            answering(songs, options, known) as (classifier, answered),
            progress("classifying", "songs", shown=len(songs) > 1) as show,
            answers.open_output(out) if out or not as_json else nowhere.open("w") as file,
        ):
            if bom:
                file.write("\ufeff")
            writer = answers.WRITERS[output_format](
                file,
                genres=classifier.genres,
                top=top,
                timeline=timeline,
                width=terminal_width() if out is None else None,
                colour=out is None and in_colour(),
            )
            for done, result in enumerate(answered, start=1):
                if isinstance(result, Answer):
                    writer.answer(result)
                    counts[result.label] += 1
                    if result.note and output_format != "table":
                        in_part.append(result)
                else:
                    failures.append(result)
                    counts[result.status] += 1
                    writer.failure(result)
                if as_json:
                    results.append(result)
                show(done, len(songs))
            for link in found.links:
                writer.failure(link)
        if as_json:
            songs_json = [
                answers.record(result, top=top, timeline=timeline)
                for result in (*results, *found.links)
            ]
            say_json({"songs": songs_json, "other_files": dict(found.others)})
        failed = _summarise(counts, in_part, failures, found)
        # Last, so that songs which were renamed are known, unlike those on a lost drive.
        if forget_gone and known is not None:
            gone = sum(known.forget_gone(path) for path in paths)
            warn(f"{plural(gone, 'file')} gone and forgotten")
    if not songs:
        warn("no audio files there")
    raise typer.Exit(int(failed or not songs))


def _summarise(
    counts: "Counter[str]", in_part: "list[Answer]", failures: "list[Failure]", found: "Found"
) -> bool:
    """Print the sums, of many songs as a bar chart, and what could not be read.

    Returns whether any song failed.
    """
    if counts.total() >= _MIN_SONGS_IN_A_CHART:
        last = (*_WITHHELD, "skipped", "failed")
        warn("\n".join(bar_chart(counts, last=last, width=terminal_width(sys.stderr))))
    withheld = sum(counts[label] for label in _WITHHELD)
    unsure = f" ({number(withheld)} of them unsure or out of genre)" if withheld else ""
    others = [*failures, *found.links]
    warn(f"{number(counts.total() - len(failures))} answered{unsure}, {count_failures(others)}")
    list_notes(in_part)
    return list_failures(others, found.others)
