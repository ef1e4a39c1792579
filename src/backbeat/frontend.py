"""The front-ends: from samples to MFCC slices or log-mel maps.

Two front-ends, each a frozen set of parameters (`Mfcc`, `LogMel`) that travels with every feature
store and every bundle, and a pure function from mono float32 samples to a float32 array.

Conventions are librosa's: frames are centred on multiples of the hop, and the signal is padded by
half a frame of zeros at both ends; see `spectrum` for the rest. librosa itself is the oracle in the
tests and is never imported here.

References
----------
.. [1] J. Sears, "I Know It's Only Rock 'N' Roll (But Does TensorFlow?)", 2021, Methods.
.. [2] S. Davis and P. Mermelstein, "Comparison of parametric representations for monosyllabic word
   recognition in continuously spoken sentences", IEEE TASSP 28(4), 1980 (MFCC).
"""

import math
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    TypeAdapter,
    model_validator,
)

from backbeat import spectrum
from backbeat.errors import BackbeatError

Array = npt.NDArray[np.float32]

_MOST_NUMBERS = 2**24  # in what is extracted of a window: 64 MB


class _Parameters(BaseModel):
    """What both front-ends share: a short-time Fourier transform on the mel scale.

    The upper bounds lie far above any use, and low enough that parameters read from a damaged or
    hostile file cannot ask for all memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sample_rate: Annotated[int, Field(gt=0, le=768_000)] = 22_050
    n_fft: Annotated[int, Field(gt=0, le=65_536)] = 2048
    hop_length: Annotated[int, Field(gt=0, le=65_536)] = 512
    n_mels: Annotated[int, Field(gt=0, le=1_024)] = 128
    top_db: PositiveFloat = 80.0


class Mfcc(_Parameters):
    """The paper's front-end: the first 29 s in ten slices of 13 MFCCs x 125 frames.

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
        if math.prod(self.shape) > _MOST_NUMBERS:
            raise ValueError(f"a window would hold more than {_MOST_NUMBERS:,} numbers")
        return self

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
    def least_samples(self) -> int:
        """The shortest excerpt that training takes: one with all its slices."""
        return self.window_samples

    @property
    def least_answer_samples(self) -> int:
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
        """Give the MFCCs of each whole slice of `samples`; see `mfcc`."""
        return mfcc(samples, self)


