"""Instruments: a pitch and a duration become samples.

Four families make all of them, each a frozen dataclass of timbre parameters with a `render` method:
`Pluck` (Karplus-Strong strings), `Voiced` (wavetables: winds, voices, solo strings, synthesisers),
`Struck` (decaying wavetables: pianos, electric pianos) and `Ensemble` (many players at once, by
Nasca's PADsynth: each harmonic smeared into a narrow band, one inverse FFT a pitch). `Amplifier`
distorts a whole chord, as an electric guitar's does.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from backbeat.jam.basics import SAMPLE_RATE, Samples, sample_count

TABLE = 2048
ENSEMBLE_TABLE = 65536
#: Harmonics stop here, below half the sampling rate.
HIGHEST = 10500.0

_TIME = np.arange(10 * SAMPLE_RATE, dtype=np.float64) / SAMPLE_RATE
_PHASES = np.exp(2j * np.pi * np.random.default_rng(1983).random(1024)).astype(np.complex64)

Formants = tuple[tuple[float, float, float], ...]
"""Resonances as (centre in Hz, width in Hz, gain)."""


@dataclass(frozen=True)
class Tone:
    """How one player's instrument departs from the standard one: factors, 1 = as standard."""

    brightness: float = 1.0
    attack: float = 1.0
    vibrato: float = 1.0
    size: float = 1.0
    decay: float = 1.0


class Instrument(Protocol):
    """Anything that can play a note."""

    def render(
        self, frequency: float, seconds: float, tone: Tone, rng: np.random.Generator
    ) -> Samples:
        """Play one note.

        Parameters
        ----------
        frequency : float
            In Hz.
        seconds : float
            How long it is held.
        tone : Tone
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of float32, shape (n,)
            The release may make it longer than `seconds`.
        """
        ...


@dataclass(frozen=True)
class Pluck:
    """A plucked string, after Karplus and Strong (1983), computed a period at a time.

    `decay` (by 60 dB) and `release` are in s, `brightness` in Hz; `position` is a share of the
    string, `damping` of a sample.
    """

    decay: float = 2.0
    damping: float = 0.5
    brightness: float = 4000.0
    position: float = 0.2
    courses: int = 1
    release: float = 0.04

    def render(
        self, frequency: float, seconds: float, tone: Tone, rng: np.random.Generator
    ) -> Samples:
        """Play one note of `frequency` Hz, shape (n,); see `Instrument.render`."""
        length = sample_count(seconds + self.release)
        out = self._string(frequency, length, tone, rng)
        for _ in range(1, self.courses):
            out = out + self._string(frequency * 1.004, length, tone, rng)
        return _fade(out, self.release)

    def _string(
        self, frequency: float, length: int, tone: Tone, rng: np.random.Generator
    ) -> Samples:
        period = max(4, int(SAMPLE_RATE / frequency))
        # The loop's averaging delays by `damping` of a sample more; reading at another rate
        # afterwards puts the pitch right.
        rate = (period + self.damping) * frequency / SAMPLE_RATE
        needed = int(length * rate) + 2
        loss = 10.0 ** (-3.0 / (frequency * self.decay * tone.decay))
        near, far = np.float32(loss * (1 - self.damping)), np.float32(loss * self.damping)
        string = np.empty(period + 1 + needed, dtype=np.float32)
        burst = rng.standard_normal(period + 1, dtype=np.float32)
        pole = float(np.exp(-2 * np.pi * self.brightness * tone.brightness / SAMPLE_RATE))
        burst = signal.lfilter([1 - pole], [1, -pole], burst).astype(np.float32)
        burst -= np.roll(burst, max(1, int(self.position * period)))
        string[: period + 1] = burst - burst.mean()
        for start in range(period + 1, len(string), period):
            stop = min(start + period, len(string))
            here = string[start:stop]
            np.multiply(string[start - period : stop - period], near, out=here)
            here += far * string[start - period - 1 : stop - period - 1]
        places = np.arange(length) * rate
        out: Samples = np.interp(places, np.arange(needed), string[period + 1 :]).astype(np.float32)
        return out


