"""What front-ends share: the numbers of a short-time Fourier transform on the mel scale."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

MOST_NUMBERS = 2**24  # in what is extracted of a window: 64 MB


class MelParameters(BaseModel):
    """What `Mfcc` and `LogMel` share: a short-time Fourier transform on the mel scale.

    The sample rate is in Hz, `n_fft` and `hop_length` are in samples, `top_db` in dB. The upper
    bounds lie far above any use, and low enough that parameters read from a damaged or
    hostile file cannot ask for all memory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sample_rate: Annotated[int, Field(gt=0, le=768_000)] = 22_050
    n_fft: Annotated[int, Field(gt=0, le=65_536)] = 2048
    hop_length: Annotated[int, Field(gt=0, le=65_536)] = 512
    n_mels: Annotated[int, Field(gt=0, le=1_024)] = 128
    top_db: PositiveFloat = 80.0
