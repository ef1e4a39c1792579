"""Performing: each player's part of a plan becomes a stem."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from backbeat.jam.arrange import Band, Phrase, Plan, Player
from backbeat.jam.artists import Artist
from backbeat.jam.basics import LENGTH, SAMPLE_RATE, Samples
from backbeat.jam.drums import hit
from backbeat.jam.harmony import Chord, frequency, place, scale_pitches, voicing
from backbeat.jam.orchestra import play

#: Drums' levels against each other.
_DRUM_LEVELS = {
    "kick": 1.0, "snare": 0.75, "brush": 0.3, "rim": 0.5, "hat": 0.25, "open": 0.25, "ride": 0.3,
    "crash": 0.4, "tom": 0.7, "floor": 0.7, "clap": 0.55, "shaker": 0.18, "tambourine": 0.2,
    "conga": 0.4, "cowbell": 0.5, "timpani": 0.9, "scratch": 0.4,
}  # fmt: skip
_STROKES = {"X": 1.0, "x": 0.8, "o": 0.5, "-": 0.28}
#: Fills for the last bar of a phrase, on the grid of sixteenths and on that of triplets.
_FILLS = (
    (("snare", "............xxxX"),),
    (("tom", "............xx.."), ("floor", "..............xX")),
    (("snare", "........x.xx...."), ("floor", "............xxxx")),
    (("snare", "..........x..x.X"),),
)
_TRIPLE_FILLS = (
    (("snare", ".........xxX"),),
    (("snare", "......x.x..."), ("floor", ".........x.X")),
    (("tom", "........x..."), ("floor", ".........x.X")),
)
#: Longest note, s.
_LONGEST = 8.0


#: A drum and one bar of its strokes.
Line: TypeAlias = tuple[str, str]


class Note(NamedTuple):
    """Pitches (MIDI) sounding together for `seconds` from `start` (s), with loudness `force`."""

    start: float
    seconds: float
    pitches: tuple[int, ...]
    force: float


def perform_player(
    player: Player, number: int, plan: Plan, artist: Artist, rng: np.random.Generator
) -> Samples:
    """Play one player's part where band `number` sounds.

    Returns
    -------
    Samples
        float32, shape (661500,), of no particular level; all zero if the part never enters.
    """
    stem = np.zeros(LENGTH, dtype=np.float32)
    tone = artist.tones[player.instrument]
    rendered: dict[tuple[tuple[int, ...], int], Samples] = {}
    melodic = player.part.role in ("lead", "answer")
    notes = _melody(player, number, plan, rng) if melodic else _figures(player, number, plan, rng)
    for note in notes:
        # Equal notes are played once and pasted; 20 ms is too fine a difference to hear.
        length = max(2, round(min(note.seconds, _LONGEST) / 0.02))
        key = (note.pitches, length)
        if key not in rendered:
            pitches = [frequency(pitch) for pitch in note.pitches]
            rendered[key] = play(player.instrument, pitches, length * 0.02, tone, rng)
        late = rng.normal(0, plan.style.loose)
        paste(stem, rendered[key], note.start + late, note.force * (0.92 + 0.16 * rng.random()))
    return stem


def perform_drums(band: Band, number: int, plan: Plan, rng: np.random.Generator) -> Samples:
    """Play band `number`'s drums: a stem of the clip's length, shape (n,)."""
    stem = np.zeros(LENGTH, dtype=np.float32)
    strokes: dict[str, tuple[Samples, Samples]] = {}
    loose = plan.style.loose * 0.6
    for bar, phrase, last in _bars(plan, number):
        if phrase.energy < band.drums_enter or not band.grooves[0]:
            continue
        lines = [_line(line) for line in band.grooves[phrase.other]]
        drumkit = any(drum in ("kick", "snare") for drum, _ in lines)
        if drumkit and last and rng.random() < 0.6:
            lines = _fill_in(lines, plan.style.beats == 3, rng)
        if drumkit and bar % plan.phrase_bars == 0 and phrase.energy > 0.75:
            lines.append(("crash", "x" + "." * 15))
        force = 0.5 + 0.5 * phrase.energy
        for drum, pattern in lines:
            if drum not in strokes:
                strokes[drum] = (hit(drum, band.kit, rng), hit(drum, band.kit, rng))
            for step, mark in enumerate(pattern):
                if mark != ".":
                    start = plan.seconds(bar, step / len(pattern)) + rng.normal(0, loose)
                    gain = _STROKES[mark] * _DRUM_LEVELS[drum] * force
                    paste(stem, strokes[drum][step % 2], start, gain * (0.85 + 0.3 * rng.random()))
    return stem


def paste(stem: Samples, samples: Samples, start: float, gain: float) -> None:
    """Add samples to a stem; what lies outside is cut off.

    Parameters
    ----------
    stem : ndarray of float32, shape (n,)
        Is changed.
    samples : ndarray of float32, shape (m,)
    start : float
        In s from the stem's beginning; may be negative.
    gain : float
        Factor of the samples.
    """
    first = round(start * SAMPLE_RATE)
    skip = max(0, -first)
    stop = min(len(stem), first + len(samples))
    if stop > first + skip:
        stem[first + skip : stop] += samples[skip : stop - first] * np.float32(gain)


def _line(text: str) -> Line:
    """Read a line of a groove: a drum and its pattern."""
    drum, pattern = text.split()
    return drum, pattern


def _fill_in(lines: list[Line], triple: bool, rng: np.random.Generator) -> list[Line]:
    """Let a fill take the place of what `lines` play from where it begins."""
    # A groove of twelve steps is a shuffle, against which sixteenths would stumble.
    fills = _TRIPLE_FILLS if triple or len(lines[0][1]) == 12 else _FILLS
    fill = fills[int(rng.integers(len(fills)))]
    begins = min((len(pattern) - len(pattern.lstrip("."))) / len(pattern) for _, pattern in fill)
    kept = []
    for drum, pattern in lines:
        keep = int(np.ceil(begins * len(pattern)))
        kept.append((drum, pattern[:keep] + "." * (len(pattern) - keep)))
    return kept + list(fill)


def _bars(plan: Plan, band: int) -> Iterator[tuple[int, Phrase, bool]]:
    """Yield the bars that `band` plays: number, phrase, and whether it is the phrase's last."""
    for bar in range(plan.bars):
        phrase = plan.phrases[bar // plan.phrase_bars]
        if phrase.band == band:
            yield bar, phrase, (bar + 1) % plan.phrase_bars == 0


def _onsets(
    player: Player, plan: Plan, band: int
) -> Iterator[tuple[int, Phrase, str, float, float]]:
    """Yield each onset of `player`: bar, phrase, mark, place and end in the bar (0 to 1)."""
    for bar, phrase, _ in _bars(plan, band):
        if phrase.energy < player.part.enter:
            continue
        patterns = player.patterns[phrase.other]
        pattern = patterns[bar % len(patterns)]
        steps = [step for step, mark in enumerate(pattern) if mark != "."]
        for step, following in zip(steps, [*steps[1:], len(pattern)], strict=False):
            yield bar, phrase, pattern[step], step / len(pattern), following / len(pattern)


def _figures(player: Player, band: int, plan: Plan, rng: np.random.Generator) -> Iterator[Note]:
    """Play what follows the chords: bass lines, comping, broken chords, riffs."""
    part = player.part
    walking = part.centre
    for bar, phrase, mark, here, end in _onsets(player, plan, band):
        chord = plan.chord(bar, here)
        root = place(plan.key + chord.root, part.centre)
        start = plan.seconds(bar, here)
        held = (plan.seconds(bar, end) - start) * part.gate
        force = 0.5 + 0.5 * phrase.energy
        match mark:
            case "x" | "X":
                pitches = voicing(chord, plan.key, part.centre)
                force *= 1.25 if mark == "X" else 1.0
            case "s":
                pitches, held = voicing(chord, plan.key, part.centre), min(held, 0.11)
            case "p":
                pitches = (root, root + 7, root + 12)
            case "m":
                pitches, held, force = (root, root + 7), min(held, 0.09), force * 0.85
            case "a":
                ahead = plan.chord(bar + (end >= 1), end % 1.0)
                target = place(plan.key + ahead.root, part.centre)
                pitches = (target + (1 if rng.random() < 0.5 else -1),)
            case "w":
                walking = _walk(walking, chord, plan, part.centre, here == 0, rng)
                pitches = (walking,)
            case _:
                pitches = (root + _interval(mark, chord),)
        yield Note(start, max(held, 0.04), pitches, force)


def _interval(mark: str, chord: Chord) -> int:
    """Give the semitones above the root that a digit stands for."""
    named = {"1": 0, "2": 2, "3": chord.third, "4": 5, "5": 7, "6": 9, "7": chord.seventh, "8": 12}
    return named[mark]


def _walk(
    pitch: int, chord: Chord, plan: Plan, centre: int, strong: bool, rng: np.random.Generator
) -> int:
    """Take a walking bass's next step: roots on the bar, else near notes of chord and scale."""
    if strong:
        return place(plan.key + chord.root, centre)
    near = scale_pitches(plan.scale, plan.key, centre - 8, centre + 9)
    near += [place(plan.key + chord.root + step, centre) for step in chord.intervals]
    choices = [other for other in near if 0 < abs(other - pitch) <= 5] or near
    return choices[int(rng.integers(len(choices)))]


def _melody(player: Player, band: int, plan: Plan, rng: np.random.Generator) -> Iterator[Note]:
    """Play a melody: a motif that returns, on the scale, resting on the chord at strong beats."""
    part = player.part
    scale = scale_pitches(plan.scale, plan.key, part.centre - 9, part.centre + 10)
    # One contour for each bar of a phrase; the third repeats the first, as tunes do.
    contours = [rng.integers(-2, 3, 32) for _ in range(3)]
    order = (0, 1, 0, 2)
    level, step, current = len(scale) // 2, 0, -1
    for bar, phrase, mark, here, end in _onsets(player, plan, band):
        if bar != current:
            current, step = bar, 0
            level = len(scale) // 2 + round(3 * (phrase.energy - 0.6))
        level += int(contours[order[bar % 4]][step % 32])
        level = int(np.clip(level, 0, len(scale) - 1))
        step += 1
        pitch = scale[level]
        if (here * plan.style.beats) % 1 == 0:
            chord = plan.chord(bar, here)
            tones = voicing(chord, plan.key, pitch)
            pitch = min(tones, key=lambda tone: abs(tone - pitch))
        start = plan.seconds(bar, here)
        held = (plan.seconds(bar, end) - start) * part.gate
        accent = 1.15 if mark == "X" else 1.0
        yield Note(start, min(held, 2.5), (pitch,), (0.6 + 0.4 * phrase.energy) * accent)
