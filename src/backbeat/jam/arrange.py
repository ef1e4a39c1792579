"""Arranging: from a style and an artist, decide everything about a song before it sounds."""

from dataclasses import dataclass, replace

import numpy as np

from backbeat.jam.artists import Artist
from backbeat.jam.basics import SECONDS
from backbeat.jam.drums import Kit
from backbeat.jam.harmony import Chord, parse_chord
from backbeat.jam.style import Part, Style
from backbeat.jam.styles import STYLES

#: How often a song borrows a groove, a harmony, a player; and how often another genre's whole band
#: sits in for a phrase. Multiplied by the artist's openness.
BORROW_GROOVE = 0.3
BORROW_HARMONY = 0.35
BORROW_PLAYER = 0.4
GUEST_PHRASE = 0.2

#: Energies of a song's phrases; an excerpt begins anywhere in them.
_FORMS = (
    (0.45, 0.7, 0.95, 0.6, 0.95),
    (0.7, 0.9, 0.7, 1.0),
    (0.3, 0.6, 0.8, 1.0, 0.5),
    (0.9, 0.9, 0.55, 0.9),
    (0.6, 0.6, 0.8, 0.8, 1.0),
)


@dataclass(frozen=True)
class Player:
    """A part, who plays it, and its two patterns: the usual one and the one for other phrases."""

    part: Part
    instrument: str
    patterns: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Band:
    """The players of one arrangement, with the drummer's two grooves, kit and level (dB)."""

    players: tuple[Player, ...]
    grooves: tuple[tuple[str, ...], tuple[str, ...]]
    kit: Kit
    drums: float
    drums_enter: float


@dataclass(frozen=True)
class Phrase:
    """A stretch of bars: its energy (0 to 1), which band plays, whether patterns alternate."""

    energy: float
    band: int
    other: bool


@dataclass(frozen=True)
class Plan:
    """A song before it sounds.

    Attributes
    ----------
    style : Style
        Its style, of which metre, feel and master are used.
    beat : float
        Seconds a beat.
    lead_in : float
        Seconds of its first bar that lie before the excerpt.
    key : int
        MIDI pitch of the key note, 60 to 71.
    scale : str
        For the melodies.
    chords : tuple of tuple of Chord
        The progression, bar by bar; it repeats.
    bands : tuple of Band
        The band, and perhaps a guest band.
    phrases : tuple of Phrase
        They cover the excerpt.
    phrase_bars : int
        Bars a phrase.
    """

    style: Style
    beat: float
    lead_in: float
    key: int
    scale: str
    chords: tuple[tuple[Chord, ...], ...]
    bands: tuple[Band, ...]
    phrases: tuple[Phrase, ...]
    phrase_bars: int

    @property
    def bar(self) -> float:
        """Seconds a bar."""
        return self.beat * self.style.beats

    @property
    def bars(self) -> int:
        """The number of bars begun within the excerpt."""
        return int((SECONDS + self.lead_in) / self.bar) + 1

    def chord(self, bar: int, place: float) -> Chord:
        """Give the chord at `place` (0 to 1) in `bar`."""
        halves = self.chords[bar % len(self.chords)]
        return halves[min(int(place * len(halves)), len(halves) - 1)]

    def seconds(self, bar: int, place: float) -> float:
        """Give the time of `place` (0 to 1) in `bar`, seconds from the excerpt's beginning."""
        style = self.style
        if style.swing != 0.5:
            pairs = style.beats * (2 if style.sixteenths else 1)
            whole, part = divmod(place * pairs, 1.0)
            late = style.swing
            part = part * 2 * late if part < 0.5 else late + (part - 0.5) * 2 * (1 - late)
            place = (whole + part) / pairs
        time = (bar + place) * self.bar
        if style.rubato:
            time += style.rubato * self.beat * 4 * float(np.sin(time * 0.9))
        return time - self.lead_in


