"""Sounds: pitches and a duration become samples, and so does one stroke of a drum.

Two general instruments make all pitched sounds: `Pluck` (Karplus-Strong strings) and `Wave`
(harmonics, in two wavetables). A `Drum` is a falling sine with a band of noise.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

SAMPLE_RATE = 22050
SECONDS = 30
LENGTH = SAMPLE_RATE * SECONDS
#: Mono audio, float32, nominally within -1..1.
Samples: TypeAlias = NDArray[np.float32]
Floats: TypeAlias = NDArray[np.float64]
Rng: TypeAlias = np.random.Generator
#: Resonances as (centre in Hz, width in Hz, gain).
Formants: TypeAlias = tuple[tuple[float, float, float], ...]

_TABLE = 2048
#: Harmonics stop here, below half the sampling rate (Hz).
_HIGHEST = 10500.0
_PHASES = np.exp(2j * np.pi * np.random.default_rng(1983).random(1024)).astype(np.complex64)


@dataclass(frozen=True)
class Tone:
    """How one player's sound departs from the standard one: factors, 1 = as standard."""

    brightness: float = 1.0
    vibrato: float = 1.0
    size: float = 1.0
    decay: float = 1.0


@dataclass(frozen=True)
class Pluck:
    """A plucked string, after Karplus and Strong (1983), computed a period at a time.

    `decay` (by 60 dB) is in s, `brightness` in Hz; `position` is a share of the string, `damping`
    of a sample. Of both instruments `release` is in s, `drive` the gain into a guitar amplifier (0
    for none), and `voices` the number that sound together, `spread` apart (share of the pitch).
    """

    decay: float = 2.0
    damping: float = 0.4
    brightness: float = 4000.0
    position: float = 0.2
    release: float = 0.05
    drive: float = 0.0
    voices: int = 1
    spread: float = 0.004

    def _play(self, pitches: Floats, seconds: float, tone: Tone, rng: Rng) -> Samples:
        length = _count(seconds + self.release)
        strings = [self._string(pitch, length, tone, rng) for pitch in pitches]
        return np.asarray(np.sum(strings, axis=0), np.float32)

    def _string(self, frequency: float, length: int, tone: Tone, rng: Rng) -> Samples:
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
        return np.asarray(np.interp(places, np.arange(needed), string[period + 1 :]), np.float32)


@dataclass(frozen=True)
class Wave:
    """Harmonics read from two wavetables, dull and bright, between which the note glows.

    A sustained tone (voices, winds, bowed strings, synthesisers) glows in its attack; one with a
    `decay` (pianos, electric basses) loses its upper harmonics first. `attack` and `decay` (to
    1/e, at 220 Hz) are in s, `cutoff` in Hz; `slope` is how fast the harmonics fall;
    `vibrato` and `bend` (at the beginning) are shares of the frequency.
    """

    slope: float = 0.8
    cutoff: float = 3000.0
    attack: float = 0.04
    decay: float = 0.0
    vibrato: float = 0.004
    bend: float = 0.0
    noise: float = 0.0
    formants: Formants = ()
    release: float = 0.08
    drive: float = 0.0
    voices: int = 1
    spread: float = 0.004

    def _play(self, pitches: Floats, seconds: float, tone: Tone, rng: Rng) -> Samples:
        time = np.arange(_count(seconds + self.release)) / SAMPLE_RATE
        attack = min(self.attack, 0.6 * seconds)
        if self.decay:
            # Low strings ring longer.
            decay = self.decay * tone.decay * (220.0 / pitches[0]) ** 0.4
            envelope = np.exp(time / -decay)
        else:
            envelope = 0.8 + 0.2 * np.exp(np.minimum(attack - time, 0) / 0.08)
        envelope *= np.minimum(time / attack, 1)
        # The time that a string of changing pitch has lived through, by which the table is read.
        own_time = time + self.bend * 0.05 * (1 - np.exp(time / -0.05))
        if not self.decay:
            # Late vibrato, as players do it: short notes have almost none.
            speed = 2 * np.pi * 5.5 * (0.9 + 0.2 * rng.random())
            depth = self.vibrato * tone.vibrato / speed
            own_time += depth * np.minimum(time * 2.5, 1) * np.sin(time * speed)
        own_time *= _TABLE
        loud: Samples = envelope.astype(np.float32)
        glow = np.square(np.square(loud))
        out = np.zeros(len(time), dtype=np.float32)
        if self.noise:
            out += self.noise * rng.standard_normal(len(out), dtype=np.float32)
        for pitch in pitches:
            places = (own_time * pitch + _TABLE * rng.random()).astype(np.int64) & (_TABLE - 1)
            bright, dull = self._tables(pitch, tone)
            out += dull[places] + (bright - dull)[places] * glow
        return np.asarray(out * loud, np.float32)

    def _tables(self, frequency: float, tone: Tone) -> tuple[Samples, Samples]:
        """Make one cycle as the note sounds at its brightest, and one at its dullest."""
        number = np.arange(1, min(int(_HIGHEST / frequency), 400) + 1, dtype=np.float64)
        shape = number**-self.slope
        if self.formants:
            gain = np.full_like(number, 0.06)
            for centre, width, peak in self.formants:
                gain += peak / (1 + ((number * frequency / tone.size - centre) / width) ** 2)
            shape *= gain
        tables = []
        for cutoff in (self.cutoff * tone.brightness, self.cutoff * tone.brightness * 0.4):
            spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex64)
            strengths = shape * np.exp(-number * frequency / cutoff)
            spectrum[1 : len(number) + 1] = strengths * _PHASES[: len(number)]
            tables.append(fft.irfft(spectrum).astype(np.float32) * np.float32(_TABLE / 2))
        return tables[0], tables[1]


