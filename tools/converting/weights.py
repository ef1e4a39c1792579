"""The published weights of MusiCNN: from the authors' wheel to the layers of `network`.

The wheel of ``musicnn`` 0.1.0 on PyPI holds checkpoints of TensorFlow 1. Its code no longer runs on
a current NumPy and is not needed: the checkpoints are only read.
"""

import hashlib
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, needing
from backbeat.frontend.musicnn.autotags import MSD
from backbeat.zoo.build import load_keras
from converting.network import MID_LAYERS, TEMPORAL_FRAMES, TIMBRAL_BANDS

Variables = dict[str, npt.NDArray[np.float32]]

REQUIREMENT = "musicnn==0.1.0"
WHEEL_NAME = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
# The 50 most frequent tags of MagnaTagATune (E. Law et al., ISMIR 2009), in the network's order.
MTT = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male",
    "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman",
    "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice", "weird",
    "country", "metal", "female voice", "choral",)  # fmt: skip
TAGS = {"msd": MSD, "mtt": MTT}
MODELS = tuple(TAGS)

LICENCE = """\
Copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019. Code developed by Jordi Pons \
(www.jordipons.me).

Permission to use, copy, modify, and/or distribute this software for any purpose with or without \
fee is hereby granted, provided that the above copyright notice and this permission notice appear \
in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS \
SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE \
AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES \
WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, \
NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE \
OF THIS SOFTWARE.
"""

# The layers in the order in which the original made them: TensorFlow numbered them by it.
_CONVOLUTIONS = (
    *(f"timbral_{bands}" for bands in TIMBRAL_BANDS),
    *(f"temporal_{length}" for length in TEMPORAL_FRAMES),
    *(f"mid_{number}" for number in MID_LAYERS),
)
_NORMALISATIONS = ("input", *_CONVOLUTIONS, "pooled", "penultimate")
_DENSE = ("penultimate", "logits")
_NORMALISATION_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


def read_wheel(wheel: Path, model: str) -> Variables:
    """Read one checkpoint out of the wheel.

    Parameters
    ----------
    wheel : Path
        ``musicnn-0.1.0-py3-none-any.whl``, checked by its SHA-256.
    model : {"msd", "mtt"}
        Trained on the Million Song Dataset, or on MagnaTagATune.

    Returns
    -------
    dict of str to ndarray of float32
        TensorFlow's names to the network's 64 variables, of the shapes of its layers, without what
        the optimiser kept.

    Raises
    ------
    BackbeatError
        If the file is not that wheel, or TensorFlow is not installed.
    """
    if model not in MODELS:
        raise BackbeatError(f"{model}: MusiCNN was published as one of {', '.join(MODELS)}")
    try:
        with wheel.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise BackbeatError(f"{wheel}: cannot be read ({error.strerror})") from error
    if digest != WHEEL_SHA256:
        raise BackbeatError(
            f"{wheel}: not {WHEEL_NAME} (SHA-256 {digest[:12]}..., wanted {WHEEL_SHA256[:12]}...); "
            f"pip download --no-deps {REQUIREMENT}"
        )
    load_keras()  # first, since it quietens TensorFlow
    with needing("train", "reading MusiCNN's checkpoints"):
        import tensorflow
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        # In the wheel the files have no name before the dot, which reads as a folder's.
        prefix = Path(folder) / model
        for suffix in (".index", ".data-00000-of-00001"):
            member = f"musicnn/{model.upper()}_musicnn/{suffix}"
            prefix.with_suffix(suffix).write_bytes(archive.read(member))
        reader = tensorflow.train.load_checkpoint(str(prefix))
        return {
            name: reader.get_tensor(name)
            for name in sorted(reader.get_variable_to_shape_map())
            if "Adam" not in name and not name.endswith("_power")
        }


def load(network: Any, variables: Variables) -> None:
    """Give a network made by `network.build` the weights of a checkpoint.

    Parameters
    ----------
    network : keras.Model
    variables : dict of str to ndarray
        As `read_wheel` gives them, of the shapes of the network's layers.

    Raises
    ------
    BackbeatError
        If a variable is missing or left over, or has another shape than its layer.
    """
    left = dict(variables)

    def take(scope: str, number: int, *parts: str) -> list[npt.NDArray[np.float32]]:
        numbered = f"{scope}_{number}" if number else scope
        return [left.pop(f"{numbered}/{part}") for part in parts]

    try:
        for number, name in enumerate(_CONVOLUTIONS):
            kernel, bias = take("conv2d", number, "kernel", "bias")
            # The mid-end's (7, features, 1, 64) see all features at once: a convolution in time.
            kernel = kernel[:, :, 0] if name.startswith("mid") else kernel
            network.get_layer(name).set_weights([kernel, bias])
        for number, name in enumerate(_NORMALISATIONS):
            parts = take("batch_normalization", number, *_NORMALISATION_PARTS)
            parts = [_parted(part) for part in parts] if name == "pooled" else parts
            network.get_layer(f"{name}_norm").set_weights(parts)
        for number, name in enumerate(_DENSE):
            kernel, bias = take("dense", number, "kernel", "bias")
            kernel = _parted(kernel) if name == "penultimate" else kernel
            network.get_layer(name).set_weights([kernel, bias])
    except KeyError as error:
        raise BackbeatError(f"the checkpoint of MusiCNN lacks {error}") from error
    except ValueError as error:
        raise BackbeatError(f"the checkpoint of MusiCNN does not fit: {name}: {error}") from error
    if left:
        raise BackbeatError(f"the checkpoint of MusiCNN has {', '.join(sorted(left))} left over")


def _parted(pooled: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Bring max, mean, max, mean ... over the first axis to all maxima and then all means."""
    return np.concatenate([pooled[0::2], pooled[1::2]])
