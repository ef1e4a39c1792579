"""Broken files on purpose, one of each kind, to try out what looks for them."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf
from scipy.io import wavfile

from backbeat.atomic import replacing
from backbeat.jam.basics import LENGTH, SAMPLE_RATE, Samples
from backbeat.jam.compose import compose

#: Faulty files hold songs from here on, so that only the duplicate resembles a sound clip.
FIRST_INDEX = 90_000

_NOT_A_NUMBER = slice(LENGTH // 3, LENGTH // 3 + 100)


@dataclass(frozen=True)
class Fault:
    """One kind of broken file.

    `write` is given the path to write to, a song's samples (float32, shape (661500,)) and the
    genre's first sound clip.
    """

    kind: str
    genre: str
    suffix: str
    what: str
    write: Callable[[Path, Samples, Path], None]

    def path(self, out: Path) -> Path:
        """Give the file's path in the collection's folder `out`."""
        return out / self.genre / f"jam-fault-{self.kind}{self.suffix}"


def _truncated(path: Path, samples: Samples, _: Path) -> None:
    _wav(path, samples)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _empty(path: Path, _: Samples, __: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path, _: Samples, __: Path) -> None:
    path.write_text("This is a text file, whatever its name says.\n" * 100, encoding="utf-8")


def _silent(path: Path, samples: Samples, _: Path) -> None:
    _wav(path, np.zeros_like(samples))


def _nan(path: Path, samples: Samples, _: Path) -> None:
    broken = samples.copy()
    broken[_NOT_A_NUMBER] = np.nan
    # Not soundfile: it stamps float files with the time, and equal seeds shall give equal bytes.
    wavfile.write(path, SAMPLE_RATE, broken)


def _short(path: Path, samples: Samples, _: Path) -> None:
    _wav(path, samples[:SAMPLE_RATE])


def _clipped(path: Path, samples: Samples, _: Path) -> None:
    _wav(path, np.clip(samples * np.float32(30), -1, 1))


def _duplicate(path: Path, _: Samples, clip: Path) -> None:
    samples, _ = sf.read(clip, dtype="int16")
    _sound(path, samples, "FLAC")


def _wav(path: Path, samples: Samples) -> None:
    _sound(path, samples, "WAV")


def _sound(path: Path, samples: npt.NDArray[Any], form: str) -> None:
    content = io.BytesIO()  # libsndfile does not say that the disk is full
    sf.write(content, samples, SAMPLE_RATE, "PCM_16", format=form)
    path.write_bytes(content.getvalue())


FAULTS: tuple[Fault, ...] = (
    Fault("truncated", "jazz", ".wav", "cut in the middle; its header promises more", _truncated),
    Fault("empty", "rock", ".wav", "no bytes at all", _empty),
    Fault("text", "pop", ".mp3", "a text file", _text),
    Fault("silent", "classical", ".wav", "30 s of digital silence", _silent),
    Fault("nan", "metal", ".wav", "float samples, 100 of them not a number", _nan),
    Fault("short", "hiphop", ".wav", "1 s long", _short),
    Fault("clipped", "disco", ".wav", "30 times too loud", _clipped),
    Fault("duplicate", "reggae", ".flac", "the samples of jam-reggae-000.wav", _duplicate),
)


def write_faults(out: Path, seed: int) -> list[Path]:
    """Write one file of each of `FAULTS` into the collection's folder `out`; give their paths."""
    paths = []
    for number, fault in enumerate(FAULTS):
        path = fault.path(out)
        samples = compose(fault.genre, FIRST_INDEX + number, seed=seed).samples
        with replacing(path) as temporary:
            fault.write(temporary, samples, out / fault.genre / f"jam-{fault.genre}-000.wav")
        paths.append(path)
    return paths
