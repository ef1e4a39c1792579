"""A file to mono float32 samples at a wanted rate, in bounded memory.

What plays a file is decided by its first bytes, never by its suffix. libsndfile reads what is plain
samples (WAV, AU, AIFF, CAF): it is the quickest. FFmpeg, by PyAV, reads what is compressed, and a
WAV or AIFF whose coding libsndfile does not know.

libsndfile plays MP3 and Ogg as well, but not in blocks as soundfile calls it: soundfile seeks after
every block, which loses the decoder's memory of earlier frames (an error of 0.2 of full scale after
each block of a 22,050 Hz MP3), makes a cut FLAC lose what lies before the cut, and lets mpg123
print warnings that name no file. FFmpeg's samples agree with libsndfile's in one piece to 2e-6.
"""

from __future__ import annotations

import contextlib
import math
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from backbeat.errors import BackbeatError

if TYPE_CHECKING:
    import av
    import soundfile
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioError",
    "AudioInfo",
    "Source",
    "display_name",
    "duration",
    "mono_blocks",
    "open_source",
    "read",
]

AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("3gp", "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "asf", "au", "caf", "dsf"),
        *("flac", "m4a", "m4b", "mka", "mov", "mp2", "mp3", "mp4", "mpc", "oga", "ogg", "opus"),
        *("rf64", "snd", "tta", "w64", "wav", "wave", "webm", "wma", "wv"),
    )
)
"""Suffixes, in lower case, of the files that a folder's scan takes for audio."""

BLOCK_SECONDS = 5.0
BLOCK_SAMPLES = 4_000_000  # over all channels: 16 MB, whatever a header says
CHANNELS = range(1, 65)
RATES = range(1_000, 768_001)

# What libsndfile is asked for first: RIFF, RF64, Sony's wave 64, AU, AIFF, CAF, VOC, NIST.
_PLAIN = (b"RIFF", b"RF64", b"riff", b".snd", b"FORM", b"caff", b"Creative", b"NIST_1A")

# FFmpeg must not take a playlist or a picture sequence (both open other files) or a text for audio.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,ogg,rm,tak,tta,voc,w64,wav,wv,xwma"
)

# Players pass over a damaged packet, and so do we; beyond this share a file is not what it was.
_DAMAGED_SHARE = 0.01
_DAMAGED_FEW = 2

Kind = Literal["unreadable", "not-audio"]


class AudioError(BackbeatError):
    """A file that cannot be played; the message names it and says why.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What is wrong with it, in plain words.
    kind : {"unreadable", "not-audio"}
        Whether the file could not be read or holds something else than audio.
    """

    def __init__(self, path: Path | str, what: str, kind: Kind = "unreadable") -> None:
        super().__init__(path, what, kind)  # all three, so that it travels between processes
        self.path = path
        self.what = " ".join(what.split())
        self.kind: Kind = kind

    def __str__(self) -> str:
        return f"{display_name(self.path)}: {self.what}"


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    channels : int
        Their number.
    seconds : float or None
        The length that the container declares; None where it declares none. For raw MP3 and AAC
        streams it is FFmpeg's estimate from the bit rate.
    codec : str
        The decoder's name for the coding, such as ``"pcm_16"`` or ``"mp3"``.
    """

    sample_rate: int
    channels: int
    seconds: float | None
    codec: str


class Source:
    """An open audio file: its `info`, and by iteration its blocks of native samples.

    Iterating yields float32 arrays of shape (frames, channels), full scale at 1, of about 5 s each
    (less with many channels, so that a block never takes more than 16 MB). It can be iterated once.
    """

    def __init__(self, path: Path, info: AudioInfo, blocks: Iterator[Samples]) -> None:
        self.path = path
        self.info = info
        self._blocks = blocks

    def __iter__(self) -> Iterator[Samples]:
        return self._blocks


def display_name(path: Path | str) -> str:
    r"""Write a file's name on one line: what cannot be printed as ``\n``, undecodable bytes too.

    Parameters
    ----------
    path : Path or str

    Returns
    -------
    str
        Printable, and encodable as UTF-8.
    """
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in str(path)
    )


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open an audio file of any format that libsndfile or FFmpeg plays.

    Parameters
    ----------
    path : Path
        The file. Its suffix does not matter.

    Yields
    ------
    Source
        Closed when the block ends.

    Raises
    ------
    AudioError
        If the file cannot be read, or is not audio; also while iterating.
    """
    head = _read_head(path)
    with contextlib.ExitStack() as stack:
        try:
            source = (_open_sndfile if head.startswith(_PLAIN) else _open_ffmpeg)(path, stack)
        except AudioError as first:
            # The reader that the first bytes call for knows best what is wrong. FFmpeg has no
            # stand-in: where libsndfile takes noise for MP3, mpg123 prints about it.
            if not head.startswith(_PLAIN):
                raise
            try:
                source = _open_ffmpeg(path, stack)
            except AudioError:
                raise first from None
        yield source


