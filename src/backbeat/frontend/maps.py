"""The front-end of the public log-mel maps of GTZAN."""

import math
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from backbeat.frontend import spectrum

Array = npt.NDArray[np.float32]


class LogMel(spectrum.MelParameters):
    """A log-mel map, of half a minute: 387 columns picked from its STFT frames, 128 mel bands.

    The layout is that of the public log-mel maps of GTZAN that models here are developed on; only
    the picked frames are computed (387 FFTs for 30 s instead of 1,293).
    """

    name: Literal["logmel"] = "logmel"
    seconds: Annotated[float, Field(gt=1, le=3_600)] = 30.0
    columns: Annotated[int, Field(gt=0, le=10_000)] = 387

    @property
    def window_samples(self) -> int:
        """Samples in a window of a longer song."""
        return round(self.seconds * self.sample_rate)

    @property
    def slack_samples(self) -> int:
        """Samples past a window that still belong to it: a "30 s" clip may last 30.4 s."""
        return self.window_samples // 30

    @property
    def min_samples(self) -> int:
        """The shortest excerpt that training takes: a "30 s" clip may last 29 s."""
        return self.window_samples - self.slack_samples

    @property
    def min_answer_samples(self) -> int:
        """The shortest song that classifying takes: 3 s, or a window if that is shorter."""
        return min(3 * self.sample_rate, self.min_samples)

    @property
    def shape(self) -> tuple[int, int, int]:
        """What `extract` gives: (1, columns, bands)."""
        return (1, self.columns, self.n_mels)

    @property
    def slice_seconds(self) -> float:
        """Length of one window in seconds."""
        return self.seconds

    def extract(self, samples: Array) -> Array:
        """Give the map, shape (1, columns, n_mels), in dB below the loudest cell; see `logmel`.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            Mono samples at `sample_rate`, full scale 1; repeated where they do not fill a map.
        """
        return logmel(_filled(samples, self.min_samples), self)[None]


def logmel(samples: Array, parameters: LogMel | None = None) -> Array:
    """Compute the log-mel map of a stretch of music.

    Column ``j`` is the STFT frame ``floor((j + 0.5) (T - 1.7) / columns)``, ``T`` being the number
    of frames of the stretch: picked, not averaged.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Mono samples at ``parameters.sample_rate``, full scale 1; about half a minute.
    parameters : LogMel, optional
        387 columns and 128 bands by default.

    Returns
    -------
    ndarray of float32, shape (columns, n_mels)
        Decibels below the loudest cell of the map, from ``-top_db`` to 0.
    """
    p = parameters or LogMel()
    picked = picked_frames(1 + len(samples) // p.hop_length, p.columns)
    half = p.n_fft // 2
    padded = np.zeros(len(samples) + 2 * half, np.float32)
    padded[half : half + len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, p.n_fft)
    rows = picked * p.hop_length
    decibels = spectrum.decibels(spectrum.mel_power(frames, p.sample_rate, p.n_mels, rows=rows))
    map_db: Array = np.maximum(decibels - decibels.max(), np.float32(-p.top_db))
    return map_db


def picked_frames(n_frames: int, columns: int) -> npt.NDArray[np.intp]:
    """Give the STFT frame behind each column of a log-mel map, shape (columns,)."""
    steps = (np.arange(columns) + 0.5) * ((n_frames - 1.7) / columns)
    frames: npt.NDArray[np.intp] = np.clip(np.floor(steps), 0, n_frames - 1).astype(np.intp)
    return frames


def _filled(samples: Array, least: int) -> Array:
    """Repeat a song that is shorter than a window until it fills one."""
    if len(samples) >= least:
        return samples
    return np.tile(samples, math.ceil(least / len(samples)))[:least]
