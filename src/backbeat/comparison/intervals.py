"""Bootstrap intervals of a mean over songs, drawing whole artists."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
_RESAMPLES = 10_000
_NUMBERS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An interval of confidence.

    Attributes
    ----------
    low, high : float
    groups : int
        How many artists (and songs of unknown artists) were drawn from.
    level : float
        Share of such intervals that hold the truth.
    """

    low: float
    high: float
    groups: int
    level: float = LEVEL

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def bootstrap_interval(
    values: npt.NDArray[np.floating],
    groups: Sequence[str],
    *,
    level: float = LEVEL,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Give the percentile bootstrap interval of the mean of `values`.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        A value a song, such as whether it was answered rightly.
    groups : sequence of str, length n
        Songs of one group are drawn together.
    level : float
        Share of intervals that hold the truth: 0.95 for one of 95 %.
    resamples : int
    seed : int

    Returns
    -------
    Interval
        For values that are all 0 or all 1, Wilson's interval for as many groups.
    """
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.bincount(group, weights=values)
    counts = np.bincount(group)
    n = len(counts)
    if (values == values[0]).all() and values[0] in (0, 1):
        return _wilson(float(values[0]), n, level)
    rng = np.random.default_rng(seed)
    means = []
    at_once = max(1, _NUMBERS_AT_ONCE // n)
    for start in range(0, resamples, at_once):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(at_once, resamples - start))
        means.append(drawn @ sums / (drawn @ counts))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(float(low), float(high), n, level)


def _wilson(share: float, n: int, level: float) -> Interval:
    from scipy.stats import binomtest

    found = binomtest(round(share * n), n).proportion_ci(level, method="wilson")
    return Interval(float(found.low), float(found.high), n, level)
