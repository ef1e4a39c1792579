"""MusiCNN: a network trained to tag music, used for its features.

MusiCNN [1]_ takes 3 s of a log-mel spectrogram, with filters that are tall (timbre) or long
(rhythm), and gives the probability of 50 tags. It was trained on the Million Song Dataset
(MSD); its features separate genres better than anything trained on GTZAN alone.

- `Musicnn`: the front-end;
- `spectra`: samples at 16 kHz to its input, (187 frames, 96 bands) a patch;
- `maps`: an approximation of the same from log-mel maps;
- `runtime`: the network as ONNX, without TensorFlow;
- `tags`: the names of its 50 outputs.

The weights are (c) Music Technology Group, Universitat Pompeu Fabra 2019, under the ISC licence
(in the file NOTICE), which every ONNX file made by ``tools/convert_musicnn.py`` contains.

References
----------
.. [1] J. Pons and X. Serra, "musicnn: pre-trained convolutional neural networks for music audio
   tagging", late-breaking demo, ISMIR 2019.
"""

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Array = npt.NDArray[np.float32]

_SAMPLE_RATE = 16_000
_PATCH_SECONDS = 3


class Musicnn(BaseModel):
    """Half minutes at 16 kHz as MusiCNN was trained on: 96 mel bands every 16 ms.

    Attributes
    ----------
    seconds : float
        Length of the stretches that are taken of songs.
    output : {"features", "patches"}
        What is extracted: MusiCNN's features of each patch (what a store keeps: 23 kB for half a
        minute, where its patches would be 720), or the patches themselves (what the network of a
        bundle takes).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["musicnn"] = "musicnn"
    output: Literal["features", "patches"] = "features"
    seconds: Annotated[float, Field(ge=_PATCH_SECONDS, le=3_600)] = 30.0

    sample_rate: ClassVar[int] = _SAMPLE_RATE  # in Hz

    @property
    def window_samples(self) -> int:
        """Samples in a window of a longer song."""
        return round(self.seconds * _SAMPLE_RATE)

    @property
    def slack_samples(self) -> int:
        """Samples past a window that still belong to it, as for `LogMel`."""
        return self.window_samples // 30

    @property
    def min_samples(self) -> int:
        """The shortest excerpt that training takes: a "30 s" clip may last 29 s."""
        return self.window_samples - self.slack_samples

    @property
    def min_answer_samples(self) -> int:
        """The shortest song that classifying takes: a patch."""
        return min(_PATCH_SECONDS * _SAMPLE_RATE, self.min_samples)

    @property
    def slice_seconds(self) -> float:
        """Seconds from one patch to the next: 3, or less where patches must overlap to cover it."""
        return self.seconds / math.ceil(self.seconds / _PATCH_SECONDS)

    @property
    def shape(self) -> tuple[int, int, int]:
        """What `extract` gives of a whole window: (patches, frames, bands or features)."""
        from backbeat.frontend.musicnn import runtime, spectra

        patches = round(self.seconds / self.slice_seconds)
        if self.output == "features":
            return (patches, 1, runtime.FEATURES)
        return (patches, spectra.PATCH_FRAMES, spectra.N_MELS)

    def extract(self, samples: Array) -> Array:
        """Give patches, shape (m, 187, 96), spread evenly, or features of each, shape (m, 1, 1706).

        A window of 30 s has ten; a song that is shorter than a window fewer.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            Mono samples at 16 kHz, full scale 1.
        """
        from backbeat.frontend.musicnn import runtime, spectra

        count = self.shape[0]
        if len(samples) < self.min_samples:
            count = max(1, int(len(samples) / _SAMPLE_RATE / self.slice_seconds))
        patches = spectra.spread_patches(spectra.spectrogram(samples), count)
        if self.output == "patches":
            return patches
        return runtime.features_of(runtime.shipped_musicnn()(patches))[:, np.newaxis]
