"""Temperature scaling."""

import numpy as np
import numpy.typing as npt

from backbeat.evaluation.metrics import log_probabilities, normalised_exponential

_RANGE = (0.05, 20.0)
_NEAR = 1.01


def with_temperature(
    probabilities: npt.NDArray[np.floating], temperature: float
) -> npt.NDArray[np.float64]:
    """Soften (or sharpen) probabilities.

    Parameters
    ----------
    probabilities : ndarray of float, shape (..., k)
    temperature : float
        1 leaves them as they are.

    Returns
    -------
    ndarray of float64, shape (..., k)
        They sum to 1.
    """
    return normalised_exponential(log_probabilities(probabilities) / temperature)


def at_limit(temperature: float) -> bool:
    """Whether a fitted temperature lies at an end of its search range, so that it is no optimum."""
    return not _RANGE[0] * _NEAR < temperature < _RANGE[1] / _NEAR


def fit_temperature(
    probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.integer]
) -> float:
    """Find the temperature that makes the truth likeliest.

    Parameters
    ----------
    probabilities : ndarray of float, shape (n, k)
    truth : ndarray of int, shape (n,)

    Returns
    -------
    float
        Between 0.05 and 20.
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
    found = minimize_scalar(loss, bounds=np.log(_RANGE), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
