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
        from backbeat.frontend.musicnn import runtime, spectra

        if self.output == "features":
            return (_PATCHES, 1, runtime.FEATURES)
        return (_PATCHES, spectra.PATCH_FRAMES, spectra.N_MELS)

    def extract(self, samples: Array) -> Array:
        """Give patches, shape (m, 187, 96), spread evenly, or features of each, shape (m, 1, 1706).

        A window has ten; a song shorter than 29 s fewer.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            Mono samples at 16 kHz, full scale 1.
        """
        from backbeat.frontend.musicnn import runtime, spectra

        whole = len(samples) >= self.min_samples
        count = _PATCHES if whole else max(1, int(len(samples) / _SAMPLE_RATE / self.slice_seconds))
        patches = spectra.spread_patches(spectra.spectrogram(samples), count)
        if self.output == "patches":
            return patches
        return runtime.features_of(runtime.shipped_musicnn()(patches))[:, np.newaxis]
