"""Composing: one call makes a song, the same in every process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from backbeat.collections.jam.artists import (
    ARTISTS,
    WORDS,
    Artist,
    draw_artist,
    draw_tilt,
    generator,
)
from backbeat.collections.jam.harmony import Chord, parse_chord, place, scale_pitches, voicing
from backbeat.collections.jam.mix import mix
from backbeat.collections.jam.sounds import (
    DRUMS,
    LENGTH,
    SAMPLE_RATE,
    SECONDS,
    Floats,
    Rng,
    Samples,
    hit,
    play,
)
from backbeat.collections.jam.styles import GENRES, ROLES, STYLES, Part, Style

#: How often a song borrows a groove, a harmony, a player; times twice the artist's openness.
BORROW_GROOVE, BORROW_HARMONY, BORROW_PLAYER = 0.3, 0.35, 0.4
#: Standard deviation of a single song's mix around its artist's, dB.
SONG_TILT = SONG_LEVEL = 1.0
#: Standard deviation of the players' timing, s.
LOOSE = 0.007
PHRASE_BARS = 4
#: Energies of a song's phrases; an excerpt begins anywhere in them.
_FORMS = ((0.45, 0.7, 0.95, 0.6, 0.95), (0.3, 0.6, 0.8, 1.0, 0.5), (0.9, 0.9, 0.55, 0.9))
#: Longest note of some marks, s.
_LONGEST = {"s": 0.11, "m": 0.09}
_STROKES = {"X": 1.0, "x": 0.8, "o": 0.5, "-": 0.28}


@dataclass(frozen=True)
class Song:
    """Clip number `index` of a genre; its names are fictional.

    `samples` are float32, shape (661500,): 30 s at 22,050 Hz, mono, within -1..1.
    """

    genre: str
    index: int
    title: str
    artist: str
    album: str
    samples: Samples


def compose(genre: str, index: int, *, seed: int = 0) -> Song:
    """Compose and render one song, by the genre's artist number ``index % 8``.

    The song depends on the arguments alone, not on what else is composed. A ValueError if `genre`
    is not one of `GENRES`, or `index` or `seed` is negative.
    """
    if genre not in GENRES:
        raise ValueError(f"genre: {genre!r} is none of {', '.join(GENRES)}")
    if index < 0 or seed < 0:
        raise ValueError("index and seed must not be negative")
    artist = draw_artist(genre, index % ARTISTS, seed)
    rng = generator(seed, 1, GENRES.index(genre), index)
    words = rng.choice(WORDS, 2, replace=False)
    return Song(
        genre=genre,
        index=index,
        title=f"{words[0]} {words[1]} No. {index + 1}",
        artist=artist.name,
        album=artist.albums[index // ARTISTS % len(artist.albums)],
        samples=_render(arrange(genre, artist, rng), artist, rng),
    )


class Player(NamedTuple):
    """A part, what it is played on, and its two rhythms: the usual one, and one for variety."""

    part: Part
    instrument: str
    patterns: tuple[list[str], list[str]]


class Phrase(NamedTuple):
    """Four bars: their energy (0 to 1), and which of its two rhythms each player has."""

    energy: float
    variant: int


@dataclass(frozen=True)
class Plan:
    """A song before it sounds.

    `bar` is the seconds a bar, of which `lead_in` seconds of the first lie before the excerpt;
    `key` the MIDI pitch of the key note; `scale` is for melodies; `chords` repeat, bar by bar;
    `grooves` are the drummer's two rhythms: drums with their patterns.
    """

    style: Style
    bar: float
    lead_in: float
    key: int
    scale: str
    chords: list[list[Chord]]
    players: list[Player]
    grooves: list[list[list[str]]]
    phrases: list[Phrase]

    def chord(self, bar: int, place: float) -> Chord:
        """Give the chord at `place` (0 to 1) in `bar`."""
        halves = self.chords[bar % len(self.chords)]
        return halves[int(place * len(halves))]

    def seconds(self, bar: int, place: float) -> float:
        """Give the time of `place` (0 to 1) in `bar`, seconds from the excerpt's beginning."""
        beat, part = divmod(place * 4, 1.0)
        late = self.style.swing
        part = part * 2 * late if part < 0.5 else late + (part - 0.5) * 2 * (1 - late)
        return (bar + (beat + part) / 4) * self.bar - self.lead_in

    def bars(self) -> Iterator[tuple[int, Phrase]]:
        """Yield the number of each bar begun within the excerpt, and its phrase."""
        for bar in range(int((SECONDS + self.lead_in) / self.bar) + 1):
            yield bar, self.phrases[bar // PHRASE_BARS]


def arrange(genre: str, artist: Artist, rng: Rng) -> Plan:
    """Arrange a song of `genre` as `artist` would."""
    style, other = STYLES[genre], STYLES[artist.neighbour]

    def lender(chance: float) -> Style:
        return other if rng.random() < chance * 2 * artist.openness else style

    def pick(choices: Sequence[Any]) -> Any:
        return choices[int(rng.integers(len(choices)))]

    def cast(part: Part) -> Player:
        # It is nearly always the artist's favourite that plays.
        names = part.instruments.split()
        liking = [artist.taste[name] + rng.gumbel(0, 0.4) for name in names]
        usual, rare = (pick(part.patterns.split()).split("|") for _ in range(2))
        return Player(part, names[int(np.argmax(liking))], (usual, rare))

    fastness = float(np.clip(rng.normal(artist.tempo, 0.15), 0, 1))
    bar = 240 / (style.tempo[0] + fastness * (style.tempo[1] - style.tempo[0]))
    scale, chords = pick(lender(BORROW_HARMONY).harmonies).split(": ")
    grooves = lender(BORROW_GROOVE).grooves
    parts = [part for part in style.parts if ROLES[part.role].chance >= artist.thrift]
    if lender(BORROW_PLAYER) is other:
        # A neighbour's way with one role, or one voice more.
        guest = pick(other.parts)
        parts = [part for part in parts if part.role != guest.role] + [guest]
    form = pick(_FORMS)
    energies = np.roll(form * 8, int(rng.integers(len(form)))) + rng.normal(0, 0.06, 8 * len(form))
    return Plan(
        style=style,
        bar=bar,
        lead_in=float(rng.random() * bar),
        key=60 + int(rng.integers(12)),
        scale=scale,
        chords=[[parse_chord(half) for half in halves.split("/")] for halves in chords.split()],
        players=[cast(part) for part in parts],
        grooves=[[line.split() for line in pick(grooves).split(", ")] for _ in range(2)],
        phrases=[Phrase(max(energy, 0.25), int(rng.random() < 0.4)) for energy in energies],
    )


def _render(plan: Plan, artist: Artist, rng: Rng) -> Samples:
    """Play `plan` and mix it; float32, shape (661500,)."""
    style = plan.style
    # Drums are brief: their peaks stand far above the level that the mix sees.
    stems = [(_drum(plan, artist, rng), style.drums + 1 + artist.balance["drums"], 0.12)]
    for player in plan.players:
        level = player.part.level + artist.balance[player.part.role]
        stems.append((_play(player, plan, artist, rng), level, ROLES[player.part.role].send))
    return mix(
        stems,
        tilt=np.sum([style.tilt, artist.tilt, draw_tilt(rng, SONG_TILT)], axis=0),
        reverb=style.reverb,
        wet=2 * style.wet * artist.wet,
        loudness=min(style.loudness + artist.level + rng.normal(0, SONG_LEVEL), -11.0),
        rng=rng,
    )


def _play(player: Player, plan: Plan, artist: Artist, rng: Rng) -> Samples:
    """Play a part where it enters: a stem of the clip's length, of no particular level."""
    part = player.part
    stem = np.zeros(LENGTH, dtype=np.float32)
    rendered: dict[tuple[tuple[int, ...], int], Samples] = {}
    # One contour for each bar of a phrase; the third repeats the first, as tunes do.
    contours = rng.integers(-2, 3, (3, 16))[[0, 1, 0, 2]]
    for bar, phrase in plan.bars():
        if phrase.energy < ROLES[part.role].enter:
            continue
        patterns = player.patterns[phrase.variant]
        pattern = patterns[bar % len(patterns)]
        marks = pattern.replace(".", "")
        places = [step / len(pattern) for step, mark in enumerate(pattern) if mark != "."]
        times = [plan.seconds(bar, here) for here in [*places, 1.0]]
        if part.role in ("lead", "answer"):
            pitches = _melody(part, plan, bar, phrase.energy, places, contours[bar % 4])
        else:
            pitches = [_figure(part, plan, bar, *at, rng) for at in zip(places, marks, strict=True)]
        for number, mark in enumerate(marks):
            held = (times[number + 1] - times[number]) * part.gate
            # Equal notes are played once and pasted; 20 ms is an inaudible difference.
            length = max(2, round(min(held, _LONGEST.get(mark, 8.0)) / 0.02))
            key = (pitches[number], length)
            if key not in rendered:
                frequencies = [440 * 2 ** ((pitch - 69) / 12) for pitch in pitches[number]]
                tone = artist.tones[player.instrument]
                rendered[key] = play(player.instrument, frequencies, length * 0.02, tone, rng)
            gain = (0.5 + 0.5 * phrase.energy) * (0.92 + 0.16 * rng.random())
            _paste(stem, rendered[key], times[number] + rng.normal(0, LOOSE), gain)
    return stem


def _figure(part: Part, plan: Plan, bar: int, here: float, mark: str, rng: Rng) -> tuple[int, ...]:
    """Give the pitches of a mark of what follows the chords: bass lines, comping, riffs."""
    chord = plan.chord(bar, here)
    root = place(plan.key + chord.root, part.centre)
    match mark:
        case "x" | "s":
            return voicing(chord, plan.key, part.centre)
        case "p":
            return (root, root + 7, root + 12)
        case "m":
            return (root, root + 7)
        case "w":
            # A walking bass has roots on the bar, else near notes of the scale.
            near = scale_pitches(plan.scale, plan.key, root - 5, root + 7)
            return (near[int(rng.integers(len(near)))] if here else root,)
    return (root + chord.interval(mark),)


def _melody(
    part: Part, plan: Plan, bar: int, energy: float, places: list[float], contour: Floats
) -> list[tuple[int, ...]]:
    """Give a melody's pitches in a bar: on the scale, and on the chord at strong beats."""
    scale = scale_pitches(plan.scale, plan.key, part.centre - 9, part.centre + 10)
    level = len(scale) // 2 + round(3 * (energy - 0.6))
    pitches: list[tuple[int, ...]] = []
    for here, step in zip(places, contour, strict=False):
        level = int(np.clip(level + step, 0, len(scale) - 1))
        pitch = scale[level]
        if (here * 4) % 1 == 0:
            tones = voicing(plan.chord(bar, here), plan.key, pitch)
            pitch = min(tones, key=lambda tone: abs(tone - pitch))
        pitches.append((pitch,))
    return pitches


def _drum(plan: Plan, artist: Artist, rng: Rng) -> Samples:
    """Play the drums: a stem of the clip's length."""
    stem = np.zeros(LENGTH, dtype=np.float32)
    strokes: dict[str, tuple[Samples, Samples]] = {}
    for bar, phrase in plan.bars():
        lines = plan.grooves[phrase.variant]
        if bar % PHRASE_BARS == 0 and len(lines) > 2 and phrase.energy > 0.75:
            lines = [*lines, ["crash", "x..............."]]
        elif bar % PHRASE_BARS == PHRASE_BARS - 1 and len(lines) > 2 and rng.random() < 0.6:
            fill = ".........xxX" if len(lines[0][1]) == 12 else "............x.xX"
            lines = [*lines, ["tom", fill]]
        for drum, pattern in lines:
            if drum not in strokes:
                tone = artist.tones[drum]
                strokes[drum] = (hit(drum, tone, rng), hit(drum, tone, rng))
            for step, mark in enumerate(pattern):
                if mark != ".":
                    start = plan.seconds(bar, step / len(pattern)) + rng.normal(0, 0.6 * LOOSE)
                    gain = _STROKES[mark] * DRUMS[drum].level * (0.5 + 0.5 * phrase.energy)
                    _paste(stem, strokes[drum][step % 2], start, gain * (0.85 + 0.3 * rng.random()))
    return stem


def _paste(stem: Samples, samples: Samples, start: float, gain: float) -> None:
    """Add `samples` times `gain` to `stem` from `start` (s); what lies outside is cut off."""
    first = round(start * SAMPLE_RATE)
    skip = max(0, -first)
    stop = min(len(stem), first + len(samples))
    if stop > first + skip:
        stem[first + skip : stop] += samples[skip : stop - first] * np.float32(gain)