class LogMel(_Parameters):
    """A log-mel map of half a minute: 387 columns picked from its STFT frames, 128 mel bands.

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
        return self.sample_rate

    @property
    def least_samples(self) -> int:
        """The shortest excerpt that training takes: a "30 s" clip may last 29 s."""
        return self.window_samples - self.sample_rate

    @property
    def least_answer_samples(self) -> int:
        """The shortest song that classifying takes: a tenth of a window, as for `Mfcc`."""
        return self.window_samples // 10

    @property
    def shape(self) -> tuple[int, int, int]:
        """What `extract` gives: (1, columns, bands)."""
        return (1, self.columns, self.n_mels)

    @property
    def slice_seconds(self) -> float:
        """Length of one window in seconds."""
        return self.seconds

    def extract(self, samples: Array) -> Array:
        """Give the map of `samples` as an array of one slice; see `logmel`."""
        return logmel(_filled(samples, self.least_samples), self)[None]


FrontEnd = Mfcc | LogMel

NAMES: tuple[str, ...] = ("mfcc", "logmel")
_ADAPTER: TypeAdapter[FrontEnd] = TypeAdapter(Annotated[FrontEnd, Field(discriminator="name")])


def from_dict(parameters: dict[str, Any]) -> FrontEnd:
    """Read a front-end back from its ``model_dump()``.

    Raises
    ------
    pydantic.ValidationError
        If a field is unknown, missing or out of range.
    """
    return _ADAPTER.validate_python(parameters)


def by_name(name: str) -> FrontEnd:
    """Give the front-end called `name` ("mfcc" or "logmel") with its standard parameters."""
    return from_dict({"name": name})


def mfcc(samples: Array, parameters: Mfcc | None = None) -> Array:
    """Compute the MFCCs of each whole slice of an excerpt.

    Parameters
    ----------
    samples : ndarray of float32, shape (n,)
        Mono samples at ``parameters.sample_rate``, full scale 1. At most ``parameters.slices``
        slices are taken; what is left after the last whole slice is passed over.
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
    slices = samples[: whole * p.slice_samples].reshape(whole, p.slice_samples)
    padded = np.pad(slices.astype(np.float32, copy=False), ((0, 0), (p.n_fft // 2, p.n_fft // 2)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, p.n_fft, axis=1)[:, :: p.hop_length]
    power = spectrum.mel_power(frames[:, : p.frames].reshape(-1, p.n_fft), p.sample_rate, p.n_mels)
    decibels = spectrum.decibels(power).reshape(whole, p.frames, p.n_mels)
    floor = decibels.max(axis=(1, 2), keepdims=True) - np.float32(p.top_db)
    return spectrum.cepstrum(np.maximum(decibels, floor), p.n_mfcc)


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
    padded = np.pad(samples.astype(np.float32, copy=False), p.n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, p.n_fft)[picked * p.hop_length]
    decibels = spectrum.decibels(spectrum.mel_power(frames, p.sample_rate, p.n_mels))
    map_db: Array = np.maximum(decibels - decibels.max(), np.float32(-p.top_db))
    return map_db


def picked_frames(n_frames: int, columns: int) -> npt.NDArray[np.intp]:
    """Give the STFT frame behind each column of a log-mel map, shape (columns,)."""
    steps = (np.arange(columns) + 0.5) * ((n_frames - 1.7) / columns)
    frames: npt.NDArray[np.intp] = np.clip(np.floor(steps), 0, n_frames - 1).astype(np.intp)
    return frames


def standardise(maps: Array) -> Array:
    """Bring each map to mean 0 and variance 1 over all its cells.

    Parameters
    ----------
    maps : ndarray of float32, shape (..., columns, bands)

    Returns
    -------
    ndarray of float32, same shape
        A map without any variation (silence) becomes all zeros.
    """
    centred = maps - maps.mean(axis=(-2, -1), keepdims=True, dtype=np.float64).astype(np.float32)
    deviation = np.sqrt(np.mean(np.square(centred), axis=(-2, -1), keepdims=True, dtype=np.float64))
    standard: Array = centred / np.maximum(deviation, 1e-6).astype(np.float32)
    return standard


def mfcc_slices(maps: Array, *, slices: int = 10, n_mfcc: int = 13) -> Array:
    """See log-mel maps as slices of MFCCs, so that the paper's models train on them too.

    Parameters
    ----------
    maps : ndarray of float32, shape (..., columns, n_mels)
        Log-mel maps in dB.
    slices, n_mfcc : int
        As for `Mfcc`. Columns left over after equal slices are passed over: 370 of 387 columns
        make ten slices of 37 frames (2.9 s).

    Returns
    -------
    ndarray of float32, shape (..., slices, frames, n_mfcc)
        ``(..., 10, 37, 13)`` from ``(..., 387, 128)``. Equal to MFCCs up to a constant in
        coefficient 0, since the maps are relative to their loudest cell.
    """
    *outer, columns, _ = maps.shape
    # 370 of 387: a slice is a tenth of the first 29 s of the map's 30 s, rounded to whole columns.
    frames = int(columns * 29 / 30) // slices
    coefficients = spectrum.cepstrum(maps[..., : slices * frames, :], n_mfcc)
    return coefficients.reshape(*outer, slices, frames, n_mfcc)


def input_shape(parameters: FrontEnd, kind: str) -> tuple[int, int, int]:
    """Give the shape that `as_input` makes of one window: (slices, frames, bands)."""
    return as_input(np.zeros(parameters.shape, np.float32), parameters, kind).shape


def as_input(slices: Array, parameters: FrontEnd, kind: str) -> Array:
    """Bring what a front-end extracts to what a network takes.

    Parameters
    ----------
    slices : ndarray of float32, shape (n, frames, bands)
        Slices as extracted (or stored) with `parameters`.
    parameters : FrontEnd
        The front-end that made them.
    kind : {"mfcc", "logmel", "musicnn", "maps"}
        What the network was designed for: MFCC slices, standardised log-mel maps, or the patches of
        MusiCNN; "maps" leaves log-mel maps as they are.

    Returns
    -------
    ndarray of float32, shape (m, frames', bands')
        ``m`` is ten times ``n`` where log-mel maps are seen as MFCC slices or patches, otherwise
        ``n``.

    Raises
    ------
    BackbeatError
        If maps are wanted of MFCCs, which no longer hold them.
    """
    if isinstance(parameters, Mfcc):
        if kind != "mfcc":
            raise BackbeatError(
                "this model takes log-mel maps and these features are MFCCs: "
                "prepare the collection again with --frontend logmel"
            )
        return slices
    if kind == "mfcc":
        cut = mfcc_slices(slices)
        return cut.reshape(-1, *cut.shape[2:])
    if kind == "musicnn":
        from backbeat.musicnn.maps import maps_to_patches

        patches = maps_to_patches(slices, parameters=parameters)
        return patches.reshape(-1, *patches.shape[2:])
    return slices if kind == "maps" else standardise(slices)


def windows(blocks: Iterable[Array], parameters: FrontEnd) -> Iterator[Array]:
    """Cut a stream of samples into the windows that `extract` takes, in bounded memory.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n_i,)
        Consecutive mono samples at the front-end's rate, in pieces of any length.
    parameters : FrontEnd
        Says how long a window is, how much more still belongs to it (a "30 s" clip may last
        30.4 s), and the least that makes an answer.

    Yields
    ------
    ndarray of float32, shape (m,)
        Windows in order. The last may be shorter: at least a slice of `Mfcc`, or (after another
        window) a nearly whole window of `LogMel`. Only a song that is one short window is given
        at less than that, down to ``least_answer_samples``; nothing for shorter songs.
    """
    most = parameters.window_samples + parameters.slack_samples
    held: list[Array] = []
    length = 0
    given = 0
    for block in blocks:
        held.append(block)
        length += len(block)
        while length > most:
            joined = np.concatenate(held)
            yield joined[: parameters.window_samples]
            given += 1
            held = [joined[parameters.window_samples :]]
            length = len(held[0])
    least = parameters.least_answer_samples
    if given and isinstance(parameters, LogMel):
        # A short rest would have to be repeated to fill a map; the song has better windows.
        least = parameters.least_samples
    if length >= least:
        yield np.concatenate(held)


def _filled(samples: Array, least: int) -> Array:
    """Repeat a song that is shorter than a window until it fills one."""
    if len(samples) >= least:
        return samples
    return np.tile(samples, math.ceil(least / len(samples)))[:least]
