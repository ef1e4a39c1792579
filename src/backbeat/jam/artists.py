"""The fictional artists: each one's lasting tastes and sound, drawn once from the seed.

A collection's songs share far more within an artist than within a genre, as records do; that is
what makes a split by artists harder than a random one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from backbeat.jam.basics import GENRES, generator
from backbeat.jam.drums import Kit
from backbeat.jam.instruments import Tone
from backbeat.jam.orchestra import INSTRUMENTS
from backbeat.jam.styles import NEIGHBOURS

#: Artists a genre; track i is by artist i % ARTISTS, so that small collections have them all.
ARTISTS = 8

#: How far artists stray from their genre. These were set so that a small CNN finds random slices
#: neither trivial nor hopeless, and other artists' songs harder.
TILT_SPREAD = 2.4
TONE_SPREAD = 0.25
LEVEL_SPREAD = 1.6
BALANCE_SPREAD = 2.0

_FIRST = (
    "Amber", "Broken", "Crooked", "Distant", "Electric", "Faded", "Gilded", "Hollow", "Idle",
    "Jagged", "Lonesome", "Midnight", "Northern", "Painted", "Quiet", "Restless", "Silver",
    "Tangled", "Velvet", "Wandering",
)  # fmt: skip
_LAST = {
    "blues": "Catfish Ferrymen Lanterns Porches Railmen Riverboats Shanties Washboards",
    "classical": "Chamber Consort Ensemble Kapelle Orchestra Philharmonic Players Sinfonia",
    "country": "Buckles Cattlemen Drifters Haylofts Homesteads Prairies Saddles Wranglers",
    "disco": "Chandeliers Dancefloors Glitter Mirrorballs Neons Roller Satins Spotlights",
    "hiphop": "Breakers Corners Cyphers Decks Rhymers Samplers Syndicate Turntables",
    "jazz": "Messengers Octet Quartet Quintet Septet Sextet Syncopators Trio",
    "metal": "Anvils Catacombs Furnaces Gallows Hammers Obelisks Ravens Wardens",
    "pop": "Balloons Bubbles Confetti Daydreams Fireflies Kites Postcards Sherbets",
    "reggae": "Breezes Dubbers Islanders Palms Riddims Skankers Sunbeams Tides",
    "rock": "Amplifiers Boulders Engines Feedback Highways Mavericks Pistons Strangers",
}
WORDS = (
    "Morning", "River", "Fire", "Shadow", "Window", "Letter", "Winter", "Harbour", "Engine",
    "Garden", "Mirror", "Thunder", "Paper", "Summer", "Stone", "Ocean", "Candle", "Street",
    "Echo", "Wire", "Autumn", "Station", "Feather", "Copper", "Valley", "Signal",
)  # fmt: skip


@dataclass(frozen=True)
class Artist:
    """One fictional artist.

    Attributes
    ----------
    name, albums : str, tuple of str
        What goes into the files' tags.
    favourite : float
        Which of the genre's styles it prefers, as a fraction of their number.
    tempo : float
        Where in the style's tempo range it feels at home, as a share of it.
    swing : float
        Added to the style's swing.
    taste : mapping of str to float
        Liking for each instrument; the most liked of a part's candidates is cast.
    tones : mapping of str to Tone
        Its own sound on each instrument.
    thrift : float
        In 0..1; parts whose `chance` is below it are not in the band.
    balance : mapping of str to float
        dB added to each role ("drums" among them).
    kit : mapping of str to float
        Ratios by which each of the drum kit's parameters departs.
    tilt : tuple of float
        dB added to the mix at `style.Master`'s seven frequencies.
    level, wet, reverb, squash : float
        dB of loudness; ratios of reverberation level, its time, and compression.
    neighbour : str
        The genre it borrows from.
    openness : float
        How readily it does, 0 to 1.
    """

    name: str
    albums: tuple[str, ...]
    favourite: float
    tempo: float
    swing: float
    taste: Mapping[str, float]
    tones: Mapping[str, Tone]
    thrift: float
    balance: Mapping[str, float]
    kit: Mapping[str, float]
    tilt: tuple[float, ...]
    level: float
    wet: float
    reverb: float
    squash: float
    neighbour: str
    openness: float

    def tune(self, kit: Kit) -> Kit:
        """Give `kit` this artist's tuning."""
        changes = {name: getattr(kit, name) * ratio for name, ratio in self.kit.items()}
        changes["snare_noise"] = min(changes["snare_noise"], 0.95)
        return replace(kit, **changes)


def draw_artist(genre: str, number: int, seed: int) -> Artist:
    """Draw artist `number` (0 to ``ARTISTS - 1``) of `genre` in the collection of `seed`."""
    place = GENRES.index(genre)
    rng = generator(seed, 2, place, number)
    # Names are dealt like cards, so that no two artists share one.
    firsts = generator(seed, 3).permutation(len(_FIRST))
    lasts = generator(seed, 4, place).permutation(ARTISTS)
    name = f"The {_FIRST[firsts[(number + 2 * place) % len(_FIRST)]]} "
    name += _LAST[genre].split()[lasts[number]]
    words = [str(word) for word in rng.choice(WORDS, 6, replace=False)]
    roles = ("bass", "comp", "pad", "arp", "riff", "lead", "answer", "drums")
    return Artist(
        name=name,
        albums=tuple(f"{words[2 * i]} {words[2 * i + 1]}" for i in range(2 + number % 2)),
        favourite=float(rng.random()),
        tempo=float(rng.beta(1.2, 1.2)),
        swing=float(rng.normal(0, 0.015)),
        taste={name: float(rng.gumbel()) for name in sorted(INSTRUMENTS)},
        tones={name: _tone(rng) for name in sorted(INSTRUMENTS)},
        thrift=float(rng.random()),
        balance={role: float(rng.normal(0, BALANCE_SPREAD)) for role in roles},
        kit={field.name: _ratio(rng, 0.14) for field in fields(Kit)},
        tilt=draw_tilt(rng, TILT_SPREAD),
        level=float(rng.normal(0, LEVEL_SPREAD)),
        wet=_ratio(rng, 0.4),
        reverb=_ratio(rng, 0.25),
        squash=_ratio(rng, 0.25),
        neighbour=str(rng.choice(NEIGHBOURS[genre])),
        openness=float(rng.beta(1.5, 1.5)),
    )


def draw_tilt(rng: np.random.Generator, spread: float) -> tuple[float, ...]:
    """Draw a mix's colour: dB at seven frequencies, neighbours alike, of deviation `spread`."""
    rough = rng.normal(0, spread, 9)
    smooth = np.convolve(rough, (0.5, 0.7, 0.5), "valid")
    return tuple(float(gain) for gain in smooth - smooth.mean())


def _tone(rng: np.random.Generator) -> Tone:
    return Tone(
        brightness=_ratio(rng, TONE_SPREAD),
        attack=_ratio(rng, TONE_SPREAD),
        vibrato=_ratio(rng, TONE_SPREAD),
        size=_ratio(rng, 0.25 * TONE_SPREAD),
        decay=_ratio(rng, TONE_SPREAD),
    )


def _ratio(rng: np.random.Generator, spread: float) -> float:
    return float(np.exp(rng.normal(0, spread)))
