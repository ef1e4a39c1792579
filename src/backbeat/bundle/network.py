"""The network of a bundle: from Keras to ONNX, and run by onnxruntime.

It takes slices (batch, frames, bands) and gives ``probabilities`` and ``logits`` (batch, genres),
after and before the softmax, and ``embedding`` (batch, n), the input of its last layer.

A network is a program that may need any time and memory, and what it needs may depend on the song.
So one that does not come with backbeat runs only in processes that are watched: `Stranger`.
"""

import math
import os
import tempfile
import threading
import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.bundle.plain_onnx import plain
from backbeat.errors import BackbeatError, WorkerLostError, one_line
from backbeat.files.text import number, significant
from backbeat.parallel.bounds import MEMORY, guarded, is_watched
from backbeat.parallel.worker import Copy, Worker, can_copy

_EXPORT_TOLERANCE = 1e-4
# Of the input; between the layers of a convolutional network it becomes a hundred times as many.
_NUMBERS_AT_ONCE = 2**18
_MIN_BATCH = 4
_MAX_OUTPUT = 2**20  # numbers a slice: a hundred times the widest embedding
# onnxruntime's words, and the system's where it is loaded.
NO_MEMORY = ("allocate memory", "bad_alloc", "bad allocation", "failed to map segment")
SECONDS = 60.0
"""For a stranger's network to open, or to predict one batch: a thousand times what ours take."""

Array = npt.NDArray[np.float32]


def export_onnx(network: Any, examples: Array) -> bytes:
    """Turn a ``keras.Model`` into ONNX with a free batch dimension.

    Raises a RuntimeError if the outputs of the two differ by more than 1e-4 on a few examples, of
    shape (n, frames, bands).
    """
    three_outputs = _with_three_outputs(network)
    three_outputs(examples[:1])  # Keras exports only what has been called once
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        with warnings.catch_warnings():
            # Keras looks whether NumPy has an `np.object` before it makes one for tf2onnx.
            warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
            three_outputs.export(path, format="onnx", verbose=False)
        exported = path.read_bytes()
    expected = network.predict(examples, verbose=0)
    difference = float(np.abs(open_network(exported)(examples) - expected).max())
    if not difference <= _EXPORT_TOLERANCE:
        raise RuntimeError(
            f"the exported network differs from the trained one by {significant(difference, 2)}"
        )
    return exported


def _with_three_outputs(network: Any) -> Any:
    """Make of a network one that also gives the input of its last layer, and its logits."""
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
    """What a network gives for n slices."""

    probabilities: Array  # after the softmax, shape (n, genres)
    logits: Array  # before the softmax, shape (n, genres)
    embedding: Array  # the input of its last layer, shape (n, m)


def stack_outputs(parts: Sequence[Outputs]) -> Outputs:
    """Put the outputs of several calls in one."""
    columns = (field.name for field in fields(Outputs))
    return Outputs(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))


@dataclass(frozen=True)
class Network:
    """An ONNX network, ready to run."""

    # From slices (n, frames, bands) and the names of k outputs to these, each of shape (n, m)
    run: Callable[[Array, list[str]], list[Array]]

    def __call__(self, x: Array) -> Array:
        """Give the genres' probabilities, shape (n, genres), of slices (n, frames, bands)."""
        (probabilities,) = self.run(x, ["probabilities"])
        return probabilities

    def outputs(self, x: Array) -> Outputs:
        """Give all outputs for slices, shape (n, frames, bands)."""
        return Outputs(*self.run(x, ["probabilities", "logits", "embedding"]))

    def in_batches(self, x: Array) -> Outputs:
        """Give the same for any number of slices, shape (n, frames, bands), in bounded memory."""
        size = max(_MIN_BATCH, _NUMBERS_AT_ONCE // max(1, math.prod(x.shape[1:])))
        starts = range(0, max(1, len(x)), size)
        return stack_outputs([self.outputs(x[start : start + size]) for start in starts])


def open_network(network: bytes, *, threads: int = 1) -> Network:
    """Open an ONNX network on the processor, with a number of threads within one call.

    Raises a BackbeatError if it holds more than is understood (see `plain_onnx`), or onnxruntime
    refuses it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # It plans memory for every size of batch that comes, and keeps all of that: 20 MB, no quicker.
    options.enable_mem_pattern = False
    try:
        session = onnxruntime.InferenceSession(
            plain(network), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise BackbeatError(f"the network cannot be run: {one_line(error)}") from error
    return Network(partial(_run, session))


def _run(session: Any, x: Array, names: list[str]) -> list[Array]:
    (name,) = (one.name for one in session.get_inputs())
    outputs: list[Array] = session.run(names, {name: np.ascontiguousarray(x, np.float32)})
    for each in outputs:
        if each.dtype != np.float32 or each.ndim != 2 or each.shape[1] > _MAX_OUTPUT:
            raise BackbeatError("an output of the network is no row of numbers a slice")
    return outputs


class Stranger:
    """A network of somebody else, run within bounds of time and memory.

    In a worker it runs there; for any other process a worker is started, which ends with it, or
    when a signal ends the waiting.

    `path` is the bundle that it comes from, to be named in errors.
    """

    def __init__(self, path: Path, network: bytes) -> None:
        self._path = path
        self._network = network
        self._here: Network | None = None
        self._worker: Worker | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def run(self, x: Array, names: list[str]) -> list[Array]:
        """Give the named outputs, each of shape (n, m), for slices, shape (n, frames, bands).

        Raises a BackbeatError if it cannot be run, or takes too much time or memory.
        """
        if is_watched():
            self._here = self._here or open_network(self._network)
            return self._here.run(x, names)
        with self._lock:
            worker = self._worker if self._owner == os.getpid() else None
            new = worker is None
            worker = worker or self._started()
            # The network itself goes only with the first batch.
            given = (self._network if new else None, x, names)
            try:
                outputs: list[Array] = worker.call(
                    partial(_run_bounded, self._path, SECONDS, *given)
                )
            except BaseException as error:  # Ctrl-C, too
                worker.close()
                self._worker = None
                if isinstance(error, WorkerLostError):
                    reason = error.reason
                elif isinstance(error, MemoryError) or any(n in str(error) for n in NO_MEMORY):
                    reason = f"it needs more than {number(MEMORY / 2**30)} GB of memory"
                else:
                    raise
                raise BackbeatError(f"{self._path}: the network cannot be run: {reason}") from error
            return outputs

    def _started(self) -> Worker:
        if can_copy():
            import onnxruntime  # noqa: F401 - for this copy, and for those to come

            worker = Worker(attempts=1, copy=Copy())
        else:
            worker = Worker(attempts=1)
        self._worker, self._owner = worker, os.getpid()
        weakref.finalize(self, _end, worker, self._owner)
        return worker


def _end(worker: Worker, owner: int) -> None:
    if os.getpid() == owner:  # not in a copy of that process
        worker.close()


_opened: dict[Path, Network] = {}  # in the process of a `Stranger`


def _run_bounded(
    path: Path, seconds: float, network: bytes | None, x: Array, names: list[str]
) -> list[Array]:
    with guarded(path, seconds):
        if network is not None:
            _opened[path] = open_network(network)
        return _opened[path].run(x, names)
