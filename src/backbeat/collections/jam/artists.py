"""The fictional artists: each one's lasting tastes and sound, drawn once from the seed.

A collection's songs share far more within an artist than within a genre, as records do; that is
what makes a split by artists harder than a random one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from backbeat.collections.jam.sounds import DRUMS, INSTRUMENTS, Rng, Tone
from backbeat.collections.jam.styles import GENRES, ROLES, STYLES

#: Artists a genre; track i is by artist i % ARTISTS, so that small collections have them all.
ARTISTS = 8

#: How far artists stray from their genre, the first three in dB. These were set so that a small
#: CNN finds random slices neither trivial nor hopeless, and other artists' songs harder.
TILT_SPREAD, LEVEL_SPREAD, BALANCE_SPREAD, TONE_SPREAD = 2.4, 1.6, 2.0, 0.25

_LAST = ("Anvils", "Drifters", "Kites", "Lanterns", "Mavericks", "Players", "Satins", "Tides")
WORDS = (
    "Morning", "River", "Fire", "Shadow", "Window", "Letter", "Winter", "Harbour", "Engine",
    "Garden", "Mirror", "Thunder", "Paper", "Summer", "Stone", "Ocean", "Candle", "Street",
)  # fmt: skip


@dataclass(frozen=True)
class Artist:
    """One fictional artist.

    `tempo` is where in the genre's range it feels at home (0 to 1); `taste` its liking for each
    instrument, and `tones` its own sound on each instrument and drum. It lacks parts whose role's
    `chance` is below its `thrift`, and borrows from the genre `neighbour` as its `openness` (0 to
    1) has it. Of its mixes, `balance` is dB added to each role and "drums", `tilt` dB added at
    `mix.BANDS`, `level` dB of loudness; `wet` is a factor of the reverberation.
    """

    name: str
    albums: tuple[str, ...]
    tempo: float
    taste: Mapping[str, float]
    tones: Mapping[str, Tone]
    thrift: float
    balance: Mapping[str, float]
    tilt: tuple[float, ...]
    level: float
    wet: float
    neighbour: str
    openness: float


def generator(*key: int) -> Rng:
    """Make the random generator that belongs to `key` (seed, purpose, genre, number...).

    Nothing is drawn from a shared stream, so a track is the same whichever tracks come before it
    and in whichever process it is made.
    """
    return np.random.default_rng(np.random.SeedSequence(list(key)))


def draw_artist(genre: str, number: int, seed: int) -> Artist:
    """Draw artist `number` (0 to ``ARTISTS - 1``) of `genre` in the collection of `seed`."""
    index = GENRES.index(genre)
    rng = generator(seed, 2, index, number)
    # Names are dealt like cards, so that no two artists share one.
    card = generator(seed, 3).permutation(len(WORDS) * len(_LAST))[index * ARTISTS + number]
    words = [str(word) for word in rng.choice(WORDS, 6, replace=False)]

    def ratio(spread: float) -> float:
        return float(np.exp(rng.normal(0, spread)))

    def tone() -> Tone:
        # A change of size moves the formants, or a drum's pitch, and is the strongest.
        return Tone(*(ratio(TONE_SPREAD * share) for share in (1, 1, 0.4, 1)))

    return Artist(
        name=f"The {WORDS[card // len(_LAST)]} {_LAST[card % len(_LAST)]}",
        albums=tuple(f"{words[2 * i]} {words[2 * i + 1]}" for i in range(2 + number % 2)),
        tempo=float(rng.beta(1.2, 1.2)),
        taste={name: float(rng.gumbel()) for name in INSTRUMENTS},
        tones={name: tone() for name in (*INSTRUMENTS, *DRUMS)},
        thrift=float(rng.random()),
        balance={role: float(rng.normal(0, BALANCE_SPREAD)) for role in (*ROLES, "drums")},
        tilt=draw_tilt(rng, TILT_SPREAD),
        level=float(rng.normal(0, LEVEL_SPREAD)),
        wet=ratio(0.4),
        neighbour=str(rng.choice(STYLES[genre].neighbours.split())),
        openness=float(rng.beta(1.5, 1.5)),
    )


def draw_tilt(rng: Rng, spread: float) -> tuple[float, ...]:
    """Draw a mix's colour: dB at seven frequencies, neighbours alike, of deviation `spread`."""
    rough = rng.normal(0, spread, 9)
    smooth = np.convolve(rough, (0.5, 0.7, 0.5), "valid")
    return tuple(float(gain) for gain in smooth - smooth.mean())
