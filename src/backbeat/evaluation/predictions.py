"""What a classifier answered, a row a slice: in memory, checked, and on disk as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, one_line, printable
from backbeat.files import atomic
from backbeat.files.cells import exactly, harmless
from backbeat.files.documents import read_bytes
from backbeat.files.text import significant

SUM_TOLERANCE = 1e-3
"""How far from 1 a row of probabilities may sum (float16 and six printed digits pass)."""

_FIXED_COLUMNS = ["track", "slice", "truth"]


class InvalidRowError(ValueError):
    """One row of the predictions is wrong; `row` is its index."""

    def __init__(self, row: int, fault: str) -> None:
        super().__init__(f"row {row}: {fault}")
        self.row = row
        self.fault = fault


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a classifier answered, a row a slice (or, after a vote, a row a track).

    Parameters
    ----------
    tracks : ndarray of str, shape (n,)
        Name of each slice's track.
    slices : ndarray of int, shape (n,)
        Number of the slice within its track, from 0.
    truth : ndarray of int, shape (n,)
        True genre, an index into `genres`.
    probabilities : ndarray of float64, shape (n, k)
        Probability of each genre; a row sums to 1.
    genres : tuple of str, length k
        Names of the genres, in the order of the columns.

    Raises
    ------
    ValueError
        If the parts do not fit together or cannot be scored (see `validate`).
    """

    tracks: npt.NDArray[np.str_]
    slices: npt.NDArray[np.int64]
    truth: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    genres: tuple[str, ...]

    def __post_init__(self) -> None:
        # The class is frozen for its users; here it takes lists and any dtype of number.
        object.__setattr__(self, "tracks", np.asarray(self.tracks, dtype=np.str_))
        object.__setattr__(self, "slices", _whole_numbers("slices", self.slices))
        object.__setattr__(self, "truth", _whole_numbers("truth", self.truth))
        object.__setattr__(self, "probabilities", np.asarray(self.probabilities, dtype=np.float64))
        object.__setattr__(self, "genres", tuple(self.genres))
        self.validate()

    def __len__(self) -> int:
        return len(self.tracks)

    @property
    def answers(self) -> npt.NDArray[np.int64]:
        """The most probable genre of each row, shape (n,); on a tie the first."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    def validate(self) -> None:
        """Raise ValueError, in plain words, unless the parts fit together and can be scored.

        The shapes must agree; there must be a row and a genre, and no genre twice; probabilities
        must be finite, in [0, 1] and sum to 1 in each row (to `SUM_TOLERANCE`); the truth must be
        an index into the genres, the same for all slices of a track; no slice may be there twice.
        """
        _validate_shapes(self)
        _validate_values(self)
        _validate_tracks(self)


def _whole_numbers(name: str, values: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Give `values` as int64, refusing floats: a fraction must not be cut in silence."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers, not {array.dtype}")
    whole: npt.NDArray[np.int64] = array.astype(np.int64)
    return whole


def _validate_shapes(predictions: Predictions) -> None:
    n, k = predictions.tracks.size, len(predictions.genres)
    if n == 0:
        raise ValueError("there are no predictions: at least one row is needed")
    if k == 0 or len(set(predictions.genres)) != k:
        raise ValueError(f"genres must be at least one, and distinct: {predictions.genres}")
    wanted = {"tracks": (n,), "slices": (n,), "truth": (n,), "probabilities": (n, k)}
    for name, shape in wanted.items():
        if (given := getattr(predictions, name).shape) != shape:
            raise ValueError(f"{name} has shape {given}, but {n} rows and {k} genres need {shape}")


def _validate_values(predictions: Predictions) -> None:
    truth, probabilities = predictions.truth, predictions.probabilities
    finite = np.isfinite(probabilities)
    sums = probabilities.sum(axis=1, where=finite)  # adding infinities would warn
    faults = (
        ((truth < 0) | (truth >= len(predictions.genres)), "the truth is none of the genres"),
        (predictions.slices < 0, "the slice's number is negative"),
        (~finite.all(axis=1), "a probability is not a finite number"),
        (((probabilities < 0) | (probabilities > 1)).any(axis=1), "a probability is not in 0 to 1"),
        (np.abs(sums - 1) > SUM_TOLERANCE, "the probabilities do not sum to 1"),
    )
    for wrong, fault in faults:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InvalidRowError(row, f"{_name_of(predictions, row)}: {fault}")


def _validate_tracks(predictions: Predictions) -> None:
    first, track_of_row = track_rows(predictions.tracks)
    (other,) = np.nonzero(predictions.truth - predictions.truth[first][track_of_row])
    if other.size:
        row = int(other[0])
        fault = "its track has another true genre in a row above"
        raise InvalidRowError(row, f"{_name_of(predictions, row)}: {fault}")
    order = np.lexsort((predictions.slices, track_of_row))
    # Of two equal rows the later one is the later in `order` too: lexsort is stable.
    steps = np.abs(np.diff(track_of_row[order])) + np.abs(np.diff(predictions.slices[order]))
    repeated = order[1:][steps == 0]
    if repeated.size:
        row = int(repeated.min())
        raise InvalidRowError(row, f"{_name_of(predictions, row)} is there twice")


def _name_of(predictions: Predictions, row: int) -> str:
    return f"slice {predictions.slices[row]} of track '{printable(str(predictions.tracks[row]))}'"


def track_rows(
    tracks: npt.NDArray[np.str_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the rows of each track.

    Parameters
    ----------
    tracks : ndarray of str, shape (n,)

    Returns
    -------
    first : ndarray of int, shape (t,)
        The first row of each track, in order of appearance.
    track_of_row : ndarray of int, shape (n,)
        Each row's track, an index into `first`.
    """
    _, first, inverse = np.unique(tracks, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order].astype(np.int64), rank[inverse].astype(np.int64)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as CSV, atomically: track, slice, truth, then a column a genre.

    The truth is written by name, a probability with six significant digits. Names may hold
    anything, see `backbeat.files.cells`.
    """
    text = io.StringIO(newline="")
    # Names are quoted, numbers bare.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    genres = [harmless(genre) for genre in predictions.genres]
    writer.writerow([*_FIXED_COLUMNS, *genres])
    for row in range(len(predictions)):
        track, truth = harmless(str(predictions.tracks[row])), genres[predictions.truth[row]]
        rounded = [float(significant(value)) for value in predictions.probabilities[row]]
        writer.writerow([track, int(predictions.slices[row]), truth, *rounded])
    atomic.write_text(path, text.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote; an error names the file and the line to blame."""
    try:
        # utf-8-sig: a spreadsheet that saved the file has put a byte-order mark before it.
        text = read_bytes(path).decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise BackbeatError(f"{path}: cannot be read ({error.strerror})") from error
    # strict: a broken quote is an error; else half of the file could end up in one name.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[int] = []
    rows: list[tuple[str, int, int, list[float]]] = []
    try:
        genres = _read_header(next(reader, []))
        for cells in reader:
            if cells:  # a blank line is no row
                rows.append(_read_row(cells, genres))
                lines.append(reader.line_num)
    except (ValueError, csv.Error) as error:
        raise BackbeatError(f"{path}, line {max(reader.line_num, 1)}: {one_line(error)}") from error
    try:
        tracks, slices, truth, probabilities = zip(*rows, strict=True) if rows else ((),) * 4
        return Predictions(
            np.array(tracks), np.array(slices), np.array(truth), np.array(probabilities), genres
        )
    except InvalidRowError as error:
        raise BackbeatError(f"{path}, line {lines[error.row]}: {error.fault}") from error
    except ValueError as error:
        raise BackbeatError(f"{path}: {one_line(error)}") from error


def _read_header(cells: Sequence[str]) -> tuple[str, ...]:
    if list(cells[:3]) != _FIXED_COLUMNS or len(cells) == 3:
        raise ValueError("no file of predictions: its columns must be track, slice, truth, genres")
    return tuple(map(exactly, cells[3:]))


def _read_row(cells: Sequence[str], genres: tuple[str, ...]) -> tuple[str, int, int, list[float]]:
    if len(cells) != 3 + len(genres):
        raise ValueError(f"{len(cells)} cells, but the header has {3 + len(genres)}")
    track, number, truth = exactly(cells[0]), cells[1], exactly(cells[2])
    if truth not in genres:
        raise ValueError(f"the truth '{printable(truth)}' is none of the genres")
    return track, int(number), genres.index(truth), [float(cell) for cell in cells[3:]]
