"""A bundle around a tiny network, made in milliseconds and without TensorFlow, for the tests."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from backbeat.bundle.archive import write_bundle
from backbeat.bundle.description import Description, MeasuredFacts, SplitFacts
from backbeat.evaluation.calibration import Calibration
from backbeat.frontend import FrontEnd, Mfcc, input_shape
from backbeat.zoo import find

# Old enough for the lowest onnxruntime and onnx that backbeat allows.
IR_VERSION = 9
OPSET = 17


def make_network(shape: tuple[int, int], genres: int, seed: int = 0) -> bytes:
    """An ONNX network from (N, frames, bands): mean over the frames, one dense layer, softmax."""
    frames, bands = shape
    random = np.random.default_rng(seed)
    # MFCCs reach hundreds: weights this small leave the answers off 0 and 1.
    weights = (random.standard_normal((bands, genres)) * 0.02).astype(np.float32)
    bias = (random.standard_normal(genres) * 0.1).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["slices"], ["means"], axes=[1], keepdims=0),
            helper.make_node("Identity", ["means"], ["embedding"]),
            helper.make_node("Gemm", ["means", "weights", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("slices", TensorProto.FLOAT, ["N", frames, bands])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", genres]),
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", genres]),
            helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", bands]),
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(bias, "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def make_description(
    *,
    genres: tuple[str, ...] = ("blues", "rock"),
    frontend: FrontEnd | None = None,
    input: str = "mfcc",
    calibration: Calibration | None = None,
) -> Description:
    """A description that is valid in every field."""
    return Description(
        made_by="backbeat's tests",
        model="tiny",
        genres=genres,
        frontend=frontend or Mfcc(),
        input=input,
        normalisation="window" if input == "logmel" else "none",
        calibration=calibration or Calibration(),
        split=SplitFacts(protocol="artists", seed=0, hash="0" * 16, leak=""),
        measured=MeasuredFacts(
            slice_accuracy=0.5,
            track_accuracy=0.5,
            slices=20,
            tracks=2,
            recall=dict.fromkeys(genres, 0.5),
        ),
        trained_on_tracks=4,
        spec=find("cnn_base_01").model_dump(mode="json"),
        network_sha256="",
    )


def make_bundle(
    path: Path,
    *,
    genres: tuple[str, ...] = ("blues", "rock"),
    frontend: FrontEnd | None = None,
    input: str = "mfcc",
    seed: int = 0,
    calibration: Calibration | None = None,
) -> Path:
    """Write a bundle that classifies, with weights drawn from `seed`; gives its path."""
    description = make_description(
        genres=genres, frontend=frontend, input=input, calibration=calibration
    )
    _, frames, bands = input_shape(description.frontend, input)
    write_bundle(path, description, make_network((frames, bands), len(genres), seed))
    return path
