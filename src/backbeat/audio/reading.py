"""Any audio file to mono samples: opened by its first bytes, mixed down, resampled, in blocks."""

from __future__ import annotations

import contextlib
import math
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backbeat.audio.containers import is_free_format
from backbeat.audio.ffmpeg import open_ffmpeg
from backbeat.audio.sndfile import open_sndfile
from backbeat.audio.source import (
    NO_SOUND,
    AudioError,
    AudioInfo,
    Source,
    block_frames,
    is_sound,
    mix,
    resampled,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

# What libsndfile is asked for first: RIFF and AU, each of both byte orders, RF64, Sony's wave 64,
# AIFF, CAF, VOC, NIST, AVR, PVF, IRCAM of both byte orders.
_PLAIN = (
    *(b"RIFF", b"RIFX", b"RF64", b"riff", b".snd", b"dns.", b"FORM", b"caff", b"Creative"),
    *(b"NIST_1A", b"2BIT", b"PVF1", b"d\xa3", b"\0\1\xa3d", b"\0\2\xa3d", b"\0\3\xa3d"),
)

_CHANGED = "was changed while it was read; try again when nothing writes to it"


@contextlib.contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open an audio file of any format that libsndfile or FFmpeg plays, whatever its suffix.

    Raises AudioError if it cannot be read or is not audio; also while iterating, and at the end of
    the block if the file was changed meanwhile: what was read is then a mixture.
    """
    head = _read_head(path)
    if head.startswith(b"MThd") or (head.startswith(b"RIFF") and head[8:12] == b"RMID"):
        raise AudioError(path, "MIDI: holds notes, not sound", "not-audio")
    before = _stamp(path)
    with contextlib.ExitStack() as stack:
        source = _opened(path, head, stack)
        try:
            yield source
        except AudioError as error:
            if _stamp(path) not in (before, None):
                raise AudioError(path, _CHANGED) from error
            raise
        if _stamp(path) not in (before, None):  # a file that is gone was read whole
            raise AudioError(path, _CHANGED)


def _opened(path: Path, head: bytes, stack: contextlib.ExitStack) -> Source:
    """Open by the reader that the first bytes ask for, or else by the other."""
    # Apple's lossless coding in a CAF: libsndfile prints about damage in it.
    plain = head.startswith(_PLAIN) and head[28:32] != b"alac"
    first, second = (open_sndfile, open_ffmpeg) if plain else (open_ffmpeg, open_sndfile)
    try:
        return first(path, stack)
    except AudioError as error:
        # A reader that knows what is wrong has the last word. And where libsndfile takes noise for
        # MP3, mpg123 prints about it: it is asked only for what FFmpeg never plays.
        if error.kind != "not-audio" or not (plain or is_free_format(path)):
            raise
        try:
            return second(path, stack)
        except AudioError:
            raise error from None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Give what changes when a file does; None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def mono_blocks(
    blocks: Iterable[Samples], info: AudioInfo, sample_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Mix native blocks, float32, shape (frames, channels), to mono; resample to `sample_rate` Hz.

    Yields float32 of shape (samples,): the mean over the channels. All blocks together are as long,
    and within float32 rounding the same, as ``librosa.load(path, sr=sample_rate)`` gives; but each
    second whose channels cancel is the loudest channel's, see `source.mix`. Seconds count from the
    first block's beginning, whatever the blocks' lengths.
    """
    mixed = _mixed(blocks, info)
    if sample_rate == info.sample_rate:
        return mixed
    return resampled(mixed, info.sample_rate, sample_rate)


def _mixed(blocks: Iterable[Samples], info: AudioInfo) -> Iterator[NDArray[np.float32]]:
    """Mix second by second; the remainder goes with the last second."""
    if info.channels == 1:
        yield from map(mix, blocks)
        return
    second = block_frames(1.0, info.sample_rate, info.channels)
    held = np.zeros((0, info.channels), np.float32)
    for block in blocks:
        held = np.concatenate([held, block]) if len(held) else block
        whole = (len(held) // second - 1) * second
        if whole > 0:
            yield np.concatenate([mix(held[i : i + second]) for i in range(0, whole, second)])
            held = held[whole:].copy()  # the rest of the block need not stay in memory
    if len(held):
        yield mix(held)


def read(path: Path, *, sample_rate: int, seconds: float | None = None) -> NDArray[np.float32]:
    """Read a whole file, or its first `seconds`, as one mono array of float32, shape (samples,).

    It is resampled to `sample_rate` Hz. Raises AudioError if the file cannot be played, or its
    samples are not sound, see `is_sound`.
    """
    with open_source(path) as source:
        blocks: Iterable[Samples] = source
        if seconds is not None:
            blocks = _first_frames(source, math.ceil(seconds * source.info.sample_rate))
        parts = list(mono_blocks(blocks, source.info, sample_rate))
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if not is_sound(samples):
        raise AudioError(path, NO_SOUND)
    return samples


def duration(path: Path) -> float | None:
    """Give the length in seconds that a file's header declares; None where it declares none."""
    with open_source(path) as source:
        return source.info.seconds


def _first_frames(blocks: Iterable[Samples], frames: int) -> Iterator[Samples]:
    """Pass on the first `frames` frames."""
    for block in blocks:
        yield block[:frames]
        frames -= len(block)
        if frames <= 0:
            return


def _read_head(path: Path) -> bytes:
    """Read a file's first bytes; an AudioError says why it cannot."""
    try:
        # A pipe or a device would block the opening, or never end.
        if not stat.S_ISREG(path.stat().st_mode):
            what = "is a folder" if path.is_dir() else "is not a regular file"
            raise AudioError(path, f"{what}, not an audio file")
        with path.open("rb") as file:
            head = file.read(32)
    except FileNotFoundError:
        missing = "a link to a file that is not there" if path.is_symlink() else "no such file"
        raise AudioError(path, missing) from None
    except PermissionError:
        raise AudioError(path, "no permission to read it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        what = getattr(error, "strerror", None) or str(error)
        raise AudioError(path, f"cannot be read: {what}") from None
    if not head:
        raise AudioError(path, "empty: the file has no bytes")
    return head
