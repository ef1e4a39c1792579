"""All scores of a run in one value, and its JSON."""

import json
import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from backbeat.errors import one_line
from backbeat.evaluation import metrics
from backbeat.evaluation.metrics import ClassificationReport, Scores
from backbeat.evaluation.predictions import Predictions
from backbeat.files.documents import parse_json

LEAKING = "LEAKING: slices of one song are on both sides of this split; the figure is too high"
"""The warning that goes with every score of such a split, wherever it is shown."""


@dataclass(frozen=True)
class Metrics:
    """All scores of one set of predictions; fractions, not percentages.

    Parameters
    ----------
    genres : tuple of str, length k
    n_slices, n_tracks : int
        How many were scored.
    slice_accuracy, track_accuracy : float
        Share of slices, and of tracks after the vote, that are correct.
    recall_variance, track_recall_variance : float
        Population variance of the genres' recalls, by slices (the paper's) and by tracks.
    log_loss, track_log_loss : float
        Mean -ln(probability of the truth), in nats.
    slices, tracks : tuple of Scores, length k
        Precision, recall, f1 and support of each genre, by slices and by tracks.
    slice_confusion, track_confusion : tuple of k tuples of k int
        Counts; a row is a true genre, a column an answer.
    """

    genres: tuple[str, ...]
    n_slices: int
    n_tracks: int
    slice_accuracy: float
    track_accuracy: float
    recall_variance: float
    track_recall_variance: float
    log_loss: float
    track_log_loss: float
    slices: tuple[Scores, ...]
    tracks: tuple[Scores, ...]
    slice_confusion: tuple[tuple[int, ...], ...]
    track_confusion: tuple[tuple[int, ...], ...]

    @property
    def recall_deviation(self) -> float:
        """Population deviation of the genres' recalls, by slices: the root of the variance."""
        return math.sqrt(self.recall_variance)

    @property
    def track_recall_deviation(self) -> float:
        """The same by tracks."""
        return math.sqrt(self.track_recall_variance)

    @property
    def slice_report(self) -> ClassificationReport:
        """The classification report of the slices (the paper's Figures 5 to 11)."""
        return ClassificationReport(self.genres, self.slices, self.slice_accuracy)

    @property
    def track_report(self) -> ClassificationReport:
        """The classification report of the tracks."""
        return ClassificationReport(self.genres, self.tracks, self.track_accuracy)

    def to_json(self) -> str:
        """Give the scores as JSON text; what is undefined is null."""
        values = asdict(self)
        for level in ("slices", "tracks"):
            # A table by genre reads better than a list in the order of another list.
            values[level] = dict(zip(self.genres, values[level], strict=True))
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Metrics":
        """Read what `to_json` wrote; ValueError if `text` is not JSON, or no such metrics."""
        values = parse_json(text)
        try:
            genres = tuple(values["genres"])
            for level in ("slices", "tracks"):
                values[level] = tuple(Scores(**values[level][genre]) for genre in genres)
            for level in ("slice_confusion", "track_confusion"):
                values[level] = tuple(map(tuple, values[level]))
            return cls(**{**values, "genres": genres})
        except (KeyError, TypeError) as error:
            raise ValueError(f"no metrics as backbeat writes them ({one_line(error)})") from error


def evaluate(predictions: Predictions) -> Metrics:
    """Score predictions, a row a slice, by slices and by tracks."""
    votes = metrics.vote_by_track(predictions)
    return Metrics(
        genres=predictions.genres,
        n_slices=len(predictions),
        n_tracks=len(votes),
        slice_accuracy=metrics.slice_accuracy(predictions),
        track_accuracy=metrics.slice_accuracy(votes),
        recall_variance=metrics.recall_variance(metrics.recall(predictions)),
        track_recall_variance=metrics.recall_variance(metrics.recall(votes)),
        log_loss=metrics.log_loss(predictions),
        track_log_loss=metrics.log_loss(votes),
        slices=metrics.classification_report(predictions).scores,
        tracks=metrics.classification_report(votes).scores,
        slice_confusion=_as_tuples(metrics.confusion_matrix(predictions)),
        track_confusion=_as_tuples(metrics.confusion_matrix(votes)),
    )


def _as_tuples(matrix: npt.NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())
