"""MusiCNN as ONNX: from patches to tags and features, without TensorFlow."""

import functools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, one_line

Array = npt.NDArray[np.float32]

# More at once are no faster (measured from 1 to 80), and take 10 MB each.
_PATCHES_AT_ONCE = 4


@dataclass(frozen=True)
class Outputs:
    """MusiCNN's outputs for n patches.

    `tags`, shape (n, 50): the probability of each of `tags.MSD`, not exclusive.
    `embedding`, shape (n, 200): the penultimate layer. `mean_pool` and `max_pool`, shape (n, 753):
    all features of the front-end and the mid-end, pooled over the patch.
    """

    tags: Array
    embedding: Array
    mean_pool: Array
    max_pool: Array


OUTPUTS: tuple[str, ...] = tuple(field.name for field in fields(Outputs))

PARTS = ("embedding", "mean_pool", "max_pool")
"""The outputs that a head on MusiCNN takes, in this order: 200, 753 and 753 numbers."""
FEATURES = 1706  # their sum


def features_of(outputs: Outputs) -> Array:
    """Put the outputs that a head takes side by side, shape (n, 1706)."""
    return np.concatenate([getattr(outputs, part) for part in PARTS], axis=1)


def network_path() -> Path:
    """Give the path of the MusiCNN that comes with backbeat."""
    return Path(__file__).parent / "data" / "msd_musicnn.onnx"


@dataclass(frozen=True)
class MusicnnNetwork:
    """The network, ready to run."""

    session: Any

    def __call__(self, patches: Array) -> Outputs:
        """Give the outputs for patches (n, 187, 96), in bounded memory."""
        starts = range(0, max(1, len(patches)), _PATCHES_AT_ONCE)
        parts = [self._run(patches[start : start + _PATCHES_AT_ONCE]) for start in starts]
        return Outputs(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _run(self, patches: Array) -> list[Array]:
        feed = {"patch": np.ascontiguousarray(patches, np.float32)}
        outputs: list[Array] = self.session.run(list(OUTPUTS), feed)
        return outputs


def open_musicnn(path: Path) -> MusicnnNetwork:
    """Open a MusiCNN made by ``tools/convert_musicnn.py`` on the CPU, in one thread.

    Raises BackbeatError if the file is missing, or onnxruntime refuses it, or it is another
    network.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except OSError as error:
        raise BackbeatError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:
        raise BackbeatError(f"{path}: not an ONNX network: {one_line(error)}") from error
    if not set(OUTPUTS) <= {output.name for output in session.get_outputs()}:
        raise BackbeatError(f"{path}: not a MusiCNN that tools/convert_musicnn.py made")
    return MusicnnNetwork(session)


@functools.cache
def shipped_musicnn() -> MusicnnNetwork:
    """Open the MusiCNN that comes with backbeat, once a process."""
    return open_musicnn(network_path())
