"""The paper's front-end: MFCC slices.

References
----------
.. [1] J. Sears, "I Know It's Only Rock 'N' Roll (But Does TensorFlow?)", 2021, Methods.
.. [2] S. Davis and P. Mermelstein, "Comparison of parametric representations for monosyllabic word
   recognition in continuously spoken sentences", IEEE TASSP 28(4), 1980 (MFCC).
"""

import math
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt, model_validator

from backbeat.files.text import number
from backbeat.frontend import spectrum

Array = npt.NDArray[np.float32]


class Mfcc(spectrum.MelParameters):
    """The paper's front-end: 29 s in ten slices of 13 MFCCs x 125 frames.

    Each slice is padded and floored by itself, as librosa does when it is called a slice at a time.
    """

    name: Literal["mfcc"] = "mfcc"
    seconds: Annotated[float, Field(gt=0, le=3_600)] = 29.0
    slices: Annotated[int, Field(gt=0, le=1_000)] = 10
    n_mfcc: PositiveInt = 13

    @model_validator(mode="after")
    def _consistent(self) -> "Mfcc":
        if self.n_mfcc > self.n_mels:
            raise ValueError("n_mfcc is more than n_mels")
        if not self.slice_samples:
            raise ValueError("seconds hold not one sample a slice")
        if math.prod(self.shape) > spectrum.MAX_NUMBERS:
            raise ValueError(
                f"a window would hold more than {number(spectrum.MAX_NUMBERS)} numbers"
            )
        return self

    def of_slices(self, slices: int) -> "Mfcc":
        """Give the same front-end with another number of the same slices."""
        seconds = slices * self.slice_samples / self.sample_rate
        return Mfcc.model_validate(self.model_dump() | {"seconds": seconds, "slices": slices})

    @property
    def slice_samples(self) -> int:
        """Samples in a slice (63,945 with the paper's parameters)."""
        return round(self.seconds * self.sample_rate) // self.slices

    @property
    def window_samples(self) -> int:
        """Samples that one call of `extract` takes at most: all slices of an excerpt."""
        return self.slice_samples * self.slices

    @property
    def slack_samples(self) -> int:
        """Samples past a window that still belong to it: none."""
        return 0

    @property
    def min_samples(self) -> int:
        """The shortest excerpt that training takes: one with all its slices."""
        return self.window_samples

    @property
    def min_answer_samples(self) -> int:
        """The shortest song that classifying takes: one slice."""
        return self.slice_samples

    @property
    def frames(self) -> int:
        """Frames in a slice (125 with the paper's parameters)."""
        return 1 + self.slice_samples // self.hop_length

    @property
    def shape(self) -> tuple[int, int, int]:
        """What `extract` gives for a whole window: (slices, frames, coefficients)."""
        return (self.slices, self.frames, self.n_mfcc)

    @property
    def slice_seconds(self) -> float:
        """Length of one slice in seconds (2.9 with the paper's parameters)."""
        return self.slice_samples / self.sample_rate

    def extract(self, samples: Array) -> Array:
        """Give the MFCCs, shape (m, frames, n_mfcc), of at most `slices` whole slices; see `mfcc`.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            Mono samples at `sample_rate`, full scale 1.
        """
        return mfcc(samples, self)


def mfcc(samples: Array, parameters: Mfcc | None = None) -> Array:
    """Compute the MFCCs of each whole slice of an excerpt.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Mono samples at ``parameters.sample_rate``, full scale 1. At most ``parameters.slices``
        slices are taken; what is left after the last whole slice is ignored.
    parameters : Mfcc, optional
        The paper's by default.

    Returns
    -------
    ndarray of float32, shape (slices, frames, n_mfcc)
        Coefficients of the orthonormal DCT-II over the dB values of the mel bands [1]_ [2]_; the
        floor lies `top_db` below the loudest cell of each slice.

    Raises
    ------
    ValueError
        If there is not one whole slice.
    """
    p = parameters or Mfcc()
    whole = min(len(samples) // p.slice_samples, p.slices)
    if whole == 0:
        raise ValueError(f"{len(samples)} samples are less than a slice of {p.slice_samples}")
    half = p.n_fft // 2
    padded = np.zeros((whole, p.slice_samples + 2 * half), np.float32)
    padded[:, half:-half] = samples[: whole * p.slice_samples].reshape(whole, p.slice_samples)
    frames = np.lib.stride_tricks.sliding_window_view(padded, p.n_fft, axis=1)[:, :: p.hop_length]
    each = [spectrum.mel_power(part[: p.frames], p.sample_rate, p.n_mels) for part in frames]
    decibels = spectrum.decibels(np.stack(each))
    floor = decibels.max(axis=(1, 2), keepdims=True) - np.float32(p.top_db)
    return spectrum.cepstrum(np.maximum(decibels, floor), p.n_mfcc)
