"""Answering only what one is sure of: risk, coverage, and the threshold between."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backbeat.calibration.parameters import Unsure


@dataclass(frozen=True)
class RiskCoverage:
    """What share of answers is wrong when only the surest are given.

    Attributes
    ----------
    threshold : ndarray of float, shape (m,)
        Each confidence that occurs, falling; answers of at least as much are given.
    coverage, risk : ndarray of float, shape (m,)
        Share of songs answered, and share of those answers that is wrong.
    """

    threshold: npt.NDArray[np.float64]
    coverage: npt.NDArray[np.float64]
    risk: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        """Mean risk over all coverages; less is better."""
        return float(self.risk.mean())


def risk_coverage(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_]
) -> RiskCoverage:
    """Give the risk-coverage curve.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    right : ndarray of bool, shape (n,)

    Returns
    -------
    RiskCoverage
        A point for each different confidence.
    """
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    falling = np.asarray(confidence, np.float64)[order]
    wrong = np.cumsum(~np.asarray(right, bool)[order])
    # Songs of equal confidence are answered together or not at all.
    last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    answered = last + 1
    return RiskCoverage(falling[last], answered / len(falling), wrong[last] / answered)


def choose_threshold(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], max_error: float
) -> Unsure:
    """Choose the lowest threshold at which at most a share of the answers is wrong.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    right : ndarray of bool, shape (n,)
        Of validation songs.
    max_error : float
        The share of the given answers that may be wrong.

    Returns
    -------
    Unsure
        With threshold 1 and coverage 0 where no threshold is good enough.
    """
    curve = risk_coverage(confidence, right)
    good = np.flatnonzero(curve.risk <= max_error)
    if not good.size:
        return Unsure(threshold=1.0, max_error=max_error, coverage=0.0, error=0.0)
    best = good[-1]
    # Half-way to the next song below, so that the threshold is no song's own confidence.
    below = curve.threshold[best + 1] if best + 1 < len(curve.threshold) else 0.0
    return Unsure(
        threshold=round(float(curve.threshold[best] + below) / 2, 6),
        max_error=max_error,
        coverage=float(curve.coverage[best]),
        error=float(curve.risk[best]),
    )
