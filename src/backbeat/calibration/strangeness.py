"""How strange music is to a network."""

import numpy as np
import numpy.typing as npt

from backbeat.calibration.parameters import OutOfGenre

_QUANTILES = 101


def free_energy(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Give minus the logarithm of the sum of exponentials; more is stranger.

    Parameters
    ----------
    logits : ndarray of float, shape (n, k)
        A row a slice, before the softmax.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    exact = np.asarray(logits, np.float64)
    greatest = exact.max(axis=1)
    return np.asarray(-greatest - np.log(np.exp(exact - greatest[:, np.newaxis]).sum(axis=1)))


def fit_out_of_genre(strangeness: npt.NDArray[np.floating]) -> OutOfGenre:
    """Learn how strange familiar songs are.

    Parameters
    ----------
    strangeness : ndarray of float, shape (n,)
        Of validation songs.
    """
    quantiles = np.quantile(strangeness, np.linspace(0, 1, _QUANTILES))
    return OutOfGenre(quantiles=tuple(round(float(q), 6) for q in quantiles))
