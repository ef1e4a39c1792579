"""Figures of sound: waveplot, spectrogram, MFCCs, and the mel filters between the last two."""

from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from backbeat.figures.style import (
    BLUE,
    DEVIATION,
    LIGHT_BLUE,
    LOUDNESS,
    bare,
    new_figure,
    styled,
    time_axis,
)

_POINTS = 1200
"""Columns of a waveplot: about one a pixel."""

_OCTAVE_ROWS = 48
"""Rows of a spectrogram's picture an octave."""

_LOWEST_HZ = 40.0
"""Below this songs have little sound, and a spectrogram has a bin or two."""


@styled
def waveplot(samples: npt.ArrayLike, sample_rate: float, *, title: str = "Waveplot") -> Figure:
    """Draw the amplitude of mono samples, shape (n,), over time; the rate is in Hz.

    Peaks in a light, the root mean square in a dark tone.
    """
    figure = new_figure(10, 2.6)
    axes = figure.subplots()
    _waveplot(axes, samples, sample_rate)
    axes.set_title(title)
    time_axis(axes, np.size(samples) / sample_rate)
    return figure


@styled
def spectrogram(
    spectrogram_db: npt.ArrayLike,
    sample_rate: float,
    *,
    seconds: float,
    title: str = "Spectrogram",
) -> Figure:
    """Draw a spectrogram in dB, shape (n_bins, n_frames), over a logarithmic frequency axis.

    The rows are evenly from 0 to half the sample rate, in Hz.
    """
    figure = new_figure(10, 3.6)
    axes = figure.subplots()
    image = _spectrogram(axes, spectrogram_db, sample_rate, seconds)
    axes.set_title(title)
    time_axis(axes, seconds)
    _colour_bar(figure, image, "dB", ax=axes, pad=0.01, aspect=25)
    return figure


@styled
def mfcc_map(
    mfcc: npt.ArrayLike, *, seconds: float, title: str = "Mel-frequency cepstral coefficients"
) -> Figure:
    """Draw MFCCs, shape (n_mfcc, n_frames), a band a coefficient.

    Each is relative to its own mean, in its own standard deviations: the raw values of coefficient
    0 (the level) would leave all others one colour.
    """
    figure = new_figure(10, 3.0)
    axes = figure.subplots()
    image = _mfcc_map(axes, mfcc, seconds)
    axes.set_title(title)
    time_axis(axes, seconds)
    _colour_bar(figure, image, "standard deviations", ax=axes, pad=0.01, aspect=25)
    return figure


@styled
def song(
    samples: npt.ArrayLike,
    sample_rate: float,
    *,
    title: str,
    spectrogram_db: npt.ArrayLike,
    mfcc: npt.ArrayLike,
) -> Figure:
    """Draw a song as the paper's Figures 1 to 3 do: three panels over one time axis.

    Samples have shape (n,) and a rate in Hz; see `spectrogram` and `mfcc_map` for the others.
    """
    figure = new_figure(10, 7.6)
    # The colour bars get a column of their own, so that all panels share one time axis.
    grid = figure.add_gridspec(3, 2, height_ratios=[1.0, 1.8, 1.4], width_ratios=[60, 1])
    wave, middle, bottom = (figure.add_subplot(grid[row, 0]) for row in range(3))
    seconds = np.size(samples) / sample_rate
    figure.suptitle(title, x=0.01, ha="left")
    _waveplot(wave, samples, sample_rate)
    wave.set_title("Waveplot")
    image = _spectrogram(middle, spectrogram_db, sample_rate, seconds)
    middle.set_title("Spectrogram")
    _colour_bar(figure, image, "dB", cax=figure.add_subplot(grid[1, 1]))
    image = _mfcc_map(bottom, mfcc, seconds)
    bottom.set_title("Mel-frequency cepstral coefficients")
    _colour_bar(figure, image, "standard deviations", cax=figure.add_subplot(grid[2, 1]))
    for axes in (wave, middle, bottom):
        time_axis(axes, seconds, label=axes is bottom)
    return figure


