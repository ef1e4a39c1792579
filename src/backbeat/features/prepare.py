"""From a collection to a feature store: in parallel, resumable, the unusable files listed.

The unit of work is a block of tracks. A worker writes the block's chunk of features first and its
record of results last, both atomically; a block without its record is done again. So a kill at any
moment costs at most the blocks in progress, and the finished store is the same as that of an
uninterrupted run. A track that ends its worker, or takes too long, is listed, and the rest of its
block done again.
"""

import csv
import hashlib
import io
import json
import math
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from backbeat import audio
from backbeat import frontend as frontends
from backbeat.audio.integrity import Inspector, inspect, is_too_short, unopened
from backbeat.collections.collection import Collection, Track, read_tags
from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.features.blocks import (
    Outcome,
    check_begun,
    create_progress,
    damaged_blocks,
    filled_blocks,
    forget_blocks,
    require_same,
    tabulate,
)
from backbeat.features.store import (
    TrackTable,
    array_in,
    create_store,
    open_features,
    open_group,
    sum_up,
    write_table,
)
from backbeat.files import atomic
from backbeat.files import checksums as sums
from backbeat.files.cells import harmless
from backbeat.files.locks import locked
from backbeat.frontend import FrontEnd, Mfcc
from backbeat.parallel.bounds import guarded, keep_freed_memory
from backbeat.parallel.executors import InlineExecutor, map_tasks, rest

# Chunks of some MB: large enough to read quickly, small enough to lose little to a kill.
_MAX_TRACKS_IN_A_BLOCK = 40
_MIN_BLOCKS = 16
_BLOCKS_TO_SHARE = 4  # a multiple of it, and all of one size, so that workers end together


@dataclass(frozen=True)
class Summary:
    """What `prepare` did."""

    tracks: int  # in the collection
    kept: int  # with features in the store
    findings: tuple[tuple[str, str], ...]  # track name and finding, in the order of names
    left_out: tuple[str, ...]  # names of tracks without features, unusable or duplicates
    genres: Mapping[str, int]  # how many tracks of each were kept
    split: Path | None = None  # of the collection's own parts, for ``--split file:``
    too_short: str = ""  # how many tracks are left out for that alone, and the remedy


@dataclass(frozen=True)
class _Block:
    """A job for a worker: plain values only, as it may be sent to another machine."""

    store: str
    index: int
    first: int
    tracks: tuple[Track, ...]
    frontend: dict[str, Any]
    windows: int
    there: bool
    """Whether the process that made the job could see any of its files."""
    lost: tuple[tuple[str, str], ...] = ()
    """Paths of tracks that ended a worker, and how."""


