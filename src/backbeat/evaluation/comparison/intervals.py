"""Intervals of figures over songs, by whole artists: of a share, a difference, and genre means.

Songs of one artist are not independent, so the units are *groups*: artists, and songs of unknown
artists by themselves. By the number of groups:

- 20 and more: the percentile bootstrap [1]_ of shares and differences, which draws whole groups.
- 5 to 19, where that bootstrap holds the truth too rarely (with five groups in 87 of 100 cases):
  the delete-one-group jackknife's standard error [2]_ and Student's t. A difference gets
  mean ± t x error; a share gets Wilson's interval with t, for as many songs as would have this
  error if they were independent, at most those that there are [3]_. Degrees of freedom are those
  of Kish's effective number of groups [4]_, as an artist with most of the songs leaves few.
- fewer than 5: none.

Where all groups agree, neither method sees any spread. A share then gets Wilson's interval, and a
difference Tango's score interval [5]_, for as many songs as there are groups: symmetric for a
difference of zero.

Balanced accuracy and macro-F1 are means over genres and get Wilson's interval as above, however
many groups there are; degrees of freedom by Satterthwaite's rule, as if all genres varied alike.
There is none where a genre has one group only.

``tests/test_intervals.py`` simulates the coverage.

References
----------
.. [1] A. C. Davison and D. V. Hinkley, "Bootstrap methods and their application", CUP 1997, 3.8.
.. [2] CR3 in J. G. MacKinnon and H. White, Journal of Econometrics 29, 1985, by clusters.
.. [3] E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected
   number of positive counts estimated from survey data", Survey Methodology 24(2), 1998; with
   Wilson's interval: N. Dean and M. Pagano, Journal of Survey Statistics and Methodology 3, 2015.
.. [4] L. Kish, "Survey sampling", Wiley 1965; for clusters: A. V. Carter, K. T. Schnepel and
   D. G. Steigerwald, Review of Economics and Statistics 99(4), 2017.
.. [5] T. Tango, Statistics in Medicine 17, 1998, for pairs that differ in one direction only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
_TAIL = (1 + LEVEL) / 2
MIN_GROUPS = 5
"""With fewer groups there is no interval."""

BOOTSTRAP_GROUPS = 20
"""From this many groups shares and differences get bootstrap intervals."""

_RESAMPLES = 10_000
_NUMBERS_AT_ONCE = 2_000_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An interval of confidence."""

    low: float
    high: float
    groups: int  # how many artists (and songs of unknown artists) it is of
    level: float = LEVEL  # share of such intervals that hold the truth

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class GenreMeans:
    """Scores in which each genre counts the same, by songs."""

    balanced_accuracy: float  # mean recall of the genres that have songs
    balanced_interval: Interval | None
    macro_f1: float  # mean F1 of these genres
    f1_interval: Interval | None  # None, both, for fewer than five groups or a genre with one group
    commonest: str  # the genre with the most songs, the first by name among equals
    commonest_share: float  # the accuracy of answering always that genre


def share_interval(values: npt.NDArray[np.floating], groups: Sequence[str]) -> Interval | None:
    """Give the interval of the mean of shares, such as the accuracy of songs.

    None for fewer than five groups.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        A value from 0 to 1 for each song, such as whether its answer is correct.
    groups : sequence of str, length n
        Songs of one group are not independent.
    """
    sums, counts = _by_group(values, groups)
    n = len(counts)
    if n < MIN_GROUPS:
        return None
    mean = float(sums.sum() / counts.sum())
    if n >= BOOTSTRAP_GROUPS and not _agree(sums, counts):
        low, high = _bootstrap(sums, counts)
    elif n >= BOOTSTRAP_GROUPS:
        low, high = _wilson(mean, n, _normal())
    else:
        songs, error = float(counts.sum()), _error(sums, counts)
        independent = min(songs, mean * (1 - mean) / error**2) if error else n
        low, high = _wilson(mean, independent, _student(float(_effective(counts)) - 1))
    return Interval(low, high, n)


def difference_interval(values: npt.NDArray[np.floating], groups: Sequence[str]) -> Interval | None:
    """Give the interval of the mean of differences, such as those of two models' accuracies.

    Parameters
    ----------
    values : ndarray of float, shape (n,)
        A difference from -1 to 1 for each song.
    groups : sequence of str, length n
        As for `share_interval`.
    """
    sums, counts = _by_group(values, groups)
    n = len(counts)
    if n < MIN_GROUPS:
        return None
    mean = float(sums.sum() / counts.sum())
    if _agree(sums, counts):
        low, high = _tango(mean, n, _normal())
    elif n >= BOOTSTRAP_GROUPS:
        low, high = _bootstrap(sums, counts)
    else:
        half = _student(float(_effective(counts)) - 1) * _error(sums, counts)
        low, high = max(-1.0, mean - half), min(1.0, mean + half)
    return Interval(low, high, n)


