"""Networks of somebody else: numbers and operations pass, all else is refused before it is run."""

import time

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from backbeat import models
from backbeat.bundle import read_bundle
from backbeat.errors import BackbeatError
from backbeat.network import open_network
from backbeat.plain_onnx import require_plain
from bundles import make_network


@pytest.fixture
def model():
    return onnx.load_from_string(make_network((125, 13), 3))


def refused(model, words):
    with pytest.raises(BackbeatError, match=words):
        open_network(model.SerializeToString())


@pytest.mark.parametrize("name", ["gtzan", "gtzan-fast"])
def test_what_comes_with_backbeat_is_plain(name):
    network = read_bundle(models.find_bundle(name)).network
    start = time.perf_counter()
    require_plain(network)
    assert time.perf_counter() - start < 1  # some 3 ms: nothing of a cold start


@pytest.mark.parametrize("place", ["../../../../etc/passwd", "/etc/passwd", "weights.bin"])
def test_files_outside_are_not_read(model, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(np.zeros((13, 3), np.float32).tobytes())
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    refused(model, "names files outside of it")


def test_nor_are_they_by_a_constant(model):
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
    tensor.external_data.add(key="location", value="a")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    refused(model, "names files outside of it")
    model.graph.node[-1].CopyFrom(
        helper.make_node("Constant", [], ["c"], sparse_value=onnx.SparseTensorProto(values=tensor))
    )
    refused(model, "names files outside of it")


def test_loops_and_branches(model):
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", [], ["l"], body=body))
    refused(model, "branches or loops")


def test_functions(model):
    model.functions.append(
        helper.make_function("backbeat", "twice", ["x"], ["y"], [], model.opset_import)
    )
    refused(model, "functions")


def test_operations_of_others(model):
    model.graph.node.append(helper.make_node("RunThis", [], ["r"], domain="com.example"))
    refused(model, "not ONNX's own")


def test_too_many_parts(model):
    node = helper.make_node("Identity", ["slices"], ["same"])
    model.graph.node.extend([node] * 50_000)
    refused(model, "more than 200,000 parts")


def test_numbers_that_are_not_packed_are_counted_too():
    tensor = b"\x20\x01" * 200_001  # a float_data of two bytes, over and over
    graph = b"\x2a" + _length(tensor) + tensor
    with pytest.raises(ValueError, match="more than 200,000 parts"):
        require_plain(b"\x3a" + _length(graph) + graph)


def _length(content):
    length, told = len(content), b""
    while length >= 128:
        told += bytes([length & 127 | 128])
        length >>= 7
    return told + bytes([length])


def test_a_cut_one():
    network = make_network((125, 13), 3)
    for length in (1, 10, len(network) // 2, len(network) - 1):
        with pytest.raises(BackbeatError, match="cannot be run"):
            open_network(network[:length])


@given(st.binary(max_size=300))
def test_any_bytes_are_looked_at_in_bounded_time(content):
    try:
        require_plain(content)
    except ValueError as error:
        assert "\n" not in str(error)
