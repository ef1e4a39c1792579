"""How much a split leaks: what of its test part stands in its training part too.

Of every test slice is asked whether its song, its artist, its album, an exact copy or a near
duplicate of its song is in the training part, and, apart, in the validation part, by which models
are chosen. Where an artist or album is unknown nothing can be said of it, and that is counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.duplicates import NearDuplicate
from backbeat.features import Examples
from backbeat.splits import Split
from backbeat.splits.groups import connected, joined, known_artist

_WORDS = {
    "song": "of the same song",
    "artist": "of a song by the same artist",
    "album": "of a song of the same album",
    "exact copy": "of an exact copy of the song",
    "near duplicate": "of a near duplicate of the song",
}


@dataclass(frozen=True)
class Leak:
    """One way in which test slices are known from training.

    Attributes
    ----------
    kind : {"song", "artist", "album", "exact copy", "near duplicate"}
    slices : int
        Test slices, over all folds.
    known : int
        Those of which can be told (whose artist or album is known).
    in_training, in_validation : int
        Those of which it is in the part.
    """

    kind: str
    slices: int
    known: int
    in_training: int
    in_validation: int

    @property
    def share(self) -> float:
        """Share of all test slices of which it is in training."""
        return self.in_training / self.slices if self.slices else 0.0

    @property
    def sentence(self) -> str:
        """The same in plain words."""
        return f"{self.share:.1%} of the test slices: a slice {_WORDS[self.kind]} is in training"


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
        A line a kind.
    crossings : tuple of Crossing
        Pairs of copies on two sides.
    """

    protocol: str
    folds: int
    tracks: int
    left_out: int
    leaks: tuple[Leak, ...]
    crossings: tuple[Crossing, ...]

    @property
    def leaking(self) -> bool:
        """Whether anything of the test part is in training or validation."""
        return any(leak.in_training or leak.in_validation for leak in self.leaks)

    def to_json(self) -> dict[str, Any]:
        """Give the content of a JSON file."""
        return {
            **asdict(self),
            "leaks": [{**asdict(leak), "share": leak.share} for leak in self.leaks],
            "leaking": self.leaking,
        }


def audit_splits(
    examples: Examples, splits: Sequence[Split], duplicates: Sequence[NearDuplicate] = ()
) -> Audit:
    """Count what a split, or all folds of a cross-validation, leak.

    Parameters
    ----------
    examples : Examples
    splits : sequence of Split
        One, or the folds of one protocol.
    duplicates : sequence of NearDuplicate
        See `duplicates.find_near_duplicates`.

    Returns
    -------
    Audit
    """
    n = len(examples.names)
    exact = joined(examples.digests)
    groups = {
        "song": np.arange(n),
        "artist": _numbered([known_artist(artist) for artist in examples.artists]),
        "album": _numbered(_albums(examples)),
        "exact copy": exact,
        "near duplicate": _near_groups(n, duplicates),
    }
    known = {
        "artist": groups["artist"] >= 0,
        "album": groups["album"] >= 0,
        "exact copy": np.array([bool(digest) for digest in examples.digests]),
    }
    leaks = tuple(
        _leak(kind, group, known.get(kind, np.ones(n, bool)), examples, splits)
        for kind, group in groups.items()
    )
    in_any = np.unique(np.concatenate([examples.track[split.part >= 0] for split in splits]))
    return Audit(
        protocol=splits[0].protocol,
        folds=splits[0].folds if len(splits) > 1 else 0,
        tracks=len(in_any),
        left_out=n - len(in_any),
        leaks=leaks,
        crossings=_crossings(examples, splits, exact, duplicates),
    )


def _leak(
    kind: str,
    group: npt.NDArray[np.int64],
    known: npt.NDArray[np.bool_],
    examples: Examples,
    splits: Sequence[Split],
) -> Leak:
    slices = tellable = 0
    found = {"train": 0, "valid": 0}
    for split in splits:
        tested = examples.track[split.rows("test")]
        slices += len(tested)
        tellable += int(known[tested].sum())
        for part in found:
            there = np.unique(examples.track[split.rows(part)])
            hits = _hits(kind, group, tested, there)
            found[part] += int((hits & known[tested]).sum())
    return Leak(kind, slices, tellable, found["train"], found["valid"])


def _hits(
    kind: str,
    group: npt.NDArray[np.int64],
    tested: npt.NDArray[np.int64],
    there: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Tell of each tested slice whether something of its group is there (-1: no group)."""
    if kind in ("exact copy", "near duplicate"):
        # Another track, not the song itself, which is counted by its own line.
        others = {int(g): set(there[group[there] == g].tolist()) for g in np.unique(group[there])}
        return np.array(
            [bool(others.get(int(group[t]), set()) - {int(t)}) and group[t] >= 0 for t in tested],
            bool,
        )
    return np.isin(group[tested], group[there]) & (group[tested] >= 0)


def _numbered(keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """Give each key a number; -1 for an empty one."""
    numbers = {key: number for number, key in enumerate(sorted(set(keys) - {""}))}
    return np.array([numbers.get(key, -1) for key in keys], np.int64)


def _albums(examples: Examples) -> list[str]:
    """Name each track's album with its artist, since many albums are called Greatest Hits."""
    return [
        f"{known_artist(artist)}\0{' '.join(album.casefold().split())}" if album else ""
        for artist, album in zip(examples.artists, examples.albums, strict=True)
    ]


def _near_groups(n: int, duplicates: Sequence[NearDuplicate]) -> npt.NDArray[np.int64]:
    """Join near duplicates; -1 for tracks without one."""
    edges = np.array([(pair.first, pair.second) for pair in duplicates], np.int64).reshape(-1, 2)
    return np.where(np.isin(np.arange(n), edges), connected(n, edges), -1).astype(np.int64)


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
        heard = {
            t for part in ("train", "valid") for t in examples.track[split.rows(part)].tolist()
        }
        for (first, second), (kind, correlation, offset) in sorted(pairs.items()):
            for trained, other in ((first, second), (second, first)):
                if trained in heard and other in tested:
                    names = (examples.names[trained], examples.names[other])
                    found[names] = Crossing(*names, kind, round(correlation, 3), round(offset, 2))
    return tuple(found.values())
