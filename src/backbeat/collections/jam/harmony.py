"""Harmony: scales, chords written as Roman numerals, voicings."""

import re
from dataclasses import dataclass

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "major-pentatonic": (0, 2, 4, 7, 9),
    "minor-pentatonic": (0, 3, 5, 7, 10),
    "bebop": (0, 2, 4, 5, 7, 8, 9, 10),
}

_DEGREES = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_NUMERAL = re.compile(r"(b?)([ivIV]+)(maj7|7|5)?")


@dataclass(frozen=True)
class Chord:
    """A chord: its root in semitones above the key note, and its notes above the root."""

    root: int
    intervals: tuple[int, ...]

    def interval(self, digit: str) -> int:
        """Give the semitones above the root of `digit`: 1 root, 3 third, 5 fifth... 8 octave."""
        third = self.intervals[1]
        seventh = self.intervals[3] if len(self.intervals) > 3 else 12
        return {"1": 0, "2": 2, "3": third, "4": 5, "5": 7, "6": 9, "7": seventh, "8": 12}[digit]


def parse_chord(numeral: str) -> Chord:
    """Read a Roman numeral: ``I``, ``ii7``, ``bVII``, ``V7``, ``Imaj7``, ``I5``."""
    match = _NUMERAL.fullmatch(numeral)
    assert match, numeral
    flat, roman, suffix = match.groups()
    third = 4 if roman.isupper() else 3
    intervals = {"5": (0, 7), "7": (0, third, 7, 10), "maj7": (0, 4, 7, 11)}
    root = (_DEGREES[roman.lower()] - len(flat)) % 12
    return Chord(root, intervals.get(suffix, (0, third, 7)))


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
