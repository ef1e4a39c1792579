"""Leave out the inactive filters of MusiCNN.

Weight decay shrank the kernels of most front-end filters to nothing (10^-30): of 561 in MSD's
network 64 are active, of MTT's 305. An inactive filter has the same output for every sound, given
by its bias. So all of them are replaced by one constant, from which the mid-end and the last layers
get the same sums: the outputs stay within float32's rounding, at a tenth of the cost.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from converting.network import EPSILON, FRONT_FILTERS
from converting.weights import Variables

Array = npt.NDArray[np.float32]

# A filter is inactive if no patch can move its normalised output by more than this.
_UNMOVED = 1e-5
# Patches are from 0 to about 7 before they are normalised, and less than 4 from 0 after it.
_MAX_INPUT = 4.0


@dataclass(frozen=True)
class Pruned:
    """A checkpoint without its inactive filters.

    ``pooled[:, index] * scale`` of the smaller network is what the whole network pools.
    """

    variables: Variables
    """As of `weights.read_wheel`, with the shapes of ``build(filters=filters, constant=True)``."""
    filters: dict[str, int]
    """How many filters each front-end layer keeps."""
    index: npt.NDArray[np.intp]
    """The place of each feature in the smaller network, shape (753,); inactive ones share that of
    the constant."""
    scale: Array
    """Factors of shape (753,): 1, or the output of an inactive filter."""


def prune(variables: Variables) -> Pruned:
    """Leave out the inactive front-end filters of what `weights.read_wheel` gives."""
    kept = dict(variables)
    filters, active_parts, constant_parts = {}, [], []
    for number, name in enumerate(FRONT_FILTERS):
        convolution = f"conv2d_{number}" if number else "conv2d"
        normalisation = f"batch_normalization_{number + 1}"
        active, outputs = _activity(variables, convolution, normalisation)
        for part in ("kernel", "bias"):
            kept[f"{convolution}/{part}"] = variables[f"{convolution}/{part}"][..., active]
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            kept[f"{normalisation}/{part}"] = variables[f"{normalisation}/{part}"][active]
        filters[name] = int(active.sum())
        active_parts.append(active)
        constant_parts.append(outputs)
    active, outputs = np.concatenate(active_parts), np.concatenate(constant_parts)

    mid = variables["conv2d_5/kernel"]  # (7 frames, 561 features, 1, 64 filters)
    constant = np.tensordot(mid[:, ~active], outputs[~active], axes=(1, 0))[:, None]
    kept["conv2d_5/kernel"] = np.concatenate([mid[:, active], constant], axis=1)

    features = variables["dense/kernel"].shape[0] // 2
    active = np.concatenate([active, np.ones(features - len(active), bool)])
    outputs = np.concatenate([outputs, np.ones(features - len(outputs), np.float32)])
    place = sum(filters.values())  # of the constant: after the front-end, before the mid-end
    _prune_dense(kept, active, outputs, place)

    index = np.full(features, place, np.intp)
    kept_rows = np.flatnonzero(active)
    index[kept_rows] = np.arange(len(kept_rows)) + (np.arange(len(kept_rows)) >= place)
    scale = np.where(active, np.float32(1), outputs).astype(np.float32)
    return Pruned(kept, filters, index, scale)


def _activity(
    variables: Variables, convolution: str, normalisation: str
) -> tuple[npt.NDArray[np.bool_], Array]:
    """Give which filters of a layer are active, and the constant output of each."""
    gain, shift = _affine(variables, normalisation)
    size = np.abs(variables[f"{convolution}/kernel"]).sum(axis=(0, 1, 2))
    active = size * np.abs(gain) * _MAX_INPUT > _UNMOVED
    outputs = np.maximum(variables[f"{convolution}/bias"], 0) * gain + shift
    return active, outputs.astype(np.float32)


def _prune_dense(
    kept: Variables, active: npt.NDArray[np.bool_], outputs: Array, place: int
) -> None:
    """Cut the inputs of the penultimate layer, in place; rows are (feature, maximum or mean)."""
    gain, shift = (part.reshape(-1, 2) for part in _affine(kept, "batch_normalization_9"))
    kernel = kept["dense/kernel"].reshape(len(active), 2, -1)
    normalised = outputs[:, None] * gain + shift
    inactive = ~active
    constant = np.zeros((2, kernel.shape[-1]), np.float32)
    # Maximum and mean of a constant are equal: its contribution goes to the maximum's row.
    constant[0] = np.einsum("fp,fpu->u", normalised[inactive], kernel[inactive], dtype=np.float64)
    rows = np.insert(kernel[active], place, constant, axis=0)
    kept["dense/kernel"] = rows.reshape(-1, kernel.shape[-1]).astype(np.float32)
    # The constant, 1, must be 1 after its normalisation.
    neutral = {"gamma": 1.0, "beta": 0.0, "moving_mean": 0.0, "moving_variance": 1.0 - EPSILON}
    for part, value in neutral.items():
        name = f"batch_normalization_9/{part}"
        kept_rows = kept[name].reshape(-1, 2)[active]
        kept[name] = np.insert(kept_rows, place, np.float32(value), axis=0).reshape(-1)


def _affine(variables: Variables, normalisation: str) -> tuple[Array, Array]:
    """Give the gain and the shift of a batch normalisation."""
    gamma, beta, mean, variance = (
        variables[f"{normalisation}/{part}"].astype(np.float64)
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    gain = gamma / np.sqrt(variance + EPSILON)
    return gain.astype(np.float32), (beta - mean * gain).astype(np.float32)
