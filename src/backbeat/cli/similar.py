"""The verb similar."""

from pathlib import Path
from typing import Annotated

import typer

from backbeat.cli.answering import AnswerOptions, answer_songs, answering, open_known
from backbeat.cli.console import (
    failures_json,
    list_failures,
    list_notes,
    notes_json,
    say_json,
    table,
    warn,
)
from backbeat.cli.options import Again, Cluster, IndexPath, Json, Model, Windows, Workers
from backbeat.cli.playlists import warn_of_unnamed
from backbeat.errors import BackbeatError, printable
from backbeat.files.tables import Column
from backbeat.files.text import number


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
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Name the songs of a library that sound most like a song.

    Exit status 1 if a file cannot be read; one that is too short or silent is skipped.
    """
    from backbeat.classify import Failure
    from backbeat.collections.collection import read_tags
    from backbeat.library.neighbours import nearest
    from backbeat.library.playlists import entry_of, write_playlist

    options = AnswerOptions(model, windows, again, workers, cluster)
    with open_known(index) as known, answering([song], options, known) as (_, results):
        answer = next(results)
    if isinstance(answer, Failure):
        raise BackbeatError(f"{printable(song)}: {answer.reason}")
    answers, failures, others = answer_songs(library, options, index)
    found = nearest(answer, answers, top=len(answers) if other_artists else top)
    if other_artists:
        artist = read_tags(song).artist.casefold()
        if not artist:
            raise BackbeatError(
                f"{printable(song)}: no artist in its tags; leave --other-artists out"
            )
        found = tuple(n for n in found if read_tags(n.answer.path).artist.casefold() != artist)
        found = found[:top]
    unnamed: tuple[Path, ...] = ()
    if out is not None:
        entries = [entry_of(n.answer) for n in found]
        unnamed = write_playlist(out, f"Like {song.stem}", entries)
    if as_json:
        songs = [
            {
                "path": str(n.answer.path),
                "similarity": round(n.similarity, 6),
                "answer": n.answer.label,
            }
            for n in found
        ]
        say_json(
            {
                "song": str(song),
                "answer": answer.label,
                "similar": songs,
                "notes": notes_json([answer, *answers]),
                "failures": failures_json(failures),
                "other_files": dict(others),
            }
        )
    elif found:
        rows = [(number(n.similarity, 2), n.answer.label, n.answer.path) for n in found]
        columns = ("similarity", Column("answer", shorten="end"), Column("song", shorten="middle"))
        table(f"Like {printable(song)} ({answer.label})", columns, rows)
    if not found:
        warn("no other songs there")
    warn_of_unnamed(unnamed)
    list_notes([answer, *answers])
    failed = list_failures(failures, others)
    raise typer.Exit(int(failed or bool(unnamed) or not found))
