"""The verbs that make collections and features: check, data, prepare, import-features."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import progress, say, table, warn
from backbeat.cli.options import Cluster, Workers
from backbeat.errors import printable

if TYPE_CHECKING:
    from backbeat.collections.collection import Collection


class FrontEndName(StrEnum):
    """The front-ends by name."""

    mfcc = "mfcc"
    logmel = "logmel"
    musicnn = "musicnn"


class SeveralName(StrEnum):
    """What becomes of a song with several genres."""

    first = "first"
    skip = "skip"


Several = Annotated[
    SeveralName | None,
    typer.Option(
        help="Of a song with several genres in a table (rock;dance): use the first (default), or "
        "leave the song out."
    ),
]


def _read(path: Path, several: SeveralName | None) -> "Collection":
    """Read a collection, and say how many songs have several genres."""
    from backbeat.collections.collection import read_collection

    read = read_collection(path, several=several.value if several else None)
    if read.several:
        songs, what = len(read.tracks), "their first is used (--several skip leaves them out)"
        if several is SeveralName.skip:
            songs, what = songs + read.several, "they are left out"
        say(f"with several genres: {read.several:,} of {songs:,} songs; {what}")
    return read


def check(
    collection: Annotated[
        Path, typer.Argument(help="A folder with a sub-folder a genre, or a CSV.")
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON too.")
    ] = None,
    several: Several = None,
    workers: Workers = None,
) -> None:
    """Look at every file of a collection, and list what is unusable or suspicious.

    Exit status 1 if any file cannot be read; 0 if all are whole, even if some are too short or
    silent.
    """
    import json

    from backbeat import frontend as frontends
    from backbeat.collections.check import check_collection
    from backbeat.files import atomic
    from backbeat.parallel.engine import open_executor

    front = frontends.Mfcc()  # all front-ends need the same length
    read = _read(collection, several)
    with open_executor(workers, isolated=True) as executor, progress("checking") as told:
        report = check_collection(
            read,
            min_seconds=front.min_samples / front.sample_rate,
            executor=executor,
            on_progress=told,
        )
    counted = [
        (g.genre, g.tracks, g.usable, g.unusable, g.suspicious, f"{g.seconds / 60:.1f}")
        for g in report.genres
    ]
    columns = ("genre", "tracks", "usable", "unusable", "suspicious", "minutes")
    table(f"{printable(read.root)} ({read.kind})", columns, counted)
    described = report.to_json()
    artists = described["artists"]
    say(
        f"\n{described['tracks']:,} tracks, {described['seconds'] / 3600:.2f} hours usable; "
        f"{artists['different']:,} artists known of {artists['known']:,} tracks, "
        f"unknown of {artists['unknown']:,}; {described['ignored']:,} files of other kinds"
    )
    if report.findings:
        rows = [(f.level, printable(f.track), f.reason) for f in report.findings]
        say("")
        table("Findings", ("level", "file", "reason"), rows)
    if json_file:
        atomic.write_text(json_file, json.dumps(described, indent=1) + "\n")
    raise typer.Exit(report.exit_status)


def prepare(
    collection: Annotated[
        Path, typer.Argument(help="A folder with a sub-folder a genre, or a CSV.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The feature store to make or go on with.")
    ],
    frontend: Annotated[
        FrontEndName, typer.Option(help="mfcc: the paper's; logmel: maps of half a minute.")
    ] = FrontEndName.mfcc,
    windows: Annotated[
        int | None,
        typer.Option(min=1, help="With logmel: the most half minutes of a track (default 4)."),
    ] = None,
    drop_duplicates: Annotated[
        bool, typer.Option("--drop-duplicates", help="Leave out exact copies of another track.")
    ] = False,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="Read a finished store, and make again what is damaged of it."),
    ] = False,
    several: Several = None,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Turn a collection into features ready for training; resumes where it was stopped.

    Files that cannot be used are left out and listed, with the reason; the exit status is 0.
    """
    from backbeat import frontend as frontends
    from backbeat.features.prepare import prepare as fill
    from backbeat.parallel.engine import open_executor

    read = _read(collection, several)
    with (
        open_executor(workers, cluster, [read.root, out], isolated=True) as executor,
        progress("preparing") as told,
    ):
        summary = fill(
            read,
            out,
            frontend=frontends.by_name(frontend),
            executor=executor,
            windows=windows,
            drop_duplicates=drop_duplicates,
            mend=mend,
            on_progress=told,
        )
    say(f"{out}: features of {summary.kept:,} of {summary.tracks:,} tracks")
    left_out = set(summary.left_out)
    for name, finding in summary.findings:
        note = "left out" if name in left_out else "kept"
        warn(f"{note}: {printable(name)}: {finding}")


def import_features(
    file: Annotated[Path, typer.Argument(help="An npz with the fields X, names, y and genres.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The feature store to make.")],
    frontend: Annotated[
        str, typer.Option(metavar="mfcc|logmel", help="What the features in the file are.")
    ],
) -> None:
    """Bring features that were made elsewhere into a feature store.

    MFCCs of whole songs are cut into slices of 125 frames. What is dropped is printed.
    """
    from backbeat.features.importing import import_features as bring

    features = bring(file, out, frontend=frontend, on_dropped=lambda what: warn(f"dropped: {what}"))
    say(f"{out}: features of {len(features.table):,} tracks in {len(features.genres)} genres")


data = typer.Typer(no_args_is_help=True, help="Get a collection: jam (built in) or gtzan.")


@data.command()
def jam(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to fill.")],
    per_genre: Annotated[int, typer.Option(min=1, help="Clips a genre.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same samples from the same seed.")] = 0,
    with_faults: Annotated[
        bool, typer.Option("--with-faults", help="Add one of each kind of broken file.")
    ] = False,
    workers: Workers = None,
) -> None:
    """Compose and render the built-in synthetic collection; it stands for no real music."""
    from backbeat.collections import jam as jams

    with progress("composing", "clips") as told:
        paths = jams.generate(
            out,
            per_genre=per_genre,
            seed=seed,
            workers=workers,
            with_faults=with_faults,
            on_progress=told,
        )
    say(f"{out}: {len(paths):,} files in {len(jams.GENRES)} genres")


@data.command()
def gtzan(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to fill.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="An archive (tar.gz, zip) or a folder that you have."),
    ] = None,
    workers: Workers = None,
) -> None:
    """Fetch GTZAN from its public sources, or take the copy that you have; then check it."""
    from backbeat.collections.gtzan.fetching import fetch

    with progress("fetching", "") as told:

        def fetched(what: str, done: int, total: int | None) -> None:
            # Of a download bytes are told, too many to read; of all else files.
            if what == "download":
                told(done // 2**20, total and total // 2**20, "download, MiB")
            else:
                told(done, total, f"{what}, files")

        genres = fetch(out, source=source, on_progress=fetched)
    check(genres, workers=workers)
