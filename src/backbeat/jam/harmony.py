"""Harmony: scales, chords written as Roman numerals, voicings."""

import re
from dataclasses import dataclass

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "major-pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "bebop": (0, 2, 4, 5, 7, 8, 9, 10),
}

_DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_NUMERAL = re.compile(r"([b#]?)([ivIV]+)(maj7|m7b5|dim|sus|7|9|6|5)?")
_SUFFIXES: dict[str, tuple[int, ...]] = {
    "maj7": (0, 4, 7, 11),
    "m7b5": (0, 3, 6, 10),
    "dim": (0, 3, 6),
    "sus": (0, 5, 7),
    "5": (0, 7),
}


@dataclass(frozen=True)
class Chord:
    """A chord: its root in semitones above the key note, and its notes above the root."""

    root: int
    intervals: tuple[int, ...]

    @property
    def third(self) -> int:
        """The third (or the fourth or fifth that stands for it), semitones above the root."""
        return self.intervals[1]

    @property
    def seventh(self) -> int:
        """The seventh, or the octave in a triad, semitones above the root."""
        return self.intervals[3] if len(self.intervals) > 3 else 12


def parse_chord(numeral: str) -> Chord:
    """Read a Roman numeral: ``I``, ``ii7``, ``bVII``, ``V7``, ``Imaj7``, ``iv6``, ``I5``.

    Raises
    ------
    ValueError
        If it is none.
    """
    match = _NUMERAL.fullmatch(numeral)
    if match is None:
        raise ValueError(numeral)
    accidental, roman, suffix = match.groups()
    root = _DEGREES[roman.lower()] + {"b": -1, "#": 1, "": 0}[accidental]
    triad = (0, 4, 7) if roman.isupper() else (0, 3, 7)
    added = {"7": (10,), "9": (10, 14), "6": (9,), None: ()}
    return Chord(root % 12, _SUFFIXES.get(suffix) or triad + added[suffix])


def place(pitch: int, centre: int) -> int:
    """Move `pitch` (MIDI) by octaves to within six semitones of `centre`."""
    return (pitch - centre + 6) % 12 + centre - 6


def voicing(chord: Chord, key: int, centre: int) -> tuple[int, ...]:
    """Spread `chord` closely around `centre` (MIDI); close positions make smooth part-writing."""
    return tuple(sorted(place(key + chord.root + step, centre) for step in chord.intervals))


def scale_pitches(scale: str, key: int, low: int, high: int) -> list[int]:
    """Give the MIDI pitches of `scale` on `key` from `low` to `high`."""
    steps = {(key + step) % 12 for step in SCALES[scale]}
    return [pitch for pitch in range(low, high + 1) if pitch % 12 in steps]


def frequency(pitch: float) -> float:
    """Give the frequency (Hz) of a MIDI pitch."""
    return float(440.0 * 2 ** ((pitch - 69) / 12))
