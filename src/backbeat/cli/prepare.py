"""The verbs that make a feature store: prepare, import-features."""

import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.check import (
    CollectionPath,
    Columns,
    FrontEndName,
    GenreFrom,
    Seconds,
    Several,
    SongsFolder,
    Yes,
    genre_counts,
    read_collection,
)
from backbeat.cli.console import progress, say, say_json, say_sentence, warn
from backbeat.cli.options import Cluster, Json, Workers
from backbeat.errors import BackbeatError, printable
from backbeat.files.text import number, plural, significant

if TYPE_CHECKING:
    from backbeat.features.songs import Songs


def prepare(
    collection: CollectionPath,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The feature store to make or go on with.")
    ],
    frontend: Annotated[
        FrontEndName,
        typer.Option(help="mfcc: the paper's; logmel: maps; musicnn: features for transfer."),
    ] = "mfcc",
    seconds: Seconds = None,
    windows: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="The most stretches of a song, spread over it (default: mfcc 1, others 4).",
        ),
    ] = None,
    drop_duplicates: Annotated[
        bool, typer.Option("--drop-duplicates", help="Leave out exact copies of another track.")
    ] = False,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="Read a finished store, and make its damaged parts again."),
    ] = False,
    several: Several = None,
    columns: Columns = None,
    songs: SongsFolder = None,
    genre_from: GenreFrom = "folder",
    yes: Yes = False,
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Turn a collection into features ready for training; resumes where it was stopped.

    Files that cannot be used are left out and listed, with the reason; the exit status is 0.
    """
    from backbeat import frontend as frontends
    from backbeat.features.prepare import prepare as fill
    from backbeat.parallel.executors import open_executor

    front = frontends.by_name(frontend, seconds)
    read = read_collection(collection, several, columns, songs, genre_from, yes)
    with (
        open_executor(workers, cluster, [*read.places, out], isolated=True) as executor,
        progress("preparing") as show,
    ):
        summary = fill(
            read,
            out,
            frontend=front,
            executor=executor,
            windows=windows,
            drop_duplicates=drop_duplicates,
            mend=mend,
            on_progress=show,
        )
    left_out = set(summary.left_out)
    if as_json:
        findings = [
            {"track": name, "left_out": name in left_out, "reason": reason}
            for name, reason in summary.findings
        ]
        content = {"store": str(out), "tracks": summary.tracks, "kept": summary.kept}
        split = summary.split and str(summary.split)
        content["seconds"] = front.seconds
        say_json({**content, "genres": summary.genres, "split": split, "findings": findings})
        return
    for name, finding in summary.findings:
        note = "left out" if name in left_out else "kept"
        warn(f"{note}: {printable(name)}: {finding}")
    if summary.too_short:
        warn(summary.too_short)
    if seconds and isinstance(front, frontends.Mfcc):
        slices = f"{plural(front.slices, 'slice')} of {number(front.slice_seconds, 1)} s"
        say(f"Of each {significant(seconds)} s mfcc takes {slices}.")
    of_all = "" if summary.kept == summary.tracks else f" of {number(summary.tracks)}"
    songs_kept = f"{number(summary.kept)}{of_all} songs"
    _end(out, songs_kept, summary.genres, frontend, summary.split)


def _end(
    out: Path, songs: str, genres: Mapping[str, int], frontend: str, split: Path | None = None
) -> None:
    """Print the result in a line, the largest genres with their songs, and the next command."""
    say_sentence(f"{songs} in {genre_counts(genres)}.")
    model = {"musicnn": "transfer", "vectors": "head"}.get(frontend, "cnn_03.8")
    by = "artists" if split is None else f"file:{split}"
    command = f"backbeat train {shlex.quote(str(out))} --model {model}"
    say(f"Next: {command} --split {shlex.quote(by)} -o RUN")


def import_features(
    file: Annotated[
        Path, typer.Argument(help="An npz, the tutorial's data.json, or a CSV with a vector a row.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The feature store to make.")],
    frontend: Annotated[
        str, typer.Option(metavar="mfcc|logmel|vectors", help="What the features in the file are.")
    ],
    segments_per_song: Annotated[
        int | None, typer.Option(min=2, help="So many rows, one after another, are one song.")
    ] = None,
    song_from: Annotated[
        str | None,
        typer.Option(
            metavar="name", help="Rows whose names differ by the last number alone are one song."
        ),
    ] = None,
    rows_are_songs: Annotated[
        bool, typer.Option("--rows-are-songs", help="Each row is a song of its own.")
    ] = False,
    made: Annotated[
        str | None,
        typer.Option(
            metavar="librosa[,PARAMETER=N]",
            help="How they were made, if audio is to be classified by them (default: unknown).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring features that were made elsewhere into a feature store.

    MFCCs of whole songs are cut into slices of 125 frames. What is dropped is printed. Rows that
    may be segments of songs are refused for tracks and artists splits until an option gives songs.
    Vectors of any kind are for --model head, which classifies no audio.
    """
    from backbeat.features.importing import import_features as bring
    from backbeat.features.songs import SONGS_OPTIONS

    dropped: list[str] = []
    unknown: list[str] = []
    features = bring(
        file,
        out,
        frontend=frontend,
        made=made,
        songs=_songs(segments_per_song, song_from, rows_are_songs),
        on_dropped=dropped.append,
        on_unknown=unknown.append,
    )
    genres = Counter(features.table.genre)
    if as_json:
        content = {"store": str(out), "tracks": len(features.table), "genres": genres}
        more = {"made": made, "songs_unknown": [*unknown, None][0]}
        say_json({**content, "dropped": dropped, **more})
        return
    for what in dropped:
        warn(f"dropped: {what}")
    if features.caution:
        warn(
            "How these features were made is not known. A model of them says so before it "
            "classifies audio; --made says how (docs/formats.md)."
        )
    for why in unknown:
        warn(
            f"songs of {segments_per_song} rows may still be parts of one song: {why}"
            if features.songs_known
            else f"it is not known which rows are parts of one song: {why}. Splits by tracks and "
            f"artists are refused until you import them with one of {SONGS_OPTIONS}"
        )
    if not features.songs_known:  # nothing to train on yet but slices
        say(f"{number(len(features.table))} rows in {genre_counts(genres)}.")
        return
    _end(out, f"{number(len(features.table))} songs", genres, frontend)


def _songs(segments: int | None, name: str | None, rows: bool) -> "Songs | None":
    """Give which rows are a song, of the three options of which one may be given."""
    if name not in (None, "name"):
        raise BackbeatError(f"--song-from {printable(name or '')}: only name is known")
    given: list[Songs] = [segments] if segments else []
    given += ["name"] if name else []
    given += ["rows"] if rows else []
    if len(given) > 1:
        raise BackbeatError(
            "--segments-per-song, --song-from and --rows-are-songs: give one of them"
        )
    return given[0] if given else None
