"""Two networks as one: a head on MusiCNN and a network trained from scratch, side by side.

The joined network answers pieces of 10 s, which `frontend.as_input` packs for it: the standardised
map of the piece, for the network trained from scratch, and three patches of it for MusiCNN. Its
logits are the weighted sum of both networks' logits (MusiCNN's averaged over the patches), which
multiplies their probabilities.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from backbeat.bundle.network import Outputs
from backbeat.errors import needing
from backbeat.frontend.inputs import PATCHES_A_PIECE, unpacked_shapes
from backbeat.transfer.head import Head, joined_network

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Shares:
    """What each network's logits are multiplied by."""

    head: float
    scratch: float

    def logits(self, head: Array, scratch: Array) -> Array:
        """Join the logits of both networks, shape (n, genres)."""
        joined: Array = (self.head * head + self.scratch * scratch).astype(np.float32)
        return joined


def fit_shares(
    head: npt.NDArray[np.floating],
    scratch: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
) -> Shares:
    """Find the shares of the least log-loss, so that the joined probabilities are calibrated too.

    Of each network's logits of n songs that it was not trained on, shape (n, genres), and the
    labels, shape (n,).
    """
    rows = np.arange(len(labels))

    def loss(shares: npt.NDArray[np.float64]) -> float:
        logits = shares[0] * head + shares[1] * scratch
        return float(-log_softmax(logits, axis=1)[rows, labels].mean())

    found = minimize(loss, [0.5, 0.5], bounds=[(0, None), (0, None)]).x
    return Shares(round(float(found[0]), 4), round(float(found[1]), 4))


def join(head: Head, scratch: bytes, shares: Shares) -> bytes:
    """Give a head on MusiCNN and an ONNX network of log-mel pieces of 10 s as one ONNX network.

    It takes packed pieces, (batch, 1, packed), to a bundle's three outputs; the embedding is the
    head's, averaged over the patches.
    """
    with needing("train", "exporting"):
        import onnx
        from onnx import TensorProto, compose, helper, numpy_helper

    first, second = (
        compose.add_prefix(onnx.load_from_string(network), prefix)
        for network, prefix in ((joined_network(head), "head/"), (scratch, "scratch/"))
    )
    (piece_frames, bands), (patch_frames, mels) = unpacked_shapes()
    constants: dict[str, npt.NDArray[Any]] = {
        "start": np.array([0], np.int64),
        "border": np.array([piece_frames * bands], np.int64),
        "end": np.array([np.iinfo(np.int64).max], np.int64),
        "axis": np.array([2], np.int64),
        "piece_shape": np.array([-1, piece_frames, bands], np.int64),
        "patch_shape": np.array([-1, patch_frames, mels], np.int64),
        "logits_shape": np.array([-1, PATCHES_A_PIECE, len(head.bias)], np.int64),
        "embedding_shape": np.array([-1, PATCHES_A_PIECE, _width(first, "embedding")], np.int64),
        "head_share": np.array(shares.head, np.float32),
        "scratch_share": np.array(shares.scratch, np.float32),
    }
    make = helper.make_node
    before = [
        make("Slice", ["packed", "start", "border", "axis"], ["piece_flat"]),
        make("Slice", ["packed", "border", "end", "axis"], ["patches_flat"]),
        make("Reshape", ["piece_flat", "piece_shape"], [second.graph.input[0].name]),
        make("Reshape", ["patches_flat", "patch_shape"], [first.graph.input[0].name]),
    ]
    after = [
        make("Reshape", ["head/logits", "logits_shape"], ["head_each"]),
        make("ReduceMean", ["head_each"], ["head_mean"], axes=[1], keepdims=0),
        make("Mul", ["head_mean", "head_share"], ["head_part"]),
        make("Mul", ["scratch/logits", "scratch_share"], ["scratch_part"]),
        make("Add", ["head_part", "scratch_part"], ["logits"]),
        make("Softmax", ["logits"], ["probabilities"], axis=1),
        make("Reshape", ["head/embedding", "embedding_shape"], ["embedding_each"]),
        make("ReduceMean", ["embedding_each"], ["embedding"], axes=[1], keepdims=0),
    ]
    sizes = {
        "probabilities": len(head.bias),
        "logits": len(head.bias),
        "embedding": _width(first, "embedding"),
    }
    packed = piece_frames * bands + PATCHES_A_PIECE * patch_frames * mels
    graph = helper.make_graph(
        [*before, *first.graph.node, *second.graph.node, *after],
        "joined",
        [helper.make_tensor_value_info("packed", TensorProto.FLOAT, ["batch", 1, packed])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
            for name, size in sizes.items()
        ],
        [
            *(numpy_helper.from_array(value, name) for name, value in constants.items()),
            *first.graph.initializer,
            *second.graph.initializer,
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=first.opset_import,
        ir_version=first.ir_version,
        producer_name="backbeat",
    )
    # MusiCNN's licence and source travel in the metadata.
    model.metadata_props.extend(first.metadata_props)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def joined_outputs(head: Outputs, scratch: Outputs, shares: Shares) -> Outputs:
    """Predict n pieces as the joined network does; the head's are of the mean over patches."""
    logits = shares.logits(head.logits, scratch.logits)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Outputs(powers / powers.sum(axis=1, keepdims=True), logits, head.embedding)


def _width(model: Any, output: str) -> int:
    """Give the length of the last axis of an output."""
    (found,) = (one for one in model.graph.output if one.name.endswith(f"/{output}"))
    return int(found.type.tensor_type.shape.dim[-1].dim_value)
