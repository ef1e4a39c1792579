"""The network of a bundle: from Keras to ONNX, and run by onnxruntime.

It takes slices (batch, frames, bands) and gives ``probabilities`` and ``logits`` (batch, genres),
after and before the softmax, and ``embedding`` (batch, n), which its last layer sees.
"""

import math
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, one_line
from backbeat.plain_onnx import require_plain

_EXPORT_TOLERANCE = 1e-4
# Of the input; between the layers of a convolutional network it becomes a hundred times as many.
_NUMBERS_AT_ONCE = 2**18
_LEAST_BATCH = 4

Array = npt.NDArray[np.float32]


def export_onnx(network: Any, examples: Array) -> bytes:
    """Turn a Keras network into ONNX, and make sure that both give the same answers.

    Parameters
    ----------
    network : keras.Model
    examples : ndarray of float32, shape (n, frames, bands)
        A few slices to compare the two on.

    Returns
    -------
    bytes
        An ONNX model with a free batch dimension.

    Raises
    ------
    RuntimeError
        If the outputs differ by more than 1e-4.
    """
    telling = _telling_all(network)
    telling(examples[:1])  # Keras exports only what has been called once
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        with warnings.catch_warnings():
            # Keras looks whether NumPy has an `np.object` before it makes one for tf2onnx.
            warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
            telling.export(path, format="onnx", verbose=False)
        exported = path.read_bytes()
    expected = network.predict(examples, verbose=0)
    difference = float(np.abs(open_network(exported)(examples) - expected).max())
    if not difference <= _EXPORT_TOLERANCE:
        raise RuntimeError(f"the exported network differs from the trained one by {difference:.2g}")
    return exported


def _telling_all(network: Any) -> Any:
    """Make of a network one that also gives what its last layer takes and sums up."""
    from backbeat.zoo.build import load_keras

    keras = load_keras()
    last = network.layers[-1]
    embedding = last.input
    before_softmax = keras.layers.Dense(last.units, name="before_softmax")
    logits = before_softmax(embedding)
    before_softmax.set_weights(last.get_weights())
    return keras.Model(
        network.input,
        {
            "probabilities": keras.layers.Softmax(name="probabilities")(logits),
            "logits": keras.layers.Identity(name="logits")(logits),
            "embedding": keras.layers.Identity(name="embedding")(embedding),
        },
    )


@dataclass(frozen=True)
class Outputs:
    """What a network gives for n slices.

    Attributes
    ----------
    probabilities, logits : ndarray of float32, shape (n, genres)
        After and before the softmax.
    embedding : ndarray of float32, shape (n, m)
        What its last layer sees.
    """

    probabilities: Array
    logits: Array
    embedding: Array


def joined_outputs(parts: Sequence[Outputs]) -> Outputs:
    """Put outputs of several calls in one."""
    columns = (field.name for field in fields(Outputs))
    return Outputs(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


@dataclass(frozen=True)
class Network:
    """An ONNX network, ready to run."""

    session: Any

    def __call__(self, x: Array) -> Array:
        """Give the genres' probabilities, shape (n, genres), of slices (n, frames, bands)."""
        (probabilities,) = self._run(x, ["probabilities"])
        return probabilities

    def outputs(self, x: Array) -> Outputs:
        """Give all that the network says of some slices.

        Parameters
        ----------
        x : ndarray of float32, shape (n, frames, bands)

        Returns
        -------
        Outputs
            Of n slices.
        """
        return Outputs(*self._run(x, ["probabilities", "logits", "embedding"]))

    def in_batches(self, x: Array) -> Outputs:
        """Give the same for any number of slices, in bounded memory.

        Parameters
        ----------
        x : ndarray of float32, shape (n, frames, bands)

        Returns
        -------
        Outputs
            Of n slices.
        """
        size = max(_LEAST_BATCH, _NUMBERS_AT_ONCE // max(1, math.prod(x.shape[1:])))
        starts = range(0, max(1, len(x)), size)
        return joined_outputs([self.outputs(x[start : start + size]) for start in starts])

    def _run(self, x: Array, names: list[str]) -> list[Array]:
        name = self.session.get_inputs()[0].name
        outputs: list[Array] = self.session.run(names, {name: np.ascontiguousarray(x, np.float32)})
        return outputs


def open_network(network: bytes, *, threads: int = 1) -> Network:
    """Open an ONNX network on the processor.

    Parameters
    ----------
    network : bytes
    threads : int
        Threads within one call.

    Raises
    ------
    BackbeatError
        If it is more than numbers and operations (see `plain_onnx`), or onnxruntime refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # It plans memory for every size of batch that comes, and keeps all of that: 20 MB, no quicker.
    options.enable_mem_pattern = False
    try:
        require_plain(network)
        session = onnxruntime.InferenceSession(
            network, sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise BackbeatError(f"the network cannot be run: {one_line(error)}") from error
    return Network(session)