@dataclass(frozen=True)
class Voiced:
    """A sustained tone read from two wavetables, dull and bright, between which `glow` moves.

    `attack` and `release` are in s, `cutoff` and `rate` (of the vibrato) in Hz, `vibrato` and
    `beating` factors of the frequency.
    """

    slope: float = 1.0
    cutoff: float = 3000.0
    dull: float = 0.4
    attack: float = 0.04
    release: float = 0.08
    sustain: float = 0.8
    vibrato: float = 0.004
    rate: float = 5.5
    bend: float = 0.0
    noise: float = 0.0
    odd: bool = False
    formants: Formants = ()
    beating: float = 0.0
    drawbars: tuple[float, ...] = ()
    fall: float = 0.0

    def render(
        self, frequency: float, seconds: float, tone: Tone, rng: np.random.Generator
    ) -> Samples:
        """Play one note of `frequency` Hz, shape (n,); see `Instrument.render`."""
        length = min(sample_count(seconds + self.release), len(_TIME))
        time = _TIME[:length]
        attack = min(self.attack * tone.attack, 0.6 * seconds)
        # Of a short note only the beginning is heard: the fade below cuts it off.
        held = max(seconds, attack + 0.16)
        envelope = np.interp(
            time,
            (0.0, attack, attack + 0.15, held, held + self.release + 0.1),
            (0.0, 1.0, self.sustain, self.sustain * 0.9, 0.0),
        ).astype(np.float32)
        bright, dull = self._tables(frequency, tone)
        out = np.zeros(length, dtype=np.float32)
        for detune in (1.0, 1.0 + self.beating)[: 2 if self.beating else 1]:
            pitch = frequency * detune
            phase = time * pitch + rng.random()
            depth = self.vibrato * tone.vibrato
            if depth:
                rate = self.rate * (0.9 + 0.2 * rng.random())
                # Late vibrato, as players do it: short notes have almost none.
                late = np.minimum(time * 2.5, 1.0)
                phase += late * np.sin(time * (2 * np.pi * rate)) * (pitch * depth / 6.28 / rate)
            if self.bend:
                phase += (pitch * self.bend * 0.05) * (1 - np.exp(time / -0.05))
            if self.fall:
                phase -= (pitch * self.fall * 0.5) * time**2 / max(seconds, 0.05)
            index = (phase * TABLE).astype(np.int64) & (TABLE - 1)
            low = dull[index]
            out += low + (bright[index] - low) * envelope**2
        if self.noise:
            out += self.noise * rng.standard_normal(length, dtype=np.float32)
        return _fade(out * envelope, min(self.release, 0.02))

    def _tables(self, frequency: float, tone: Tone) -> tuple[Samples, Samples]:
        number = _harmonics(frequency)
        shape = number**-self.slope * resonance(number * frequency / tone.size, self.formants)
        if self.odd:
            shape[1::2] *= 0.12
        if self.drawbars:
            shape = np.zeros(len(number))
            count = min(len(number), len(self.drawbars))
            shape[:count] = self.drawbars[:count]
        cutoff = self.cutoff * tone.brightness
        bright = shape * np.exp(-number * frequency / cutoff)
        dull = shape * np.exp(-number * frequency / (cutoff * self.dull))
        return wavetable(bright), wavetable(dull)


@dataclass(frozen=True)
class Struck:
    """A decaying tone whose upper harmonics die first: pianos, electric pianos, bells.

    `decay` (to 1/e, at 220 Hz) and `release` are in s, `cutoff` in Hz; `ratio` is the modulator's
    frequency to the tone's, `index` how far it modulates.
    """

    slope: float = 1.0
    cutoff: float = 2500.0
    decay: float = 1.6
    beating: float = 0.0007
    click: float = 0.05
    index: float = 0.0
    ratio: float = 1.0
    release: float = 0.12

    def render(
        self, frequency: float, seconds: float, tone: Tone, rng: np.random.Generator
    ) -> Samples:
        """Play one note of `frequency` Hz, shape (n,); see `Instrument.render`."""
        length = min(sample_count(seconds + self.release), len(_TIME))
        time = _TIME[:length]
        # Low strings ring longer.
        decay = self.decay * tone.decay * (220.0 / frequency) ** 0.4
        slow = np.exp(time / -decay).astype(np.float32)
        fast = slow**4
        if self.index:
            angle = 2 * np.pi * frequency * time
            depth = self.index * tone.brightness * fast
            out = (np.sin(angle + depth * np.sin(self.ratio * angle)) * slow).astype(np.float32)
        else:
            number = _harmonics(frequency)
            cutoff = self.cutoff * tone.brightness
            body = wavetable(number ** -(self.slope + 0.6) * np.exp(-number * frequency / cutoff))
            edge = wavetable(number**-self.slope * np.exp(-number * frequency / (3 * cutoff)))
            phase = time * frequency
            first = (phase * TABLE).astype(np.int64) & (TABLE - 1)
            second = (phase * (TABLE * (1 + self.beating))).astype(np.int64) & (TABLE - 1)
            out = (body[first] + body[second]) * slow + edge[first] * fast
        if self.click:
            hammer = min(length, sample_count(0.012))
            out[:hammer] += self.click * rng.standard_normal(hammer, dtype=np.float32)
        return _fade(out, self.release)


