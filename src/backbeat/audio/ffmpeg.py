"""The reader of compressed sound, such as MP3, FLAC, Ogg, AAC and WMA, by FFmpeg (PyAV)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from backbeat.audio.source import AudioError, AudioInfo, Source, block_frames, check_limits, mix
from backbeat.files.text import number

if TYPE_CHECKING:
    import av
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

# FFmpeg must not take a playlist or a picture sequence (both open other files) or a text for audio.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,loas,matroska,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,ogg,rm,tak,tta,voc,w64,wav,wv,xwma"
)

_PICTURES = frozenset(("bmp", "gif", "mjpeg", "png", "tiff", "webp"))

# Players skip a damaged packet, and so do we; beyond this share the file counts as damaged.
_MAX_DAMAGED_SHARE = 0.01
_MAX_DAMAGED = 2
_BLOCK_SECONDS = 5.0
_RUN_UP = 0.5  # seconds: an MP3 frame needs bits of up to nine before it


def open_ffmpeg(path: Path, stack: ExitStack) -> Source:
    """Open by FFmpeg; `stack` closes it. Raises AudioError if it is not playable audio."""
    import av

    try:
        container = stack.enter_context(open_container(path))
    except (av.FFmpegError, OSError, ValueError) as error:
        what = f"not audio that can be played ({_message(error)})"
        raise AudioError(path, what, "not-audio") from None
    if not container.streams.audio:
        raise AudioError(path, "not audio: it holds no sound track", "not-audio")
    stream = container.streams.audio[0]
    if stream.codec_context is None:
        what = "not audio that can be played (its codec is not known)"
        raise AudioError(path, what, "not-audio")
    stream.codec_context.thread_count = 1  # workers are many already
    frames = _frames(path, container, stream)
    first = next(frames, None)
    if first is None:
        raise AudioError(path, "not audio: nothing in it can be decoded", "not-audio")
    sample_rate, channels = first.sample_rate, first.layout.nb_channels
    check_limits(path, sample_rate, channels)
    seconds = _seconds(container, stream)
    info = AudioInfo(sample_rate, channels, seconds, stream.codec_context.name)

    def since(start: float) -> Iterator[Samples]:
        return _blocks(path, info, _frames_since(path, container, stream, start))

    return Source(path, info, _blocks(path, info, chain([first], frames)), since)


def open_container(file: Path | BinaryIO) -> av.container.InputContainer:
    """Open a path, or an open file whose name shows its format, by FFmpeg, for its sound alone.

    Otherwise FFmpeg decodes the first of all pictures for their colours: a cover of 15,000 x 15,000
    pixels, which is 650 kB of PNG, takes 650 MB and many seconds.
    """
    import av

    if not isinstance(file, Path):
        file.seek(0)
    return av.open(
        # "file:" keeps a name like "concat:a" from being taken for an address.
        f"file:{file}" if isinstance(file, Path) else file,
        "r",
        options={"format_whitelist": _FORMATS, "codec_whitelist": _sound_decoders()},
        metadata_errors="replace",
    )


@functools.cache
def _sound_decoders() -> str:
    """Name all of FFmpeg's decoders of sound."""
    from av.codec import Codec, codecs_available
    from av.codec.codec import UnknownCodecError

    names = []
    for name in sorted(codecs_available):
        with contextlib.suppress(UnknownCodecError):  # it encodes only
            if Codec(name, "r").type == "audio":
                names.append(name)
    return ",".join(names)


def _seconds(container: av.container.InputContainer, stream: Any) -> float | None:
    """Give the declared length of the sound, in seconds."""
    if container.format.name.startswith("mov") and stream.duration:
        return float(stream.duration * stream.time_base)
    # Other containers declare the length of the whole, which may be its pictures'.
    pictures = (s for s in container.streams.video if not is_cover(s))
    if container.duration is None or next(pictures, None) is not None:
        return None
    return container.duration / 1e6


def is_cover(stream: Any) -> bool:
    """Whether a stream is a still picture (PyAV has a name for that only since 14)."""
    coding = stream.codec_context  # None where FFmpeg does not know it
    return stream.type == "video" and coding is not None and coding.name in _PICTURES


def _frames(
    path: Path, container: av.container.InputContainer, stream: Any
) -> Iterator[av.AudioFrame]:
    """Decode by FFmpeg, frame by frame, skipping a damaged packet as players do."""
    import av

    packets = damaged = 0
    done = 0.0
    try:
        for packet in _packets(container, stream):
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
        what = f"damaged after {number(done, 1)} s ({_message(error)})"
        raise AudioError(path, what) from None
    if done and damaged > max(_MAX_DAMAGED, _MAX_DAMAGED_SHARE * packets):
        raise AudioError(path, f"damaged: {damaged} of its {packets} packets cannot be decoded")


def _packets(container: av.container.InputContainer, stream: Any) -> Iterator[Any]:
    """Give the packets of a stream; the last is empty and flushes the decoder."""
    # PyAV looks for a last packet of streams, too, that appeared while it read.
    with contextlib.suppress(IndexError):
        yield from container.demux(stream)


def _frames_since(
    path: Path, container: av.container.InputContainer, stream: Any, start: float
) -> Iterator[av.AudioFrame]:
    """Decode from `start` (s); the frame at that moment comes whole."""
    import av

    begin = start + float((stream.start_time or 0) * stream.time_base)
    try:
        container.seek(max(0, int((begin - _RUN_UP) / stream.time_base)), stream=stream)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(path, f"cannot seek to {number(start, 1)} s ({_message(error)})") from None
    for frame in _frames(path, container, stream):
        if frame.time is None or frame.time + frame.samples / frame.sample_rate > begin:
            yield frame


def _blocks(path: Path, info: AudioInfo, frames: Iterator[av.AudioFrame]) -> Iterator[Samples]:
    """Gather FFmpeg's short frames into blocks."""
    wanted = block_frames(_BLOCK_SECONDS, info.sample_rate, info.channels)
    parts: list[Samples] = []
    gathered = 0
    for frame in frames:
        if gathered >= wanted:
            yield np.concatenate(parts)
            parts, gathered = [], 0
        parts.append(_frame_samples(path, info, frame))
        gathered += len(parts[-1])
    if parts:
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
        samples = np.repeat(mix(samples)[:, None], info.channels, axis=1)
    return samples


def _as_float(array: NDArray[Any]) -> Samples:
    """Scale integers to full scale at 1, as libsndfile does."""
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    full = 2 ** (array.dtype.itemsize * 8 - 1)
    # Scaling by a power of two rounds nothing, so one rounding at most, in the conversion, is left.
    samples = array.astype(np.float32)
    if array.dtype.kind == "u":
        samples -= np.float32(full)
    samples *= np.float32(1 / full)
    return samples


def _message(error: Exception) -> str:
    """Give FFmpeg's own message, without the number and the file's name."""
    return (getattr(error, "strerror", None) or str(error)).lower().rstrip(".")
