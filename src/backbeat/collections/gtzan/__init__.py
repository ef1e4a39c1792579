"""GTZAN, the collection of 1,000 excerpts of 30 s on which genre classifiers are measured, as data.

The collection: G. Tzanetakis and P. Cook, "Musical Genre Classification of Audio Signals", IEEE
Transactions on Speech and Audio Processing 10(5), 2002. It has no copyright clearance, so none of
its sound is here. ``data/artists.csv`` holds the artists and titles that were identified: facts
from the index of B. L. Sturm, "An Analysis of the GTZAN Music Genre Dataset", Proc. ACM Workshop
MIRUM, Nara, 2012, with thanks there to C. Liem, C. Hage and D. Ellis for additions. 919 of the
1,000 excerpts have an artist. Two artists spelt in two ways there are spelt in one here, since
splits by artist compare names: Earth, Wind & Fire and Rage Against the Machine.
"""

from __future__ import annotations

import csv
import functools
import re
from pathlib import Path
from typing import Any, cast

import yaml

from backbeat.collections.genres import GTZAN_GENRES as GENRES
from backbeat.collections.genres import genre_key

EXCLUDED = {
    "jazz.00054": "cannot be read in the common copies of GTZAN, so every protocol leaves it out"
}
"""Tracks that are never used, and why."""

SOURCES = (
    "http://opihi.cs.uvic.ca/sound/genres.tar.gz",
    "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
)
"""Addresses of the original archive, the author's own first."""

MD5 = "5b3d6dddb579ab49814ab86dba69e7c7"
"""The checksum of ``genres.tar.gz``."""

# Where the genres' folders lie below the folder of a copy: the original archive, Kaggle's, and
# plain. They come before the copy's own top, which in Kaggle's also holds pictures and tables.
LAYOUTS = ("genres_original", "Data/genres_original", "genres", "Data/genres", ".")

_DATA = Path(__file__).parent / "data"
_TRACK = re.compile(r"([a-z -]+|hip_hop)[._](\d{5})(?:\.[^.]*)?", re.IGNORECASE)


def track_id(name: str) -> str | None:
    """Give the identity of a GTZAN track, such as ``blues.00000``, by its file's name; or None.

    The name may be ``blues/blues.00000.wav``, ``blues.00000.au``, ``Hip-Hop_00012.flac``.
    """
    match = _TRACK.fullmatch(name.replace("\\", "/").rpartition("/")[2])
    if match is None:
        return None
    genre = genre_key(match[1])
    # Each genre has the numbers 00000 to 00099.
    return f"{genre}.{match[2]}" if genre in GENRES and match[2] < "00100" else None


def artist_of(track: str) -> str:
    """Give a track's artist by its identity; empty where it is unknown."""
    return _index().get(track, ("", ""))[0]


def title_of(track: str) -> str:
    """Give a track's title by its identity; empty where it is unknown."""
    return _index().get(track, ("", ""))[1]


def find_genres(folder: Path) -> Path | None:
    """Find the folder with sub-folders named by genres, at least two of GTZAN's, in any known copy.

    `folder` is the copy's folder, or one above it; None if there is none.
    """
    for layout in LAYOUTS:
        inner = folder / layout
        try:
            names = {genre_key(child.name) for child in inner.iterdir() if child.is_dir()}
        except OSError:  # not there, no folder, or closed: then it is not this layout
            continue
        if len(names.intersection(GENRES)) > 1:
            return inner
    return None


@functools.cache
def filtered_parts() -> dict[str, str]:
    """Give the published fault-filtered, artist-disjoint split: track's identity to its part.

    The parts are "train", "valid" and "test"; the 70 tracks with faults are in none [1]_.

    References
    ----------
    .. [1] C. Kereliuk, B. L. Sturm and J. Larsen, "Deep learning and music adversaries", IEEE
       Transactions on Multimedia 17(11), 2015.
    """
    return {
        track: part
        for part, genres in _read_data("filtered.yaml").items()
        for genre, runs in genres.items()
        for track in _tracks(genre, str(runs))
    }


@functools.cache
def folds() -> dict[str, int]:
    """Give the published three artist-filtered folds: track's identity to the fold that tests it.

    Folds are numbered 1 to 3; 52 tracks are in none [1]_.

    References
    ----------
    .. [1] J. H. Foleiss and T. F. Tavares, "Texture selection for automatic music genre
       classification", Applied Soft Computing 89, 2020.
    """
    return {track: fold for fold, tracks in _fold_artists() for track in tracks}


@functools.cache
def fold_artists() -> dict[str, int]:
    """Give the number of the artist that the authors of `folds` assigned to each track."""
    return {track: number for number, (_, tracks) in enumerate(_fold_artists()) for track in tracks}


def _fold_artists() -> list[tuple[int, tuple[str, ...]]]:
    """Give the fold and the tracks of each artist."""
    return [
        (fold, _tracks(genre, artist.replace("+", " ")))
        for fold, genres in _read_data("folds.yaml").items()
        for genre, artists in genres.items()
        for artist in str(artists).split()
    ]


def _tracks(genre: str, runs: str) -> tuple[str, ...]:
    """Give the identities of a genre's tracks from runs of numbers, such as ``2 15-20``."""
    return tuple(
        f"{genre}.{number:05d}"
        for run in runs.split()
        for number in range(int(run.split("-")[0]), int(run.split("-")[-1]) + 1)
    )


def _read_data(name: str) -> dict[Any, dict[str, Any]]:
    text = (_DATA / name).read_text(encoding="utf-8")
    return cast(dict[Any, dict[str, Any]], yaml.safe_load(text))


@functools.cache
def _index() -> dict[str, tuple[str, str]]:
    """Read artists and titles by track."""
    text = (_DATA / "artists.csv").read_text(encoding="utf-8")
    rows = csv.reader(text.splitlines()[1:])
    return {track: (artist, title) for track, artist, title in rows}
