"""A song as one vector of fixed length, whatever its front-end and its number of slices."""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from backbeat.features.store import Features
from backbeat.frontend import FrontEnd, Mfcc, Musicnn, Vectors, spectrum

Array = npt.NDArray[np.float32]

_CEPSTRUM = 20  # coefficients of a log-mel map; all of an MFCC store
_CORRELATED = 20  # the first coefficients, of which each pair gives a number
_BANDS = 64
_MODULATION_HZ = (0.5, 1.0, 2.0, 4.0, 6.0)  # 4 Hz: quavers at 120 beats a minute
_EPS = 1e-3  # added before a logarithm: a silent song has finite numbers too


def song_vectors(
    features: Features, *, on_progress: Callable[[int, int], None] | None = None
) -> npt.NDArray[np.float64]:
    """Describe each track of a store by a vector, in bounded memory.

    Of each cepstral coefficient over time: mean, logarithm of the standard deviation, the same of
    the differences between frames, skewness, logarithm of the energy of its modulation at 0.5 to
    1, 1 to 2, 2 to 4 and 4 to 6 Hz; and the correlation of each pair. Of log-mel maps these are 20
    coefficients, and the same without correlations of 64 bands. Of MusiCNN's features and of
    vectors made elsewhere it is the mean. The result has shape (tracks, d), a row for each track
    with slices in the store's order.
    """
    total = int((features.table.slices > 0).sum())
    rows: list[npt.NDArray[np.float64]] = []
    for stored, counts in features.stored():
        for slices, count in zip(stored, counts, strict=True):
            if count:
                rows.append(song_vector(slices[:count].astype(np.float32), features.frontend))
        if on_progress:
            on_progress(len(rows), total)
    return np.array(rows)


def song_vector(slices: Array, frontend: FrontEnd) -> npt.NDArray[np.float64]:
    """Describe one track of shape (slices, frames, bands) by shape (d,); see `song_vectors`."""
    if isinstance(frontend, Musicnn | Vectors):
        mean: npt.NDArray[np.float64] = slices.mean(axis=(0, 1), dtype=np.float64)
        return mean
    if isinstance(frontend, Mfcc):
        rate = frontend.sample_rate / frontend.hop_length
        return np.concatenate([_spread(slices, rate), _correlations(slices)])
    rate = frontend.columns / frontend.seconds
    cepstrum = spectrum.cepstrum(slices, min(_CEPSTRUM, frontend.n_mels))
    # Maps are relative to their loudest cell, which says little: take bands relative to the mean.
    bands = _fewer_bands(slices) - slices.mean(dtype=np.float64).astype(np.float32)
    return np.concatenate([_spread(cepstrum, rate), _correlations(cepstrum), _spread(bands, rate)])


def _spread(values: Array, rate: float) -> npt.NDArray[np.float64]:
    """Describe each dimension of (slices, frames, d) over time; `rate` is frames a second."""
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    mean, deviation = flat.mean(axis=0), flat.std(axis=0)
    skewness = (((flat - mean) / (deviation + _EPS)) ** 3).mean(axis=0)
    parts = [mean, np.log(deviation + _EPS), skewness]
    if values.shape[1] > 1:
        steps = np.diff(values, axis=1).reshape(-1, values.shape[-1])
        parts += [
            np.log(steps.std(axis=0, dtype=np.float64) + _EPS),
            _modulation(values, rate),
        ]
    return np.concatenate(parts)


def _modulation(values: Array, rate: float) -> npt.NDArray[np.float64]:
    """Give the logarithm of the energy of each dimension's modulation, an octave after another."""
    frames = values.shape[1]
    window = np.hanning(frames)[:, None].astype(np.float32)
    centred = values - values.mean(axis=1, keepdims=True)
    energy = (np.abs(np.fft.rfft(centred * window, axis=1)) ** 2).mean(axis=0, dtype=np.float64)
    hertz = np.fft.rfftfreq(frames, 1 / rate)
    within = [(hertz >= low) & (hertz < high) for low, high in itertools.pairwise(_MODULATION_HZ)]
    # A short slice may have no frequency within an octave.
    octaves = [np.log(energy[octave].mean(axis=0) + _EPS) for octave in within if octave.any()]
    return np.concatenate(octaves) if octaves else np.empty(0)


def _correlations(values: Array) -> npt.NDArray[np.float64]:
    """Give the correlation of each pair of the first dimensions over time."""
    flat = values.reshape(-1, values.shape[-1])[:, :_CORRELATED].astype(np.float64)
    centred = flat - flat.mean(axis=0)
    covariance = centred.T @ centred / len(flat)
    deviation = np.sqrt(np.diag(covariance)) + _EPS
    pairs = np.triu_indices(len(covariance), 1)
    return np.asarray((covariance / np.outer(deviation, deviation))[pairs])


def _fewer_bands(slices: Array) -> Array:
    """Average neighbouring mel bands, so that 64 are left (or all, where there are fewer)."""
    bands = slices.shape[-1]
    starts = np.unique(np.arange(_BANDS) * bands // _BANDS)
    sums = np.add.reduceat(slices, starts, axis=-1)
    return np.asarray(sums / np.diff([*starts, bands]), np.float32)
