"""Which rows of imported features are parts of one song: measured, named, or said at import."""

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, printable
from backbeat.files.text import number

SONGS_OPTIONS = "--segments-per-song N, --song-from name, --rows-are-songs"
Songs = int | Literal["name", "rows"]

_SUFFIX = re.compile(r"\.(wav|mp3|flac|ogg|opus|m4a|aac|aif|aiff|au|npy|png)$", re.IGNORECASE)
# `blues.00000.3`, `song_12_part2`: a song, and the number of its segment.
_SEGMENT = re.compile(r"(?P<song>.*[^._\- ])[._\- ]+(?:[a-z]{1,8}[._\- ]?)?(?P<place>\d+)", re.I)
# Neighbouring rows of 3 s to 15 s of GTZAN and of synthetic songs are 0.52 to 0.63 times as far
# apart as others of their genre; songs in the order of albums (GTZAN, FMA) 0.81 to 0.89 times.
_LIKE_NEIGHBOURS = 0.7
# Rows in any order: the nearest other row is 0.51 to 0.72 times as far as the halves of a row are
# where rows are segments of 3 s or 6 s, and 0.81 to 1.96 times where they are songs.
_LIKE_ANY = 0.75
_MAX_ROWS = 6_000  # among more songs the nearest is nearer
_ROWS_AT_ONCE = 1_000
_MIN_ROWS = 8  # of a genre


def why_unknown(
    array: npt.NDArray[np.floating], labels: Sequence[int], names: Sequence[str]
) -> str:
    """Say why rows may be segments of songs, or nothing if nothing shows it.

    Parameters
    ----------
    array : ndarray of float, shape (rows, slices, frames, bands)
    labels : sequence of int
        Genre of each row.
    names : sequence of str
        Of the rows; none where the file has none.

    Returns
    -------
    str
        Such as "neighbouring rows are 0.63 times as far apart as others of their genre".
    """
    if not names:
        return "the file names no songs"
    songs = [found for name in names if (found := _segment(name)) and found[0][-1].isdigit()]
    if 2 * len(songs) > len(names) and len({song for song, _ in songs}) < len(songs):
        return f"names such as '{printable(names[0])[:100]}' have a number of a segment"
    frames = array.reshape(len(array), -1, array.shape[-1])
    features = _described(frames)
    scale = features.std(axis=0)
    features = features[:, scale > 0] / scale[scale > 0]
    if (ratio := _neighbours(features, np.asarray(labels))) < _LIKE_NEIGHBOURS:
        return (
            f"neighbouring rows are {number(ratio, 2)} times as far apart as others of their genre"
        )
    half = frames.shape[1] // 2
    if half:
        halves = [
            _described(part)[:, scale > 0] / scale[scale > 0]
            for part in (frames[:, :half], frames[:, -half:])
        ]
        if (ratio := _nearest(features, halves[0] - halves[1])) < _LIKE_ANY:
            return (
                f"the nearest other row is {number(ratio, 2)} times as far as the halves of a row"
            )
    return ""


def rows_of_songs(
    names: Sequence[str], labels: Sequence[int], songs: Songs | None
) -> dict[str, list[int]]:
    """Give the rows of each song, by its name, in their order within it.

    Raises
    ------
    BackbeatError
        If the rows cannot be so divided, or one song gets two genres.
    """
    found: dict[str, list[int]] = {}
    if isinstance(songs, int):
        if songs < 1 or len(names) % songs:
            raise BackbeatError(
                f"--segments-per-song {songs}: {number(len(names))} rows are no multiple of it: "
                "some songs have fewer; name the rows, such as song.3, and give --song-from name"
            )
        found = {
            names[first]: list(range(first, first + songs)) for first in range(0, len(names), songs)
        }
    elif songs == "name":
        segments = [_segment(name) for name in names]
        for row, segment in enumerate(segments):
            if segment is None:
                raise BackbeatError(
                    f"--song-from name: '{printable(names[row])[:100]}' does not end with the "
                    "number of a segment, as blues.00000.3.wav does"
                )
            found.setdefault(segment[0], []).append(row)
        for rows in found.values():
            rows.sort(key=lambda row: segments[row] or ("", 0))
    else:
        found = {name: [row] for row, name in enumerate(names)}
    for song, rows in found.items():
        if len({labels[row] for row in rows}) > 1:
            raise BackbeatError(
                f"{printable(song)[:100]}: its {number(len(rows))} rows have several genres; "
                f"check {SONGS_OPTIONS}"
            )
    return found


