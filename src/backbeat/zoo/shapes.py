"""What a network's layers make of its input's shape, calculated without building it."""

import math

from backbeat.errors import BackbeatError
from backbeat.files.text import number
from backbeat.zoo.spec import (
    Activated,
    BandNormalization,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    Normalization,
    Pooling,
    Residual,
    Spec,
    Statistics,
)

MAX_WEIGHTS = 30_000_000
"""Networks with more are not tried: with its optimiser's state one takes half a gigabyte."""

MAX_TRAINED_WEIGHTS = 300_000_000
"""Networks with more are not built: with its optimiser's state one takes five gigabytes."""

Shape = tuple[int, ...]

_ON_IMAGES = Convolution | Pooling | Residual | BandNormalization | Statistics


class UnfitError(BackbeatError):
    """A spec that cannot be tried: its layers do not fit the input, or it has too many weights."""


def count_weights(spec: Spec, input_shape: tuple[int, int], genres: int) -> int:
    """Count the weights of a spec's network as `keras.Model.count_params` does.

    Raises an UnfitError if the layers do not fit the input, (frames, bands) of one slice, or each
    other.
    """
    shape: Shape = (*input_shape, 1) if spec.family == "cnn" else input_shape
    weights = 0
    for place, layer in enumerate(spec.layers, start=1):
        if isinstance(layer, _ON_IMAGES) and len(shape) != 3:
            raise UnfitError(f"{spec.name}: layer {place} ({layer.kind}) comes after a flatten")
        match layer:
            case Convolution():
                same = layer.padding == "same"
                if not same and layer.kernel > min(shape[:2]):
                    raise UnfitError(
                        f"{spec.name}: layer {place} ({layer.kind} {layer.kernel}x{layer.kernel}) "
                        f"does not fit the {shape[0]} x {shape[1]} that is left of the input"
                    )
                weights += (layer.kernel**2 * shape[2] + 1) * layer.filters
                lost = 0 if same else layer.kernel - 1
                bands = -(-(shape[1] - lost) // layer.band_stride)
                shape = (shape[0] - lost, bands, layer.filters)
            case Pooling():
                shape = (-(-shape[0] // layer.stride), -(-shape[1] // layer.stride), shape[2])
            case Normalization():
                weights += 4 * shape[-1]
            case BandNormalization():
                weights += 4 * shape[1]
            case Residual():
                if layer.pool > min(shape[:2]):
                    raise UnfitError(
                        f"{spec.name}: layer {place} ({layer.kind}) pools {layer.pool} x "
                        f"{layer.pool} of the {shape[0]} x {shape[1]} that is left of the input"
                    )
                kernels = 9 * (shape[2] + layer.filters)
                if shape[2] != layer.filters:
                    kernels += shape[2] + 4
                weights += (kernels + 8) * layer.filters
                shape = (shape[0] // layer.pool, shape[1] // layer.pool, layer.filters)
            case Statistics():
                shape = (2 * shape[2],)
            case Flatten():
                shape = (math.prod(shape),)
            case Dense():
                weights += (shape[-1] + 1) * layer.units
                shape = (*shape[:-1], layer.units)
            case Dropout() | Activated():
                pass
    if len(shape) != 1:
        raise UnfitError(f"{spec.name}: the layers lack a flatten before the output")
    return weights + (shape[0] + 1) * genres


def check_size(spec: Spec, input_shape: tuple[int, int], genres: int) -> None:
    """Refuse a spec with more than `MAX_TRAINED_WEIGHTS` weights, if its layers fit at all."""
    try:
        weights = count_weights(spec, input_shape, genres)
    except UnfitError:  # which `build` explains
        return
    if weights > MAX_TRAINED_WEIGHTS:
        raise BackbeatError(
            f"{spec.name}: {number(weights)} weights, more than the {number(MAX_TRAINED_WEIGHTS)} "
            f"that are "
            "trained; use fewer units or filters, or pool before the dense layers"
        )


def check_fit(spec: Spec, input_shape: tuple[int, int], genres: int) -> None:
    """Refuse a spec whose layers do not fit or that has more than `MAX_WEIGHTS` weights."""
    weights = count_weights(spec, input_shape, genres)
    if weights > MAX_WEIGHTS:
        raise UnfitError(
            f"{spec.name}: {number(weights)} weights, more than the {number(MAX_WEIGHTS)} tried"
        )
