"""Leave out the filters of MusiCNN that training has put to sleep.

Weight decay shrank the kernels of most front-end filters to nothing (10^-30): of 561 in MSD's
network 64 are awake, of MTT's 305. What is asleep says the same of every sound, a number that its
bias gives. So all of them are replaced by one constant, from which the mid-end and the last layers
get the same sums: the answers stay within float32's rounding, in a tenth of the work.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from converting.network import EPSILON, FRONT_FILTERS
from converting.weights import Variables

Array = npt.NDArray[np.float32]

# A filter sleeps if no patch can move its normalised answer by more than this.
_UNMOVED = 1e-5
# Patches reach from 0 to about 7 before they are normalised, and less than 4 from 0 after it.
_REACH = 4.0


@dataclass(frozen=True)
class Pruned:
    """A checkpoint without its sleeping filters.

    Attributes
    ----------
    variables : dict of str to ndarray
        As `weights.read_wheel` gives them, of the shapes of the network's layers that
        ``build(filters=filters, constant=True)`` makes.
    filters : dict of str to int
        How many filters each front-end layer keeps.
    index : ndarray of intp, shape (753,)
        Where each feature stands among those that the smaller network pools: features asleep all
        stand where the constant does.
    scale : ndarray of float32, shape (753,)
        What to multiply by there: 1, or what a sleeping filter always says. So
        ``pooled[:, index] * scale`` is what the whole network pools.
    """

    variables: Variables
    filters: dict[str, int]
    index: npt.NDArray[np.intp]
    scale: Array


def prune(variables: Variables) -> Pruned:
    """Leave out the front-end filters that always say the same.

    Parameters
    ----------
    variables : dict of str to ndarray
        As `weights.read_wheel` gives them, of the shapes of the whole network's layers.

    Returns
    -------
    Pruned
    """
    kept = dict(variables)
    filters, awake_parts, said_parts = {}, [], []
    for number, name in enumerate(FRONT_FILTERS):
        convolution = f"conv2d_{number}" if number else "conv2d"
        normalisation = f"batch_normalization_{number + 1}"
        awake, said = _sleepers(variables, convolution, normalisation)
        for part in ("kernel", "bias"):
            kept[f"{convolution}/{part}"] = variables[f"{convolution}/{part}"][..., awake]
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            kept[f"{normalisation}/{part}"] = variables[f"{normalisation}/{part}"][awake]
        filters[name] = int(awake.sum())
        awake_parts.append(awake)
        said_parts.append(said)
    awake, said = np.concatenate(awake_parts), np.concatenate(said_parts)

    mid = variables["conv2d_5/kernel"]  # (7 frames, 561 features, 1, 64 filters)
    constant = np.tensordot(mid[:, ~awake], said[~awake], axes=(1, 0))[:, None]
    kept["conv2d_5/kernel"] = np.concatenate([mid[:, awake], constant], axis=1)

    features = variables["dense/kernel"].shape[0] // 2
    awake = np.concatenate([awake, np.ones(features - len(awake), bool)])
    said = np.concatenate([said, np.ones(features - len(said), np.float32)])
    place = sum(filters.values())  # of the constant: after the front-end, before the mid-end
    _prune_dense(kept, awake, said, place)

    index = np.full(features, place, np.intp)
    stays = np.flatnonzero(awake)
    index[stays] = np.arange(len(stays)) + (np.arange(len(stays)) >= place)
    scale = np.where(awake, np.float32(1), said).astype(np.float32)
    return Pruned(kept, filters, index, scale)


def _sleepers(
    variables: Variables, convolution: str, normalisation: str
) -> tuple[npt.NDArray[np.bool_], Array]:
    """Tell which filters of a layer are awake, and what each says of nothing."""
    gain, shift = _affine(variables, normalisation)
    size = np.abs(variables[f"{convolution}/kernel"]).sum(axis=(0, 1, 2))
    awake = size * np.abs(gain) * _REACH > _UNMOVED
    said = np.maximum(variables[f"{convolution}/bias"], 0) * gain + shift
    return awake, said.astype(np.float32)


def _prune_dense(kept: Variables, awake: npt.NDArray[np.bool_], said: Array, place: int) -> None:
    """Cut what the penultimate layer takes, in place; rows are (feature, maximum or mean)."""
    gain, shift = (part.reshape(-1, 2) for part in _affine(kept, "batch_normalization_9"))
    kernel = kept["dense/kernel"].reshape(len(awake), 2, -1)
    normalised = said[:, None] * gain + shift
    asleep = ~awake
    constant = np.zeros((2, kernel.shape[-1]), np.float32)
    # Maximum and mean of a constant are equal: all that it brings goes to the maximum's row.
    constant[0] = np.einsum("fp,fpu->u", normalised[asleep], kernel[asleep], dtype=np.float64)
    rows = np.insert(kernel[awake], place, constant, axis=0)
    kept["dense/kernel"] = rows.reshape(-1, kernel.shape[-1]).astype(np.float32)
    # The constant, 1, must come through its normalisation as 1.
    neutral = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0 - EPSILON}
    for part, value in neutral.items():
        name = f"batch_normalization_9/{part}"
        stays = kept[name].reshape(-1, 2)[awake]
        kept[name] = np.insert(stays, place, np.float32(value), axis=0).reshape(-1)


def _affine(variables: Variables, normalisation: str) -> tuple[Array, Array]:
    """Give the gain and the shift that a batch normalisation comes to."""
    gamma, beta, mean, variance = (
        variables[f"{normalisation}/{part}"].astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    gain = gamma / np.sqrt(variance + EPSILON)
    return gain.astype(np.float32), (beta - mean * gain).astype(np.float32)
