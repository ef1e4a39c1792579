"""The reader of compressed sound, such as MP3, FLAC, Ogg, AAC and WMA, by FFmpeg (PyAV)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from backbeat.audio import ogg
from backbeat.audio.source import (
    AudioError,
    AudioInfo,
    Source,
    block_frames,
    check_limits,
    mix,
    resampled,
)
from backbeat.files.text import number

if TYPE_CHECKING:
    import av
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Part = tuple[int, int]

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
# PyAV's to_ndarray reads beyond the pointers to this many planes, and crashes: so FFmpeg mixes them
# down to two channels, as players do.
_MANY_PLANES = 8
_GAP = 0.01  # seconds, and less is rounding
_RUN_UP = 0.5  # seconds: an MP3 frame needs bits of up to nine before it


def open_ffmpeg(path: Path, stack: ExitStack) -> Source:
    """Open by FFmpeg; `stack` closes it. Raises AudioError if it is not playable audio."""
    # FFmpeg refuses another rate in a later link of a chained Ogg, and finds no moment there.
    parts: list[Part | None] = [*ogg.links(path)] or [None]
    container, stream = _open_sound(path, parts[0], stack)
    frames = _frames(path, container, stream)
    first = next(frames, None)
    if first is None:
        raise AudioError(path, "not audio: nothing in it can be decoded", "not-audio")
    sample_rate, channels = first.sample_rate, first.layout.nb_channels
    check_limits(path, sample_rate, channels)
    if first.format.is_planar and channels >= _MANY_PLANES:
        channels = 2
    lengths = [_seconds(container, stream), *(_part_seconds(path, part) for part in parts[1:])]
    seconds = None if None in lengths else sum(filter(None, lengths))
    info = AudioInfo(sample_rate, channels, seconds, stream.codec_context.name)
    lost: list[float] = []

    def since(start: float, seconds: float | None = None) -> Iterator[Samples]:
        link = 0
        while link < len(parts) - 1 and start >= (length := lengths[link] or 0.0):
            start -= length
            link += 1
        if link == 0:
            begun = _frames_since(path, container, stream, start, lost)
        else:
            begun = _part_frames(path, parts[link], start, lost)
        return _blocks(path, info, chain(begun, later(link + 1)), seconds)

    def later(link: int) -> Iterator[av.AudioFrame]:
        return chain.from_iterable(_part_frames(path, part) for part in parts[link:])

    blocks = _blocks(path, info, chain([first], frames, later(1)))
    return Source(path, info, blocks, since, lost=lost)


def _open_sound(path: Path, part: Part | None, stack: ExitStack) -> tuple[Any, Any]:
    """Open a file, or a part of it, and give it with its first stream of sound."""
    import av

    try:
        container = stack.enter_context(open_container(path, part))
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
    return container, stream


def _part_seconds(path: Path, part: Part | None) -> float | None:
    with contextlib.ExitStack() as stack:
        return _seconds(*_open_sound(path, part, stack))


def _part_frames(
    path: Path, part: Part | None, start: float = 0.0, lost: list[float] | None = None
) -> Iterator[av.AudioFrame]:
    """Decode a part of a file from `start` (s) on."""
    with contextlib.ExitStack() as stack:
        container, stream = _open_sound(path, part, stack)
        yield from _frames_since(path, container, stream, start, [] if lost is None else lost)


def open_container(file: Path | BinaryIO, part: Part | None = None) -> av.container.InputContainer:
    """Open a path, or an open file whose name shows its format, by FFmpeg, for its sound alone.

    `part`: the first byte and the end of what is opened of a path.

    Otherwise FFmpeg decodes the first of all pictures for their colours: a cover of 15,000 x 15,000
    pixels, which is 650 kB of PNG, takes 650 MB and many seconds.
    """
    import av

    if not isinstance(file, Path):
        file.seek(0)
    # "file:" keeps a name like "concat:a" from being taken for an address.
    url: str | BinaryIO = f"file:{file}" if isinstance(file, Path) else file
    if part:
        url = f"subfile,,start,{part[0]},end,{part[1]},,:{url}"
    return av.open(
        url,
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
    if container.format.name == "wav" and stream.codec_context.name in ("ac3", "dca", "eac3"):
        return None  # its header may count bytes as samples
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
    path: Path,
    container: av.container.InputContainer,
    stream: Any,
    start: float,
    lost: list[float],
) -> Iterator[av.AudioFrame]:
    """Decode from `start` (s); the frame at that moment comes whole.

    Seconds without a frame, as where pages of an Ogg are damaged, are added to `lost`.
    """
    import av

    begin = start + float((stream.start_time or 0) * stream.time_base)
    try:
        container.seek(max(0, int((begin - _RUN_UP) / stream.time_base)), stream=stream)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise AudioError(path, f"cannot seek to {number(start, 1)} s ({_message(error)})") from None
    # Times of other containers may jump where nothing is missing.
    has_times = container.format.name == "ogg"
    last = begin
    for frame in _frames(path, container, stream):
        end = last if frame.time is None else frame.time + frame.samples / frame.sample_rate
        if frame.time is None or end > begin:
            if has_times and frame.time is not None and frame.time > last + _GAP:
                lost.append(frame.time - last)
            last = end
            yield frame


def _blocks(
    path: Path, info: AudioInfo, frames: Iterator[av.AudioFrame], seconds: float | None = None
) -> Iterator[Samples]:
    """Gather FFmpeg's short frames into blocks; resample where the rate changes in the middle."""
    seconds = seconds or _BLOCK_SECONDS
    for rate, run in groupby(frames, attrgetter("sample_rate")):
        if rate == info.sample_rate:
            yield from _gathered(path, info, run, rate, seconds)
        else:
            check_limits(path, rate, info.channels)
            blocks = _gathered(path, info, run, rate, seconds)
            yield from resampled(blocks, rate, info.sample_rate, info.channels)


def _gathered(
    path: Path, info: AudioInfo, run: Iterator[av.AudioFrame], rate: int, seconds: float
) -> Iterator[Samples]:
    """Join frames of one rate (Hz) to blocks of about so many seconds."""
    wanted = block_frames(seconds, rate, info.channels)
    parts: list[Samples] = []
    gathered = 0
    mixers: dict[str, av.AudioResampler] = {}
    try:
        for frame in run:
            if gathered >= wanted:
                yield np.concatenate(parts)
                parts, gathered = [], 0
            parts.append(_frame_samples(path, info, frame, mixers))
            gathered += len(parts[-1])
    except AudioError:  # what was read before can be analysed
        if parts:
            yield np.concatenate(parts)
        raise
    if parts:
        yield np.concatenate(parts)


def _frame_samples(
    path: Path, info: AudioInfo, frame: av.AudioFrame, mixers: dict[str, av.AudioResampler]
) -> Samples:
    """Turn a frame into float32 of shape (frames, channels)."""
    import av

    if frame.format.is_planar and frame.layout.nb_channels >= _MANY_PLANES:
        kind = f"{frame.format.name}, {frame.layout.name}"
        mixer = mixers.setdefault(kind, av.AudioResampler(format="flt", layout="stereo"))
        try:
            [frame] = mixer.resample(frame)
        except (av.FFmpegError, ValueError) as error:
            what = f"its {frame.layout.nb_channels} channels cannot be mixed ({_message(error)})"
            raise AudioError(path, what) from None
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
