"""An open audio file: its samples in blocks, what its header says, and what is wrong with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from backbeat.errors import BackbeatError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3gp", "aac", "ac3", "adts", "aif", "aifc", "aiff", "amr", "ape", "asf", "au", "caf"),
        *("dsf", "dts", "eac3", "ec3", "flac", "m4a", "m4b", "m4r", "mka", "mov", "mp2", "mp3"),
        *("mp4", "mpc", "mpga", "oga", "ogg", "opus", "ra", "rf64", "snd", "spx", "tak", "tta"),
        *("voc", "w64", "wav", "wave", "webm", "wma", "wv", "xwma"),
    )
)
"""Suffixes, in lower case, of files that count as audio when a folder is scanned."""

BLOCK_SAMPLES = 4_000_000  # over all channels: 16 MB, whatever a header says
CHANNELS = range(1, 65)
RATES = range(1_000, 768_001)
LOUDEST = 2.0**32
"""No sample is larger: float files on the scale of 32-bit integers reach 2**31, and from about 1e16
on a spectrum overflows."""
NO_SOUND = "holds samples that are not numbers, or far too large for any sound"
"""The error of a file whose samples are not sound; see `is_sound`."""

CANCELLED = 0.1
"""Channels cancel if their mean has less than this share of unrelated ones' power; see `mix`."""

Kind = Literal["unreadable", "not-audio", "too-short", "silent"]


