"""What a bundle holds of its calibration."""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator

MIN_SONGS = 50
"""What is fitted on fewer validation songs is said to be uncertain."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Unsure(_Strict):
    """Below which confidence an answer is withheld."""

    threshold: Share  # answers of less confidence are "unsure"
    max_error: Share  # the share of wrong answers that it was chosen for
    coverage: Share  # the share of the validation songs that it answers
    error: Share | None  # the share of those answers that is wrong; None where it answers none


class OutOfGenre(_Strict):
    """How strange music is distinguished from familiar music; see `strangeness`."""

    # Which output of the network songs are compared by
    space: Literal["logits", "embedding"] = "logits"
    # length k: of the training songs
    mean: tuple[float, ...]
    deviation: tuple[PositiveFloat, ...]
    # Training songs, standardised, k numbers each
    known: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1, max_length=10_000)]
    # Strangeness of the validation songs: least, ..., greatest, at even steps
    quantiles: Annotated[tuple[float, ...], Field(min_length=2, max_length=1_001)]
    # The share of less strange validation songs above which a song may be none of the genres
    threshold: Share = 0.95

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(np.diff(self.quantiles) < 0):
            raise ValueError("quantiles must not fall")
        if {len(self.mean), len(self.deviation), *map(len, self.known)} != {len(self.mean)}:
            raise ValueError("mean, deviation and known songs must be of as many numbers")
        return self

    def score(self, strangeness: float) -> float:
        """Give the share of validation songs that are less strange, in [0, 1]."""
        places = np.linspace(0, 1, len(self.quantiles))
        return float(np.interp(strangeness, self.quantiles, places))


class Calibration(_Strict):
    """What was fitted on the validation songs, so that answers say how sure they are."""

    # What logarithms of a song's and a slice's probabilities are divided by
    temperature: PositiveFloat = 1.0
    slice_temperature: PositiveFloat = 1.0
    # Validation songs that all of this was fitted on; 0 where nothing was
    songs: Annotated[int, Field(ge=0)] = 0
    unsure: Unsure | None = None
    out_of_genre: OutOfGenre | None = None

    @property
    def fitted(self) -> bool:
        """Whether there were validation songs to fit it on."""
        return self.songs > 0
