"""What of the songs to be tested on is known from training: of a split, and of another collection.

`audit_splits` measures what a split leaks. `find_overlap` looks in a feature store for the songs
that a model was trained or validated on.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.features.duplicates import NearDuplicate
from backbeat.features.store import Examples
from backbeat.splits import (
    Leaks,
    Split,
    is_leaking,
    leak_sentence,
    leaks_to_json,
    measure_leaks,
    songs_unknown,
)
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
    """What a split leaks."""

    protocol: str
    folds: int  # 0 for one split
    # Tracks in the split (in any fold), and tracks of the store that are in none
    tracks: int
    left_out: int
    tested: int  # tracks in the test part of any fold
    leaks: Leaks  # one a kind; near duplicates where they were looked for
    crossings: tuple[Crossing, ...]  # pairs of copies on two sides

    @property
    def leaking(self) -> bool:
        """Whether anything of the test part is in training or validation."""
        return is_leaking(self.leaks)

    @property
    def summary(self) -> str:
        """What was measured, in words."""
        return leak_sentence(self.leaks, songs=self.tested)

    def to_json(self) -> dict[str, Any]:
        """Give the content of a JSON file."""
        return {
            **asdict(self),
            "leaks": leaks_to_json(self.leaks),
            "leaking": self.leaking or (None if songs_unknown(self.leaks) else False),
            "summary": self.summary,
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
        tested=len(np.unique(np.concatenate([examples.track[s.rows("test")] for s in splits]))),
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
