"""Mixing and mastering: levels, equaliser, room, loudness."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from backbeat.collections.jam.sounds import LENGTH, SAMPLE_RATE, Rng, Samples

BANDS = (60.0, 150.0, 400.0, 1000.0, 2500.0, 6000.0, 10000.0)
#: A length that the FFT likes, with room for the reverberation's tail.
_SIZE = 691200


def mix(
    stems: list[tuple[Samples, float, float]],
    *,
    tilt: NDArray[np.float64],
    reverb: float,
    wet: float,
    loudness: float,
    rng: Rng,
) -> Samples:
    """Mix and master stems to float32, shape (661500,), within -0.99..0.99.

    Each stem is a part's sound (float32, shape (661500,)), its level (dB) and its share sent to the
    room. `tilt`, shape (7,), is the equaliser: dB at `BANDS`. `reverb` is the room's reverberation
    time (s), `wet` a factor of its level. `loudness` is the mix's RMS level (dBFS), a little less
    where peaks are rounded off.
    """
    dry, sent = np.zeros((2, LENGTH), dtype=np.float32)
    for stem, level, send in stems:
        stem *= np.float32(10 ** (level / 20) / _level_of(stem))
        dry += stem
        sent += stem * np.float32(send * wet)
    spectrum = fft.rfft(sent, _SIZE) * fft.rfft(_room(reverb, rng), _SIZE)
    spectrum += fft.rfft(dry, _SIZE)
    # The curve is evaluated coarsely: it is smooth, and 345,601 logarithms are not free.
    coarse = np.linspace(0, SAMPLE_RATE / 2, 2048)
    curve = np.interp(np.log(np.maximum(coarse, 1)), np.log(BANDS), tilt)
    curve -= 10 * np.log10(1 + (32 / np.maximum(coarse, 1)) ** 4)
    bins = np.linspace(0, len(coarse) - 1, len(spectrum))
    spectrum *= np.interp(bins, np.arange(len(coarse)), 10 ** (curve / 20)).astype(np.float32)
    mixed = fft.irfft(spectrum, _SIZE)[:LENGTH].astype(np.float32)
    mixed = np.tanh(mixed * np.float32(0.25 / _level_of(mixed)))
    mixed *= np.float32(10 ** (loudness / 20) / np.sqrt(np.mean(mixed**2)))
    # Round the peaks off above 0.6, as a limiter would; the rest is left alone.
    over = np.abs(mixed) - 0.6
    hot = over > 0
    mixed[hot] = np.sign(mixed[hot]) * (0.6 + 0.38 * np.tanh(over[hot] / 0.38))
    return np.asarray(mixed, np.float32)


def _level_of(stem: Samples) -> float:
    """Give a stem's level where it plays: the 80th percentile of its 20 ms frames' RMS."""
    frames = np.sqrt(np.mean(stem.reshape(-1, 441) ** 2, axis=1))
    playing = frames[frames > 1e-5]
    return float(np.percentile(playing, 80)) if len(playing) else 1.0


def _room(seconds: float, rng: Rng) -> Samples:
    """Make a room's impulse response with a reverberation time of `seconds`; shape (n,)."""
    time = np.arange(round(min(seconds, 1.3) * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    tail = rng.standard_normal(len(time), dtype=np.float32) * np.exp(time * (-6.9 / seconds))
    tail = np.asarray(signal.lfilter([0.45], [1, -0.55], tail), np.float32)  # no treble from walls
    tail[: round(0.012 * SAMPLE_RATE)] = 0
    return np.asarray(tail / np.sqrt(np.sum(tail**2)), np.float32)
