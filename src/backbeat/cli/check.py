"""The verb check, and how it and prepare read a collection."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import progress, say, say_json, table, warn
from backbeat.cli.options import Cluster, Json, Workers
from backbeat.errors import printable
from backbeat.files.tables import Column
from backbeat.files.text import number

if TYPE_CHECKING:
    from backbeat.collections.check import CheckReport
    from backbeat.collections.collection import Collection

CollectionPath = Annotated[
    Path, typer.Argument(help="A folder with a sub-folder a genre, or a CSV.")
]


class SeveralName(StrEnum):
    """What is done with a song that has several genres."""

    first = "first"
    skip = "skip"


Several = Annotated[
    SeveralName | None,
    typer.Option(
        help="Of a song with several genres in a table (rock;dance): use the first (default), or "
        "leave the song out."
    ),
]


def read_collection(path: Path, several: SeveralName | None) -> "Collection":
    """Read a collection, and print how many songs have several genres."""
    from backbeat.collections import collection

    read = collection.read_collection(path, several=several.value if several else None)
    if read.several:
        songs, what = len(read.tracks), "their first is used (--several skip leaves them out)"
        if several is SeveralName.skip:
            songs, what = songs + read.several, "they are left out"
        warn(f"with several genres: {number(read.several)} of {number(songs)} songs; {what}")
    return read


def check(
    collection: CollectionPath,
    several: Several = None,
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

    front = frontends.Mfcc()  # all front-ends need the same length
    # Workers of a cluster may run in another folder.
    read = read_collection(collection.absolute() if cluster else collection, several)
    with (
        open_executor(workers, cluster, [read.root], isolated=True) as executor,
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
    say(
        f"\n{number(sums['tracks'])} tracks, {number(sums['seconds'] / 3600, 2)} hours usable; "
        f"{number(artists['different'])} artists known of {number(artists['known'])} tracks, "
        f"unknown of {number(artists['unknown'])}; "
        f"{number(sums['ignored'])} file{'' if sums['ignored'] == 1 else 's'} of other kinds"
    )
    if report.findings:
        rows = [(f.level, f.track, f.reason) for f in report.findings]
        say("")
        table("Findings", ("level", Column("file", shorten="middle"), "reason"), rows)