def prepare(
    collection: Collection,
    out: Path,
    *,
    frontend: FrontEnd | None = None,
    executor: Executor | None = None,
    windows: int | None = None,
    drop_duplicates: bool = False,
    mend: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Fill the feature store `out` from a collection; resume it where it was begun before.

    Parameters
    ----------
    collection : Collection
    out : Path
        The store's folder, made if missing.
    frontend : FrontEnd, optional
        The paper's `Mfcc` by default.
    executor : Executor, optional
        Where the work is done; see `open_executor`. In this process by default.
    windows : int, optional
        The most windows (stretches of the front-end's length) to take of a track: each from the
        middle of one of so many equal parts of it, all of them its slices (default 4; for `Mfcc`
        1). A track that holds fewer windows gives all that it has.
    drop_duplicates : bool
        Leave out exact copies of another track's samples (the first by name is kept).
    mend : bool
        Read all features of a finished store, and make damaged ones again.
    on_progress : callable, optional
        Called with (tracks done, tracks in all).

    Returns
    -------
    Summary

    Raises
    ------
    BackbeatError
        If `out` holds other features or is in use, or no track at all is usable.
    """
    front = frontend or Mfcc()
    windows = windows or (1 if isinstance(front, Mfcc) else 4)
    executor = executor or InlineExecutor()
    with locked(out):
        group = _open_or_create(collection, out, front, windows, drop_duplicates)
        complete = bool(group.attrs.get("complete"))
        if complete:
            table = open_features(out).table
            if (out / "progress").exists() and not (out / sums.NAME).exists():
                sum_up(out)  # it was killed before it did that
            if on_progress:
                on_progress(len(table), len(table))
        damaged = damaged_blocks(out) if complete and mend else ()
        if damaged or not complete:
            size = array_in(group, "features").chunks[0]
            blocks = _blocks(collection, out, front, windows, size)
            if damaged:
                forget_blocks(group, out, damaged)
            _fill(group, out, blocks, len(collection.tracks), executor, on_progress)
            rest(executor)  # what follows is done here, and takes memory for a large collection
            if damaged:
                require_same(group, out, damaged, table)
            else:
                table = tabulate(group, collection, drop_duplicates)
                write_table(group, table)
        _tidy(out)
        summary = _summary(table, front)
        if not summary.kept:
            shutil.rmtree(out)
            why = summary.too_short or "`backbeat check` says why"
            raise BackbeatError(f"{collection.root}: no track is usable; {why}")
        return replace(summary, split=_write_split(collection, out, set(summary.left_out)))


def _write_split(collection: Collection, out: Path, left_out: set[str]) -> Path | None:
    """Write the parts that a collection comes with as a split, if songs to train and test on do."""
    rows = [(t.name, t.part) for t in collection.tracks if t.part and t.name not in left_out]
    if not {"train", "test"} <= {part for _, part in rows}:
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("path", "part"), *((harmless(name), part) for name, part in rows)])
    atomic.write_text(out / "split.csv", text.getvalue())
    return out / "split.csv"


def extract_track(
    track: Track, frontend: FrontEnd, windows: int
) -> tuple[npt.NDArray[np.float32], Outcome]:
    """Decode a track once for its features, shape (slices, frames, bands), and its integrity check.

    At most `windows` windows are taken, spread over the track; an unusable track has no slices.
    """
    min_seconds = frontend.min_samples / frontend.sample_rate
    nothing = np.zeros((0, *frontend.shape[1:]), np.float32)
    taken: list[npt.NDArray[np.float32]] = []
    try:
        with audio.open_source(track.path) as source:
            inspector = Inspector(track.path, source.info, source.notes)
            watched = inspector.watch(source)
            wanted = frontends.spread(source.info.seconds, frontend, windows)
            mono = audio.mono_blocks(watched, source.info, frontend.sample_rate)
            last = None
            for number, (_, window) in enumerate(frontends.windows(mono, frontend)):
                if last is None or len(window) >= frontend.window_samples:
                    last = window
                if number in wanted:
                    taken.append(frontend.extract(window))
                if number >= max(wanted):
                    break
            if last is not None and not taken:
                # An estimated length can be far too long (an MP3 without a count of its frames).
                taken.append(frontend.extract(last))
            for _ in watched:  # the rest is decoded for the integrity check alone
                pass
        inspection = inspector.inspection(min_seconds)
    except audio.AudioError as error:
        # The same refusal, in the words of `check`.
        inspection = inspect(track.path, min_seconds=min_seconds)
        if inspection.usable:  # the file has been replaced since
            inspection = unopened(error)
    usable = inspection.usable and bool(taken) and len(taken[0]) == frontend.shape[0]
    features = np.concatenate(taken) if usable else nothing
    artist, album = track.artist, track.album
    if usable and not (artist and album):
        tags = read_tags(track.path)
        artist, album = artist or tags.artist, album or tags.album
    return features, Outcome(
        slices=len(features),
        seconds=round(inspection.seconds, 3),
        digest=inspection.digest,
        artist=artist,
        album=album,
        findings=tuple(finding.reason for finding in inspection.findings),
    )


def _fill_block(job: _Block) -> int:
    """Do one block of tracks (in a worker) and return how many tracks it has."""
    keep_freed_memory()
    front = frontends.from_dict(job.frontend)
    group = open_group(Path(job.store), mode="r+")
    array, progress = array_in(group, "features"), array_in(group, "progress")
    if progress[job.index]:
        return len(job.tracks)  # by a worker of an earlier start of this command
    _require_a_file(job)
    block = np.zeros((len(job.tracks), *array.shape[1:]), array.dtype)
    outcomes, lost = [], dict(job.lost)
    for row, track in enumerate(job.tracks):
        if reason := lost.get(str(track.path)):
            outcomes.append(asdict(Outcome(0, 0.0, "", track.artist, track.album, (reason,))))
            continue
        with guarded(track.path):
            features, outcome = extract_track(track, front, job.windows)
        block[row, : len(features)] = features
        outcomes.append(asdict(outcome))
    array[job.first : job.first + len(block)] = block
    # The record comes last: it says that the features above are there.
    progress[job.index] = json.dumps(outcomes)
    return len(block)


def _without(job: _Block, error: WorkerLostError) -> _Block:
    """Give the same job without the track that ended its worker."""
    if error.what not in {str(track.path) for track in job.tracks}:
        raise error
    return replace(job, lost=(*job.lost, (error.what, error.reason)))


def _require_a_file(job: _Block) -> None:
    """Refuse to report a whole block of songs as unreadable if another machine can read it."""
    if job.there and not any(track.path.exists() for track in job.tracks):
        raise BackbeatError(
            f"{job.tracks[0].path}: {socket.gethostname()} does not see it, though it was there "
            "when the work began; have all machines share the songs at the same paths"
        )


def _fill(
    group: zarr.Group,
    out: Path,
    blocks: Iterable[_Block],
    tracks: int,
    executor: Executor,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    filled = filled_blocks(group, out)
    size = array_in(group, "features").chunks[0]
    done = sum(min(size, tracks - size * index) for index, done in enumerate(filled) if done)
    if on_progress:
        on_progress(done, tracks)
    waiting = (block for block in blocks if not filled[block.index])
    for finished in map_tasks(executor, _fill_block, waiting, instead=_without):
        done += finished
        if on_progress:
            on_progress(done, tracks)


def _open_or_create(
    collection: Collection, out: Path, front: FrontEnd, windows: int, drop_duplicates: bool
) -> zarr.Group:
    print_of = fingerprint(collection)
    wanted = {
        "frontend": front.model_dump(),
        "genres": list(collection.genres),
        "fingerprint": print_of,
        "windows": windows,
        "drop_duplicates": drop_duplicates,
    }
    tracks = len(collection.tracks)
    shape = (tracks, front.shape[0] * windows, *front.shape[1:])
    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        group = open_group(out, mode="r+")
        for key, what in (
            ("frontend", "another front-end"),
            ("windows", "another number of windows"),
            ("drop_duplicates", "another choice about duplicates"),
            ("genres", "other genres"),
            ("fingerprint", "another collection, or its files have changed since"),
        ):
            if group.attrs.get(key) != wanted[key]:
                raise BackbeatError(
                    f"{out}: holds features of {what}; remove it or choose another -o"
                )
        if not group.attrs.get("complete"):
            check_begun(group, out, shape)
        return group
    # A store exists with all its parts or not at all.
    with atomic.replacing_folder(out) as beside:
        group = create_store(beside, shape=shape, block=_block_size(tracks), attributes=wanted)
        create_progress(group)
    return open_group(out, mode="r+")


def _blocks(
    collection: Collection, out: Path, front: FrontEnd, windows: int, size: int
) -> Iterator[_Block]:
    """Make the jobs one by one: all of a large collection's at once would double its tracks."""
    store, parameters = str(out.absolute()), front.model_dump()
    for index, first in enumerate(range(0, len(collection.tracks), size)):
        own = tuple(
            replace(track, folder=track.folder.absolute())
            for track in collection.tracks[first : first + size]
        )
        there = any(track.path.exists() for track in own)
        yield _Block(store, index, first, own, parameters, windows, there)


def _block_size(tracks: int) -> int:
    """Give the number of tracks in a block, which is a chunk of the store."""
    fours = math.ceil(tracks / (_BLOCKS_TO_SHARE * _MAX_TRACKS_IN_A_BLOCK))
    return math.ceil(tracks / max(_MIN_BLOCKS, _BLOCKS_TO_SHARE * fours))


def fingerprint(collection: Collection) -> str:
    """Hash the names, labels and sizes of a collection's files, to recognise it."""
    digest = hashlib.blake2b(digest_size=16)
    for track in collection.tracks:
        try:
            size = track.path.stat().st_size
        except OSError:
            size = -1  # `prepare` lists it as unreadable
        line = json.dumps([track.name, track.genre, track.artist, track.album, size])
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _tidy(out: Path) -> None:
    """Remove what only an unfinished store needs, and leftovers of killed workers."""
    # Not by Zarr, which takes what an earlier, killed removal has begun for no array.
    shutil.rmtree(out / "progress", ignore_errors=True)
    for leftover in out.rglob("*.partial"):
        leftover.unlink(missing_ok=True)


def _summary(table: TrackTable, front: FrontEnd) -> Summary:
    lengths = [
        float(s) for s, f in zip(table.seconds, table.finding, strict=True) if is_too_short(f)
    ]
    return Summary(
        tracks=len(table),
        kept=int(np.count_nonzero(table.slices)),
        findings=tuple((n, f) for n, f in zip(table.name, table.finding, strict=True) if f),
        left_out=tuple(n for n, s in zip(table.name, table.slices, strict=True) if not s),
        too_short=frontends.too_short(front, lengths) if lengths else "",
        genres=Counter(g for g, s in zip(table.genre, table.slices, strict=True) if s),
    )
