"""Fitting a model's calibration on its validation songs, and applying it."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from backbeat.evaluation.calibration.parameters import Calibration, OutOfGenre, Unsure
from backbeat.evaluation.metrics import (
    log_probabilities,
    mean_by_track,
    normalised_exponential,
    vote_by_track,
)
from backbeat.evaluation.predictions import Predictions

MAX_ERROR = 0.2
"""The share of wrong answers that "unsure" aims at by default."""
MAX_KNOWN = 1_000
"""Training songs that are kept at most: enough to be near, few enough to travel with the bundle."""

_MAX_NUMBERS = 100_000  # of all known songs together: half a megabyte in a bundle
_NEIGHBOURS = 5
_QUANTILES = 101
_MIN_DEVIATION = 1e-4
_TEMPERATURES = (0.05, 20.0)

Floats = npt.NDArray[np.float64]


def with_temperature(
    probabilities: npt.NDArray[np.floating], temperature: float
) -> npt.NDArray[np.float64]:
    """Soften (or sharpen) probabilities of any shape (..., k), so that they sum to 1.

    Parameters
    ----------
    probabilities : ndarray of float, shape (..., k)
    temperature : float
        1 leaves them as they are.
    """
    return normalised_exponential(log_probabilities(probabilities) / temperature)


def at_limit(temperature: float) -> bool:
    """Return whether a fitted temperature is at an end of its search range, so no optimum."""
    return not _TEMPERATURES[0] * 1.01 < temperature < _TEMPERATURES[1] / 1.01


def fit_temperature(
    probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.integer]
) -> float:
    """Find the temperature, between 0.05 and 20, that makes the truth most likely.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
    truth : ndarray of int, shape (n,)
    """
    from scipy.optimize import minimize_scalar  # classifying fits nothing, and need not wait

    logs = log_probabilities(probabilities)
    of_truth = np.take_along_axis(logs, np.asarray(truth)[:, np.newaxis], axis=1)[:, 0]

    def loss(log_temperature: float) -> float:
        inverse = np.exp(-log_temperature)
        scaled = logs * inverse
        greatest = scaled.max(axis=1)
        total = greatest + np.log(np.exp(scaled - greatest[:, np.newaxis]).sum(axis=1))
        return float(np.mean(total - of_truth * inverse))

    # One hump in log T: the loss is convex in 1 / T.
    found = minimize_scalar(
        loss, bounds=np.log(_TEMPERATURES), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))


def choose_threshold(
    confidence: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_], max_error: float
) -> Unsure:
    """Choose the lowest threshold at which at most a share of the answers is expected to be wrong.

    The expectation is the calibrated probabilities' own, the mean of 1 - confidence: it relies on
    the temperature, one number fitted on all songs. The share observed to be wrong above each
    threshold, of which the luckiest is then picked, promised too much: over 18 folds of GTZAN's
    development songs it missed an aim of 20 % by 5 and 10 points, the expectation by -4 and 0
    (``docs/evaluation.md``). Without a good threshold: threshold 1, coverage 0 and no error.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Calibrated.
    correct : ndarray of bool, shape (n,)
        Of validation songs.
    max_error : float
        The share of the given answers that may be wrong.
    """
    falling = np.sort(np.asarray(confidence, np.float64))[::-1]
    expected = np.cumsum(1 - falling) / np.arange(1, len(falling) + 1)
    good = np.flatnonzero(expected <= max_error)
    if not good.size:
        return Unsure(threshold=1.0, max_error=max_error, coverage=0.0, error=None)
    # It only rises, so all up to here are good. Half-way to the next song below, so that the
    # threshold is no song's own confidence.
    below = falling[good[-1] + 1] if good[-1] + 1 < len(falling) else 0.0
    threshold = float((falling[good[-1]] + below) / 2)
    answered = np.asarray(confidence) >= threshold
    wrong = ~np.asarray(correct, bool)[answered]
    return Unsure(
        threshold=threshold,
        max_error=max_error,
        coverage=float(answered.mean()),
        error=float(wrong.mean()),
    )


def strangeness(songs: npt.NDArray[np.floating], known: OutOfGenre) -> Floats:
    """Give each song's mean distance from the nearest known songs, shape (n,); more is stranger.

    It is in standard deviations of the known songs.

    Parameters
    ----------
    songs : ndarray of float, shape (n, k)
        The network's outputs of the known songs' space, averaged over the slices of each song.
    known : OutOfGenre
    """
    mean, deviation = np.array(known.mean), np.array(known.deviation)
    return _distances((np.asarray(songs, np.float64) - mean) / deviation, np.array(known.known))


def fit_out_of_genre(
    training: npt.NDArray[np.floating],
    validation: npt.NDArray[np.floating],
    *,
    space: Literal["logits", "embedding"] = "logits",
) -> OutOfGenre:
    """Fit where known songs lie, and how far from them new songs of known genres are.

    Parameters
    ----------
    training, validation : ndarray of float, shapes (n, k) and (m, k)
        As `songs` of `strangeness`. Of training songs at most `MAX_KNOWN` are kept, evenly.
    space : {"logits", "embedding"}
        Which output of the network these are.
    """
    most = max(1, min(len(training), MAX_KNOWN, _MAX_NUMBERS // training.shape[1]))
    kept = np.linspace(0, len(training) - 1, most).astype(int)
    chosen = np.asarray(training, np.float64)[kept]
    # Rounded before anything is measured by them, as they travel in the bundle.
    mean, deviation = np.round(chosen.mean(axis=0), 4), np.round(chosen.std(axis=0), 4)
    # What never varies is compared as it is, or its rounding would count as a great distance.
    deviation = np.where(deviation < _MIN_DEVIATION, 1.0, deviation)
    known = np.round((chosen - mean) / deviation, 3)
    distances = _distances((np.asarray(validation, np.float64) - mean) / deviation, known)
    quantiles = np.quantile(distances, np.linspace(0, 1, _QUANTILES))
    return OutOfGenre(
        space=space,
        mean=tuple(mean.tolist()),
        deviation=tuple(deviation.tolist()),
        known=tuple(map(tuple, known.tolist())),
        quantiles=tuple(np.round(quantiles, 6).tolist()),
    )


def _distances(songs: Floats, known: Floats) -> Floats:
    """Give the mean Euclidean distance of each song from its nearest known ones."""
    found = np.empty(len(songs))
    for row, song in enumerate(songs):  # a song at a time, so that memory stays small
        all_distances = np.sqrt(np.square(known - song).sum(axis=1))
        nearest = min(_NEIGHBOURS, len(known))
        found[row] = np.partition(all_distances, nearest - 1)[:nearest].mean()
    return found


def fit(
    validation: Predictions,
    vectors: npt.NDArray[np.floating],
    known: npt.NDArray[np.floating],
    *,
    space: Literal["logits", "embedding"] = "logits",
    max_error: float = MAX_ERROR,
) -> Calibration:
    """Fit temperatures, the threshold of "unsure" and the out-of-genre score.

    Parameters
    ----------
    validation : Predictions
        Of the validation part, a row a slice.
    vectors : ndarray of float, shape (n, d)
        The network's output in `space` for the same slices.
    known : ndarray of float, shape (m, d)
        The same for songs of the training part, averaged over each song's slices.
    space : {"logits", "embedding"}
    max_error : float
        The share of the given answers that may be wrong.
    """
    songs = vote_by_track(validation)
    temperature = fit_temperature(songs.probabilities, songs.truth)
    calibrated = with_temperature(songs.probabilities, temperature)
    return Calibration(
        temperature=round(temperature, 6),
        slice_temperature=round(fit_temperature(validation.probabilities, validation.truth), 6),
        songs=len(songs),
        unsure=choose_threshold(calibrated.max(axis=1), songs.answers == songs.truth, max_error),
        out_of_genre=fit_out_of_genre(
            known, mean_by_track(validation.tracks, vectors), space=space
        ),
    )
