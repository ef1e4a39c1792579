"""Splits: which slices train a model and which test it.

Protocols
---------
slices
    The paper's: slices are drawn at random, so slices of one song, and songs of one artist, land on
    both sides. It *leaks*: accuracy measured on it is too high, and everything that shows it says
    so.
tracks
    No song is on two sides; stratified by genre. Still leaks what songs of one artist share.
artists
    No artist, and no exact copy of a song, is on two sides; stratified by genre as far as whole
    artists allow. A track whose artist is unknown stands for itself.
gtzan-filtered
    The published fault-filtered, artist-disjoint split of GTZAN [3]_: 443 tracks to train, 197 to
    validate, 290 to test. Tracks that it does not name are left out.

References
----------
.. [1] A. Flexer, "A closer look on artist filters for musical genre classification", ISMIR 2007.
.. [2] B. L. Sturm, "The state of the art ten years after a state of the art", JNMR 43(2), 2014.
.. [3] C. Kereliuk, B. L. Sturm and J. Larsen, "Deep learning and music adversaries", IEEE
   Transactions on Multimedia 17(11), 2015.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from backbeat import atomic, gtzan
from backbeat.errors import BackbeatError
from backbeat.features import Examples

Protocol = Literal["slices", "tracks", "artists", "gtzan-filtered"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
LEAKS: dict[str, str] = {
    "slices": "LEAKING: slices of one song are on both sides of this split",
    "tracks": "leaks by artist: songs of one artist are on both sides of this split",
}
"""What a protocol leaks, in words for the figures measured on it; absent where nothing is known."""

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
LEFT_OUT = -1


@dataclass(frozen=True)
class Split:
    """An assignment of slices to parts.

    Attributes
    ----------
    protocol : str
    seed : int
    test_share, valid_share : float
        As asked for; valid is a share of what test leaves.
    part : ndarray of int8, shape (n,)
        0 train, 1 valid, 2 test, -1 left out; a row an example.
    names : dict of str to list of str
        Sorted names in each part: of tracks, or of slices (``track#slice``) where the protocol
        divides tracks.
    """

    protocol: str
    seed: int
    test_share: float
    valid_share: float
    part: npt.NDArray[np.int8]
    names: dict[str, list[str]]

    @property
    def hash(self) -> str:
        """Hash of the names in each part: equal for equal splits, however they came to be."""
        return hashlib.sha256(json.dumps(self.names, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def monitored(self) -> str:
        """The part whose accuracy is shown after each epoch: valid, or test where there is none.

        Nothing is ever chosen by it where it is the test part.
        """
        return "valid" if self.names["valid"] else "test"

    @property
    def leak(self) -> str:
        """What this split leaks, in words; empty where nothing is known to."""
        return LEAKS.get(self.protocol, "")

    def rows(self, part: str) -> npt.NDArray[np.intp]:
        """Give the rows of the examples in `part` ("train", "valid" or "test")."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def to_json(self) -> dict[str, Any]:
        """Give the content of ``split.json``."""
        return {
            "format": "backbeat-split",
            "version": 1,
            "protocol": self.protocol,
            "leak": self.leak,
            "seed": self.seed,
            "test_share": self.test_share,
            "valid_share": self.valid_share,
            "hash": self.hash,
            "parts": self.names,
        }


def make_split(
    examples: Examples,
    protocol: Protocol,
    *,
    seed: int = 0,
    test_share: float = 0.3,
    valid_share: float | None = None,
) -> Split:
    """Draw a split.

    Parameters
    ----------
    examples : Examples
    protocol : {"slices", "tracks", "artists", "gtzan-filtered"}
    seed : int
    test_share : float
        Share of the slices (or tracks) to test on; 0.3 in the paper.
    valid_share : float, optional
        Share of what is left to choose models by: by default 0 for "slices", as in the paper, and
        0.15 for the others. The published split has its own parts, whatever the shares and seed.

    Raises
    ------
    BackbeatError
        If a share is out of range, or a part comes out empty or without a genre.
    """
    if protocol not in PROTOCOLS:
        raise BackbeatError(f"--split {protocol}: unknown; choose one of {', '.join(PROTOCOLS)}")
    if valid_share is None:
        valid_share = 0.0 if protocol == "slices" else 0.15
    if not 0 < test_share < 1 or not 0 <= valid_share < 1:
        raise BackbeatError("the shares of the test and validation parts must lie between 0 and 1")
    rng = np.random.default_rng(seed)
    if protocol == "gtzan-filtered":
        of_track = _published(examples)
        part = of_track[examples.track]
        names = _names_by_part(list(examples.names), of_track)
    elif protocol == "slices":
        part = _draw_slices(len(examples.y), test_share, valid_share, rng)
        labels = [
            f"{examples.names[track]}#{number}"
            for track, number in zip(examples.track, examples.slice, strict=True)
        ]
        names = _names_by_part(labels, part)
    else:
        groups = track_groups(examples, protocol)
        of_track = _draw_groups(examples.track_genres, groups, test_share, valid_share, rng)
        part = of_track[examples.track]
        names = _names_by_part(list(examples.names), of_track)
    split = Split(protocol, seed, test_share, valid_share, part, names)
    _check(split, examples)
    return split


def track_groups(examples: Examples, protocol: str) -> npt.NDArray[np.int64]:
    """Give each track the number of the group that must stay on one side, shape (tracks,)."""
    if protocol == "tracks":
        return np.arange(len(examples.names))
    keys: dict[str, int] = {}
    group = [
        # The track's own number keeps two tracks without an artist apart.
        keys.setdefault(f"artist {artist.casefold()}" if artist else f"track {row}", len(keys))
        for row, artist in enumerate(examples.artists)
    ]
    return _joined_by_copies(np.array(group, np.int64), examples.digests)


def write_split(path: Path, split: Split) -> None:
    """Write ``split.json``."""
    atomic.write_text(path, json.dumps(split.to_json(), indent=1) + "\n")


def read_parts(path: Path) -> dict[str, Any]:
    """Read ``split.json`` back as it was written.

    Raises
    ------
    BackbeatError
        If it is missing or is none.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BackbeatError(f"{path}: cannot be read as a split ({error}); train again") from error
    if not isinstance(content, dict) or content.get("format") != "backbeat-split":
        raise BackbeatError(f"{path}: not a split; train again")
    parts = content.get("parts")
    if (
        content.get("protocol") not in PROTOCOLS
        or not isinstance(parts, dict)
        or not all(isinstance(parts.get(part), list) for part in PARTS)
        or not all(isinstance(name, str) for part in PARTS for name in parts[part])
    ):
        raise BackbeatError(f"{path}: damaged split; train again")
    return content


def _published(examples: Examples) -> npt.NDArray[np.int8]:
    """Look up each track's part in GTZAN's fault-filtered lists."""
    lists = gtzan.filtered_parts()
    found = [lists.get(gtzan.track_id(name) or "") for name in examples.names]
    if not any(found):
        raise BackbeatError("--split gtzan-filtered: these features hold no track of GTZAN")
    return np.array([PARTS.index(part) if part else LEFT_OUT for part in found], np.int8)


def _draw_slices(
    n: int, test_share: float, valid_share: float, rng: np.random.Generator
) -> npt.NDArray[np.int8]:
    order = rng.permutation(n)
    tests = round(n * test_share)
    valids = round((n - tests) * valid_share)
    part = np.full(n, TRAIN, np.int8)
    part[order[:tests]] = TEST
    part[order[tests : tests + valids]] = VALID
    return part


def _draw_groups(
    genre: npt.NDArray[np.int64],
    group: npt.NDArray[np.int64],
    test_share: float,
    valid_share: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.int8]:
    """Give whole groups to parts, so that each genre comes near its share in each part."""
    counts = np.zeros((group.max() + 1, genre.max() + 1))
    np.add.at(counts, (group, genre), 1)
    total = counts.sum(axis=0)
    shares = np.array(
        [(1 - test_share) * (1 - valid_share), (1 - test_share) * valid_share, test_share]
    )
    want = shares[:, None] * total
    have = np.zeros_like(want)
    part_of_group = np.empty(len(counts), np.int8)
    # Large groups first, while they still fit; the random order decides among equals.
    shuffled = rng.permutation(len(counts))
    order = shuffled[np.argsort(-counts.sum(axis=1)[shuffled], kind="stable")]
    for index in order:
        count = counts[index]
        # In tracks, not in shares: so that few large groups round to the nearest division.
        lack = ((want - have) * count).sum(axis=1)
        lack[shares == 0] = -np.inf
        # Among the parts that lack most of these genres; draws break ties.
        best = np.flatnonzero(lack >= lack.max() - 1e-9)
        chosen = int(rng.choice(best))
        part_of_group[index] = chosen
        have[chosen] += count
    return part_of_group[group]


def _joined_by_copies(
    group: npt.NDArray[np.int64], digests: tuple[str, ...]
) -> npt.NDArray[np.int64]:
    """Join groups that share an exact copy of a recording, and number them anew."""
    parent = list(range(int(group.max()) + 1))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    first: dict[str, int] = {}
    for own, digest in zip(group.tolist(), digests, strict=True):
        if digest:
            parent[root(own)] = root(first.setdefault(digest, own))
    _, joined = np.unique([root(own) for own in group.tolist()], return_inverse=True)
    return joined.astype(np.int64)


def _names_by_part(labels: list[str], part: npt.NDArray[np.int8]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = defaultdict(list)
    for label, number in zip(labels, part.tolist(), strict=True):
        if number != LEFT_OUT:
            names[PARTS[number]].append(label)
    return {name: sorted(names[name]) for name in PARTS}


def _check(split: Split, examples: Examples) -> None:
    if len(np.unique(examples.y)) < 2:
        raise BackbeatError("there is only one genre with usable tracks; a classifier needs two")
    # Of the published split a part may be kept elsewhere; training still refuses to do without it.
    needed = ("train", "valid") if split.protocol == "gtzan-filtered" else ("train", "test")
    for name in needed:
        there = set(examples.y[split.rows(name)].tolist())
        missing = [g for i, g in enumerate(examples.genres) if i not in there]
        if missing:
            raise BackbeatError(
                f"--split {split.protocol}: the {name} part has no {', '.join(missing)}; "
                "add tracks of other artists, or choose another --test-share or --seed"
            )