def mono_blocks(
    blocks: Iterable[Samples], info: AudioInfo, sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Mix native blocks down to one channel and resample them.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (frames, channels)
        Consecutive blocks at ``info.sample_rate``.
    info : AudioInfo
        Of their source.
    sample_rate : int
        The wanted rate, in Hz.

    Yields
    ------
    ndarray of float32, shape (samples,)
        The mean over the channels. All blocks together are as long, and within float32 rounding the
        same, as ``librosa.load(path, sr=sample_rate)`` gives.
    """
    if sample_rate == info.sample_rate:
        yield from map(_mix, blocks)
        return
    import soxr

    stream = soxr.ResampleStream(info.sample_rate, sample_rate, 1, dtype="float32", quality="HQ")
    taken = given = 0
    for block in blocks:
        taken += len(block)
        part = stream.resample_chunk(_mix(block))
        if len(part):
            given += len(part)
            yield part
    # The resampler's own idea of the end may differ by a sample from the exact length.
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    missing = -(-taken * sample_rate // info.sample_rate) - given - len(rest)
    tail = np.pad(rest, (0, missing)) if missing > 0 else rest[: len(rest) + missing]
    if len(tail):
        yield tail


def read(path: Path, *, sample_rate: int, seconds: float | None = None) -> NDArray[np.float32]:
    """Read a whole file, or its beginning, as one mono array.

    Parameters
    ----------
    path : Path
        The file.
    sample_rate : int
        The wanted rate, in Hz.
    seconds : float, optional
        Decode no more than this much of the beginning.

    Returns
    -------
    ndarray of float32, shape (samples,)

    Raises
    ------
    AudioError
        If the file cannot be played.
    """
    with open_source(path) as source:
        blocks: Iterable[Samples] = source
        if seconds is not None:
            blocks = _first_frames(source, math.ceil(seconds * source.info.sample_rate))
        parts = list(mono_blocks(blocks, source.info, sample_rate))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def duration(path: Path) -> float | None:
    """Give the length in seconds that a file's header declares, None where it declares none.

    Raises
    ------
    AudioError
        If the file cannot be played.
    """
    with open_source(path) as source:
        return source.info.seconds


def _mix(block: Samples) -> NDArray[np.float32]:
    """Average the channels: (frames, channels) to (frames,)."""
    if block.shape[1] == 1:
        return block[:, 0]
    if block.shape[1] == 2:  # numpy's mean over so short an axis takes five times as long
        return (block[:, 0] + block[:, 1]) * np.float32(0.5)
    mono: NDArray[np.float32] = block.mean(axis=1, dtype=np.float32)
    return mono


def _first_frames(blocks: Iterable[Samples], frames: int) -> Iterator[Samples]:
    """Pass on blocks until `frames` frames are through."""
    for block in blocks:
        yield block[:frames]
        frames -= len(block)
        if frames <= 0:
            return


def _block_frames(sample_rate: int, channels: int) -> int:
    """Give the length of a block, in frames."""
    return max(1, min(int(BLOCK_SECONDS * sample_rate), BLOCK_SAMPLES // channels))


def _read_head(path: Path) -> bytes:
    """Read a file's first bytes, or say why that cannot be."""
    try:
        # A pipe or a device would block the opening, or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            what = "is a folder" if path.is_dir() else "is not a regular file"
            raise AudioError(path, f"{what}, not an audio file")
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        raise AudioError(path, "no such file") from None
    except PermissionError:
        raise AudioError(path, "no permission to read it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        what = getattr(error, "strerror", None) or str(error)
        raise AudioError(path, f"cannot be read: {what}") from None
    if not head:
        raise AudioError(path, "empty: the file has no bytes")
    return head


def _check_limits(path: Path, sample_rate: int, channels: int) -> None:
    """Refuse headers that no recording has: memory would be reserved by them."""
    if channels not in CHANNELS:
        raise AudioError(path, f"its header claims {channels} channels; at most 64 make sense")
    if sample_rate not in RATES:
        what = f"its header claims {sample_rate} samples a second; 1,000 to 768,000 make sense"
        raise AudioError(path, what)


# --- libsndfile


def _open_sndfile(path: Path, stack: contextlib.ExitStack) -> Source:
    """Open by libsndfile."""
    import soundfile

    # By its number, so that neither the name's bytes nor its suffix matter to libsndfile.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    stack.callback(os.close, number)
    try:
        file = stack.enter_context(soundfile.SoundFile(number, closefd=False))
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        what = f"not audio that can be played ({_sndfile_words(error)})"
        raise AudioError(path, what, "not-audio") from None
    _check_limits(path, file.samplerate, file.channels)
    # An Ogg stream without an end has 2**63 - 1 frames.
    seconds = file.frames / file.samplerate if file.frames < 2**62 else None
    info = AudioInfo(file.samplerate, file.channels, seconds, file.subtype.lower())
    return Source(path, info, _sndfile_blocks(path, file))


def _sndfile_blocks(path: Path, file: soundfile.SoundFile) -> Iterator[Samples]:
    """Read by libsndfile, block by block."""
    frames = _block_frames(file.samplerate, file.channels)
    done = 0
    while True:
        try:
            block = file.read(frames, dtype="float32", always_2d=True)
        except RuntimeError as error:
            where = done / file.samplerate
            what = f"damaged after {where:.1f} s ({_sndfile_words(error)})"
            raise AudioError(path, what) from None
        if not len(block):
            return
        done += len(block)
        yield block


def _sndfile_words(error: Exception) -> str:
    """Give libsndfile's own words, without the name that soundfile puts before them."""
    return str(getattr(error, "error_string", error)).rstrip(".") or "unknown format"


# --- FFmpeg


def _open_ffmpeg(path: Path, stack: contextlib.ExitStack) -> Source:
    """Open by FFmpeg."""
    import av

    try:
        container = stack.enter_context(
            # "file:" keeps a name like "concat:a" from being taken for an address.
            av.open(
                f"file:{path}",
                options={"format_whitelist": _FORMATS},
                metadata_errors="replace",
            )
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        what = f"not audio that can be played ({_ffmpeg_words(error)})"
        raise AudioError(path, what, "not-audio") from None
    if not container.streams.audio:
        raise AudioError(path, "not audio: it holds no sound track", "not-audio")
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1  # workers are many already
    frames = _ffmpeg_frames(path, container, stream)
    first = next(frames, None)
    if first is None:
        raise AudioError(path, "not audio: nothing in it can be decoded", "not-audio")
    sample_rate, channels = first.sample_rate, first.layout.nb_channels
    _check_limits(path, sample_rate, channels)
    seconds = _ffmpeg_seconds(container, stream)
    info = AudioInfo(sample_rate, channels, seconds, stream.codec_context.name)
    return Source(path, info, _ffmpeg_blocks(path, info, first, frames))


def _ffmpeg_seconds(container: av.container.InputContainer, stream: Any) -> float | None:
    """Give the declared length of the sound, in seconds."""
    if container.format.name.startswith("mov") and stream.duration:
        return float(stream.duration * stream.time_base)
    # Other containers declare the length of the whole, which may be its pictures'.
    pictures = (s for s in container.streams.video if not _is_cover(s))
    if container.duration is None or next(pictures, None) is not None:
        return None
    return container.duration / 1e6


def _is_cover(stream: Any) -> bool:
    """Say whether a video stream is a cover picture."""
    return stream.codec_context.name in ("mjpeg", "png", "bmp", "gif", "webp")


def _ffmpeg_frames(
    path: Path, container: av.container.InputContainer, stream: Any
) -> Iterator[av.AudioFrame]:
    """Decode by FFmpeg, frame by frame, passing over a damaged packet as players do."""
    import av

    packets = damaged = 0
    done = 0.0
    try:
        for packet in container.demux(stream):
            packets += 1
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                damaged += 1
                continue
            for frame in frames:
                done += frame.samples / frame.sample_rate
                yield frame
    except (av.FFmpegError, OSError, ValueError) as error:
        what = f"damaged after {done:.1f} s ({_ffmpeg_words(error)})"
        raise AudioError(path, what) from None
    if done and damaged > max(_DAMAGED_FEW, _DAMAGED_SHARE * packets):
        raise AudioError(path, f"damaged: {damaged} of its {packets} packets cannot be decoded")


def _ffmpeg_blocks(
    path: Path, info: AudioInfo, first: av.AudioFrame, frames: Iterator[av.AudioFrame]
) -> Iterator[Samples]:
    """Gather FFmpeg's short frames to blocks."""
    wanted = _block_frames(info.sample_rate, info.channels)
    parts = [_frame_samples(path, info, first)]
    gathered = len(parts[0])
    for frame in frames:
        if gathered >= wanted:
            yield np.concatenate(parts)
            parts, gathered = [], 0
        parts.append(_frame_samples(path, info, frame))
        gathered += len(parts[-1])
    yield np.concatenate(parts)


def _frame_samples(path: Path, info: AudioInfo, frame: av.AudioFrame) -> Samples:
    """Turn a frame into float32 of shape (frames, channels)."""
    if frame.sample_rate != info.sample_rate:
        change = f"from {info.sample_rate} to {frame.sample_rate} Hz"
        raise AudioError(path, f"its sample rate changes in the middle, {change}")
    channels = frame.layout.nb_channels
    array = frame.to_ndarray()
    array = array.T if frame.format.is_planar else array.reshape(-1, channels)
    samples = _as_float(array)
    if channels != info.channels:  # radio recordings switch between mono and stereo
        samples = np.repeat(_mix(samples)[:, None], info.channels, axis=1)
    return samples


def _as_float(array: NDArray[Any]) -> Samples:
    """Scale integers to full scale at 1, as libsndfile does."""
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    full = 2 ** (array.dtype.itemsize * 8 - 1)
    centred = array.astype(np.float64) - (full if array.dtype.kind == "u" else 0)
    samples: Samples = (centred / full).astype(np.float32)
    return samples


def _ffmpeg_words(error: Exception) -> str:
    """Give FFmpeg's own words, without the number and the file's name."""
    return (getattr(error, "strerror", None) or str(error)).lower().rstrip(".")
