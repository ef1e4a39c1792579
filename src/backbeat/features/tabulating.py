"""From the outcome of each track, in the blocks' records, to a store's track table."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import zarr

from backbeat.audio.integrity import find_duplicates
from backbeat.collections.check import duplicate, excluded
from backbeat.collections.collection import Collection
from backbeat.features.store import TrackTable, array_in, storable

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
