"""The blocks of a feature store: which are done, which are damaged, and their track table.

A block is the tracks of one row of chunks. While a store is filled, ``progress`` has a record of
each that is done. Damaged chunks of features show by their own checksums, but only when they are
read; those blocks are then made again.
"""

import itertools
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from backbeat.audio.integrity import find_duplicates
from backbeat.collections.check import duplicate, excluded
from backbeat.collections.collection import Collection
from backbeat.errors import BackbeatError, one_line
from backbeat.features.store import TrackTable, array_in, checked_zstd, open_group, storable

_log = logging.getLogger(__name__)

_RECORDS_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of preparing one track."""

    slices: int
    seconds: float
    digest: str
    artist: str
    album: str
    findings: tuple[str, ...]


def create_progress(group: zarr.Group) -> None:
    """Make the array of records, all empty: nothing is done yet."""
    group.create_array(
        "progress",
        shape=array_in(group, "features").cdata_shape[:1],
        chunks=(1,),
        dtype=str,
        compressors=checked_zstd(),
        overwrite=True,
    )


def check_begun(group: zarr.Group, out: Path, shape: tuple[int, ...]) -> None:
    """Refuse an unfinished store that lacks what resuming needs."""
    try:
        array, progress = array_in(group, "features"), array_in(group, "progress")
        if array.shape != shape or progress.shape != array.cdata_shape[:1]:
            raise ValueError(f"of shape {array.shape}, with {progress.shape} records")
    except Exception as error:  # Zarr raises errors of many kinds on damage
        raise BackbeatError(
            f"{out}: damaged feature store ({one_line(error)}); remove it and prepare again"
        ) from error


def filled_blocks(group: zarr.Group, out: Path) -> list[bool]:
    """Say of each block whether it is done; one with a damaged record is not."""
    records = array_in(group, "progress")
    try:
        return [bool(record) for record in np.asarray(records[:])]
    except Exception:  # noqa: BLE001 - codecs raise errors of many kinds on damage
        filled = []
        for block in range(records.shape[0]):
            try:
                filled.append(bool(records[block]))
            except Exception:  # noqa: BLE001
                (out / "progress" / "c" / str(block)).unlink(missing_ok=True)
                filled.append(False)
        return filled


def damaged_blocks(path: Path) -> tuple[int, ...]:
    """Read all features of a finished store, and give the numbers of unreadable blocks."""
    array = array_in(open_group(path), "features")
    size, grid = array.chunks[0], [range(count) for count in array.cdata_shape]
    damaged = []
    for block in grid[0]:
        # Zarr takes a lost chunk for zeros.
        keys = ("/".join(map(str, place)) for place in itertools.product(*grid[1:]))
        whole = all((_folder(path, block) / key).is_file() for key in keys)
        try:
            np.asarray(array[block * size : (block + 1) * size])
        except Exception:  # noqa: BLE001 - codecs raise errors of many kinds on damage
            whole = False
        if not whole:
            damaged.append(block)
    return tuple(damaged)


def forget_blocks(group: zarr.Group, out: Path, damaged: tuple[int, ...]) -> None:
    """Remove damaged blocks of a finished store, and record that it has the others."""
    _log.warning("%s: %d damaged blocks of features are made again", out, len(damaged))
    _drop_blocks(out, damaged)
    create_progress(group)
    progress = array_in(group, "progress")
    records = ["" if block in damaged else "[]" for block in range(progress.shape[0])]
    progress[:] = np.array(records, dtype=object)


def require_same(group: zarr.Group, out: Path, damaged: tuple[int, ...], table: TrackTable) -> None:
    """Refuse blocks made again of other songs than the table's, and remove them."""
    size, records = array_in(group, "features").chunks[0], array_in(group, "progress")
    for block in damaged:
        digests = [outcome["digest"] for outcome in json.loads(str(records[block]))]
        if digests != list(table.digest[block * size : (block + 1) * size]):
            _drop_blocks(out, damaged)
            raise BackbeatError(
                f"{out}: cannot be mended, since its songs have changed; remove it "
                "and prepare again"
            )


def _drop_blocks(path: Path, blocks: Sequence[int]) -> None:
    """Remove blocks of features, so that the store lacks them."""
    for block in blocks:
        shutil.rmtree(_folder(path, block), ignore_errors=True)


def _folder(path: Path, block: int) -> Path:
    return path / "features" / "c" / str(block)


def tabulate(group: zarr.Group, collection: Collection, drop_duplicates: bool) -> TrackTable:
    """Make the track table of a store of which all blocks are done, and find exact duplicates.

    With `drop_duplicates`, copies of another track's samples are left out.
    """
    tracks = collection.tracks
    faults = {track.name: fault for track in tracks if (fault := excluded(collection, track))}
    seconds, slices = np.zeros(len(tracks), np.float64), np.zeros(len(tracks), np.int64)
    text: dict[str, list[str]] = {name: [] for name in ("artist", "album", "digest", "finding")}
    digests = {}
    for row, (track, outcome) in enumerate(zip(tracks, _outcomes(group), strict=True)):
        seconds[row], slices[row] = outcome.seconds, outcome.slices
        text["artist"].append(sys.intern(outcome.artist))
        text["album"].append(sys.intern(outcome.album))
        text["digest"].append(outcome.digest)
        text["finding"].append("; ".join(outcome.findings))
        if outcome.slices and track.name not in faults:
            digests[track.name] = outcome.digest
    twins = find_duplicates(digests)
    del digests  # some MB of a large collection
    originals = set(twins.values())
    labels = {track.name: track.genre for track in tracks if track.name in originals}
    for row, track in enumerate(tracks):
        if track.name in twins:
            reason = duplicate(track, twins[track.name], labels).reason
            findings = "; ".join(filter(None, (text["finding"][row], reason)))
            text["finding"][row] = sys.intern(findings)
        if track.name in faults:
            text["finding"][row] = faults[track.name].reason
        if track.name in faults or (drop_duplicates and track.name in twins):
            slices[row] = 0
    return TrackTable(
        name=tuple(storable(track.name) for track in tracks),
        genre=tuple(track.genre for track in tracks),
        seconds=seconds,
        slices=slices,
        **{name: tuple(values) for name, values in text.items()},
    )


def _outcomes(group: zarr.Group) -> Iterator[Outcome]:
    """Give the outcome of each track; of a large collection not all at once."""
    records = array_in(group, "progress")
    for start in range(0, records.shape[0], _RECORDS_AT_ONCE):
        for record in np.asarray(records[start : start + _RECORDS_AT_ONCE]):
            for outcome in json.loads(record):
                yield Outcome(**{**outcome, "findings": tuple(outcome["findings"])})
