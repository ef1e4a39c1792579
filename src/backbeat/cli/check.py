"""The verb check, and how it and prepare read a collection."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backbeat.cli.console import progress, say, say_json, say_sentence, table, warn
from backbeat.cli.options import Cluster, Json, Workers
from backbeat.errors import BackbeatError, printable
from backbeat.files.tables import Column
from backbeat.files.text import number, plural

if TYPE_CHECKING:
    from backbeat.collections.check import CheckReport
    from backbeat.collections.collection import Collection

_NAMED = 12  # genres in a line

CollectionPath = Annotated[
    Path, typer.Argument(help="A folder with a sub-folder a genre, or a CSV.")
]
Several = Annotated[
    Literal["first", "skip"] | None,
    typer.Option(
        help="Of a song with several genres in a table (rock;dance): use the first (default), or "
        "leave the song out."
    ),
]


Columns = Annotated[
    str | None,
    typer.Option(
        metavar="path=NAME,genre=NAME,...",
        help="The table's columns for path, genre, artist, album, title and part (of a split); "
        "their numbers if no line names them.",
    ),
]
SongsFolder = Annotated[
    Path | None,
    typer.Option("--songs", help="Where the table's paths begin (default: the table's folder)."),
]
GenreFrom = Annotated[
    Literal["folder", "name"],
    typer.Option(help="Of a folder: what gives the genre, its sub-folders or the files' names."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask if the genres look like none.")]


FrontEndName = Literal["mfcc", "logmel", "musicnn"]
Seconds = Annotated[
    float | None,
    typer.Option(
        metavar="S",
        help="Length of the stretches that are taken of songs; shorter songs are left out "
        "(default: mfcc 29, others 30).",
    ),
]


def read_collection(
    path: Path,
    several: Several,
    columns: str | None,
    songs: Path | None,
    genre_from: GenreFrom,
    yes: bool,
) -> "Collection":
    """Read a collection, and print its genres and what was passed over; ask if they look wrong."""
    from backbeat.collections import collection
    from backbeat.collections.doubts import doubt_of
    from backbeat.collections.tables import parse_columns

    read = collection.read_collection(
        path,
        several=several,
        columns=None if columns is None else parse_columns(columns),
        songs=songs,
        genre_from=genre_from,
    )
    counts = Counter(track.genre for track in read.tracks)
    warn(f"{plural(len(read.tracks), 'song')} in {genre_counts(counts)}")
    for note in read.notes:
        warn(note)
    if read.several:
        total, what = len(read.tracks), "their first is used (--several skip leaves them out)"
        if several == "skip":
            total, what = total + read.several, "they are left out"
        warn(f"with several genres: {number(read.several)} of {number(total)} songs; {what}")
    doubt = None if yes else doubt_of(read)
    if doubt:
        why, remedy = doubt
        if not sys.stdin.isatty():
            raise BackbeatError(
                f"{printable(path)}: {why}; {remedy}; if these are the genres, add --yes"
            )
        warn(f"{why}; if these are no genres, {remedy}")
        if not typer.confirm("Are these the genres?", err=True):
            raise typer.Exit(1)
    return read


def genre_counts(counts: Mapping[str, int]) -> str:
    """Give the number of genres, and the songs of the largest, in a line."""
    ordered = sorted(counts, key=lambda genre: (-counts[genre], genre))
    named = [f"{genre} {number(counts[genre])}" for genre in ordered[:_NAMED]]
    if len(ordered) > _NAMED:
        named.append(f"and {number(len(ordered) - _NAMED)} more")
    return f"{plural(len(counts), 'genre')}: {', '.join(named)}"


def check(
    collection: CollectionPath,
    frontend: Annotated[
        FrontEndName, typer.Option(help="What will be prepared (all need 29 s without --seconds).")
    ] = "mfcc",
    seconds: Seconds = None,
    several: Several = None,
    columns: Columns = None,
    songs: SongsFolder = None,
    genre_from: GenreFrom = "folder",
    yes: Yes = False,
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Decode every file of a collection, and list what is unusable or suspicious.

    Exit status 1 if any file cannot be read; 0 if all are whole, even if some are too short or
    silent.
    """
    from backbeat import frontend as frontends
    from backbeat.collections.check import check_collection
    from backbeat.parallel.executors import open_executor

    front = frontends.by_name(frontend, seconds)
    if cluster:  # whose workers may run in another folder
        collection, songs = collection.absolute(), songs and songs.absolute()
    read = read_collection(collection, several, columns, songs, genre_from, yes)
    with (
        open_executor(workers, cluster, read.places, isolated=True) as executor,
        progress("checking") as show,
    ):
        report = check_collection(
            read,
            min_seconds=front.min_samples / front.sample_rate,
            executor=executor,
            on_progress=show,
        )
    if as_json:
        say_json(report.to_json())
    else:
        _print(report)
        if report.too_short:
            say(f"\n{frontends.too_short(front, report.too_short)}")
    raise typer.Exit(report.exit_status)


def _print(report: "CheckReport") -> None:
    read = report.collection
    counted = [
        (g.genre, g.tracks, g.usable, g.unusable, g.suspicious, number(g.seconds / 60, 1))
        for g in report.genres
    ]
    columns = (
        Column("genre", shorten="end"),
        *("tracks", "usable", "unusable"),
        *(Column("suspicious", optional=1), Column("minutes", optional=2)),
    )
    table(f"{printable(read.root)} ({read.kind})", columns, counted)
    sums = report.to_json()
    artists = sums["artists"]
    by = f" by {plural(artists['different'], 'artist')}" if artists["known"] else ""
    unknown = artists["unknown"]
    lacking = f", {'all ' * (not by)}{number(unknown)} of unknown artists" if unknown else ""
    say("")
    say_sentence(
        f"{plural(sums['tracks'], 'track')}{by}{lacking}; "
        f"{number(sums['seconds'] / 3600, 2)} hours usable; "
        f"{plural(sums['ignored'], 'file')} of other kinds"
    )
    if report.findings:
        rows = [(f.level, f.track, f.reason) for f in report.findings]
        say("")
        table("Findings", ("level", Column("file", shorten="middle"), "reason"), rows)
