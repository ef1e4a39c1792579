"""Composing: one call makes a song, the same on every machine and in every process."""

from dataclasses import dataclass, replace

import numpy as np

from backbeat.jam.arrange import Plan, arrange
from backbeat.jam.artists import ARTISTS, WORDS, Artist, draw_artist, draw_tilt
from backbeat.jam.basics import GENRES, LENGTH, Samples, decibels, generator
from backbeat.jam.mix import echo, level_of, master
from backbeat.jam.perform import perform_drums, perform_player

#: Standard deviation of a single song's mix around its artist's, dB.
SONG_TILT = 1.0
SONG_LEVEL = 1.0


@dataclass(frozen=True)
class Song:
    """A clip of the collection.

    Attributes
    ----------
    genre : str
        One of `GENRES`.
    index : int
        Its number within the genre.
    title, artist, album : str
        Fictional.
    samples : Samples
        float32, shape (661500,): 30 s at 22,050 Hz, mono, within -1..1.
    """

    genre: str
    index: int
    title: str
    artist: str
    album: str
    samples: Samples


def compose(genre: str, index: int, *, seed: int = 0) -> Song:
    """Compose and render one song.

    Parameters
    ----------
    genre : str
        One of `GENRES`.
    index : int
        The song's number, from 0. Song `index` is by the genre's artist ``index % 8``.
    seed : int
        The collection's seed.

    Returns
    -------
    Song
        It depends on the arguments alone, not on what else is composed.

    Raises
    ------
    ValueError
        If `genre` is not one of `GENRES`, or `index` or `seed` is negative.
    """
    if genre not in GENRES:
        raise ValueError(f"genre: {genre!r} is none of {', '.join(GENRES)}")
    if index < 0 or seed < 0:
        raise ValueError("index and seed must not be negative")
    artist = draw_artist(genre, index % ARTISTS, seed)
    rng = generator(seed, 1, GENRES.index(genre), index)
    words = rng.choice(len(WORDS), 2, replace=False)
    plan = arrange(genre, artist, rng)
    return Song(
        genre=genre,
        index=index,
        title=f"{WORDS[words[0]]} {WORDS[words[1]]} No. {index + 1}",
        artist=artist.name,
        album=artist.albums[index // ARTISTS % len(artist.albums)],
        samples=_render(plan, artist, rng),
    )


def _render(plan: Plan, artist: Artist, rng: np.random.Generator) -> Samples:
    """Play `plan` and mix it; float32, shape (661500,)."""
    dry = np.zeros(LENGTH, dtype=np.float32)
    wet = np.zeros(LENGTH, dtype=np.float32)

    def bring_in(stem: Samples, level: float, send: float) -> None:
        loudness = level_of(stem)
        if loudness:
            stem *= np.float32(decibels(level) / loudness)
            np.add(dry, stem, out=dry)
            np.add(wet, stem * np.float32(send), out=wet)

    for number, band in enumerate(plan.bands):
        if all(phrase.band != number for phrase in plan.phrases):
            continue
        for player in band.players:
            part = player.part
            stem = perform_player(player, number, plan, artist, rng)
            if part.echo:
                stem = echo(stem, plan.beat * 1.5, part.echo)
            bring_in(stem, part.level + artist.balance[part.role], part.send)
        # Drums are brief: their peaks stand far above the level that `level_of` sees.
        bring_in(perform_drums(band, number, plan, rng), band.drums + 1, 0.12)

    style = plan.style.master
    settings = replace(
        style,
        wet=style.wet * artist.wet * 2,
        reverb=style.reverb * artist.reverb,
        ratio=max(1.0, style.ratio * artist.squash),
        loudness=min(style.loudness + artist.level + rng.normal(0, SONG_LEVEL), -11.0),
    )
    return master(dry, wet, settings, (style.tilt, artist.tilt, draw_tilt(rng, SONG_TILT)), rng)
