"""The scores themselves: pure functions of predictions."""

from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import needing
from backbeat.evaluation.predictions import Predictions, track_rows
from backbeat.files.text import number

FLOOR = 1e-12
"""The least probability that a logarithm is taken of."""


def vote(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Let the slices of one track vote: the geometric mean, normalised, shape (k,).

    Parameters
    ----------
    probabilities : ndarray of float, shape (m, k)
        Probabilities of the track's m slices, at least one.
    """
    return normalised_exponential(log_probabilities(probabilities).mean(axis=0))


def vote_by_track(predictions: Predictions) -> Predictions:
    """Let each track's slices vote (see `vote`): a row a track, in order of appearance, slice 0."""
    first, track_of_row = track_rows(predictions.tracks)
    sums = np.zeros((len(first), len(predictions.genres)))
    np.add.at(sums, track_of_row, log_probabilities(predictions.probabilities))
    counts = np.bincount(track_of_row)[:, np.newaxis]
    return Predictions(
        predictions.tracks[first],
        np.zeros(len(first), dtype=np.int64),
        predictions.truth[first],
        normalised_exponential(sums / counts),
        predictions.genres,
    )


def mean_by_track(
    tracks: npt.NDArray[np.str_], values: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Give the mean of the slices' values of each track, shape (t, k), in order of appearance.

    Parameters
    ----------
    tracks : ndarray of str, shape (n,)
    values : ndarray of float, shape (n, k)
    """
    first, track_of_row = track_rows(tracks)
    sums = np.zeros((len(first), values.shape[1]))
    np.add.at(sums, track_of_row, values)
    return np.asarray(sums / np.bincount(track_of_row)[:, np.newaxis])


def log_probabilities(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Give natural logarithms, of 1e-12 for any less, in the shape (...) given.

    Parameters
    ----------
    probabilities : ndarray of float, shape (...)
    """
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR))


