"""MusiCNN's front-end at full resolution: patches of 3 s, or MusiCNN's features of each."""

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Array = npt.NDArray[np.float32]

_SAMPLE_RATE = 16_000
_PATCHES = 10  # of half a minute


class Musicnn(BaseModel):
    """Half minutes at 16 kHz as MusiCNN was trained on: 96 mel bands every 16 ms.

    Attributes
    ----------
    output : {"features", "patches"}
        What is extracted: MusiCNN's features of each patch (what a store keeps: 23 kB for half a
        minute, where its patches would be 720), or the patches themselves (what the network of a
        bundle takes).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["musicnn"] = "musicnn"
    output: Literal["features", "patches"] = "features"

    # In Hz and seconds; as for `LogMel`, a "30 s" clip may last 29 to 30.4 s.
    sample_rate: ClassVar[int] = _SAMPLE_RATE
    seconds: ClassVar[float] = 30.0
    window_samples: ClassVar[int] = 30 * _SAMPLE_RATE
    slack_samples: ClassVar[int] = _SAMPLE_RATE
    min_samples: ClassVar[int] = 29 * _SAMPLE_RATE
    min_answer_samples: ClassVar[int] = 3 * _SAMPLE_RATE  # a patch
    slice_seconds: ClassVar[float] = 30.0 / _PATCHES  # from one patch to the next

    @property
    def shape(self) -> tuple[int, int, int]:
        """What `extract` gives of a whole window: (patches, frames, bands or features)."""
        from backbeat.frontend.musicnn import frontend, runtime

        if self.output == "features":
            return (_PATCHES, 1, runtime.FEATURES)
        return (_PATCHES, frontend.PATCH_FRAMES, frontend.N_MELS)

    def extract(self, samples: Array) -> Array:
        """Give patches, shape (m, 187, 96), spread evenly, or features of each, shape (m, 1, 1706).

        A window has ten; a song shorter than 29 s fewer.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            Mono samples at 16 kHz, full scale 1.
        """
        from backbeat.frontend.musicnn import frontend, runtime

        whole = len(samples) >= self.min_samples
        count = _PATCHES if whole else max(1, int(len(samples) / _SAMPLE_RATE / self.slice_seconds))
        patches = frontend.spread_patches(frontend.spectrogram(samples), count)
        if self.output == "patches":
            return patches
        return runtime.features_of(runtime.shipped_musicnn()(patches))[:, np.newaxis]
