"""From samples to MusiCNN's input: a log-mel spectrogram at full resolution, in patches of 3 s.

Every number is the one that the weights were trained with [1]_: 16 kHz, frames of 512 samples every
256, 96 of librosa's mel bands to 8 kHz, and power compressed by ``log10(1 + 10000 x)``. Frames are
centred on multiples of the hop and the signal is padded by zeros, as librosa does since version
0.10; the librosa of 2019 mirrored the signal there, which differs in the first and the last frame.

References
----------
.. [1] J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
   tagging", late-breaking demo, ISMIR 2019.
"""

import math

import numpy as np
import numpy.typing as npt

from backbeat.frontend import spectrum

Array = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
N_FFT = 512
HOP_LENGTH = 256
N_MELS = 96
PATCH_FRAMES = 187  # 3 s

_GAIN = np.float32(10_000)


def compress(power: Array) -> Array:
    """Give ``log10(1 + 10000 power)``, which is 0 in silence, of the same shape (...).

    Parameters
    ----------
    power : ndarray of float32, shape (...)
        In mel bands.
    """
    compressed: Array = np.log10(np.float32(1) + _GAIN * power)
    return compressed


def spectrogram(samples: Array) -> Array:
    """Compute MusiCNN's log-mel spectrogram, shape (1 + n // 256, 96): a frame every 16 ms.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Mono samples at 16 kHz, full scale 1: here their absolute level matters.
    """
    padded = np.pad(samples.astype(np.float32, copy=False), N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    return compress(spectrum.mel_power(frames, SAMPLE_RATE, N_MELS))


def spread_patches(spectrogram: Array, count: int) -> Array:
    """Cut patches, shape (count, 187, bands), evenly spread and overlapping if they must.

    Parameters
    ----------
    spectrogram : ndarray of float32, shape (frames, bands)
        Repeated until it fills a patch if it is shorter.
    count : int
    """
    spectrogram = _filled(spectrogram)
    starts = np.linspace(0, len(spectrogram) - PATCH_FRAMES, count).round().astype(np.intp)
    index = starts[:, None] + np.arange(PATCH_FRAMES)
    spread: Array = np.ascontiguousarray(spectrogram[index], np.float32)
    return spread


def patches(spectrogram: Array, *, hop: int = PATCH_FRAMES) -> Array:
    """Cut spectrograms into the patches that the network takes, shape (..., n, 187, bands).

    The rest at the end is ignored: 30 s (1,876 frames) make 10 patches.

    Parameters
    ----------
    spectrogram : ndarray of float32, shape (..., frames, bands)
        One of fewer than 187 frames is repeated until it fills a patch, as was done in training.
    hop : int
        Frames from the beginning of one patch to the next; 187 leaves no overlap.

    Raises
    ------
    ValueError
        If there is no frame, or `hop` is not positive.
    """
    if hop < 1:
        raise ValueError(f"steps of {hop} frames make no patch")
    spectrogram = _filled(spectrogram)
    *outer, frames, bands = spectrogram.shape
    starts = np.arange(0, frames - PATCH_FRAMES + 1, hop)
    index = starts[:, None] + np.arange(PATCH_FRAMES)
    cut: Array = np.ascontiguousarray(spectrogram[..., index, :], np.float32)
    return cut.reshape(*outer, len(starts), PATCH_FRAMES, bands)


def _filled(spectrogram: Array) -> Array:
    """Repeat what is shorter than a patch until it fills one."""
    *outer, frames, _ = spectrogram.shape
    if frames == 0:
        raise ValueError("no frames make no patch")
    if frames >= PATCH_FRAMES:
        return spectrogram
    repeats = math.ceil(PATCH_FRAMES / frames)
    filled: Array = np.tile(spectrogram, (*(1 for _ in outer), repeats, 1))
    return filled[..., :PATCH_FRAMES, :]
