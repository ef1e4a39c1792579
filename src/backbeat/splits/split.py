"""A split as a value, what it leaks, and its file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, one_line, printable
from backbeat.features.store import Examples
from backbeat.files import atomic
from backbeat.files.documents import read_json
from backbeat.splits.groups import known_artist
from backbeat.splits.leaks import (
    Leaks,
    divides_songs,
    leak_sentence,
    leaks_from_json,
    leaks_to_json,
    measure_leaks,
)
from backbeat.splits.protocols import LEFT_OUT, PARTS, TEST, TRAIN, VALID, check_protocol

_VERSION = 1

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
        Sorted names in each part: of tracks, or of slices (``track#slice``).
    unit : {"tracks", "slices"}
        What `names` are of: slices where those of one track may be in different parts.
    artists, digests : dict of str to str
        Artist, and digest of the samples, of each track of the split, where known.
    leaks : tuple of Leak
        What it was measured to leak.
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
    unit: str
    artists: dict[str, str]
    digests: dict[str, str]
    leaks: Leaks
    tracks: int
    fold: int = 0
    folds: int = 0

    @property
    def hash(self) -> str:
        """Hash of the names in each part: equal for equal splits, however they were made."""
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
        """Whether slices of any test song are in training or validation."""
        return divides_songs(self.leaks)

    @property
    def leak(self) -> str:
        """What it was measured to leak, in words."""
        return leak_sentence(self.leaks)

    @property
    def trained_on(self) -> frozenset[str]:
        """Names of the tracks of which anything is in the training or validation part."""
        return tracks_in(self.names, self.unit, "train", "valid")

    def rows(self, part: str) -> npt.NDArray[np.intp]:
        """Give the rows of the examples in `part` ("train", "valid" or "test"), shape (m,)."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def to_json(self) -> dict[str, Any]:
        """Give the content of ``split.json``."""
        return {
            "format": "backbeat-split",
            "version": _VERSION,
            "protocol": self.protocol,
            "unit": self.unit,
            "leaks": leaks_to_json(self.leaks),
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
    protocol: str,
    seed: int,
    test_share: float,
    valid_share: float,
    *,
    by_slices: bool = False,
    fold: int = 0,
    folds: int = 0,
) -> Split:
    """Make the value of an assignment: name its parts, and measure what it leaks.

    Parameters
    ----------
    examples : Examples
    part : ndarray of int8, shape (n,)
        A row an example.
    protocol, seed, test_share, valid_share, fold, folds
        As in `Split`.
    by_slices : bool
        Whether the protocol divides tracks.
    """
    divided = by_slices or bool(shared_tracks(examples, part, TRAIN, VALID, TEST).size)
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
    return Split(
        protocol=protocol,
        seed=seed,
        test_share=test_share,
        valid_share=valid_share,
        part=part,
        names=names,
        unit="slices" if divided else "tracks",
        artists={
            examples.names[track]: artist
            for track in tracks
            if (artist := known_artist(examples.artists[track]))
        },
        digests={
            examples.names[track]: examples.digests[track]
            for track in tracks
            if examples.digests[track]
        },
        leaks=measure_leaks(examples, [part]),
        tracks=len(tracks),
        fold=fold,
        folds=folds,
    )


def shared_tracks(examples: Examples, part: Parts, *numbers: int) -> npt.NDArray[np.int64]:
    """Give the tracks, shape (m,), of which slices are in more than one of some parts.

    Parameters
    ----------
    examples : Examples
    part : ndarray of int8, shape (n,)
        A row an example.
    *numbers : int
        The parts.
    """
    there = [np.unique(examples.track[part == number]) for number in numbers]
    tracks, counts = np.unique(np.concatenate(there), return_counts=True)
    return np.asarray(tracks[counts > 1])


def tracks_in(names: dict[str, list[str]], unit: str, *parts: str) -> frozenset[str]:
    """Name the tracks of which anything is in some parts; `unit` is what `names` are of."""
    there = (name for part in parts for name in names[part])
    return frozenset(name.rpartition("#")[0] if unit == "slices" else name for name in there)


def write_split(path: Path, split: Split) -> None:
    """Write ``split.json``."""
    atomic.write_text(path, json.dumps(split.to_json(), indent=1) + "\n")


def read_parts(path: Path) -> dict[str, Any]:
    """Read ``split.json`` back as it was written.

    Refused if it is no split, of a newer format version, or changed since its hash was made.
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
        leaks_from_json(content.get("leaks"))
    except (BackbeatError, ValueError) as error:
        raise BackbeatError(f"{path}: damaged split; train again") from error
    if (
        content.get("unit") not in ("tracks", "slices")
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
