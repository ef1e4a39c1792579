"""The verbs for a library of music: playlists, and songs like a song."""

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
from backbeat.cli.console import progress, say, table, tell_failures, warn
from backbeat.errors import BackbeatError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from backbeat.classify.many import Answer, Failure

Songs = Annotated[list[Path], typer.Argument(help="Audio files, or folders of them.")]


def playlists(
    paths: Songs,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the playlists.")],
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out songs whose genre is less probable.")
    ] = 0.0,
    model: Model = "gtzan",
    windows: Windows = None,
    index: IndexPath = None,
    again: Again = False,
) -> None:
    """Write a playlist a genre (M3U8), the surest songs first.

    Songs that the model withholds its answer of stand in lists of their own, "unsure" and "out of
    genre". Songs are named relative to the folder, so that it can be moved with the music. Exit
    status 1 if a file cannot be read; one that is too short or silent is skipped.
    """
    from backbeat.library.playlists import by_label, entry_of, file_name, write_playlist

    answers, failures, others = _heard(paths, Wanted(model, windows, again), index)
    chosen = [answer for answer in answers if answer.probability >= min_confidence]
    out.mkdir(parents=True, exist_ok=True)
    unnamed: list[Path] = []
    for label, songs in by_label(chosen).items():
        file = out / file_name(label)
        left_out = write_playlist(file, label, [entry_of(answer) for answer in songs])
        unnamed += left_out
        listed = len(songs) - len(left_out)
        say(f"{file}: {listed:,} song{'' if listed == 1 else 's'}")
    failed = tell_failures(failures, others)
    for path in unnamed:
        warn(_unnamed(path))
    raise typer.Exit(int(failed or bool(unnamed)))


def similar(
    song: Annotated[Path, typer.Argument(help="An audio file.")],
    library: Annotated[
        list[Path], typer.Option("--in", metavar="PATH", help="Where to look; may be repeated.")
    ],
    top: Annotated[int, typer.Option(min=1, help="How many songs to name.")] = 20,
    other_artists: Annotated[
        bool, typer.Option("--other-artists", help="Leave out songs of the same artist (by tags).")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write them as a playlist (M3U8), too.")
    ] = None,
    model: Model = "gtzan",
    windows: Windows = None,
    index: IndexPath = None,
    again: Again = False,
) -> None:
    """Name the songs of a library that sound most like a song.

    Exit status 1 if a file cannot be read; one that is too short or silent is skipped.
    """
    from backbeat.classify.many import Failure
    from backbeat.collections.collection import read_tags
    from backbeat.library.neighbours import nearest
    from backbeat.library.playlists import entry_of, write_playlist

    wanted = Wanted(model, windows, again)
    with known_answers(index) as known, answering([song], wanted, known) as opened:
        told = next(opened.answers)
    if isinstance(told, Failure):
        raise BackbeatError(f"{printable(song)}: {told.reason}")
    answers, failures, others = _heard(library, wanted, index)
    found = nearest(told, answers, top=len(answers) if other_artists else top)
    if other_artists:
        artist = read_tags(song).artist.casefold()
        if not artist:
            raise BackbeatError(
                f"{printable(song)}: no artist in its tags; leave --other-artists out"
            )
        found = tuple(n for n in found if read_tags(n.answer.path).artist.casefold() != artist)
        found = found[:top]
    rows = [(f"{n.similarity:.2f}", n.answer.label, printable(n.answer.path)) for n in found]
    if rows:
        table(f"Like {printable(song)} ({told.label})", ("similarity", "answer", "song"), rows)
    else:
        warn("no other songs there")
    unnamed: tuple[Path, ...] = ()
    if out is not None:
        entries = [entry_of(n.answer) for n in found]
        unnamed = write_playlist(out, f"Like {song.stem}", entries)
    for path in unnamed:
        warn(_unnamed(path))
    failed = tell_failures(failures, others)
    raise typer.Exit(int(failed or bool(unnamed) or not rows))


def _unnamed(path: Path) -> str:
    return f"left out: {printable(path)}: its name cannot be written in a playlist; rename it"


def _heard(
    paths: "Sequence[Path]", wanted: Wanted, index: Path | None
) -> "tuple[list[Answer], list[Failure], Mapping[str, int]]":
    """Answer all songs, those that the index knows from there; count files of other kinds."""
    from backbeat.classify.many import Answer, search

    found = search(paths)
    songs = found.songs
    answers: list[Answer] = []
    failures: list[Failure] = []
    with (
        known_answers(index) as known,
        answering(songs, wanted, known) as opened,
        progress("classifying", "songs") as told,
    ):
        for done, result in enumerate(opened.answers, start=1):
            if isinstance(result, Answer):
                answers.append(result)
            else:
                failures.append(result)
            told(done, len(songs))
    if not songs:
        raise BackbeatError("no audio files there")
    return answers, [*failures, *found.links], found.others
