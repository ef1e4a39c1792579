"""Whether a confidence of 70 % is right 70 times in a hundred."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 10


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: songs in bins of equal width by confidence."""

    # Mean confidence and share of right answers of each bin that holds songs
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    counts: tuple[int, ...]  # songs in it
    error: float  # the expected calibration error


def reliability(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], *, bins: int = BINS
) -> Reliability:
    """Put answers in bins by confidence, and see how many of each are right.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Probability of each answer, in [0, 1].
    right : ndarray of bool, shape (n,)
        Whether it is right.
    bins : int
        Of equal width over [0, 1].

    Returns
    -------
    Reliability
    """
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    full = counts > 0
    confidences = np.bincount(place, weights=confidence, minlength=bins)[full] / counts[full]
    accuracies = np.bincount(place, weights=right, minlength=bins)[full] / counts[full]
    error = float(np.average(np.abs(accuracies - confidences), weights=counts[full]))
    return Reliability(
        tuple(confidences.tolist()),
        tuple(accuracies.tolist()),
        tuple(counts[full].tolist()),
        error,
    )


def expected_calibration_error(
    confidence: npt.NDArray[np.floating], right: npt.NDArray[np.bool_], *, bins: int = BINS
) -> float:
    """Give the mean over answers of |accuracy - confidence| of their bin; see `reliability`.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    right : ndarray of bool, shape (n,)
    bins : int
        How many, of equal width.

    Returns
    -------
    float
        From 0 (best) to 1.
    """
    return reliability(confidence, right, bins=bins).error
