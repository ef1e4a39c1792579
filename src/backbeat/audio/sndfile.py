"""The reader of uncompressed samples: WAV, AU, AIFF, CAF and similar, by libsndfile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backbeat.audio.source import AudioError, AudioInfo, Source, block_frames, check_limits
from backbeat.files.text import number

if TYPE_CHECKING:
    import soundfile
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


_BLOCK_SECONDS = 32.0  # half a minute and a little: most excerpts come in one piece
_SCALE_16 = np.float32(1 / 2**15)


def open_sndfile(path: Path, stack: ExitStack) -> Source:
    """Open by libsndfile; `stack` closes it. Raises AudioError if it is not playable audio."""
    import soundfile

    # By its number, so that neither the name's bytes nor its suffix matter to libsndfile.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    stack.callback(os.close, descriptor)
    try:
        file = stack.enter_context(soundfile.SoundFile(descriptor, closefd=False))
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        what = f"not audio that can be played ({_message(error)})"
        raise AudioError(path, what, "not-audio") from None
    check_limits(path, file.samplerate, file.channels)
    # An Ogg stream without an end has 2**63 - 1 frames.
    seconds = file.frames / file.samplerate if file.frames < 2**62 else None
    info = AudioInfo(file.samplerate, file.channels, seconds, file.subtype.lower())

    def since(seconds: float) -> Iterator[Samples]:
        try:
            file.seek(min(file.frames, round(seconds * file.samplerate)))
        except RuntimeError as error:
            raise AudioError(
                path, f"damaged at {number(seconds, 1)} s ({_message(error)})"
            ) from None
        return _blocks(path, file, seconds)

    return Source(path, info, _blocks(path, file), since)


def _blocks(path: Path, file: soundfile.SoundFile, start: float = 0.0) -> Iterator[Samples]:
    """Read by libsndfile, block by block, from the file's position, which is `start` seconds."""
    frames = block_frames(_BLOCK_SECONDS, file.samplerate, file.channels)
    # libsndfile converts sample by sample; of the commonest kind NumPy does it in a sixth of the
    # time, to the same numbers.
    short = file.subtype == "PCM_16"
    done = 0
    while True:
        try:
            block = file.read(frames, dtype="int16" if short else "float32", always_2d=True)
        except RuntimeError as error:
            where = start + done / file.samplerate
            what = f"damaged after {number(where, 1)} s ({_message(error)})"
            raise AudioError(path, what) from None
        if not len(block):
            return
        done += len(block)
        if short:
            block = block.astype(np.float32)
            block *= _SCALE_16
        yield block


def _message(error: Exception) -> str:
    """Give libsndfile's own message, without the name that soundfile puts before it."""
    return str(getattr(error, "error_string", error)).rstrip(".") or "unknown format"