@dataclass(frozen=True)
class Drum:
    """A sine that falls to `pitch` (Hz) from ``1 + drop`` times that, and a band of noise.

    `level` is against the other drums; `decay` and `ring` (to 1/e, s) are those of the sine and
    the noise, `attack` (s) of the noise, `noise` its share, `low` and `high` its edges (Hz).
    """

    level: float
    pitch: float = 0.0
    drop: float = 0.0
    decay: float = 0.01
    noise: float = 0.0
    low: float = 1400.0
    high: float = 9000.0
    ring: float = 0.006
    attack: float = 0.0


_VOWEL_A: Formants = ((720, 110, 1.0), (1150, 130, 0.6), (2600, 250, 0.25), (3500, 300, 0.12))
_VOWEL_O: Formants = ((480, 90, 1.0), (850, 110, 0.5), (2500, 250, 0.15), (3300, 300, 0.08))
_VOWEL_E: Formants = ((540, 90, 1.0), (1750, 160, 0.5), (2550, 250, 0.3), (3600, 300, 0.15))
_FIDDLE: Formants = ((290, 120, 0.7), (480, 160, 0.9), (1100, 350, 0.5), (2700, 700, 0.8))
_SAX: Formants = ((550, 250, 1.0), (1400, 450, 0.6), (3000, 800, 0.3))

INSTRUMENTS: dict[str, Pluck | Wave] = {
    "steel": Pluck(decay=3.0, damping=0.35, brightness=5500, position=0.15),
    "banjo": Pluck(decay=0.7, damping=0.3, brightness=7000, position=0.08),
    "clean": Pluck(decay=2.6, damping=0.45, brightness=3200, position=0.25),
    "jangle": Pluck(decay=2.4, damping=0.3, brightness=6000, position=0.1, voices=2),
    "skank": Pluck(decay=0.6, damping=0.5, brightness=3500),
    "upright": Pluck(decay=1.5, damping=0.5, brightness=700, position=0.4),
    "bass": Pluck(decay=3.0, damping=0.5, brightness=1100, position=0.25),
    "pick-bass": Pluck(decay=2.5, brightness=3000, position=0.12),
    "crunch": Pluck(decay=2.5, brightness=4500, position=0.15, drive=1.6),
    "fuzz": Pluck(decay=4.0, damping=0.35, brightness=5000, position=0.12, drive=9.0),
    "sub-bass": Wave(slope=1.8, cutoff=220, attack=0.005, decay=0.8),
    "synth-bass": Wave(slope=0.9, cutoff=600, attack=0.005, decay=0.6, voices=2),
    "piano": Wave(slope=1.0, cutoff=4000, attack=0.004, decay=1.2, voices=2, spread=0.0007),
    "rhodes": Wave(slope=2.2, attack=0.004, decay=1.4),
    "organ": Wave(slope=0.6, cutoff=2500, attack=0.008, voices=2, release=0.03),
    "violin": Wave(formants=_FIDDLE, slope=0.9, cutoff=4500, attack=0.09, noise=0.01),
    "trumpet": Wave(slope=0.7, cutoff=2600, attack=0.035, bend=-0.03),
    "horns": Wave(cutoff=2200, attack=0.03, bend=-0.04, voices=3),
    "sax": Wave(formants=_SAX, slope=0.7, cutoff=2800, bend=-0.06, noise=0.025),
    "slide": Wave(slope=1.2, cutoff=2600, attack=0.06, bend=-0.15, vibrato=0.006, release=0.3),
    "singer": Wave(formants=_VOWEL_A, cutoff=5000, bend=-0.08, vibrato=0.008, noise=0.01),
    "diva": Wave(formants=_VOWEL_E, slope=0.7, cutoff=5500, bend=-0.06, vibrato=0.009),
    "rapper": Wave(formants=_VOWEL_E, slope=0.6, cutoff=5500, attack=0.015, bend=0.5, noise=0.05),
    "growl": Wave(formants=_VOWEL_O, slope=0.3, cutoff=5500, bend=0.2, noise=0.35, drive=3.0),
    "saw-lead": Wave(cutoff=5500, attack=0.01, voices=2, spread=0.005),
    "strings": Wave(formants=_FIDDLE, cutoff=4500, attack=0.1, release=0.25, voices=4),
    "pad": Wave(cutoff=2200, attack=0.25, release=0.4, voices=4, spread=0.01),
}