class AudioError(BackbeatError):
    """A file that cannot be played; the message names it and says in `what` why.

    `kind`: the file could not be read, is not audio, or is whole and holds too little sound.
    """

    def __init__(self, path: Path | str, what: str, kind: Kind = "unreadable") -> None:
        super().__init__(path, what, kind)  # all three, so that it travels between processes
        self.path = path
        self.what = " ".join(what.split())
        self.kind: Kind = kind
        self.whole = kind in ("too-short", "silent")
        """Whether nothing is wrong with the file but that it holds too little sound."""

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.what}"


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    `sample_rate` is in Hz. `seconds` is the declared length, None where there is none; for raw MP3
    and AAC streams it is FFmpeg's estimate from the bit rate. `codec` is the decoder's name for the
    coding, such as ``"pcm_16"`` or ``"mp3"``.
    """

    sample_rate: int
    channels: int
    seconds: float | None
    codec: str


class Since(Protocol):
    """Gives blocks from a moment on, see `Source`."""

    def __call__(self, start: float, seconds: float | None = None, /) -> Iterator[Samples]:
        """Give the blocks from `start` (s) on, each of so many seconds."""


@dataclass(frozen=True, eq=False)
class Source:
    """An open audio file: its `info`, and by iteration its blocks of native samples.

    Iterating yields float32 arrays of shape (frames, channels), full scale at 1, of 5 or 32 s each
    (less with many channels, so that a block never takes more than 16 MB). It can be iterated once.

    `since(start, seconds)` gives the blocks from a moment (s) on without decoding others, each of
    so many seconds (by default as above), and ends a running iteration. In an MP3 without a table
    of contents the moment is found by the bit rate, and can be off by seconds where that varies.
    Both raise AudioError.

    `notes` says in words what is wrong with the file although it plays, such as a header that
    declares another length; reading may add to them. `lost` has the seconds of each gap that
    damaged pages of an Ogg left in what `since` gave so far.
    """

    path: Path
    info: AudioInfo
    blocks: Iterator[Samples]  # from the beginning, shape (frames, channels)
    since: Since
    notes: list[str] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)

    def __iter__(self) -> Iterator[Samples]:
        return self.blocks


@contextlib.contextmanager
def open_samples(samples: NDArray[Any], sample_rate: int) -> Iterator[Source]:
    """Open samples, shape (n,) or (channels, n), full scale 1, as `open_source` opens a file.

    Raises AudioError if they are no such array, or the rate (Hz) is none that a recording has.
    """
    path = Path("samples")
    if not isinstance(samples, np.ndarray) or samples.dtype.kind != "f":
        raise AudioError(path, "must be an array of floating-point numbers, full scale 1")
    frames = np.atleast_2d(samples).T
    if frames.ndim != 2 or frames.shape[1] not in CHANNELS:
        raise AudioError(path, f"shape {samples.shape}: must be (n,) or (channels, n)")
    if sample_rate not in RATES:
        raise AudioError(path, f"{sample_rate} samples a second; 1,000 to 768,000 make sense")

    def since(start: float, seconds: float | None = None) -> Iterator[Samples]:
        block = block_frames(seconds or 5.0, sample_rate, frames.shape[1])
        for first in range(round(start * sample_rate), len(frames), block):
            yield np.asarray(frames[first : first + block], np.float32)

    info = AudioInfo(sample_rate, frames.shape[1], len(frames) / sample_rate, "samples")
    yield Source(path, info, since(0.0), since)


def check_limits(path: Path, sample_rate: int, channels: int) -> None:
    """Refuse headers that no recording has: they would reserve memory."""
    if channels not in CHANNELS:
        raise AudioError(path, f"its header claims {channels} channels; at most 64 make sense")
    if sample_rate not in RATES:
        what = f"its header claims {sample_rate} samples a second; 1,000 to 768,000 make sense"
        raise AudioError(path, what)


def block_frames(seconds: float, sample_rate: int, channels: int) -> int:
    """Give the length of a block, in frames."""
    return max(1, min(int(seconds * sample_rate), BLOCK_SAMPLES // channels))


def resampled(
    blocks: Iterable[NDArray[np.float32]], rate: int, wanted: int, channels: int = 1
) -> Iterator[NDArray[np.float32]]:
    """Resample consecutive blocks, shape (frames,) or (frames, channels), from `rate` Hz.

    All together have ``ceil(frames * wanted / rate)`` frames.
    """
    import soxr

    stream = soxr.ResampleStream(rate, wanted, channels, dtype="float32", quality="HQ")
    most = max(1, BLOCK_SAMPLES * rate // (wanted * channels))  # that a block stays as small
    taken = given = 0
    for block in blocks:
        taken += len(block)
        for start in range(0, len(block), most):
            part = stream.resample_chunk(block[start : start + most])
            given += len(part)
            if len(part):
                yield part
    # The resampler's length may differ from the exact one by a sample.
    rest = stream.resample_chunk(block[:0], last=True) if taken else np.zeros(0, np.float32)
    missing = -(-taken * wanted // rate) - given - len(rest)
    if missing > 0:
        rest = np.concatenate([rest, np.zeros((missing, *rest.shape[1:]), np.float32)])
    elif missing:
        rest = rest[:missing]
    if len(rest):
        yield rest


def mix(block: Samples) -> NDArray[np.float32]:
    """Average the channels, shape (frames, channels) to (frames,), or take the loudest.

    The loudest is taken where they cancel: if their mean has less than a tenth of the power of
    uncorrelated channels (of stereo of even loudness, if the correlation is below -0.9). A cable
    with swapped poles does that; lossy coding, Vorbis most, leaves a residue of up to -13 dB.
    """
    n = block.shape[1]
    if n == 1:
        return block[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):  # see `is_sound`
        mono: NDArray[np.float32]
        if n == 2:  # numpy's mean over so short an axis takes five times as long
            mono = (block[:, 0] + block[:, 1]) * np.float32(0.5)
        else:
            mono = block.mean(axis=1, dtype=np.float32)
        powers = np.array([np.dot(channel, channel) for channel in block.T])
        if np.dot(mono, mono) < CANCELLED * powers.sum() / n**2:
            # The first of those within 3 dB, so that small changes do not switch channels.
            return block[:, int(np.argmax(powers > powers.max() / 2))]
    return mono


def is_sound(samples: NDArray[np.float32]) -> bool:
    """Whether all samples, shape (...), full scale 1, are numbers and within `LOUDEST`."""
    # Nothing compares with NaN.
    return bool(samples.min(initial=0) >= -LOUDEST and samples.max(initial=0) <= LOUDEST)
