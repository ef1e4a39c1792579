"""Which songs of a feature store a model was trained or validated on, by all that is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backbeat.bundle.archive import short_digest
from backbeat.bundle.description import Description
from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.features.duplicates import find_near_duplicates, why_unsearchable
from backbeat.features.store import Features, open_features
from backbeat.files.text import number


@dataclass(frozen=True)
class Overlap:
    """Songs of a feature store that a model was trained or validated on."""

    # Names of the songs found by each means that could be compared: "name", "GTZAN identity",
    # "digest of the samples", "near duplicate". A song stands under the first that found it
    found: Mapping[str, tuple[str, ...]]
    songs: int  # of the store
    recorded: bool  # whether the model records at all what it was trained on
    trained: int = 0  # songs that it records
    near: int | None = None  # of these, those whose features were compared for near duplicates

    @property
    def names(self) -> frozenset[str]:
        """All songs that were found."""
        return frozenset(name for names in self.found.values() for name in names)

    @property
    def counts(self) -> str:
        """How many were found by what."""
        return ", ".join(f"{number(len(names))} by {means}" for means, names in self.found.items())

    @property
    def sentence(self) -> str:
        """How many were found and by what; or that nothing could be compared."""
        if not self.recorded:
            return (
                "The model does not record which songs it was trained on, so nothing could be "
                f"compared: any of these {number(self.songs)} songs may be among them."
            )
        line = (
            f"{number(len(self.names))} of {number(self.songs)} songs are left out, as the model "
            f"was trained "
            f"or validated on them: {self.counts}."
        )
        if not self.names and list(self.found) == ["name"]:
            line += (
                " Nothing but names could be compared: it may have been trained on these songs "
                "under other names."
            )
        if self.near is not None and self.near < self.trained:
            line += (
                f" Near duplicates could be looked for of {number(self.near)} of the "
                f"{number(self.trained)} "
                "songs that it was trained or validated on."
            )
        return line

    def to_json(self) -> dict[str, Any]:
        """Give the content of a JSON file."""
        return {
            "songs": self.songs,
            "left_out": {means: len(names) for means, names in self.found.items()},
            "recorded": self.recorded,
        }


def find_overlap(described: Description, features: Features, near: Path | None = None) -> Overlap:
    """Find the songs of a feature store that a model was trained or validated on.

    `near` is the feature store that the model was trained on, to look for near duplicates too;
    refused where it holds none of the model's songs.
    """
    used = features.table.slices > 0
    rows = np.flatnonzero(used).tolist()
    names = [features.table.name[row] for row in rows]
    digests = [short_digest(features.table.digest[row]) for row in rows]
    known = _known(described, names, digests)
    compared = None
    if near is not None:
        alike, compared = _near_overlap(described, features, open_features(near))
        known["near duplicate"] = (names, alike)
    return _overlap(described, len(names), known, compared)


def find_overlap_of_names(described: Description, names: Sequence[str]) -> Overlap:
    """Find the songs that a model was trained or validated on, of which only names are known."""
    return _overlap(described, len(names), _known(described, names, []))


def _known(
    described: Description, names: Sequence[str], digests: Sequence[str]
) -> dict[str, tuple[Sequence[str], set[str]]]:
    """Give what songs and those of a model can be compared by: each song's key, and the model's."""
    known: dict[str, tuple[Sequence[str], set[str]]] = {"name": (names, set(described.trained_on))}
    ids = [gtzan.track_id(name) or "" for name in names]
    trained_ids = {gtzan.track_id(name) or "" for name in described.trained_on} - {""}
    if any(ids) and trained_ids:
        known["GTZAN identity"] = (ids, trained_ids)
    # Digests of samples equal none of features.
    kinds = {digest.rpartition(":")[0] for digest in described.digests}
    if any(digest and digest.rpartition(":")[0] in kinds for digest in digests):
        known["digest of the samples"] = (digests, set(described.digests))
    return known


def _overlap(
    described: Description,
    songs: int,
    known: dict[str, tuple[Sequence[str], set[str]]],
    compared: int | None = None,
) -> Overlap:
    """Find each song by the first means that does."""
    found: dict[str, tuple[str, ...]] = {}
    left = dict(enumerate(known["name"][0]))
    for means, (keys, trained) in known.items():
        hits = [row for row in left if keys[row] in trained]
        found[means] = tuple(left.pop(row) for row in hits)
    recorded = bool(described.trained_on or described.digests)
    return Overlap(found, songs, recorded, len(described.trained_on), compared)


def _near_overlap(
    described: Description, features: Features, trained: Features
) -> tuple[set[str], int]:
    """Name the songs of which the training store holds a near duplicate; count what it holds."""
    option = f"--near-duplicates {trained.path}"
    why = why_unsearchable(features.frontend)
    if trained.frontend != features.frontend:
        why = "the two stores are of different front-ends"
    if why:
        raise BackbeatError(f"{option}: near duplicates cannot be found, as {why}")
    own, other = trained.examples("mfcc"), features.examples("mfcc")
    used = set(described.trained_on)
    kept = np.array(
        [name in used or (gtzan.track_id(name) or "") in used for name in own.names], bool
    )
    if not kept.any():
        raise BackbeatError(f"{option}: holds none of the songs that the model was trained on")
    rows = kept[own.track]
    number = np.cumsum(kept) - 1
    n = int(kept.sum())
    both = replace(
        own,
        x=np.concatenate([own.x[rows], other.x]),
        track=np.concatenate([number[own.track[rows]], other.track + n]),
        slice=np.concatenate([own.slice[rows], other.slice]),
    )
    seconds = np.concatenate([trained.track_seconds()[kept], features.track_seconds()])
    pairs = find_near_duplicates(both, features.frontend, seconds=seconds)
    return {other.names[pair.second - n] for pair in pairs if pair.first < n <= pair.second}, n
