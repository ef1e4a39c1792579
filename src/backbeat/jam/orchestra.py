"""The instruments there are, by name, and how they are played."""

from collections.abc import Sequence

import numpy as np

from backbeat.jam.basics import Samples
from backbeat.jam.instruments import (
    Amplifier,
    Ensemble,
    Formants,
    Instrument,
    Pluck,
    Struck,
    Tone,
    Voiced,
)

# fmt: off
_VOWEL_A: Formants = ((720, 110, 1.0), (1150, 130, 0.6), (2600, 250, 0.25), (3500, 300, 0.12))
_VOWEL_O: Formants = ((480, 90, 1.0), (850, 110, 0.5), (2500, 250, 0.15), (3300, 300, 0.08))
_VOWEL_E: Formants = ((540, 90, 1.0), (1750, 160, 0.5), (2550, 250, 0.3), (3600, 300, 0.15))
_FIDDLE: Formants = ((290, 120, 0.7), (480, 160, 0.9), (1100, 350, 0.5), (2700, 700, 0.8))
_SAX: Formants = ((550, 250, 1.0), (1400, 450, 0.6), (3000, 800, 0.3))

INSTRUMENTS: dict[str, Instrument] = {
    "nylon": Pluck(decay=2.2, damping=0.5, brightness=2200, position=0.3),
    "steel": Pluck(decay=3.0, damping=0.35, brightness=5500, position=0.15),
    "banjo": Pluck(decay=0.7, damping=0.3, brightness=7000, position=0.08),
    "mandolin": Pluck(decay=1.0, damping=0.35, brightness=6000, position=0.12, courses=2),
    "clean": Pluck(decay=2.6, damping=0.45, brightness=3200, position=0.25),
    "jangle": Pluck(decay=2.4, damping=0.3, brightness=6000, position=0.1, courses=2),
    "chop": Pluck(decay=0.5, damping=0.4, brightness=5000, position=0.1),
    "skank": Pluck(decay=0.6, damping=0.5, brightness=3000, position=0.2),
    "upright": Pluck(decay=1.5, damping=0.5, brightness=700, position=0.4),
    "bass": Pluck(decay=3.0, damping=0.5, brightness=1100, position=0.25),
    "pick-bass": Pluck(decay=2.5, damping=0.4, brightness=3000, position=0.12),
    "slap-bass": Pluck(decay=1.2, damping=0.3, brightness=5500, position=0.08),
    "harpsichord": Pluck(decay=2.5, damping=0.2, brightness=9000, position=0.1, courses=2),
    "dub-bass": Struck(slope=1.4, cutoff=260, decay=0.9, beating=0.0, click=0.0),
    "sub-bass": Struck(slope=2.2, cutoff=160, decay=0.7, beating=0.0, click=0.02),
    "synth-bass": Struck(slope=0.9, cutoff=500, decay=0.6, beating=0.004, click=0.0, release=0.03),
    "piano": Struck(slope=1.0, cutoff=1500, decay=1.6),
    "honky": Struck(slope=0.8, cutoff=2200, decay=1.0, beating=0.006),
    "rhodes": Struck(index=1.6, decay=1.4, click=0.02),
    "bells": Struck(index=2.5, ratio=3.5, decay=1.0, click=0.0),
    "clav": Struck(slope=0.5, cutoff=1800, decay=0.5, beating=0.0, release=0.03),
    "organ": Voiced(
        drawbars=(0.7, 1.0, 0.5, 0.8, 0, 0.4, 0, 0.4, 0, 0.1, 0, 0.2, 0, 0, 0, 0.2),
        cutoff=6000, dull=0.8, attack=0.008, sustain=1.0, vibrato=0.003, rate=6.3, release=0.03,
    ),
    "pipe-organ": Voiced(
        drawbars=(1.0, 0.8, 0.2, 0.6, 0, 0.2, 0, 0.4), cutoff=5000, attack=0.06, sustain=1.0,
        vibrato=0.0, beating=0.0012, release=0.25,
    ),
    "violin": Voiced(formants=_FIDDLE, slope=0.9, cutoff=4500, attack=0.09, noise=0.01),
    "fiddle": Voiced(formants=_FIDDLE, slope=0.7, cutoff=5500, attack=0.04, bend=-0.05, noise=0.02),
    "cello": Voiced(formants=_FIDDLE, slope=1.0, cutoff=2200, attack=0.1, release=0.15),
    "trumpet": Voiced(slope=0.7, cutoff=2600, dull=0.3, attack=0.035, bend=-0.03, vibrato=0.003),
    "muted": Voiced(formants=((1600, 500, 1.0),), slope=0.5, cutoff=4000, attack=0.04),
    "horns": Voiced(slope=0.8, cutoff=2200, dull=0.35, attack=0.03, bend=-0.04, beating=0.003),
    "sax": Voiced(formants=_SAX, slope=0.7, cutoff=2800, attack=0.04, bend=-0.06, noise=0.025),
    "clarinet": Voiced(odd=True, slope=0.8, cutoff=2200, attack=0.04, vibrato=0.002, noise=0.005),
    "flute": Voiced(slope=2.2, cutoff=3000, attack=0.06, vibrato=0.005, noise=0.06),
    "oboe": Voiced(formants=((1100, 300, 1.0), (2900, 500, 0.5)), slope=0.6, cutoff=4000),
    "harmonica": Voiced(slope=0.5, cutoff=2600, attack=0.03, bend=-0.08, beating=0.004, rate=6.0),
    "slide": Voiced(slope=1.2, cutoff=2600, attack=0.06, bend=-0.15, vibrato=0.006, release=0.3),
    "singer": Voiced(
        formants=_VOWEL_A, slope=0.8, cutoff=5000, bend=-0.08, vibrato=0.008, noise=0.01,
    ),
    "crooner": Voiced(formants=_VOWEL_O, slope=0.9, cutoff=4000, bend=-0.1, vibrato=0.01),
    "diva": Voiced(
        formants=_VOWEL_E, slope=0.7, cutoff=5500, bend=-0.06, vibrato=0.009, noise=0.015,
    ),
    "rapper": Voiced(
        formants=_VOWEL_E, slope=0.6, cutoff=5500, attack=0.015, release=0.03, fall=0.35,
        vibrato=0.0, noise=0.05,
    ),
    "growl": Voiced(
        formants=_VOWEL_O, slope=0.3, cutoff=5500, attack=0.02, fall=0.1, vibrato=0.03, rate=31.0,
        noise=0.35,
    ),
    "synth-lead": Voiced(
        odd=True, slope=0.9, cutoff=4500, attack=0.01, release=0.05, beating=0.004,
    ),
    "saw-lead": Voiced(slope=0.9, cutoff=5500, attack=0.01, vibrato=0.005, beating=0.005),
    "strings": Ensemble(formants=_FIDDLE, slope=0.8, cutoff=4500, width=16.0),
    "stab-strings": Ensemble(formants=_FIDDLE, slope=0.7, cutoff=6000, width=16.0, attack=0.03),
    "choir": Ensemble(formants=_VOWEL_A, slope=0.9, cutoff=4500, width=22.0, attack=0.15),
    "pad": Ensemble(slope=1.0, cutoff=1800, width=20.0, attack=0.3, release=0.5),
    "sweep": Ensemble(slope=0.6, cutoff=3500, width=25.0, attack=0.2, release=0.4),
    "crunch": Pluck(decay=2.5, damping=0.4, brightness=4500, position=0.15),
    "fuzz": Pluck(decay=4.0, damping=0.35, brightness=5000, position=0.12),
    "lead-guitar": Pluck(decay=3.5, damping=0.4, brightness=4000, position=0.2),
    "fuzz-lead": Pluck(decay=5.0, damping=0.4, brightness=4000, position=0.2),
}