def arrange(genre: str, artist: Artist, rng: np.random.Generator) -> Plan:
    """Arrange a song of `genre` as `artist` would."""
    styles = STYLES[genre]
    chosen = int(artist.favourite * len(styles))
    if rng.random() < 0.25:
        chosen = int(rng.integers(len(styles)))
    style = styles[chosen]
    style = replace(style, swing=float(np.clip(style.swing + artist.swing, 0.5, 0.68)))
    others = [other for other in STYLES[artist.neighbour] if other.beats == style.beats]
    other = others[int(rng.integers(len(others)))] if others else style
    open_to = 2 * artist.openness

    fastness = float(np.clip(rng.normal(artist.tempo, 0.15), 0, 1))
    beat = 60 / (style.tempo[0] + fastness * (style.tempo[1] - style.tempo[0]))
    harmonies = style.harmonies
    if rng.random() < BORROW_HARMONY * open_to:
        harmonies = other.harmonies
    harmony = harmonies[int(rng.integers(len(harmonies)))]
    chords = tuple(tuple(map(parse_chord, bar.split("/"))) for bar in harmony.bars.split())

    bands = [_band(style, other, artist, rng, open_to)]
    if other is not style:
        bands.append(_band(other, style, artist, rng, 0.0))
    bar = beat * style.beats
    phrase_bars = 4 if bar < 2.6 else 2
    return Plan(
        style=style,
        beat=beat,
        lead_in=float(rng.random() * bar),
        key=60 + int(rng.integers(12)),
        scale=harmony.scale,
        chords=chords,
        bands=tuple(bands),
        phrases=_phrases(len(bands), int(40 / (bar * phrase_bars)) + 2, rng, open_to),
        phrase_bars=phrase_bars,
    )


def _phrases(
    bands: int, count: int, rng: np.random.Generator, open_to: float
) -> tuple[Phrase, ...]:
    form = _FORMS[int(rng.integers(len(_FORMS)))]
    first = int(rng.integers(len(form)))
    guest = -1
    if bands > 1 and rng.random() < GUEST_PHRASE * open_to:
        guest = int(rng.integers(3))
    return tuple(
        Phrase(
            energy=float(np.clip(form[(first + number) % len(form)] + rng.normal(0, 0.06), 0, 1)),
            band=int(number == guest),
            other=bool(rng.random() < 0.4),
        )
        for number in range(count)
    )


def _band(
    style: Style, other: Style, artist: Artist, rng: np.random.Generator, open_to: float
) -> Band:
    parts = [part for part in style.parts if part.chance >= artist.thrift or part.chance == 1]
    if rng.random() < BORROW_PLAYER * open_to:
        # A neighbour's way with one role, or one voice more.
        guest = other.parts[int(rng.integers(len(other.parts)))]
        parts = [part for part in parts if part.role != guest.role] + [guest]
    grooves = style.grooves
    kit = style.kit
    if rng.random() < BORROW_GROOVE * open_to:
        grooves, kit = other.grooves, other.kit
    drummer: list[tuple[str, ...]] = [()] * 2
    if grooves:
        drummer = [grooves[int(rng.integers(len(grooves)))] for _ in range(2)]
    return Band(
        players=tuple(_cast(part, artist, rng) for part in parts),
        grooves=(drummer[0], drummer[1]),
        kit=artist.tune(kit),
        drums=style.drums + artist.balance["drums"],
        drums_enter=style.drums_enter,
    )


def _cast(part: Part, artist: Artist, rng: np.random.Generator) -> Player:
    """Choose who plays `part`: nearly always the artist's favourite."""
    liking = [artist.taste[name] + rng.gumbel(0, 0.4) for name in part.instruments]
    usual, rare = (
        tuple(part.patterns[int(rng.integers(len(part.patterns)))].split("|")) for _ in range(2)
    )
    return Player(part, part.instruments[int(np.argmax(liking))], (usual, rare))
