"""Tables of features, such as Kaggle's ``features_3_sec.csv``: a row a song, or a part of one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backbeat.collections.tables import read_rows
from backbeat.errors import BackbeatError, printable
from backbeat.features.npz import Arrays

_NAME = ("filename", "file", "path", "name", "names", "track")
_GENRE = ("label", "labels", "genre", "genres", "class")
_ARTIST = ("artist", "artists")
# Not of the sound: the length of a file in samples, which differs between the genres of GTZAN.
_LENGTH = ("length",)
_MIN_ROWS = 2  # of each genre, so that columns can be seen to give it

Floats = npt.NDArray[np.float64]


def read_vector_table(source: Path) -> tuple[Arrays, tuple[str, ...], list[str]]:
    """Read the fields that `import_features` knows, the columns of `X`, and what is left out.

    ``X`` has the shape (rows, columns).
    """
    header, rows = _rows(source)
    keys = [name.strip().casefold() for name in header]
    places = {
        field: next((keys.index(name) for name in names if name in keys), None)
        for field, names in (("names", _NAME), ("y", _GENRE), ("artists", _ARTIST))
    }
    if places["y"] is None:
        raise BackbeatError(
            f"{source}, line 1: no column label or genre among {printable(', '.join(header))[:400]}"
        )
    fields: Arrays = {
        field: np.array([row[place].strip() for _, row in rows])
        for field, place in places.items()
        if place is not None
    }
    columns, left_out, values = [], [], []
    for place, name in enumerate(header):
        if place in places.values():
            continue
        cells = [row[place] for _, row in rows]
        numbers = _numbers(cells)
        shown = f"the column {printable(name.strip())[:100] or number_of(place)}"
        if numbers is None:
            left_out.append(f"{shown}, which does not hold numbers")
        elif keys[place] in _LENGTH:
            left_out.append(f"{shown}, which is of the file and not of its sound")
        elif why := _leak(numbers, fields["y"]):
            left_out.append(f"{shown}, which {why}")
        else:
            columns.append(name.strip())
            values.append(numbers)
    if not values:
        raise BackbeatError(f"{source}: no column of numbers (with a point for the decimals)")
    return {"X": np.stack(values, axis=1)} | fields, tuple(columns), left_out


def number_of(place: int) -> str:
    """Name a column without a name by its number, from 1."""
    return f"number {place + 1}"


def _rows(source: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Give the names of the columns, and the rows below, each with its line."""
    found, _ = read_rows(source)
    rows = list(found)
    if len(rows) < 2:
        raise BackbeatError(f"{source}: no rows below the first line")
    (_, header), *below = rows
    for line, row in below:
        if len(row) != len(header):
            raise BackbeatError(
                f"{source}, line {line}: {len(row)} cells, and line 1 names {len(header)} columns"
            )
    return header, below


def _numbers(cells: Sequence[str]) -> Floats | None:
    """Read a column of numbers; an empty cell is no number (NaN), and None any other column."""
    try:
        numbers = np.array([float(cell) if cell.strip() else np.nan for cell in cells])
    except ValueError:
        return None
    return None if np.isnan(numbers).all() else numbers


def _leak(numbers: Floats, labels: npt.NDArray[np.str_]) -> str:
    """Say why a column would give away the genres of songs; empty if nothing shows it."""
    steps = np.diff(numbers)
    if len(steps) > 1 and steps[0] and (steps == steps[0]).all():
        return "numbers the rows"
    of_genre = [numbers[labels == label] for label in np.unique(labels)]
    if min(map(len, of_genre)) < _MIN_ROWS or np.ptp(numbers) == 0:
        return ""
    if all(np.ptp(rows) == 0 for rows in of_genre):
        return "is the same in all rows of a genre: it is the label again"
    return ""
