"""Features that were made elsewhere, as vectors: no front-end at all, in the place of one."""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from backbeat.errors import BackbeatError

Array = npt.NDArray[np.float32]


class Vectors(BaseModel):
    """Vectors that stand for songs or parts of them; no samples can be turned into such.

    Attributes
    ----------
    size : int
        Columns: numbers in a vector.
    columns : tuple of str
        What they are called, in their order; empty if that is not known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["vectors"] = "vectors"
    size: Annotated[int, Field(gt=0, le=100_000)]
    columns: tuple[str, ...] = ()

    # Of samples, which there are none of.
    sample_rate: ClassVar[int] = 1
    window_samples: ClassVar[int] = 0
    slack_samples: ClassVar[int] = 0
    min_samples: ClassVar[int] = 0
    min_answer_samples: ClassVar[int] = 0
    seconds: ClassVar[float] = math.nan
    slice_seconds: ClassVar[float] = math.nan

    @property
    def shape(self) -> tuple[int, int, int]:
        """What a store holds of a part of a song: (1, 1, numbers)."""
        return (1, 1, self.size)

    def extract(self, samples: Array) -> Array:
        """Refuse to give any array: how the vectors were made is not known.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)

        Returns
        -------
        ndarray of float32, shape (0, 1, size)
            Never.

        Raises
        ------
        BackbeatError
            Always.
        """
        raise BackbeatError(
            f"features of {self.size} numbers that were made elsewhere cannot be computed from "
            "audio"
        )
