"""The head: a linear classifier on MusiCNN's features, alone and joined to it as ONNX."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.bundle.network import Outputs
from backbeat.bundle.plain_onnx import plain
from backbeat.errors import needing
from backbeat.frontend import FrontEnd, Musicnn
from backbeat.frontend.musicnn.autotags import MSD
from backbeat.frontend.musicnn.runtime import FEATURES, PARTS, network_path

STRENGTH = 0.01
"""Inverse of the regularisation, on standardised features; chosen on artist-disjoint folds."""
SHRINKAGE = 0.65
"""How far the covariance of features is drawn to that of features apart; chosen in the same way."""

# Where these lie among the features that a head sees.
_PENULTIMATE = slice(0, 200)
_POOLED = slice(200, 953)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """A linear map from features to logits, shapes (d, k) and (k,)."""

    weights: Array
    bias: Array

    @property
    def varying(self) -> npt.NDArray[np.int64]:
        """The mean-pooled features that vary, shape (m,): places among the 753."""
        return np.flatnonzero(np.abs(self.weights[_POOLED]).sum(axis=1))

    def logits(self, x: npt.NDArray[np.floating]) -> Array:
        """Give the logits, shape (n, k), of features, shape (n, d)."""
        return np.asarray(x @ self.weights + self.bias, np.float32)

    def outputs(self, x: Array) -> Outputs:
        """Predict n patches or songs, shape (n, 1, d), as the joined network does."""
        flat = x.reshape(len(x), -1)
        logits = self.logits(flat)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        return Outputs(probabilities, logits, self.embedding(flat))

    def embedding(self, flat: Array) -> Array:
        """Give what strange songs are recognised in, shape (n, m), for features of shape (n, d).

        It is the mean-pooled features that vary and MusiCNN's 50 tags before their sigmoid: the
        first set noise, tones and speech apart from music, the second unknown genres from known
        ones (``docs/models.md``).
        """
        weights, bias = _tag_layer()
        tags = flat[:, _PENULTIMATE] @ weights + bias
        return np.concatenate([flat[:, _POOLED][:, self.varying], tags], axis=1)


def fit_head(
    songs: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    genres: int,
    *,
    strength: float = STRENGTH,
    discriminant: bool = True,
) -> Head:
    """Fit a linear head: logistic regression and linear discriminant analysis, half each.

    Of features averaged over each song, shape (n, d), and labels, shape (n,), among which all
    genres must be. The first model is better with few songs a genre, the second with many; their
    sum, which is linear too, is as good as the better everywhere (``docs/models.md``). The
    standardisation of the features is inside. Without `discriminant` it is the regression alone.
    """
    with needing("train", "training"):
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    exact = np.asarray(songs, np.float64)
    mean, deviation = exact.mean(axis=0), exact.std(axis=0)
    # Many of MusiCNN's features never vary.
    varies = deviation > 1e-6
    x = (exact[:, varies] - mean[varies]) / deviation[varies]
    models = [LogisticRegression(C=strength, max_iter=1_000)]
    if discriminant and len(x) > genres:  # of one song a genre nothing varies within a genre
        models.append(LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE))
    # On matrices this small, threads wait for each other longer than they work; and how they divide
    # a sum decides its last digits.
    with threadpool_limits(1):
        parts = [_linear(model.fit(x, labels), genres) for model in models]
        # Discriminants are far larger than the regression's logits, whose size is its confidence.
        spreads = [(x @ weights + bias).std() for weights, bias in parts]
    shares = [spreads[0] / max(spread, 1e-12) / len(parts) for spread in spreads]
    standard = sum(share * weights for share, (weights, _) in zip(shares, parts, strict=True))
    bias = sum(share * bias for share, (_, bias) in zip(shares, parts, strict=True))
    weights = np.zeros((exact.shape[1], genres))
    weights[varies] = standard / deviation[varies, np.newaxis]
    return Head(weights.astype(np.float32), (bias - mean @ weights).astype(np.float32))


def _linear(model: Any, genres: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give a fitted linear model as weights (d, k) and bias (k,), of mean 0 over the genres."""
    weights, bias = model.coef_.T, model.intercept_
    if genres == 2:
        # Of two genres scikit-learn gives the second's log-odds alone.
        weights, bias = np.hstack([-weights / 2, weights / 2]), np.append(-bias / 2, bias / 2)
    # A number that all genres share changes no probability, but would count as spread.
    return weights - weights.mean(axis=1, keepdims=True), bias - bias.mean()


