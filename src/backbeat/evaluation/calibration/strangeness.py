"""How strange music is to a network: its distance from the songs that the network knows."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from backbeat.evaluation.calibration.parameters import OutOfGenre

NEIGHBOURS = 5
MOST_KNOWN = 1_000
"""Training songs that are kept at most: enough to be near, few enough to travel with the bundle."""

_MOST_NUMBERS = 100_000  # of all known songs together: half a megabyte in a bundle
_QUANTILES = 101
_LEAST_DEVIATION = 1e-4

Floats = npt.NDArray[np.float64]


def strangeness(songs: npt.NDArray[np.floating], known: OutOfGenre) -> Floats:
    """Give each song's mean distance from the nearest known songs; more is stranger.

    Parameters
    ----------
    songs : ndarray of float, shape (n, k)
        The network's outputs of the known songs' space, averaged over the slices of each song.
    known : OutOfGenre

    Returns
    -------
    ndarray of float64, shape (n,)
        In standard deviations of the known songs.
    """
    mean, deviation = np.array(known.mean), np.array(known.deviation)
    return _distances((np.asarray(songs, np.float64) - mean) / deviation, np.array(known.known))


def fit_out_of_genre(
    training: npt.NDArray[np.floating],
    validation: npt.NDArray[np.floating],
    *,
    space: Literal["logits", "embedding"] = "logits",
) -> OutOfGenre:
    """Learn where known songs lie, and how far from them new songs of known genres fall.

    Parameters
    ----------
    training, validation : ndarray of float, shapes (n, k) and (m, k)
        As `songs` of `strangeness`. Of training songs at most `MOST_KNOWN` are kept, evenly.
    space : {"logits", "embedding"}
        Which output of the network these are.

    Returns
    -------
    OutOfGenre
    """
    most = max(1, min(len(training), MOST_KNOWN, _MOST_NUMBERS // training.shape[1]))
    kept = np.linspace(0, len(training) - 1, most).astype(int)
    chosen = np.asarray(training, np.float64)[kept]
    # Rounded before anything is measured by them, as they travel in the bundle.
    mean, deviation = np.round(chosen.mean(axis=0), 4), np.round(chosen.std(axis=0), 4)
    # What never varies is compared as it is, or its rounding would count as a great distance.
    deviation = np.where(deviation < _LEAST_DEVIATION, 1.0, deviation)
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
        nearest = min(NEIGHBOURS, len(known))
        found[row] = np.partition(all_distances, nearest - 1)[:nearest].mean()
    return found
