"""A split as a value, what it leaks, and its file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat import atomic
from backbeat.documents import read_json
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.features import Examples
from backbeat.splits.groups import known_artist
from backbeat.splits.protocols import check_protocol

LEAKS: dict[str, str] = {
    "slices": "LEAKING: slices of one song are on both sides of this split",
    "copies": "leaks copies: exact copies of one recording are on both sides of this split",
    "tracks": "leaks by artist: songs of one artist are on both sides of this split",
}
"""What a split leaks, worst first, in words for the figures measured on it."""

PARTS = ("train", "valid", "test")
TRAIN, VALID, TEST = range(3)
_VERSION = 1
LEFT_OUT = -1

Parts = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Split:
    """An assignment of slices to parts.

    Attributes
    ----------
    protocol : str
        As asked for, such as ``artists`` or ``file:theirs.csv``.
    seed : int
    test_share, valid_share : float
        As asked for; valid is a share of what test leaves.
    part : ndarray of int8, shape (n,)
        0 train, 1 valid, 2 test, -1 left out; a row an example.
    names : dict of str to list of str
        Sorted names in each part: of tracks, or of slices (``track#slice``) where the split
        divides tracks.
    artists : dict of str to str
        Artist of each track of the split, where known.
    leak : str
        What it leaks, in words; empty where nothing is known to.
    fold, folds : int
        The number of this fold, from 1, and of all; 0 where it is no fold.
    tracks : int
        Tracks that are not left out.
    """

    protocol: str
    seed: int
    test_share: float
    valid_share: float
    part: Parts
    names: dict[str, list[str]]
    artists: dict[str, str]
    leak: str
    tracks: int
    fold: int = 0
    folds: int = 0

    @property
    def hash(self) -> str:
        """Hash of the names in each part: equal for equal splits, however they came to be."""
        return _hash(self.names)

    @property
    def monitored(self) -> str:
        """The part whose accuracy is shown after each epoch: valid, or test where there is none.

        Nothing is ever chosen by it where it is the test part.
        """
        return "valid" if self.names["valid"] else "test"

    @property
    def unknown_artists(self) -> int:
        """How many of its tracks have no known artist; each stands for itself."""
        return self.tracks - len(self.artists)

    @property
    def divides_tracks(self) -> bool:
        """Whether slices of one track may be in different parts, so that names are of slices."""
        return self.leak == LEAKS["slices"]

    def rows(self, part: str) -> npt.NDArray[np.intp]:
        """Give the rows of the examples in `part` ("train", "valid" or "test"), shape (m,)."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def to_json(self) -> dict[str, Any]:
        """Give the content of ``split.json``."""
        return {
            "format": "backbeat-split",
            "version": _VERSION,
            "protocol": self.protocol,
            "leak": self.leak,
            "seed": self.seed,
            "test_share": self.test_share,
            "valid_share": self.valid_share,
            "fold": self.fold,
            "folds": self.folds,
            "hash": self.hash,
            "unknown_artists": self.unknown_artists,
            "parts": self.names,
            "artists": self.artists,
        }


def split_of(
    examples: Examples,
    part: Parts,
    *,
    protocol: str,
    seed: int,
    test_share: float,
    valid_share: float,
    by_slices: bool = False,
    leak: str | None = None,
    fold: int = 0,
    folds: int = 0,
) -> Split:
    """Make the value of an assignment: name its parts, and say what it leaks.

    Parameters
    ----------
    examples : Examples
    part : ndarray of int8, shape (n,)
        A row an example.
    protocol, seed, test_share, valid_share, fold, folds
        As in `Split`.
    by_slices : bool
        Whether the protocol divides tracks.
    leak : str, optional
        What the protocol is known to leak; by default what can be seen in the assignment.
    """
    divided = by_slices or bool(_crossing(np.arange(len(examples.names)), part, examples).size)
    kept = np.flatnonzero(part != LEFT_OUT)
    tracks = np.unique(examples.track[kept])
    names: dict[str, list[str]] = {}
    for number, name in enumerate(PARTS):
        rows = np.flatnonzero(part == number)
        if divided:
            pairs = zip(examples.track[rows], examples.slice[rows], strict=True)
            names[name] = sorted(f"{examples.names[track]}#{index}" for track, index in pairs)
        else:
            names[name] = sorted(examples.names[track] for track in np.unique(examples.track[rows]))
    if leak is None:
        leak = LEAKS["slices"] if divided else _seen_leak(part, examples)
    return Split(
        protocol=protocol,
        seed=seed,
        test_share=test_share,
        valid_share=valid_share,
        part=part,
        names=names,
        artists={
            examples.names[track]: artist
            for track in tracks
            if (artist := known_artist(examples.artists[track]))
        },
        leak=leak,
        tracks=len(tracks),
        fold=fold,
        folds=folds,
    )


def _seen_leak(part: Parts, examples: Examples) -> str:
    for leak, column in (("copies", examples.digests), ("tracks", examples.artists)):
        keys = [known_artist(key) for key in column]
        known = np.array([bool(key) for key in keys])
        _, group = np.unique(keys, return_inverse=True)
        if _crossing(np.where(known, group, -1), part, examples).size:
            return LEAKS[leak]
    return ""


def _crossing(
    group: npt.NDArray[np.int64], part: Parts, examples: Examples
) -> npt.NDArray[np.int64]:
    """Give the groups of tracks (-1: none) that are in training or validation and in test."""
    of_row = group[examples.track]
    heard = np.unique(of_row[(part == TRAIN) | (part == VALID)])
    crossing = np.intersect1d(heard, of_row[part == TEST])
    return crossing[crossing >= 0]


def write_split(path: Path, split: Split) -> None:
    """Write ``split.json``."""
    atomic.write_text(path, json.dumps(split.to_json(), indent=1) + "\n")


def read_parts(path: Path) -> dict[str, Any]:
    """Read ``split.json`` back as it was written.

    Raises
    ------
    BackbeatError
        If it is missing, is none, of a newer format version, or its names are not those that its
        hash was made of.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise BackbeatError(
            f"{path}: cannot be read as a split ({one_line(error)}); train again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != "backbeat-split":
        raise BackbeatError(f"{path}: not a split; train again")
    if content.get("version", _VERSION) != _VERSION:
        version = printable(str(content["version"]))[:20]
        raise BackbeatError(
            f"{path}: written in format version {version}, this backbeat reads "
            f"{_VERSION}; update backbeat or train again"
        )
    parts, artists = content.get("parts"), content.setdefault("artists", {})
    try:
        check_protocol(str(content.get("protocol")))
    except BackbeatError as error:
        raise BackbeatError(f"{path}: damaged split; train again") from error
    if (
        not isinstance(content.setdefault("leak", ""), str)
        or not isinstance(content.setdefault("seed", 0), int)
        or not isinstance(parts, dict)
        or not all(isinstance(parts.get(part), list) for part in PARTS)
        or not all(isinstance(name, str) for part in PARTS for name in parts[part])
        or not isinstance(artists, dict)
        or not all(isinstance(artist, str) for artist in artists.values())
    ):
        raise BackbeatError(f"{path}: damaged split; train again")
    names = {part: parts[part] for part in PARTS}
    if content.setdefault("hash", _hash(names)) != _hash(names):
        raise BackbeatError(
            f"{path}: damaged, or changed by hand: its names are not those of its hash; train "
            "again, or write them into a CSV of path,part"
        )
    return content


def _hash(names: dict[str, list[str]]) -> str:
    return hashlib.sha256(json.dumps(names, sort_keys=True).encode()).hexdigest()[:16]
