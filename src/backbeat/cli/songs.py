"""The verbs for songs: classify, show; and the demo of the whole way."""

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.answering import (
    Again,
    IndexPath,
    Model,
    Wanted,
    Windows,
    answering,
    known_answers,
)
from backbeat.cli.console import count_failures, progress, say, tell_failures, warn
from backbeat.cli.options import Cluster, refuse

if TYPE_CHECKING:
    from backbeat.classify.many import Failure, Found

_MANY = 20  # songs, of which a chart tells more than the list above it


class Format(StrEnum):
    """How answers are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


def classify(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Audio files, or folders of them.")],
    model: Model = "gtzan",
    top: Annotated[int, typer.Option(min=1, help="How many genres to name.")] = 3,
    output_format: Annotated[
        Format, typer.Option("--format", help="Of the answers.")
    ] = Format.table,
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
            "--forget-gone", help="Forget what is known of files in these folders that are gone."
        ),
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Songs at once (default: one a processor).")
    ] = None,
    cluster: Cluster = None,
) -> None:
    """Tell the genre of songs of any length.

    An answer that the model is not sure enough of is "unsure"; music that is strange to it is "out
    of genre". Each other file is listed at the end: what cannot be read failed (exit status 1);
    what is whole but too short or silent is skipped, and a link to a song that is answered is
    named as a link (exit status 0 for both).
    """
    from backbeat.classify import answers
    from backbeat.classify.many import Answer, search

    if timeline and output_format is Format.csv:
        refuse(context, "with --format csv --timeline, a row a slice", "top", "tags")
    found = search(paths)
    songs = found.songs
    failures: list[Failure] = []
    counts: Counter[str] = Counter()
    write = answers.WRITERS[output_format.value]
    # A timeline is asked for to see the whole song.
    heard = windows or ("all" if timeline else None)
    wanted = Wanted(model, heard, again, tags, threads, cluster)
    with known_answers(index) as known:
        with (
            answering(songs, wanted, known) as opened,
            progress("classifying", "songs", shown=len(songs) > 1) as told,
            answers.open_output(out) as file,
        ):
            genres = len(opened.classifier.genres)
            writer = write(file, genres=genres, top=top, timeline=timeline)
            for done, result in enumerate(opened.answers, start=1):
                if isinstance(result, Answer):
                    writer.answer(result)
                    counts[result.label] += 1
                else:
                    failures.append(result)
                    counts[result.status] += 1
                    writer.failure(result)
                told(done, len(songs))
            for link in found.links:
                writer.failure(link)
        failed = _summarise(counts, failures, found)
        # Last, so that what took the place of old songs is known, and told from a lost drive.
        if forget_gone and known is not None:
            gone = sum(known.forget_gone(path) for path in paths)
            warn(f"{gone:,} file{'' if gone == 1 else 's'} gone and forgotten")
    if not songs:
        warn("no audio files there")
    raise typer.Exit(int(failed or not songs))


def _summarise(counts: "Counter[str]", failures: "list[Failure]", found: "Found") -> bool:
    """Say at the end what there was, of many songs as a bar chart, and whether any failed."""
    from backbeat.library.summary import WITHHELD, bar_chart

    if counts.total() >= _MANY:
        warn(bar_chart(counts))
    withheld = sum(counts[label] for label in WITHHELD)
    unsure = f" ({withheld:,} of them unsure or out of genre)" if withheld else ""
    others = [*failures, *found.links]
    warn(f"{counts.total() - len(failures):,} answered{unsure}, {count_failures(others)}")
    return tell_failures(others, found.others)


def show(
    song: Annotated[Path, typer.Argument(help="An audio file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for the pictures.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="How much of its beginning.")] = 30.0,
) -> None:
    """Draw a song's waveplot, spectrogram, mel filters and MFCCs (the paper's Figures 1 to 4)."""
    from backbeat.figures.show import show as draw

    for path in draw(song, out, seconds=seconds):
        say(str(path))


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for all that is made.")] = Path(
        "demo"
    ),
) -> None:
    """Go the whole way on the built-in collection: songs, features, training, answers."""
    from backbeat.cli.demo import demo as whole_way

    whole_way(out)
