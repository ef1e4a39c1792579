"""The reader of uncompressed samples: WAV, AU, AIFF, CAF and similar, by libsndfile."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from backbeat.audio.containers import sample_bytes
from backbeat.audio.source import AudioError, AudioInfo, Source, block_frames, check_limits
from backbeat.files.text import number

if TYPE_CHECKING:
    import soundfile
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


_BLOCK_SECONDS = 32.0  # half a minute and a little: most excerpts come in one piece
_STDERR = threading.Lock()  # held by who has replaced the file behind it
_SCALE_16 = np.float32(1 / 2**15)
_RUN_UP = 0.5  # seconds

# Codes of errors by which libsndfile says what is in the file, and nothing else need be asked.
_KNOWN_REASONS = frozenset([78])  # WavPack before version 4

# The marks of AC-3, and those of DTS (four ways to write it) and of both on a digital line.
_AC3 = (0x0B77, 0x770B)
_OTHERS = (0x7FFE8001, 0xFE7F0180, 0x1FFFE800, 0xFF1F00E8, 0x72F81F4E)
_SNIFFED = 1 << 14  # bytes: at least four frames of AC-3
_MIN_AC3 = 4  # noise has so many once in 50,000 times


def open_sndfile(path: Path, stack: ExitStack) -> Source:
    """Open by libsndfile; `stack` closes it. Raises AudioError if it is not playable audio."""
    raw = stack.enter_context(_Corrected(path))
    extent = sample_bytes(raw)
    compressed = extent is not None and _seems_compressed(raw, extent.start)
    if extent and extent.undeclared:
        raw.sizes = extent.sizes
    file = _opened(path, raw, stack)
    if compressed and file.subtype == "PCM_16":
        raise AudioError(path, "holds compressed sound as if it were samples", "not-audio")
    check_limits(path, file.samplerate, file.channels)
    # An Ogg stream without an end has 2**63 - 1 frames.
    seconds = file.frames / file.samplerate if file.frames < 2**62 else None
    info = AudioInfo(file.samplerate, file.channels, seconds, file.subtype.lower())
    notes = []
    if extent and extent.undeclared and seconds:
        share = extent.declared / (extent.declared + extent.undeclared)
        declared = f"{number(seconds * share, 1)} s" if share else "no length"
        notes = [f"its header is wrong: it declares {declared}, {number(seconds, 1)} s are there"]

    def since(start: float, seconds: float | None = None) -> Iterator[Samples]:
        frame = min(file.frames, round(start * file.samplerate))
        if not file.seekable():
            return _dropped(_blocks(path, _opened(path, raw, stack), seconds), frame)
        try:
            with _quiet(file.subtype):
                file.seek(frame)
        except RuntimeError as error:
            what = f"damaged at {number(start, 1)} s ({_message(error)})"
            raise AudioError(path, what) from None
        return _blocks(path, file, seconds)

    return Source(path, info, _blocks(path, file), since, notes)


def _opened(path: Path, raw: _Corrected, stack: ExitStack) -> soundfile.SoundFile:
    import soundfile

    raw.seek(0)
    begins_as_mp3 = raw.read(3).startswith((b"ID3", b"\xff"))
    raw.seek(0)
    try:
        # By its number, so that neither the name's bytes nor its suffix matter to libsndfile.
        file = raw if raw.sizes else raw.fileno()
        with _quiet("MPEG" if begins_as_mp3 else ""):
            return stack.enter_context(soundfile.SoundFile(file, closefd=False))
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        if getattr(error, "code", None) in _KNOWN_REASONS:
            raise AudioError(path, f"cannot be played ({_message(error)})") from None
        what = f"not audio that can be played ({_message(error)})"
        raise AudioError(path, what, "not-audio") from None


class _Corrected(io.FileIO):
    """A file that is read as if its header had other `sizes`, by their places."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: Mapping[int, bytes] = {}

    def readinto(self, buffer: Any) -> int:
        start = self.tell()
        count = super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        for at, size in self.sizes.items():
            for place, byte in enumerate(size, at - start):
                if 0 <= place < count:
                    view[place] = byte
        return count


def _seems_compressed(file: BinaryIO, start: int) -> bool:
    """Whether AC-3 or DTS seems to lie where samples should, from byte `start` on."""
    file.seek(start)
    head = file.read(_SNIFFED)
    words = np.frombuffer(head, ">u2", len(head) // 2)
    pairs = words[:-1].astype(np.uint32) << 16 | words[1:]
    return any((pairs == mark).any() for mark in _OTHERS) or any(
        np.count_nonzero(words == mark) >= _MIN_AC3 for mark in _AC3
    )


def _blocks(
    path: Path, file: soundfile.SoundFile, seconds: float | None = None
) -> Iterator[Samples]:
    """Read by libsndfile, in blocks of `seconds`, from the file's position on."""
    frames = block_frames(seconds or _BLOCK_SECONDS, file.samplerate, file.channels)
    # libsndfile converts sample by sample; of the commonest kind NumPy does it in a sixth of the
    # time, to the same numbers.
    short = file.subtype == "PCM_16"
    # soundfile seeks after every block, and an MP3's decoder forgets by that what a frame needs of
    # those before it.
    run_up = round(_RUN_UP * file.samplerate) if file.subtype.startswith("MPEG") else 0
    place = file.tell() if file.seekable() else 0
    while True:
        try:
            with _quiet(file.subtype):
                if lead := min(place, run_up):
                    file.seek(place - lead)
                kind = "int16" if short else "float32"
                block = file.read(lead + frames, dtype=kind, always_2d=True)[lead:]
        except RuntimeError as error:
            where = number(place / file.samplerate, 1)
            what = f"damaged after {where} s ({_message(error)})"
            raise AudioError(path, what) from None
        if not len(block):
            return
        place += len(block)
        if short:
            block = block.astype(np.float32)
            block *= _SCALE_16
        yield block


@contextlib.contextmanager
def _quiet(coding: str) -> Iterator[None]:
    """Keep mpg123's remarks on an MP3, which name no file, from standard error."""
    if not coding.startswith("MPEG"):
        yield
        return
    with _STDERR, contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
        except OSError:  # it is closed
            yield
            return
        stack.callback(os.close, kept)
        nothing = os.open(os.devnull, os.O_WRONLY)
        stack.callback(os.close, nothing)
        os.dup2(nothing, 2)
        stack.callback(os.dup2, kept, 2)
        yield


def _dropped(blocks: Iterator[Samples], frames: int) -> Iterator[Samples]:
    """Leave out the first frames, of a file that cannot be entered elsewhere (GSM 6.10, G.721)."""
    for block in blocks:
        if len(block) > frames:
            yield block[frames:]
        frames = max(0, frames - len(block))


def _message(error: Exception) -> str:
    """Give libsndfile's own message, without the name that soundfile puts before it."""
    return str(getattr(error, "error_string", error)).rstrip(".") or "unknown format"