def head_of(network: bytes) -> Head | None:
    """Give the head of a network that `joined_network` made; None for any other network.

    Its features of a store are then enough for its answers: MusiCNN need not run again.
    """
    with needing("train", "evaluating on features"):
        import onnx
        from onnx import numpy_helper

    try:  # the package onnx reads files that a tensor names, so what it gets is written anew, too
        graph = onnx.load_from_string(plain(network)).graph
    except ValueError:
        return None  # refused where it is opened
    found = {tensor.name: tensor for tensor in graph.initializer}
    if not {"head_weights", "head_bias"} <= set(found):
        return None
    weights, bias = (
        np.array(numpy_helper.to_array(found[name]), np.float32)
        for name in ("head_weights", "head_bias")
    )
    if bias.ndim != 1 or weights.shape != (FEATURES, len(bias)):
        return None
    head = Head(weights, bias)
    # On another MusiCNN than the one that comes with backbeat the head would mean something else.
    return head if joined_network(head) == network else None


def joined_network(head: Head) -> bytes:
    """Give MusiCNN with a head as one ONNX network, from patches to a bundle's three outputs."""
    with needing("train", "exporting"):
        import onnx
        from onnx import TensorProto, helper, numpy_helper

    model: Any = onnx.load_from_string(network_path().read_bytes())
    graph = model.graph
    genres = len(head.bias)
    tag_logits = next(node.input[0] for node in graph.node if "tags" in node.output)
    # A bundle's embedding is another than MusiCNN's, which is called by its place.
    for node in graph.node:
        node.input[:] = ["penultimate" if name == "embedding" else name for name in node.input]
        node.output[:] = ["penultimate" if name == "embedding" else name for name in node.output]
    seen = ["penultimate" if part == "embedding" else part for part in PARTS]
    graph.node.extend(
        [
            helper.make_node("Concat", seen, ["seen"], axis=1),
            helper.make_node("Gather", ["mean_pool", "varying"], ["pooled_varying"], axis=1),
            helper.make_node("Concat", ["pooled_varying", tag_logits], ["embedding"], axis=1),
            helper.make_node("Gemm", ["seen", "head_weights", "head_bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ]
    )
    graph.initializer.extend(
        [
            numpy_helper.from_array(head.weights, "head_weights"),
            numpy_helper.from_array(head.bias, "head_bias"),
            numpy_helper.from_array(head.varying, "varying"),
        ]
    )
    sizes = {"probabilities": genres, "logits": genres, "embedding": len(head.varying) + len(MSD)}
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in sizes.items()
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@functools.cache
def _tag_layer() -> tuple[Array, Array]:
    """Give MusiCNN's last layer, from the penultimate to the tags: shapes (200, 50) and (50,)."""
    with needing("train", "training"):
        import onnx
        from onnx import numpy_helper

    graph = onnx.load_from_string(network_path().read_bytes()).graph
    makers = {output: node for node in graph.node for output in node.output}
    added = makers[makers["tags"].input[0]]
    multiplied = makers[added.input[0]]
    found = {tensor.name: tensor for tensor in graph.initializer}
    return (
        np.array(numpy_helper.to_array(found[multiplied.input[1]]), np.float32),
        np.array(numpy_helper.to_array(found[added.input[1]]), np.float32),
    )


def bundle_frontend(frontend: FrontEnd) -> FrontEnd:
    """Give the front-end of a bundle whose head was trained on what `frontend` extracts."""
    if isinstance(frontend, Musicnn):
        return frontend.model_copy(update={"output": "patches"})
    return frontend
