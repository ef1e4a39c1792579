"""From frames of samples to mel bands, decibels and cepstra.

Conventions are librosa's: the window is Hann, the mel scale is Slaney's with area-normalised
triangular filters, and decibels are ``10 log10`` of power.

References
----------
.. [1] M. Slaney, "Auditory Toolbox", version 2, Interval Research, 1998 (mel scale and filters).
"""

import functools
import math
from typing import Annotated

import numpy as np
import numpy.typing as npt
import scipy.fft
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

Array = npt.NDArray[np.float32]

MAX_NUMBERS = 2**24  # extracted from a window: 64 MB


class MelParameters(BaseModel):
    """What `Mfcc` and `LogMel` share: a short-time Fourier transform on the mel scale.

    The sample rate is in Hz, `n_fft` and `hop_length` are in samples, `top_db` in dB. The upper
    bounds lie far above any use, and low enough that parameters read from a damaged or
    hostile file cannot ask for all memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sample_rate: Annotated[int, Field(gt=0, le=768_000)] = 22_050
    n_fft: Annotated[int, Field(gt=0, le=65_536)] = 2048
    hop_length: Annotated[int, Field(gt=0, le=65_536)] = 512
    n_mels: Annotated[int, Field(gt=0, le=1_024)] = 128
    top_db: PositiveFloat = 80.0


_AMIN = 1e-10  # the least power that is distinct from silence, as in librosa's power_to_db
_FFTS_AT_ONCE = 128  # frames transformed together: 1 MB of float32
_BANDS_AT_ONCE = 16  # mel bands multiplied together, over only the bins that they reach


def mel_power(
    frames: Array, sample_rate: int, n_mels: int, *, rows: npt.NDArray[np.intp] | None = None
) -> Array:
    """Compute the power in each mel band, shape (m or k, n_mels).

    Parameters
    ----------
    frames : ndarray of float32, shape (m, n_fft)
        Samples, not windowed yet. Best a view of the signal: it is copied a few frames at a time.
    sample_rate : int
        In Hz.
    n_mels : int
    rows : ndarray of int, shape (k,), optional
        Which frames to use; all of them by default.
    """
    n_fft = frames.shape[1]
    window = _hann(n_fft)
    filters = _banded_filters(sample_rate, n_fft, n_mels)
    count = len(frames) if rows is None else len(rows)
    mel = np.empty((count, n_mels), np.float32)
    # All arrays of a part stay in the cache, which saves more than larger parts would.
    buffer = np.empty((min(count, _FFTS_AT_ONCE), n_fft), np.float32)
    for start in range(0, count, _FFTS_AT_ONCE):
        part = slice(start, min(start + _FFTS_AT_ONCE, count))
        # Indices make a copy, which can be written to; a slice makes a view.
        chosen = frames[part] if rows is None else frames[rows[part]]
        windowed = buffer[: len(chosen)] if rows is None else chosen
        np.multiply(chosen, window, out=windowed)
        squares = scipy.fft.rfft(windowed, axis=1).view(np.float32)
        np.multiply(squares, squares, out=squares)
        power = squares[:, 0::2] + squares[:, 1::2]
        for bands, reach, weights in filters:
            np.matmul(power[:, reach], weights, out=mel[part, bands])
    return mel


def decibels(power: Array) -> Array:
    """Give power in dB, of the same shape (...), at least -100 dB; 0 dB is a power of 1.

    Parameters
    ----------
    power : ndarray of float32, shape (...)
        Squared amplitudes, full scale 1.
    """
    return np.float32(10.0) * np.log10(np.maximum(power, np.float32(_AMIN)))


def cepstrum(bands: Array, n_mfcc: int) -> Array:
    """Give the first coefficients, shape (..., n_mfcc), of the orthonormal DCT-II on the last axis.

    Parameters
    ----------
    bands : ndarray of float32, shape (..., n_mels)
        Mel bands in dB.
    n_mfcc : int
        The number of coefficients to keep.
    """
    # A transform rather than a matrix product: in float32 it is ten times nearer to the truth.
    coefficients: Array = scipy.fft.dct(bands, type=2, norm="ortho", axis=-1)[..., :n_mfcc]
    return coefficients


def mel_filters(sample_rate: int, n_fft: int, n_mels: int) -> Array:
    """Compute Slaney's triangular mel filters [1]_, shape (n_mels, 1 + n_fft // 2).

    They reach from 0 Hz to half the sample rate, each of unit area in Hz (times 2).

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_fft, n_mels : int
        Length of the FFT in samples, and number of bands.
    """
    bins = np.linspace(0, sample_rate / 2, 1 + n_fft // 2)
    edges = mel_edges(sample_rate, n_mels)
    width = np.diff(edges)
    ramps = edges[:, None] - bins[None, :]
    rising = -ramps[:-2] / width[:-1, None]
    falling = ramps[2:] / width[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    area = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * area[:, None]).astype(np.float32)


def mel_edges(sample_rate: int, n_mels: int) -> npt.NDArray[np.float64]:
    """Give where mel filters begin, are highest and end, in Hz, shape (n_mels + 2,).

    Filter ``i`` begins at edge ``i``, is highest at the next one, and ends at the one after.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_mels : int
        Number of bands.
    """
    return _mel_to_hz(np.linspace(0, _hz_to_mel(sample_rate / 2), n_mels + 2))


@functools.cache
def _hann(n: int) -> Array:
    """Give the periodic Hann window, shape (n,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


@functools.cache
def _banded_filters(
    sample_rate: int, n_fft: int, n_mels: int
) -> tuple[tuple[slice, slice, Array], ...]:
    """Give the mel filters as blocks (bands, bins that they reach, weights).

    A triangle reaches few bins, so multiplying by all of them wastes seven eighths of the work.
    """
    dense = mel_filters(sample_rate, n_fft, n_mels)
    blocks = []
    for first in range(0, n_mels, _BANDS_AT_ONCE):
        bands = slice(first, min(first + _BANDS_AT_ONCE, n_mels))
        reached = np.flatnonzero(dense[bands].any(axis=0))
        reach = slice(int(reached[0]), int(reached[-1]) + 1) if len(reached) else slice(0, 1)
        blocks.append((bands, reach, np.ascontiguousarray(dense[bands, reach].T)))
    return tuple(blocks)


# Slaney's mel scale: linear below 1 kHz (3 mels per 200 Hz), logarithmic above (27 steps to 6.4x).
_BREAK_HZ = 1000.0
_HZ_PER_MEL = 200.0 / 3
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = math.log(6.4) / 27.0


def _hz_to_mel(hertz: float) -> float:
    if hertz < _BREAK_HZ:
        return hertz / _HZ_PER_MEL
    return _BREAK_MEL + math.log(hertz / _BREAK_HZ) / _LOG_STEP


def _mel_to_hz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mels, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mels < _BREAK_MEL, mels * _HZ_PER_MEL, above)
