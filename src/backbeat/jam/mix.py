"""Mixing and mastering: levels, tape echo, equaliser, room, compressor, loudness."""

from collections.abc import Sequence

import numpy as np
from scipy import fft, signal

from backbeat.jam.basics import LENGTH, SAMPLE_RATE, Samples, decibels, sample_count
from backbeat.jam.style import Master

BANDS = (60.0, 150.0, 400.0, 1000.0, 2500.0, 6000.0, 10000.0)
#: A length that the FFT likes, with room for the reverberation's tail.
_SIZE = 691200
#: The compressor looks at the level this often (20 ms, which divides the clip).
_FRAME = 441


def level_of(stem: Samples) -> float:
    """Give a stem's level where it plays: the 80th percentile of its 20 ms frames' RMS.

    Parameters
    ----------
    stem : ndarray of float32, shape (n,)
        Whole frames of 20 ms, full scale 1.

    Returns
    -------
    float
        RMS, full scale 1; 0 of silence.
    """
    frames = np.sqrt(np.mean(stem.reshape(-1, _FRAME) ** 2, axis=1))
    playing = frames[frames > 1e-5]
    return float(np.percentile(playing, 80)) if len(playing) else 0.0


def echo(stem: Samples, delay: float, level: float) -> Samples:
    """Add three ever duller repeats.

    Parameters
    ----------
    stem : ndarray of float32, shape (n,)
    delay : float
        From one to the next, in s.
    level : float
        Factor of the first repeat, and of each to the one before.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    step = sample_count(delay)
    repeat = stem
    out = stem.copy()
    for number in range(1, 4):
        repeat = 0.5 * (repeat + np.roll(repeat, 1))
        out[number * step :] += repeat[: len(stem) - number * step] * np.float32(level**number)
    return out


def room(seconds: float, rng: np.random.Generator) -> Samples:
    """Make a room's impulse response with a reverberation time of `seconds`; shape (n,)."""
    count = sample_count(min(seconds, 1.3))
    time = np.arange(count, dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal(count, dtype=np.float32) * np.exp(time * np.float32(-6.9 / seconds))
    tail = np.asarray(signal.lfilter([0.45], [1, -0.55], tail), np.float32)  # no treble from walls
    tail[: sample_count(0.012)] = 0
    return tail / np.float32(np.sqrt(np.sum(tail**2)) + 1e-9)


def master(
    dry: Samples,
    wet: Samples,
    settings: Master,
    tilts: Sequence[Sequence[float]],
    rng: np.random.Generator,
) -> Samples:
    """Finish a mix.

    Parameters
    ----------
    dry, wet : Samples
        What is heard directly and what goes to the room; float32, shape (661500,).
    settings : Master
        The mix's settings, the artist's departures included.
    tilts : sequence of sequences of float
        Equaliser curves to be added up: dB at `BANDS`, each of shape (7,).
    rng : numpy.random.Generator
        For the room and the hiss.

    Returns
    -------
    Samples
        float32, shape (661500,), within -0.99..0.99.
    """
    spectrum = fft.rfft(wet, _SIZE)
    spectrum *= fft.rfft(room(settings.reverb, rng), _SIZE) * np.float32(settings.wet)
    spectrum += fft.rfft(dry, _SIZE)
    # The curves are evaluated coarsely: they are smooth, and 345,601 logarithms are not free.
    coarse = np.linspace(0, SAMPLE_RATE / 2, 2048)
    curve = np.interp(np.log(np.maximum(coarse, 1)), np.log(BANDS), np.sum(tilts, axis=0))
    curve -= 10 * np.log10(1 + (coarse / settings.top) ** 12)
    curve -= 10 * np.log10(1 + (32 / np.maximum(coarse, 1)) ** 4)
    bins = np.linspace(0, len(coarse) - 1, len(spectrum))
    spectrum *= np.interp(bins, np.arange(len(coarse)), 10 ** (curve / 20)).astype(np.float32)
    mix = fft.irfft(spectrum, _SIZE)[:LENGTH].astype(np.float32)
    mix /= np.float32(level_of(mix) + 1e-9)
    if settings.ratio > 1:
        mix *= _compression(mix, settings.ratio)
    if settings.hiss > -70:
        mix += decibels(settings.hiss) * rng.standard_normal(LENGTH, dtype=np.float32)
    return _finish(mix, settings)


def _compression(mix: Samples, ratio: float) -> Samples:
    """Give the compressor's gain for every sample of `mix`, whose usual RMS is 1."""
    power = np.mean(mix.reshape(-1, _FRAME) ** 2, axis=1)
    over = np.maximum(10 * np.log10(power + 1e-9) + 6, 0)
    gain = -over * (1 - 1 / ratio)
    gain = signal.lfilter([0.25], [1, -0.75], gain)
    places = np.arange(LENGTH, dtype=np.float32) / _FRAME - 0.5
    return np.asarray(np.interp(places, np.arange(len(gain)), 10 ** (gain / 20)), np.float32)


def _finish(mix: Samples, settings: Master) -> Samples:
    """Bring `mix` to its loudness, clipping softly what rises too high."""
    drive = np.float32(0.18 * settings.drive)
    mix = np.tanh(mix * drive)
    rms = float(np.sqrt(np.mean(mix**2))) + 1e-9
    mix *= np.float32(decibels(settings.loudness) / rms)
    peak = float(np.abs(mix).max())
    if peak > 0.97:
        # Round the peaks off above 0.6, as a limiter would; the rest is left alone.
        over = np.abs(mix) - 0.6
        hot = over > 0
        mix[hot] = np.sign(mix[hot]) * (0.6 + 0.38 * np.tanh(over[hot] / 0.38))
    return mix
