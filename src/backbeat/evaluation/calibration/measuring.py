"""Measuring how far confidence can be trusted: reliability, and risk against coverage."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: songs in bins of equal width by confidence."""

    # Mean confidence and share of correct answers of each bin that holds songs
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    counts: tuple[int, ...]  # songs in it
    error: float  # the expected calibration error


def reliability(
    confidence: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_], *, bins: int = BINS
) -> Reliability:
    """Put answers in bins of equal width by confidence, and count how many of each are correct.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Probability of each answer, in [0, 1].
    correct : ndarray of bool, shape (n,)
        Whether it is correct.
    bins : int
    """
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    full = counts > 0
    confidences = np.bincount(place, weights=confidence, minlength=bins)[full] / counts[full]
    accuracies = np.bincount(place, weights=correct, minlength=bins)[full] / counts[full]
    error = float(np.average(np.abs(accuracies - confidences), weights=counts[full]))
    return Reliability(
        tuple(confidences.tolist()),
        tuple(accuracies.tolist()),
        tuple(counts[full].tolist()),
        error,
    )


@dataclass(frozen=True)
class RiskCoverage:
    """What share of answers is wrong when only the most confident are given.

    `threshold` are the confidences that occur, falling, shape (m,); answers of at least as much are
    given. `coverage` and `risk`, shape (m,), are the share of songs answered, and of wrong answers
    among them.
    """

    threshold: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]
    risk: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Mean risk over all coverages, of equal confidences each that of all; less is better."""
        return float(self.risk @ np.diff(self.coverage, prepend=0.0))


def risk_coverage(
    confidence: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_]
) -> RiskCoverage:
    """Give the risk-coverage curve, a point for each different confidence.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    correct : ndarray of bool, shape (n,)
    """
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    falling = np.asarray(confidence, np.float64)[order]
    wrong = np.cumsum(~np.asarray(correct, bool)[order])
    # Songs of equal confidence are answered together or not at all.
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    answered = last + 1
    return RiskCoverage(falling[last], answered / len(falling), wrong[last] / answered)


@dataclass(frozen=True)
class Certainty:
    """How well confidence separates correct answers from wrong ones, measured on test songs."""

    temperatures: tuple[float, ...]  # of each run
    validation_songs: int  # that each run's calibration was fitted on, the fewest of all runs
    # Without and with temperature scaling
    before: Reliability
    after: Reliability
    curve: RiskCoverage  # after scaling
    max_error: float  # the share of wrong answers that "unsure" aims at
    coverage: float  # the share of test songs that are answered
    error: float | None  # the share of those answers that is wrong; None where none is answered
    answered: int  # songs answered

    def to_json(self) -> dict[str, Any]:
        """Give the figures for a JSON file."""
        return {
            "temperatures": list(self.temperatures),
            "validation_songs": self.validation_songs,
            "calibration_error_before": self.before.error,
            "calibration_error": self.after.error,
            "unsure": {
                "max_error": self.max_error,
                "coverage": self.coverage,
                "error": self.error,
                "answered": self.answered,
            },
            "area_under_risk_coverage": self.curve.area,
        }