DRUMS: dict[str, Drum] = {
    "kick": Drum(1.0, pitch=56, drop=2.2, decay=0.12, noise=0.3, low=1500, high=6000),
    "boom": Drum(1.0, pitch=47, drop=2.0, decay=0.2, noise=0.15, low=1500, high=6000),
    "beater": Drum(1.0, pitch=60, drop=2.0, decay=0.08, noise=0.5, low=2000, high=7000),
    "snare": Drum(0.75, pitch=190, drop=0.4, decay=0.07, noise=0.7, ring=0.09),
    "crack": Drum(0.75, pitch=230, drop=0.4, decay=0.05, noise=0.8, low=2000, ring=0.06),
    "brush": Drum(0.3, noise=1, low=1800, high=7000, ring=0.12, attack=0.03),
    "rim": Drum(0.5, pitch=456, drop=0.1, decay=0.018, noise=0.4, low=2500, high=6000),
    "hat": Drum(0.25, noise=1, low=6500, high=10800, ring=0.03),
    "open": Drum(0.25, noise=1, low=5900, high=10800, ring=0.21),
    "ride": Drum(0.3, noise=1, low=5000, high=10500, ring=0.3),
    "crash": Drum(0.4, noise=1, low=2600, high=10800, ring=0.8),
    "tom": Drum(0.7, pitch=120, drop=0.5, decay=0.18),
    "clap": Drum(0.55, noise=1, low=1100, high=2800, ring=0.05, attack=0.02),
    "conga": Drum(0.4, pitch=247, drop=0.15, decay=0.09),
    "timpani": Drum(0.9, pitch=76, drop=0.03, decay=0.5),
}


def play(name: str, frequencies: list[float], seconds: float, tone: Tone, rng: Rng) -> Samples:
    """Play a chord of some frequencies (Hz) for `seconds`; float32, shape (n,), of any level."""
    instrument = INSTRUMENTS[name]
    detunings = 1 + instrument.spread * np.arange(instrument.voices)
    chord = instrument._play(np.outer(frequencies, detunings).ravel(), seconds, tone, rng)
    if not instrument.drive:
        return _fade(chord, instrument.release)
    # An amplifier distorts the whole chord at a standard level; its loudspeaker's band is narrow.
    level = float(np.sqrt(np.mean(chord[: SAMPLE_RATE // 4] ** 2))) + 1e-9
    hot = np.tanh(chord * np.float32(instrument.drive / level))
    return _fade(_band(hot, 110, 4600 * tone.brightness), 0.03)


def hit(name: str, tone: Tone, rng: Rng) -> Samples:
    """Strike a drum of `DRUMS`; float32, shape (n,), of peak about 1."""
    drum = DRUMS[name]
    decay, ring = drum.decay * tone.decay, drum.ring * tone.decay
    time = np.arange(_count(max(decay, ring) * 6 + drum.attack)) / SAMPLE_RATE
    out = np.zeros(len(time))
    if drum.pitch:
        cycles = drum.pitch * tone.size * (time + drum.drop * 0.03 * (1 - np.exp(time / -0.03)))
        out += (1 - drum.noise) * np.sin(2 * np.pi * cycles) * np.exp(time / -decay)
    if drum.noise:
        noise = rng.standard_normal(len(time), dtype=np.float32)
        noise = _band(noise, drum.low * tone.brightness, drum.high * tone.brightness)
        noise *= np.exp(np.maximum(time - drum.attack, 0) / -ring)
        noise *= np.minimum(time / max(drum.attack, 1e-4), 1)
        out += drum.noise * noise / (np.abs(noise).max() + 1e-9)
    return _fade(out.astype(np.float32), 0.005)


def _band(samples: Samples, low: float, high: float) -> Samples:
    """Keep what lies between `low` and `high` (Hz), below half the sampling rate."""
    edges = (min(low, 9500.0), min(high, 10900.0))
    band = signal.butter(1, edges, "bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(signal.sosfilt(band, samples), np.float32)


def _count(seconds: float) -> int:
    """Give the number of samples in `seconds`, at least one."""
    return max(1, round(seconds * SAMPLE_RATE))


def _fade(samples: Samples, seconds: float) -> Samples:
    """End `samples` gently over the last `seconds`, so that no note stops with a click."""
    count = min(len(samples), _count(seconds))
    samples[-count:] *= np.linspace(1, 0, count, dtype=np.float32)
    return samples
