"""An array as somebody has it to slices of a front-end, or the reason why it cannot be."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from backbeat.errors import BackbeatError, one_line
from backbeat.features.npz import Field
from backbeat.files.text import number
from backbeat.frontend import FrontEnd, LogMel, Mfcc, Vectors

LIBROSA = "librosa"
_PARAMETERS = {"sample_rate": int, "n_fft": int, "hop_length": int, "n_mels": int, "top_db": float}

Parameters = Mapping[str, Any]


def parse_made(made: str | None) -> Parameters:
    """Read how features were made: ``librosa``, or ``librosa,hop_length=256`` and the like.

    What is not named is librosa's default, and backbeat's.
    """
    if made is None:
        return {}
    by, *pairs = (part.strip() for part in made.split(","))
    parameters: dict[str, Any] = {}
    try:
        if by != LIBROSA:
            raise ValueError
        for pair in pairs:
            key, _, value = pair.partition("=")
            parameters[key.strip()] = _PARAMETERS[key.strip()](value)
    except (KeyError, ValueError):
        raise BackbeatError(
            f"--made {made}: must be {LIBROSA}, alone or with what was changed of its defaults, "
            f"such as {LIBROSA},hop_length=256; known are {', '.join(_PARAMETERS)}"
        ) from None
    return parameters


def as_slices(
    source: Path,
    frontend: str,
    x: npt.NDArray[Any],
    *,
    columns: tuple[str, ...],
    made: str | None,
) -> tuple[FrontEnd, npt.NDArray[Any]]:
    """Give the front-end and the slices, shape (n, slices, frames, bands), of what `x` holds."""
    if frontend == "vectors":
        if made is not None:
            raise BackbeatError("--made: goes with mfcc and logmel, which audio can be turned into")
        with np.errstate(over="ignore"):
            return Vectors(size=x.shape[1], columns=columns), _float32(x)[:, None, None]
    parameters = parse_made(made)
    if frontend == "logmel":
        return _logmel(made, x, parameters)
    whole = Mfcc()
    x = _sliced(x)
    cut = x.shape[2] // whole.frames
    slices = x.shape[1] * cut
    front = mfcc_of(source, slices, made)
    array = _float32(x[:, :, : cut * whole.frames, : whole.n_mfcc])
    return front, array.reshape(len(x), slices, whole.frames, whole.n_mfcc)


def mfcc_of(source: Path, slices: int, made: str | None) -> Mfcc:
    """Give the front-end of so many slices of 125 frames a track."""
    whole, parameters = Mfcc(), parse_made(made)
    hop = parameters.get("hop_length", whole.hop_length)
    rate = parameters.get("sample_rate", whole.sample_rate)
    try:
        samples = round(whole.slice_samples * hop / whole.hop_length)
        front = Mfcc(seconds=slices * samples / rate, slices=slices, **parameters)
    except (ValidationError, ZeroDivisionError) as error:
        if made is not None and slices <= 1_000:
            raise BackbeatError(f"--made {made}: {one_line(error)}") from error
        raise BackbeatError(
            f"{source}: X holds {slices} slices a track, which is too many"
        ) from error
    if front.frames != whole.frames:
        raise BackbeatError(f"--made {made}: no {whole.frames} frames with this hop_length")
    return front


def _logmel(
    made: str | None, x: npt.NDArray[Any], parameters: Parameters
) -> tuple[FrontEnd, npt.NDArray[Any]]:
    try:
        front = LogMel(**parameters)
    except ValidationError as error:
        raise BackbeatError(f"--made {made}: {one_line(error)}") from error
    if (front.n_mels, front.top_db) != (LogMel().n_mels, LogMel().top_db):
        raise BackbeatError(f"--made {made}: such maps have other bands or another floor")
    # Exact in half precision: a step is 5/16 dB.
    decibels = (x.astype(np.float32) / 256 * front.top_db - front.top_db).astype(np.float16)
    return front, np.ascontiguousarray(decibels.transpose(0, 2, 1))[:, None]


def _sliced(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give MFCCs the shape (n, slices, frames, coefficients), without the channel of an image."""
    return x.reshape(_sliced_shape(x.shape))


def _sliced_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) in (4, 5) and shape[-1] == 1:
        shape = shape[:-1]
    return (shape[0], 1, *shape[1:]) if len(shape) == 3 else shape


def _float32(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(x, np.float32)


def _require_logmel(source: Path, x: Field) -> None:
    front = LogMel()
    wanted = (front.n_mels, front.columns)
    if x.dtype != np.uint8 or len(x.shape) != 3 or x.shape[1:] != wanted:
        raise BackbeatError(
            f"{source}: X must be uint8 (n, {wanted[0]}, {wanted[1]}) for --frontend logmel, "
            f"and is {x.dtype} {x.shape}"
        )


def _require_mfcc(source: Path, x: Field) -> None:
    shape = _sliced_shape(x.shape)
    if np.issubdtype(x.dtype, np.floating) and _are_mfccs(shape):
        return
    whole, remedy = Mfcc(), ""
    if len(x.shape) == 2:
        remedy = "; reshape it, or give --frontend vectors, for --model head"
    elif len(shape) == 4 and _are_mfccs((*shape[:2], shape[3], shape[2])):
        remedy = "; frames and coefficients are the other way round: save X.swapaxes(-1, -2)"
    raise BackbeatError(
        f"{source}: X must be floating point (n, [slices,] at least {whole.frames} frames, at "
        f"least {whole.n_mfcc} coefficients) for --frontend mfcc, and is {x.dtype} {x.shape}"
        f"{remedy}"
    )


def _are_mfccs(shape: tuple[int, ...]) -> bool:
    whole = Mfcc()
    return (
        len(shape) == 4 and shape[1] > 0 and shape[2] >= whole.frames and shape[3] >= whole.n_mfcc
    )


def _require_vectors(source: Path, x: Field) -> None:
    if x.dtype.kind not in "iuf" or len(x.shape) != 2 or not x.shape[1]:
        raise BackbeatError(
            f"{source}: X must be numbers (n, d) for --frontend vectors, a vector a row, and is "
            f"{x.dtype} {x.shape}"
        )


REQUIRE: Mapping[str, Callable[[Path, Field], None]] = {
    "mfcc": _require_mfcc,
    "logmel": _require_logmel,
    "vectors": _require_vectors,
}
"""By what can be imported: refuses an array that is nothing of the kind, before it is unpacked."""


def cut_off(x: npt.NDArray[Any], front: FrontEnd) -> Iterable[str]:
    """Say which frames and coefficients of X, shape (n, [slices,] frames, d), are not stored."""
    if not isinstance(front, Mfcc):
        return
    frames, coefficients = _sliced_shape(x.shape)[-2:]
    if over := frames % front.frames:
        of_each = "slice" if _sliced_shape(x.shape)[1] > 1 else "track"
        yield (
            f"the last {number(over)} of {number(frames)} frames of each {of_each} "
            f"({number(frames // front.frames)} x {front.frames} are kept)"
        )
    if coefficients > front.n_mfcc:
        over = coefficients - front.n_mfcc
        yield f"the last {number(over)} of {number(coefficients)} coefficients"