@styled
def mel_filters(filters: npt.ArrayLike, sample_rate: float) -> Figure:
    """Draw the filters that sum a spectrum's bins into mel bands (the paper's Figure 4).

    `filters` has shape (n_mels, n_bins), bins evenly from 0 to half the sample rate in Hz.
    """
    weights = np.asarray(filters, dtype=np.float64)
    hertz = np.linspace(0, sample_rate / 2, weights.shape[1])
    # Low bands dark, high ones light, short of the map's palest end, which white would swallow.
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(weights)))
    figure = new_figure(10, 3.4)
    axes = figure.subplots()
    for row, colour in zip(weights, colours, strict=True):
        axes.plot(hertz, row, color=colour, linewidth=1.1)
    axes.set_title(f"Triangular mel filter banks ({len(weights)})")
    axes.set_xlim(0, sample_rate / 2)
    axes.set_ylim(0, None)
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("weight")
    axes.grid(axis="y")
    return figure


def _waveplot(axes: Axes, samples: npt.ArrayLike, sample_rate: float) -> None:
    wave = np.asarray(samples, dtype=np.float64)
    # A column holds many samples: its extremes and its root mean square say more than a line.
    starts = np.unique(
        np.linspace(0, len(wave), min(_POINTS, len(wave)), endpoint=False, dtype=int)
    )
    counts = np.diff(np.append(starts, len(wave)))
    low, high = np.minimum.reduceat(wave, starts), np.maximum.reduceat(wave, starts)
    level = np.sqrt(np.add.reduceat(wave**2, starts) / counts)
    times = starts / sample_rate
    axes.fill_between(times, low, high, color=LIGHT_BLUE, linewidth=0.4)
    axes.fill_between(times, -level, level, color=BLUE, linewidth=0.2)
    axes.set_xlim(0, len(wave) / sample_rate)
    limit = max(1.0, float(np.abs(wave).max()))
    axes.set_ylim(-limit, limit)
    axes.set_ylabel("amplitude")


def _spectrogram(
    axes: Axes, spectrogram_db: npt.ArrayLike, sample_rate: float, seconds: float
) -> AxesImage:
    levels = np.asarray(spectrogram_db, dtype=np.float64)
    hertz = np.linspace(0, sample_rate / 2, len(levels))
    bottom, top = np.log2(max(_LOWEST_HZ, hertz[hertz > 0].min())), np.log2(hertz[-1])
    octaves = np.linspace(bottom, top, max(2, round((top - bottom) * _OCTAVE_ROWS)))
    image = axes.imshow(
        _rows_at(levels, hertz, 2**octaves),
        origin="lower",
        aspect="auto",
        extent=(0, seconds, bottom, top),
        cmap=LOUDNESS,
    )
    ticks = [
        f
        for f in (50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000)
        if bottom <= np.log2(f) <= top
    ]
    names = [f"{f // 1000}k" if f >= 1000 else str(f) for f in ticks]
    axes.set_yticks(np.log2(ticks), labels=names)
    axes.set_ylabel("frequency (Hz)")
    return image


def _rows_at(
    levels: npt.NDArray[np.float64],
    hertz: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Interpolate the rows of `levels`, which are at `hertz`, at the `wanted` frequencies."""
    place = np.interp(wanted, hertz, np.arange(len(hertz)))
    below = np.minimum(place.astype(int), len(hertz) - 2)
    share = (place - below)[:, np.newaxis]
    return np.asarray((1 - share) * levels[below] + share * levels[below + 1])


def _mfcc_map(axes: Axes, mfcc: npt.ArrayLike, seconds: float) -> AxesImage:
    values = np.asarray(mfcc, dtype=np.float64)
    spread = values.std(axis=1, keepdims=True)
    # Silence has no spread; it is at its mean all the time.
    relative = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    image = axes.imshow(
        relative,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        extent=(0, seconds, -0.5, len(values) - 0.5),
        cmap=DEVIATION,
        vmin=-3,
        vmax=3,
    )
    axes.set_yticks(range(0, len(values), max(1, 2 * round(len(values) / 13))))
    axes.set_ylabel("coefficient")
    for edge in np.arange(1, len(values)) - 0.5:
        axes.axhline(edge, color="white", linewidth=0.6)
    return image


def _colour_bar(figure: Figure, image: AxesImage, unit: str, **where: Any) -> None:
    bar = figure.colorbar(image, label=unit, **where)
    bare(bar.ax)