# fmt: on

#: Instruments whose chords go through an amplifier as one signal.
AMPLIFIERS: dict[str, Amplifier] = {
    "crunch": Amplifier(gain=1.6),
    "fuzz": Amplifier(gain=9.0, low=75, high=4800),
    "lead-guitar": Amplifier(gain=2.2, low=200, high=3800),
    "fuzz-lead": Amplifier(gain=8.0, low=250, high=4500),
    "organ": Amplifier(gain=0.5, low=60, high=6000),
    "growl": Amplifier(gain=3.0, low=150, high=5500),
}


def play(
    name: str,
    frequencies: Sequence[float],
    seconds: float,
    tone: Tone,
    rng: np.random.Generator,
) -> Samples:
    """Play a note or a chord.

    Parameters
    ----------
    name : str
        A key of `INSTRUMENTS`.
    frequencies : sequence of float
        The pitches, Hz.
    seconds : float
        How long they are held; at most 10 less the instrument's release.
    tone : Tone
        The player's own sound.
    rng : numpy.random.Generator
        For the noise in the attack and the like.

    Returns
    -------
    Samples
        float32, shape (n,), n a little more than `seconds` at 22,050 Hz; of no particular level.
    """
    notes = [INSTRUMENTS[name].render(pitch, seconds, tone, rng) for pitch in frequencies]
    chord = notes[0]
    for note in notes[1:]:
        chord = chord + note
    amplifier = AMPLIFIERS.get(name)
    return amplifier.play(chord, tone) if amplifier else chord
