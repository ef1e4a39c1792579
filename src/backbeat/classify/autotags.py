"""A second answer beside the genre: MusiCNN's fifty tags, from audio at full resolution."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backbeat import audio
from backbeat.classify.windows import until_error
from backbeat.frontend.musicnn import spectra
from backbeat.frontend.musicnn.autotags import MSD
from backbeat.frontend.musicnn.runtime import MusicnnNetwork, shipped_musicnn

_WINDOW = 30 * spectra.SAMPLE_RATE
_MIN_SAMPLES = spectra.SAMPLE_RATE  # a second; MusiCNN repeats what is shorter than its patch


@dataclass(frozen=True)
class Tagger:
    """MusiCNN, loaded and ready."""

    network: MusicnnNetwork

    def tag(self, path: Path) -> tuple[tuple[tuple[str, float], ...], str]:
        """Give how well each tag fits a song of any length, in bounded memory, and what ended it.

        All fifty, the best first: the mean over patches of 3 s, from 0 to 1. They are not
        exclusive, and not calibrated. None for less than a second of sound. Of a damaged song they
        are those of what can be read, and the text says why that is not all.
        """
        errors: list[audio.AudioError] = []
        total, patches = np.zeros(len(MSD)), 0
        for window in _windows(path, errors):
            if not audio.is_sound(window):
                raise audio.AudioError(path, audio.NO_SOUND)
            given = self.network(spectra.patches(spectra.spectrogram(window))).tags
            total += given.sum(axis=0, dtype=np.float64)
            patches += len(given)
        note = errors[0].what if errors else ""
        if not patches:
            return (), note
        means = total / patches
        order = np.argsort(-means, kind="stable").tolist()
        return tuple((MSD[tag], float(means[tag])) for tag in order), note


def load_tagger() -> Tagger:
    """Load the MusiCNN that comes with backbeat."""
    return Tagger(shipped_musicnn())


def _windows(path: Path, errors: list[audio.AudioError]) -> Iterator[npt.NDArray[np.float32]]:
    """Yield half minutes of a song at MusiCNN's rate, and what is left if it is a second.

    An error ends the song, and is added to `errors`.
    """
    held: list[npt.NDArray[np.float32]] = []
    length = 0
    with audio.open_source(path) as source:
        readable = until_error(source, errors)
        for block in audio.mono_blocks(readable, source.info, spectra.SAMPLE_RATE):
            held.append(block)
            length += len(block)
            while length >= _WINDOW:
                joined = np.concatenate(held)
                yield joined[:_WINDOW]
                held = [joined[_WINDOW:]]
                length = len(held[0])
    if length >= _MIN_SAMPLES:
        yield np.concatenate(held)
