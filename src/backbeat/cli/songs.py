"""The verbs for songs: classify, show; and the demo of the whole way."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import progress, say, warn
from backbeat.cli.options import Cluster

if TYPE_CHECKING:
    from backbeat.classify import Answer, Classifier, Failure


class Format(StrEnum):
    """How answers are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


def classify(
    paths: Annotated[list[Path], typer.Argument(help="Audio files, or folders of them.")],
    model: Annotated[
        str,
        typer.Option(
            help="gtzan or gtzan-fast, which come with backbeat; a bundle; or a run directory.",
            envvar="BACKBEAT_MODEL",
        ),
    ] = "gtzan",
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
    threads: Annotated[
        int | None, typer.Option(min=1, help="Songs at once (default: one a processor).")
    ] = None,
    cluster: Cluster = None,
) -> None:
    """Tell the genre of songs of any length.

    An answer that the model is not sure enough of is "unsure"; music that is strange to it is "out
    of genre". Files that cannot be answered are listed at the end, with exit status 1; all others
    are answered.
    """
    from backbeat import answers
    from backbeat.audio import display_name
    from backbeat.classify import Answer, Failure, find_songs, load
    from backbeat.models import find_bundle

    classifier = load(find_bundle(model), tags=tags)
    songs = list(find_songs(paths))
    failures: list[Failure] = []
    withheld = 0
    write = answers.WRITERS[output_format.value]
    with answers.open_output(out) as file:
        writer = write(file, genres=len(classifier.genres), top=top, timeline=timeline)
        # Rich's bar would write over answers that appear on the same terminal.
        shown = out is not None or not os.isatty(1)
        with (
            _answers(classifier, songs, threads, cluster) as results,
            progress("classifying", "songs", shown=shown) as told,
        ):
            for done, result in enumerate(results, start=1):
                if isinstance(result, Answer):
                    writer.answer(result)
                    withheld += result.label != result.genre
                else:
                    failures.append(result)
                    writer.failure(result)
                told(done, len(songs))
    answered = len(songs) - len(failures)
    unsure = f" ({withheld:,} of them unsure or out of genre)" if withheld else ""
    warn(f"{answered:,} answered{unsure}, {len(failures):,} failed")
    for failure in failures:
        warn(f"failed: {display_name(failure.path)}: {failure.reason}")
    if not songs:
        warn("no audio files there")
    raise typer.Exit(int(bool(failures) or not songs))


@contextlib.contextmanager
def _answers(
    classifier: "Classifier", songs: Iterable[Path], threads: int | None, cluster: str | None
) -> "Iterator[Iterator[Answer | Failure]]":
    """Open where songs are answered: threads of this process, or the workers of a cluster."""
    from backbeat.classify import classify_all

    if cluster is None:
        yield classify_all(classifier, songs, threads=threads)
        return
    from backbeat.batches import classify_batches
    from backbeat.engine import open_executor

    # `--threads` and `--workers` say the same: how much of this machine to use.
    with open_executor(threads, cluster) as executor:
        yield classify_batches(classifier, songs, executor)


def show(
    song: Annotated[Path, typer.Argument(help="An audio file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for the pictures.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="How much of its beginning.")] = 30.0,
) -> None:
    """Draw a song's waveplot, spectrogram, mel filters and MFCCs (the paper's Figures 1 to 4)."""
    from backbeat.show import show as draw

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