def join_rows(array: npt.NDArray[Any], songs: Sequence[Sequence[int]]) -> npt.NDArray[Any]:
    """Put the slices of each song's rows one after another, the last of a shorter song zero.

    Parameters
    ----------
    array : ndarray, shape (rows, slices, frames, bands)
    songs : sequence of sequence of int
        The rows of each.

    Returns
    -------
    ndarray, shape (songs, most slices, frames, bands)
    """
    each = array.shape[1]
    joined = np.zeros((len(songs), max(map(len, songs)) * each, *array.shape[2:]), array.dtype)
    for place, rows in enumerate(songs):
        joined[place, : len(rows) * each] = array[list(rows)].reshape(-1, *array.shape[2:])
    return joined


def _segment(name: str) -> tuple[str, int] | None:
    """Divide a segment's name into its song's and its number."""
    match = _SEGMENT.fullmatch(_SUFFIX.sub("", name))
    return (match["song"], int(match["place"])) if match else None


def _described(frames: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Give mean and deviation over time of each band, (rows, frames, bands) to (rows, 2 bands)."""
    described = np.empty((len(frames), 2 * frames.shape[2]), np.float32)
    for start in range(0, len(frames), _ROWS_AT_ONCE):  # in bounded memory
        some = frames[start : start + _ROWS_AT_ONCE].astype(np.float32)
        parts = [some.mean(axis=1), some.std(axis=1)]
        described[start : start + len(some)] = np.concatenate(parts, axis=1)
    return described


def _neighbours(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Compare each row's nearer neighbour in its genre with the nearer of two others, drawn.

    The result is the geometric mean of the ratio of distances; 1 if it cannot be measured.
    """
    random = np.random.default_rng(0)
    logs = []
    for label in np.unique(labels):
        rows = features[labels == label]
        if len(rows) < _MIN_ROWS:
            continue
        steps = np.linalg.norm(rows[1:] - rows[:-1], axis=1)
        near = np.minimum(steps[1:], steps[:-1])
        place = np.arange(1, len(rows) - 1)
        others = (place + random.integers(2, len(rows) - 1, (2, len(place)))) % len(rows)
        far = np.linalg.norm(rows[others] - rows[place], axis=2).min(axis=0)
        there = (near > 0) & (far > 0)
        logs.append(np.log(near[there] / far[there]))
    measured = np.concatenate([np.zeros(0), *logs])
    return float(np.exp(measured.mean())) if len(measured) else 1.0


def _nearest(features: npt.NDArray[np.float32], halves: npt.NDArray[np.float32]) -> float:
    """Compare the distance to the nearest other row with that between the halves of a row.

    The result is the ratio of the medians; 1 if it cannot be measured.
    """
    step = -(-len(features) // _MAX_ROWS)
    rows = features[::step]
    within = float(np.median(np.linalg.norm(halves[::step], axis=1)))
    if len(rows) < _MIN_ROWS or not within:
        return 1.0
    squares = (rows**2).sum(axis=1)
    nearest = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        between = squares[part, None] + squares - 2 * rows[part] @ rows.T
        own = np.arange(len(between))
        between[own, start + own] = np.inf
        nearest[part] = between.min(axis=1)
    return float(np.sqrt(max(0.0, np.median(nearest)))) / within