def normalised_exponential(logs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Give exp(`logs`), scaled to sum to 1 along the last axis, in the shape (..., k) given.

    Parameters
    ----------
    logs : ndarray of float64, shape (..., k)
        Natural logarithms, each row up to a constant.
    """
    # Relative to the greatest, so that the exponentials of many slices cannot all underflow.
    powers = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float64)


def slice_accuracy(predictions: Predictions) -> float:
    """Give the share of rows whose most probable genre is the true one."""
    return float(np.mean(predictions.answers == predictions.truth))


def track_accuracy(predictions: Predictions) -> float:
    """Give the share of tracks whose vote is for the true genre."""
    return slice_accuracy(vote_by_track(predictions))


def log_loss(predictions: Predictions) -> float:
    """Give the mean of -ln(probability of the truth), in nats; at most 27.6, at -ln(1e-12).

    Rows are normalised first. Unlike `sklearn.metrics.log_loss`, whose floor hangs on the dtype.
    """
    rows = predictions.probabilities / predictions.probabilities.sum(axis=1, keepdims=True)
    of_truth = np.take_along_axis(rows, predictions.truth[:, np.newaxis], axis=1)
    return float(-log_probabilities(of_truth).mean())


def confusion_matrix(predictions: Predictions) -> npt.NDArray[np.int64]:
    """Count answers by truth, shape (k, k): cell (i, j) counts rows of genre i with answer j."""
    k = len(predictions.genres)
    cells = np.bincount(predictions.truth * k + predictions.answers, minlength=k * k)
    return cells.reshape(k, k).astype(np.int64)


def most_confused(matrix: npt.ArrayLike, limit: int) -> npt.NDArray[np.intp]:
    """Give the genres with the most wrong rows, of theirs or called them; in their own order.

    Parameters
    ----------
    matrix : array-like of int, shape (k, k)
        A confusion matrix.
    limit : int
        The most genres to give.

    Returns
    -------
    ndarray of int, shape (n,)
        Their rows in the matrix.
    """
    counts = np.asarray(matrix)
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    return np.sort(np.argsort(-wrong, kind="stable")[:limit])


def worst_confusions(matrix: npt.ArrayLike) -> list[tuple[int, int]]:
    """Give the pairs of a genre and a wrong answer, most rows first; none without a row.

    Parameters
    ----------
    matrix : array-like of int, shape (k, k)
        A confusion matrix.
    """
    wrong = np.array(matrix)
    np.fill_diagonal(wrong, 0)
    cells = np.argsort(-wrong, axis=None, kind="stable")[: np.count_nonzero(wrong)]
    return [divmod(int(cell), len(wrong)) for cell in cells]


def recall(predictions: Predictions) -> npt.NDArray[np.float64]:
    """Give each genre's recall, shape (k,); nan where a genre has no rows."""
    counts = confusion_matrix(predictions)
    support = counts.sum(axis=1)
    recalls = np.full(len(support), np.nan)
    np.divide(counts.diagonal(), support, out=recalls, where=support > 0)
    return recalls


def recall_variance(recalls: npt.ArrayLike) -> float:
    """Give the population variance of recalls, shape (k,), as a fraction (the paper's % / 100).

    Recalls are fractions; nan (a genre without rows) takes no part, one must be a number.
    """
    values = np.asarray(recalls, dtype=np.float64)
    return float(values[~np.isnan(values)].var())


REPORT_COLUMNS = ("precision", "recall", "f1-score", "support")
Rows = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Scores:
    """One line of a classification report; None where a genre has no rows."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class ClassificationReport:
    """Precision, recall, f1 and support of each genre, and their averages."""

    genres: tuple[str, ...]  # length k
    scores: tuple[Scores, ...]  # length k: in the order of `genres`
    accuracy: float  # share of all rows that are correct

    @property
    def support(self) -> int:
        """The number of rows."""
        return sum(scores.support for scores in self.scores)

    @property
    def macro_avg(self) -> Scores:
        """The mean over the genres that have rows."""
        return self._average([float(scores.support > 0) for scores in self.scores])

    @property
    def weighted_avg(self) -> Scores:
        """The mean over the genres, each weighted by its support."""
        return self._average([float(scores.support) for scores in self.scores])

    def _average(self, weights: list[float]) -> Scores:
        def mean(values: list[float | None]) -> float:
            # None has weight 0; it only has to be some number.
            return float(np.average([value or 0.0 for value in values], weights=weights))

        return Scores(
            mean([scores.precision for scores in self.scores]),
            mean([scores.recall for scores in self.scores]),
            mean([scores.f1 for scores in self.scores]),
            self.support,
        )

    def rows(self, dash: str = "–") -> tuple[Rows, Rows]:
        """Give names and cells as text, of the genres and of the averages; a dash for None."""

        def cells(scores: Scores) -> tuple[str, ...]:
            values = (scores.precision, scores.recall, scores.f1)
            shown = (dash if value is None else number(value, 2) for value in values)
            return (*shown, str(scores.support))

        genres = [(name, cells(own)) for name, own in zip(self.genres, self.scores, strict=True)]
        return genres, [
            ("accuracy", ("", "", number(self.accuracy, 2), str(self.support))),
            ("macro avg", cells(self.macro_avg)),
            ("weighted avg", cells(self.weighted_avg)),
        ]

    def text(self) -> str:
        """Give the report as text, laid out as scikit-learn does; `-` for None."""
        width = max(len("weighted avg"), *map(len, self.genres))

        def line(name: str, cells: tuple[str, ...]) -> str:
            return f"{name:>{width}} " + "".join(f" {cell:>9}" for cell in cells)

        genres, averages = (list(starmap(line, rows)) for rows in self.rows("-"))
        return "\n".join([line("", REPORT_COLUMNS), "", *genres, "", *averages]) + "\n"


def classification_report(predictions: Predictions) -> ClassificationReport:
    """Give precision, recall, f1 and support of each genre, and their averages.

    The numbers are those of `sklearn.metrics.precision_recall_fscore_support`.
    """
    labels = range(len(predictions.genres))
    columns = _sklearn_metrics().precision_recall_fscore_support(
        predictions.truth, predictions.answers, labels=list(labels), zero_division=0.0
    )
    scores = tuple(
        # Python's own numbers, so that they print and turn into JSON as such.
        Scores(float(precision), float(recall), float(f1), int(support))
        if support
        else Scores(None, None, None, 0)
        for precision, recall, f1, support in zip(*columns, strict=True)
    )
    return ClassificationReport(predictions.genres, scores, slice_accuracy(predictions))


def _sklearn_metrics() -> Any:
    with needing("train", "scoring"):
        import sklearn.metrics
    return sklearn.metrics
