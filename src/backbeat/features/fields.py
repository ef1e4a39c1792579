"""The fields of imported features as their makers write them: names, labels, genres."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.collections.genres import clean_genre, genre_key, is_genre
from backbeat.errors import BackbeatError, printable
from backbeat.files.text import number


def strings(
    source: Path, field: str, values: npt.NDArray[Any], *, unique: bool = False
) -> tuple[str, ...]:
    """Read a field of text, or of its bytes in UTF-8, shape (n,).

    `unique` texts must not be empty either.
    """
    if values.dtype.kind not in "US":
        raise BackbeatError(
            f"{source}: {field} must be strings, and is {values.dtype}; save {field}.astype(str)"
        )
    if values.dtype.kind == "U" and values.dtype.itemsize and values.size:
        # NumPy takes any 32 bits for a character, and Python fails on those that are not.
        characters = np.ascontiguousarray(values).view(values.dtype.byteorder + "u4")
        if characters.max() > sys.maxunicode:
            raise BackbeatError(f"{source}: {field} holds invalid text")
    try:
        texts = tuple(
            value.decode("utf-8") if isinstance(value, bytes) else str(value)
            for value in values.tolist()
        )
    except UnicodeDecodeError as error:
        raise BackbeatError(f"{source}: {field} holds bytes that are not UTF-8") from error
    if unique and len(set(texts)) != len(texts):
        [(twice, _)] = Counter(texts).most_common(1)
        raise BackbeatError(
            f"{source}: {field} must be unique, and '{printable(twice)[:100]}' occurs twice"
        )
    if unique and "" in texts:
        raise BackbeatError(f"{source}: {field} holds an empty string")
    return texts


def genres_and_labels(
    source: Path, genres: npt.NDArray[Any] | None, y: npt.NDArray[Any]
) -> tuple[tuple[str, ...], list[int]]:
    """Give the genres, and the place among them of each row's.

    `y`, shape (n,), holds the places (whole numbers, also as floats) or the genres themselves, when
    `genres`, shape (k,), is not needed; or it has the shape (n, k), with a one in each row.
    """
    if y.dtype.kind in "US":
        named = [clean_genre(text) for text in strings(source, "y", y)]
        listed = tuple(sorted(set(named))) if genres is None else _genres(source, genres)
        if unknown := [genre for genre in named if is_genre(genre) and genre not in listed]:
            raise BackbeatError(
                f"{source}: y holds '{printable(unknown[0])[:100]}', which genres lacks"
            )
    elif genres is None:
        raise BackbeatError(
            f"{source}: lacks the field genres, the names of what y counts: add "
            "genres=np.array(['blues', 'jazz', ...])"
        )
    else:
        listed = _genres(source, genres)
        named = [listed[place] for place in _places(source, y, len(listed))]
    for row, genre in enumerate(named, start=1):
        if not is_genre(genre):
            raise BackbeatError(
                f"{source}: row {row} has no genre ('{genre}'); add one or delete the row"
            )
    places = {genre: place for place, genre in enumerate(listed)}
    return listed, [places[genre] for genre in named]


def require_two(source: Path, genres: Sequence[str]) -> None:
    """Refuse what no classifier can be made of; `genres` are those of the rows."""
    if len(set(map(genre_key, genres))) < 2:
        raise BackbeatError(
            f"{source}: the rows are all of {printable(genres[0])[:100]}; a classifier needs two "
            "genres"
        )


def _genres(source: Path, values: npt.NDArray[Any]) -> tuple[str, ...]:
    names = strings(source, "genres", values, unique=True)
    if not names:
        raise BackbeatError(f"{source}: genres is empty; name what y counts")
    if all("\\" in name for name in names):
        # The best-known tutorial takes a folder's path on Windows for its name: genres\blues.
        names = tuple(name.rpartition("\\")[2] for name in names)
    return tuple(map(clean_genre, names))


def _places(source: Path, y: npt.NDArray[Any], genres: int) -> list[int]:
    """Read which genre each row has, as a number or as a row with a one in its place."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and y.dtype.kind in "biuf":
        if y.shape[1] != genres or not ((y == 0) | (y == 1)).all() or (y.sum(axis=1) != 1).any():
            raise BackbeatError(
                f"{source}: y of two dimensions must have a column for each of the "
                f"{number(genres)} genres, with a single 1 in each row, and is {y.dtype} {y.shape}"
            )
        y = y.argmax(axis=1)
    if y.dtype.kind == "f" and (y == np.floor(y)).all() and np.abs(y).max() < 2**31:
        y = y.astype(np.int64)
    if y.dtype.kind not in "iu":
        raise BackbeatError(f"{source}: y must be whole numbers, and is {y.dtype}")
    if y.min() < 0 or y.max() >= genres:
        from_one = "; it begins at 1: save y - 1" if y.min() == 1 and y.max() == genres else ""
        raise BackbeatError(
            f"{source}: y must lie between 0 and {genres - 1}, as genres has it{from_one}"
        )
    return [int(place) for place in y]
