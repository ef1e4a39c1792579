"""The head: a logistic regression on MusiCNN's features, alone and joined to it as ONNX."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import needing
from backbeat.network import Outputs
from backbeat.transfer.embedding import PARTS, network_path

STRENGTH = 0.01
"""Inverse of the regularisation, on standardised features; chosen on artist-disjoint folds."""

_EMBEDDING = 200

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A linear map from features to logits, shapes (d, k) and (k,)."""

    weights: Array
    bias: Array

    def logits(self, x: npt.NDArray[np.floating]) -> Array:
        """Give the logits, shape (n, k), of features (n, d)."""
        return np.asarray(x @ self.weights + self.bias, np.float32)

    def outputs(self, x: Array) -> Outputs:
        """Answer as the joined network does; `x` of shape (n, 1, d)."""
        flat = x.reshape(len(x), -1)
        logits = self.logits(flat)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return Outputs(powers / powers.sum(axis=1, keepdims=True), logits, flat[:, :_EMBEDDING])


def fit_head(songs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], genres: int) -> Head:
    """Fit a regularised logistic regression.

    Parameters
    ----------
    songs : ndarray of float, shape (n, d)
        Features, averaged over each song.
    labels : ndarray of int, shape (n,)
        All of the genres must be there.
    genres : int

    Returns
    -------
    Head
        With the standardisation of the features inside.
    """
    with needing("train", "training"):
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    exact = np.asarray(songs, np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    # Features that never vary (many of MusiCNN's filters are asleep) say nothing.
    scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0)
    model = LogisticRegression(C=STRENGTH, max_iter=1_000)
    # On matrices this small, threads wait for each other longer than they work.
    with threadpool_limits(1):
        model.fit((exact - mean) * scale, labels)
    coefficients, intercept = model.coef_, model.intercept_
    if genres == 2:
        # Of two genres scikit-learn gives the second's log-odds alone.
        coefficients = np.vstack([-coefficients / 2, coefficients / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    weights = coefficients.T * scale[:, np.newaxis]
    return Head(weights.astype(np.float32), (intercept - mean @ weights).astype(np.float32))


def joined_network(head: Head) -> bytes:
    """Give MusiCNN with a head as one ONNX network, from patches to a bundle's three outputs."""
    with needing("train", "exporting"):
        import onnx
        from onnx import TensorProto, helper, numpy_helper

    model: Any = onnx.load_from_string(network_path().read_bytes())
    graph = model.graph
    genres = len(head.bias)
    graph.node.extend(
        [
            helper.make_node("Concat", list(PARTS), ["heard"], axis=1),
            helper.make_node("Gemm", ["heard", "head_weights", "head_bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]
    )
    graph.initializer.extend(
        [
            numpy_helper.from_array(head.weights, "head_weights"),
            numpy_helper.from_array(head.bias, "head_bias"),
        ]
    )
    kept = [output for output in graph.output if output.name == "embedding"]
    told = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", genres])
        for name in ("probabilities", "logits")
    ]
    del graph.output[:]
    graph.output.extend([*told, *kept])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
