"""A song's waveplot, spectrogram and MFCCs, drawn without matplotlib.

Each is data: a PNG or the points of a shape, and the labels of its axes. The page draws the labels
in its own style, so that they fit a phone and dark mode.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from backbeat.figures.show import analyse
from backbeat.files.text import fixed, number, significant
from backbeat.frontend import Mfcc

SECONDS = 30.0
"""How much of a song's beginning is drawn, as `backbeat show` does."""

_COLUMNS = 640
_ROWS = 192
_LOWEST_HZ = 40.0
_FLOOR_DB = 80.0
_DEVIATIONS = 3.0

# Lightness rises steadily with loudness (the colours of matplotlib's "magma", sampled).
_LOUDNESS = "000004 1c1044 4f127b 812581 b5367a e55964 fb8761 fec287 fcfdbf"
# ColorBrewer's RdBu: blue below a mean, red above it.
_DEVIATION = "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Picture:
    """What the page needs to draw one picture over time."""

    kind: str
    """"waveplot", "spectrogram" or "mfcc"."""
    title: str
    note: str
    """How to read it."""
    seconds: float
    """How much of the song it shows."""
    png: str = ""
    """The picture as a ``data:`` address; empty for a waveplot."""
    outlines: tuple[str, ...] = ()
    """The points of SVG polygons in a box of 1 x 2, the middle at 1: peaks, then the level."""
    labels: tuple[tuple[float, str], ...] = ()
    """Labels of the vertical axis: each a share of it from below, and a text."""


def draw(song: Path) -> tuple[Picture, ...]:
    """Draw the beginning of a song."""
    samples, decibels, coefficients = analyse(song, SECONDS)
    rate = Mfcc().sample_rate
    seconds = len(samples) / rate
    return (
        waveplot(samples, seconds),
        spectrogram(decibels, rate, seconds),
        mfcc_map(coefficients, seconds),
    )


def waveplot(samples: npt.ArrayLike, seconds: float) -> Picture:
    """Draw the amplitude of samples of shape (n,): its extremes and its root mean square."""
    wave = np.asarray(samples, dtype=np.float64)
    starts = _starts(len(wave))
    counts = np.diff(np.append(starts, len(wave)))
    level = np.sqrt(np.add.reduceat(wave**2, starts) / counts)
    limit = max(1.0, float(np.abs(wave).max()))
    outlines = (
        _outline(
            np.maximum.reduceat(wave, starts) / limit, np.minimum.reduceat(wave, starts) / limit
        ),
        _outline(level / limit, -level / limit),
    )
    labels = ((0.0, significant(-limit, 2)), (0.5, "0"), (1.0, significant(limit, 2)))
    note = "Amplitude; the inner shape is the level (root mean square)."
    return Picture("waveplot", "Waveplot", note, seconds, outlines=outlines, labels=labels)


def spectrogram(decibels: npt.ArrayLike, sample_rate: float, seconds: float) -> Picture:
    """Draw a spectrogram over a logarithmic axis of frequency.

    `decibels` (shape (bins, frames)) are relative to the loudest cell, with bins evenly from 0 to
    half the sample rate in Hz.
    """
    levels = _fewer_columns(np.asarray(decibels, dtype=np.float64))
    bottom, top = np.log2(_LOWEST_HZ), np.log2(sample_rate / 2)
    wanted = 2 ** np.linspace(bottom, top, _ROWS)
    place = np.interp(wanted, np.linspace(0, sample_rate / 2, len(levels)), np.arange(len(levels)))
    below = np.minimum(place.astype(int), len(levels) - 2)
    share = (place - below)[:, np.newaxis]
    rows = (1 - share) * levels[below] + share * levels[below + 1]
    labels = tuple(
        (float((np.log2(hertz) - bottom) / (top - bottom)), words)
        for hertz, words in ((100, "100"), (500, "500"), (2000, "2k"), (8000, "8k"))
        if bottom <= np.log2(hertz) <= top
    )
    note = f"Frequency in Hz; dark is quiet, bright is loud, over {number(_FLOOR_DB)} dB."
    png = _png(rows / _FLOOR_DB + 1, _LOUDNESS)
    return Picture("spectrogram", "Spectrogram", note, seconds, png=png, labels=labels)


def mfcc_map(coefficients: npt.ArrayLike, seconds: float) -> Picture:
    """Draw MFCCs of shape (n_mfcc, frames), each relative to its own mean and deviation."""
    values = np.asarray(coefficients, dtype=np.float64)
    spread = values.std(axis=1, keepdims=True)
    relative = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    # Scaled before columns are averaged, to show the song's deviation and not that of the means.
    shares = _fewer_columns(relative) / (2 * _DEVIATIONS) + 0.5
    count = len(values)
    labels = tuple(((row + 0.5) / count, str(row)) for row in range(0, count, 4))
    note = (
        "Mel-frequency cepstral coefficients; blue is below a coefficient's mean, red above it "
        f"(up to {number(_DEVIATIONS)} standard deviations)."
    )
    return Picture("mfcc", "MFCCs", note, seconds, png=_png(shares, _DEVIATION), labels=labels)


def _starts(count: int) -> npt.NDArray[np.intp]:
    """Give the first of `count` samples or frames of each column of a picture."""
    return np.unique(np.linspace(0, count, min(_COLUMNS, count), endpoint=False, dtype=np.intp))


def _fewer_columns(values: Array) -> Array:
    """Average columns into as many as the picture has."""
    starts = _starts(values.shape[1])
    counts = np.diff(np.append(starts, values.shape[1]))
    return np.asarray(np.add.reduceat(values, starts, axis=1) / counts)


def _outline(above: Array, below: Array) -> str:
    """Give the points of a shape between two lines, in a box of 1 x 2."""
    x = (np.arange(len(above)) + 0.5) / len(above)
    there = [f"{fixed(a, 4)},{fixed(1 - b, 4)}" for a, b in zip(x, above, strict=True)]
    back = [f"{fixed(a, 4)},{fixed(1 - b, 4)}" for a, b in zip(x[::-1], below[::-1], strict=True)]
    return " ".join(there + back)


def _png(shares: Array, colours: str) -> str:
    """Give values from 0 to 1, the first row at the bottom, as a ``data:`` address of a PNG."""
    anchors = np.array([tuple(bytes.fromhex(colour)) for colour in colours.split()], dtype=float)
    places = np.linspace(0, len(anchors) - 1, 256)
    palette = np.stack(
        [np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T], axis=1
    )
    cells = np.round(255 * np.clip(shares[::-1], 0, 1)).astype(np.uint8)
    image = Image.fromarray(cells)
    image.putpalette(palette.round().astype(np.uint8).tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
