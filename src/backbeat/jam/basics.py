"""What every part of the synthetic collection shares: names, sizes and seeded generators."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

GENRES: tuple[str, ...] = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)
SAMPLE_RATE = 22050
SECONDS = 30
LENGTH = SAMPLE_RATE * SECONDS

#: Mono audio, float32, nominally within -1..1.
Samples: TypeAlias = NDArray[np.float32]


def generator(*key: int) -> np.random.Generator:
    """Make the random generator that belongs to `key` (seed, purpose, genre, number...).

    Nothing is drawn from a shared stream, so a track is the same whichever tracks come before it
    and in whichever process it is made.
    """
    return np.random.default_rng(np.random.SeedSequence(list(key)))


def sample_count(seconds: float) -> int:
    """Give the number of samples in `seconds`, at least one."""
    return max(1, round(seconds * SAMPLE_RATE))


def decibels(value: float) -> float:
    """Turn decibels into an amplitude ratio."""
    return float(10.0 ** (value / 20.0))