def genre_means(truth: Sequence[str], answers: Sequence[str], groups: Sequence[str]) -> GenreMeans:
    """Give balanced accuracy and macro-F1 with their intervals, and the commonest genre's share.

    Each song has a genre, an answer and a group, and may be there several times. Genres without
    songs take no part.
    """
    genres, true = np.unique(np.asarray(truth), return_inverse=True)
    k = len(genres)
    # An answer of a genre without songs is only wrong: it counts for no genre's precision.
    place = {str(genre): number for number, genre in enumerate(genres)}
    answered = np.array([place.get(str(answer), k) for answer in answers])
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    n = int(group.max()) + 1

    def counted(genre: npt.NDArray[np.intp], weights: Any = None) -> Floats:
        cells = np.bincount(group * (k + 1) + genre, weights=weights, minlength=n * (k + 1))
        return cells.reshape(n, k + 1)[:, :k].astype(np.float64)

    support, correct = counted(true), counted(true, true == answered)
    recall = _mean_of_genres(correct, support, support)
    f1 = _mean_of_genres(correct, (support + counted(answered)) / 2, support)
    total = support.sum(axis=0)
    most = int(total.argmax())
    return GenreMeans(*recall, *f1, str(genres[most]), float(total[most] / total.sum()))


def _mean_of_genres(
    correct: Floats, divisor: Floats, support: Floats
) -> tuple[float, Interval | None]:
    """Give the mean over genres of correct answers over `divisor`; shapes (groups, genres)."""
    n, k = support.shape
    mean = float((correct.sum(axis=0) / divisor.sum(axis=0)).mean())
    with_genre = (support > 0).sum(axis=0)
    if n < MIN_GROUPS or with_genre.min() < 2:
        return mean, None
    # Without each group in turn; no genre is without songs then.
    left = (correct.sum(axis=0) - correct) / (divisor.sum(axis=0) - divisor)
    error = float(np.sqrt((n - 1) / n * np.square(left.mean(axis=1) - mean).sum()))
    effective = _effective(support)
    df = (1 / effective).sum() ** 2 / (effective**-2 / np.maximum(effective - 1, _TINY)).sum()
    # As many independent songs (or groups, where no spread is seen), had all genres as many.
    units = k**2 / (1 / (support.sum(axis=0) if error > _TINY else with_genre)).sum()
    independent = min(units, mean * (1 - mean) / error**2) if error > _TINY else units
    low, high = _wilson(mean, float(independent), _student(df))
    return mean, Interval(low, high, n)


_TINY = 1e-9
"""What rounding leaves of a spread of zero."""


def _by_group(
    values: npt.NDArray[np.floating], groups: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Give the sum of each group's values and how many they are."""
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    return np.bincount(group, weights=values).astype(np.float64), np.bincount(group)


def _agree(sums: Floats, counts: npt.NDArray[np.intp]) -> bool:
    """Whether all groups have one mean, so that nothing can be seen of their spread."""
    return bool(np.ptp(sums / counts) < _TINY)


def _effective(counts: npt.NDArray[np.number]) -> Floats:
    """Give Kish's effective number of groups, along the first axis."""
    return np.asarray(np.square(counts.sum(axis=0)) / np.square(counts).sum(axis=0), np.float64)


def _error(sums: Floats, counts: npt.NDArray[np.intp]) -> float:
    """Give the jackknife's standard error of the mean, a group left out at a time."""
    n, mean = len(counts), sums.sum() / counts.sum()
    if _agree(sums, counts):
        return 0.0
    left = (sums.sum() - sums) / (counts.sum() - counts)
    return float(np.sqrt((n - 1) / n * np.square(left - mean).sum()))


def _bootstrap(sums: Floats, counts: npt.NDArray[np.intp]) -> tuple[float, float]:
    n = len(counts)
    rng = np.random.default_rng(0)
    means = []
    at_once = max(1, _NUMBERS_AT_ONCE // n)
    for start in range(0, _RESAMPLES, at_once):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(at_once, _RESAMPLES - start))
        means.append(drawn @ sums / (drawn @ counts))
    low, high = np.quantile(np.concatenate(means), [1 - _TAIL, _TAIL])
    return float(low), float(high)


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Give Wilson's interval of a share of `n` independent songs."""
    scale = 1 + z**2 / n
    middle = (share + z**2 / (2 * n)) / scale
    half = z / scale * float(np.sqrt(max(0.0, share * (1 - share)) / n + z**2 / (4 * n**2)))
    return max(0.0, middle - half), min(1.0, middle + half)


def _tango(difference: float, n: float, z: float) -> tuple[float, float]:
    """Give Tango's interval of a difference that only one of two models ever has the better of."""
    share = abs(difference)
    low, high = _wilson(share, n, z)
    low = min(low, (n * share - z**2) / (n + z**2))
    return (low, high) if difference >= 0 else (-high, -low)


def _normal() -> float:
    from scipy.stats import norm

    return float(norm.ppf(_TAIL))


def _student(df: float) -> float:
    from scipy.stats import t

    return float(t.ppf(_TAIL, max(1.0, df)))
