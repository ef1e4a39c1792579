"""What of the songs to be tested on is known from training: of a split, and of another collection.

`audit_splits` measures what a split leaks. `find_overlap` looks in a feature store for the songs
that a model was trained or validated on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat import gtzan
from backbeat.bundle import Description, short_digest
from backbeat.duplicates import NearDuplicate, find_near_duplicates
from backbeat.errors import BackbeatError
from backbeat.features import Examples, Features, open_features
from backbeat.frontend import Musicnn
from backbeat.splits import Leaks, Split, is_leaking, leak_sentence, leaks_to_json, measure_leaks
from backbeat.splits.groups import connected, joined


@dataclass(frozen=True)
class Crossing:
    """Two tracks that hold one recording, one to be trained and one to be tested on."""

    trained: str
    tested: str
    kind: str
    correlation: float
    offset: float
    """In seconds, as in `NearDuplicate`."""


@dataclass(frozen=True)
class Audit:
    """What a split leaks.

    Attributes
    ----------
    protocol : str
    folds : int
        0 for one split.
    tracks, left_out : int
        Tracks in the split (in any fold), and tracks of the store that are in none.
    leaks : tuple of Leak
        One a kind; near duplicates where they were looked for.
    crossings : tuple of Crossing
        Pairs of copies on two sides.
    """

    protocol: str
    folds: int
    tracks: int
    left_out: int
    leaks: Leaks
    crossings: tuple[Crossing, ...]

    @property
    def leaking(self) -> bool:
        """Whether anything of the test part is in training or validation."""
        return is_leaking(self.leaks)

    def to_json(self) -> dict[str, Any]:
        """Give the content of a JSON file."""
        return {
            **asdict(self),
            "leaks": leaks_to_json(self.leaks),
            "leaking": self.leaking,
            "summary": leak_sentence(self.leaks),
        }


def audit_splits(
    examples: Examples,
    splits: Sequence[Split],
    duplicates: Sequence[NearDuplicate] | None = None,
) -> Audit:
    """Count what a split, or all folds of a cross-validation, leak.

    Parameters
    ----------
    examples : Examples
    splits : sequence of Split
        One, or the folds of one protocol.
    duplicates : sequence of NearDuplicate, optional
        See `duplicates.find_near_duplicates`. None where they were not looked for.

    Returns
    -------
    Audit
    """
    n = len(examples.names)
    pairs = [(pair.first, pair.second) for pair in duplicates or ()]
    near = connected(n, np.array(pairs, np.int64).reshape(-1, 2))
    parts = [split.part for split in splits]
    in_any = np.unique(np.concatenate([examples.track[split.part >= 0] for split in splits]))
    return Audit(
        protocol=splits[0].protocol,
        folds=splits[0].folds if len(splits) > 1 else 0,
        tracks=len(in_any),
        left_out=n - len(in_any),
        leaks=measure_leaks(examples, parts, near=None if duplicates is None else near),
        crossings=_crossings(examples, splits, joined(examples.digests), duplicates or ()),
    )


def _crossings(
    examples: Examples,
    splits: Sequence[Split],
    exact: npt.NDArray[np.int64],
    duplicates: Sequence[NearDuplicate],
) -> tuple[Crossing, ...]:
    """Name the pairs of copies of which one is trained (or validated) on and one is tested."""
    pairs: dict[tuple[int, int], tuple[str, float, float]] = {
        (pair.first, pair.second): ("near duplicate", pair.correlation, pair.offset)
        for pair in duplicates
    }
    for number in np.flatnonzero(np.bincount(exact) > 1):
        tracks = np.flatnonzero(exact == number).tolist()
        for place, first in enumerate(tracks):
            pairs |= {(first, second): ("exact copy", 1.0, 0.0) for second in tracks[place + 1 :]}
    found = {}
    for split in splits:
        tested = set(examples.track[split.rows("test")].tolist())
        known = {
            t for part in ("train", "valid") for t in examples.track[split.rows(part)].tolist()
        }
        for (first, second), (kind, correlation, offset) in sorted(pairs.items()):
            for trained, other in ((first, second), (second, first)):
                if trained in known and other in tested:
                    names = (examples.names[trained], examples.names[other])
                    found[names] = Crossing(*names, kind, round(correlation, 3), round(offset, 2))
    return tuple(found.values())


@dataclass(frozen=True)
class Overlap:
    """Songs of a feature store that a model was trained or validated on.

    Attributes
    ----------
    found : mapping of str to tuple of str
        Names of the songs found by each means that could be compared: "name", "GTZAN identity",
        "digest of the samples", "near duplicate". A song stands under the first that found it.
    songs : int
        Of the store.
    recorded : bool
        Whether the model records at all what it was trained on.
    """

    found: Mapping[str, tuple[str, ...]]
    songs: int
    recorded: bool

    @property
    def names(self) -> frozenset[str]:
        """All songs that were found."""
        return frozenset(name for names in self.found.values() for name in names)

    @property
    def sentence(self) -> str:
        """How many were found and by what; or that nothing could be compared."""
        if not self.recorded:
            return (
                "The model does not record which songs it was trained on, so nothing could be "
                f"compared: any of these {self.songs:,} songs may be among them."
            )
        counts = ", ".join(f"{len(names):,} by {means}" for means, names in self.found.items())
        line = (
            f"{len(self.names):,} of {self.songs:,} songs are left out, as the model was trained "
            f"or validated on them: {counts}."
        )
        if not self.names and list(self.found) == ["name"]:
            line += (
                " Nothing but names could be compared: it may have been trained on these songs "
                "under other names."
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

    Parameters
    ----------
    described : Description
        Of the model's bundle.
    features : Features
    near : Path, optional
        The feature store that the model was trained on, to look for near duplicates of its songs.

    Returns
    -------
    Overlap

    Raises
    ------
    BackbeatError
        If `near` holds none of the model's songs, or near duplicates cannot be found from it.
    """
    used = features.table.slices > 0
    rows = np.flatnonzero(used).tolist()
    names = [features.table.name[row] for row in rows]
    digests = [short_digest(features.table.digest[row]) for row in rows]
    known: dict[str, tuple[Sequence[str], set[str]]] = {"name": (names, set(described.heard))}
    ids = [gtzan.track_id(name) or "" for name in names]
    heard_ids = {gtzan.track_id(name) or "" for name in described.heard} - {""}
    if any(ids) and heard_ids:
        known["GTZAN identity"] = (ids, heard_ids)
    # Digests of samples equal none of features.
    kinds = {digest.rpartition(":")[0] for digest in described.digests}
    if any(digest and digest.rpartition(":")[0] in kinds for digest in digests):
        known["digest of the samples"] = (digests, set(described.digests))
    if near is not None:
        alike = _near_overlap(described, features, open_features(near))
        known["near duplicate"] = (names, alike)
    found: dict[str, tuple[str, ...]] = {}
    left = dict(enumerate(names))
    for means, (keys, heard) in known.items():
        hits = [row for row in left if keys[row] in heard]
        found[means] = tuple(left.pop(row) for row in hits)
    return Overlap(found, len(names), bool(described.heard or described.digests))


def _near_overlap(described: Description, features: Features, trained: Features) -> set[str]:
    """Name the songs of a store of which the training store holds a near duplicate."""
    option = f"--near-duplicates {trained.path}"
    if trained.frontend != features.frontend or isinstance(features.frontend, Musicnn):
        raise BackbeatError(
            f"{option}: near duplicates are found between stores of one front-end, mfcc or logmel"
        )
    own, other = trained.examples("mfcc"), features.examples("mfcc")
    heard = set(described.heard)
    kept = np.array(
        [name in heard or (gtzan.track_id(name) or "") in heard for name in own.names], bool
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
    return {other.names[pair.second - n] for pair in pairs if pair.first < n <= pair.second}