@dataclass(frozen=True)
class Ensemble:
    """Many players or voices on one note (Nasca's PADsynth).

    `attack` and `release` are in s, `cutoff` in Hz, `width` (of the first harmonic) in cents.
    """

    slope: float = 1.0
    cutoff: float = 2500.0
    attack: float = 0.12
    release: float = 0.25
    width: float = 12.0
    formants: Formants = ()

    def render(
        self, frequency: float, seconds: float, tone: Tone, rng: np.random.Generator
    ) -> Samples:
        """Play one note of `frequency` Hz, shape (n,); see `Instrument.render`."""
        length = sample_count(seconds + self.release)
        number = _harmonics(frequency)
        pitches = number * frequency
        strength = number**-self.slope * np.exp(-pitches / (self.cutoff * tone.brightness))
        strength *= resonance(pitches / tone.size, self.formants)
        bin_width = SAMPLE_RATE / ENSEMBLE_TABLE
        spread = pitches * (2 ** (self.width * tone.vibrato / 1200) - 1) / bin_width
        offsets = np.linspace(-2, 2, 15)
        bins = np.rint(pitches[:, None] / bin_width + offsets * spread[:, None]).astype(np.int64)
        values = strength[:, None] * np.exp(-(offsets**2)) * np.exp(2j * np.pi * rng.random(15))
        values = values * _PHASES[: len(number), None]
        spectrum = np.zeros(ENSEMBLE_TABLE // 2 + 1, dtype=np.complex64)
        np.add.at(spectrum, np.clip(bins, 1, ENSEMBLE_TABLE // 2 - 1), values)
        cycle = fft.irfft(spectrum) * np.float32(ENSEMBLE_TABLE / 4)
        out = np.resize(cycle, length).astype(np.float32)
        attack = min(self.attack * tone.attack, 0.6 * seconds)
        points = (0.0, attack, max(seconds, attack + 0.01), seconds + self.release)
        envelope = np.interp(_TIME[:length], points, (0.0, 1.0, 0.85, 0.0))
        return (out * envelope).astype(np.float32)


@dataclass(frozen=True)
class Amplifier:
    """A guitar amplifier: `gain` into a soft clipper, then a loudspeaker's narrow band."""

    gain: float
    low: float = 90.0
    high: float = 4200.0

    def play(self, chord: Samples, tone: Tone) -> Samples:
        """Distort a chord, which is first brought to a standard level.

        Parameters
        ----------
        chord : ndarray of float32, shape (n,)
        tone : Tone

        Returns
        -------
        ndarray of float32, shape (n,)
        """
        level = float(np.sqrt(np.mean(chord[: SAMPLE_RATE // 4] ** 2))) + 1e-9
        hot = np.tanh(chord * np.float32(self.gain / level))
        band = (self.low, min(self.high * tone.brightness, 9500.0))
        speaker = signal.butter(2, band, "bandpass", fs=SAMPLE_RATE, output="sos")
        return _fade(signal.sosfilt(speaker, hot).astype(np.float32), 0.03)


def _harmonics(frequency: float) -> NDArray[np.float64]:
    """Give the numbers of the harmonics of `frequency` that fit below `HIGHEST`."""
    return np.arange(1, min(int(HIGHEST / frequency), 400) + 1, dtype=np.float64)


def resonance(frequencies: NDArray[np.float64], formants: Formants) -> NDArray[np.float64]:
    """Give the gain of formants at some frequencies; 1 everywhere without any.

    Parameters
    ----------
    frequencies : ndarray of float64, shape (...)
        In Hz.
    formants : Formants

    Returns
    -------
    ndarray of float64, shape (...)
        Factors of the amplitude.
    """
    if not formants:
        return np.ones_like(frequencies)
    gain = np.full_like(frequencies, 0.06)
    for centre, width, peak in formants:
        gain += peak / (1 + ((frequencies - centre) / width) ** 2)
    return gain


def wavetable(strengths: NDArray[np.float64]) -> Samples:
    """Make one cycle of given harmonics.

    Parameters
    ----------
    strengths : ndarray of float64, shape (m,)
        Amplitude of each harmonic, from the first.

    Returns
    -------
    ndarray of float32, shape (TABLE,)
    """
    spectrum = np.zeros(TABLE // 2 + 1, dtype=np.complex64)
    spectrum[1 : len(strengths) + 1] = strengths * _PHASES[: len(strengths)]
    cycle: Samples = fft.irfft(spectrum).astype(np.float32)
    return cycle * np.float32(TABLE / 2)


def _fade(samples: Samples, seconds: float) -> Samples:
    """End `samples` gently over the last `seconds`, so that no note stops with a click."""
    count = min(len(samples), sample_count(seconds))
    samples[-count:] *= np.linspace(1, 0, count, dtype=np.float32)
    return samples
