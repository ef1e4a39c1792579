"""Paired tests between two models, and the correction for many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class McNemar:
    """Exact McNemar test."""

    # Songs for which only the first, only the second model is correct
    only_first: int
    only_second: int
    p: float  # two-sided


@dataclass(frozen=True)
class ResampledT:
    """Corrected resampled t-test."""

    trials: int
    mean: float  # mean difference of the trials, first minus second
    t: float  # infinite where all trials differ by the same
    p: float  # two-sided, with one degree of freedom less than trials


def mcnemar(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> McNemar:
    """Test whether two models are correct for equally many songs; p is 1 where they never differ.

    Parameters
    ----------
    first, second : ndarray of bool, shape (n,)
        Whether each model is correct for each song.
    """
    from scipy.stats import binomtest

    only_first = int(np.count_nonzero(first & ~second))
    only_second = int(np.count_nonzero(second & ~first))
    differ = only_first + only_second
    p = float(binomtest(only_first, differ).pvalue) if differ else 1.0
    return McNemar(only_first, only_second, p)


def corrected_resampled_t(
    differences: npt.NDArray[np.floating], test_to_train: float
) -> ResampledT | None:
    """Test whether the trials' differences have mean zero; None for fewer than two trials.

    Parameters
    ----------
    differences : ndarray of float, shape (m,)
        Of the two models' accuracies, a value a fold or seed.
    test_to_train : float
        Songs tested over songs trained on, in a trial.
    """
    from scipy.stats import t as student

    m = len(differences)
    if m < 2:
        return None
    mean = float(np.mean(differences))
    variance = float(np.var(differences, ddof=1)) * (1 / m + test_to_train)
    if variance == 0:
        return ResampledT(
            m, mean, float(np.copysign(np.inf, mean)) if mean else 0.0, float(not mean)
        )
    t = mean / variance**0.5
    return ResampledT(m, mean, t, float(2 * student.sf(abs(t), m - 1)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values by Holm's method, in the same order: never less than given, at most 1."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(order))
    least = 0.0
    for rank, index in enumerate(order):
        least = max(least, min(1.0, p_values[index] * (len(order) - rank)))
        corrected[index] = least
    return [float(p) for p in corrected]
