"""Networks of somebody else: what is understood is written anew and run, all else is refused."""

import time

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from backbeat.bundle import shipped as models
from backbeat.bundle.archive import read_bundle
from backbeat.bundle.network import open_network
from backbeat.bundle.plain_onnx import plain
from backbeat.errors import BackbeatError
from bundles import make_network

NETWORK = make_network((125, 13), 3)


@pytest.fixture
def model():
    return onnx.load_from_string(NETWORK)


def refused(network, words):
    with pytest.raises(BackbeatError, match=words):
        open_network(network if isinstance(network, bytes) else network.SerializeToString())


@pytest.mark.parametrize("name", ["gtzan", "gtzan-fast"])
def test_what_comes_with_backbeat_is_written_anew_without_a_change_of_its_answers(name):
    bundle = read_bundle(models.find_bundle(name))
    start = time.perf_counter()
    written = plain(bundle.network)
    assert time.perf_counter() - start < 1  # some 8 ms: nothing of a cold start
    assert plain(written) == written
    onnx.checker.check_model(onnx.load_from_string(written))
    sessions = [onnxruntime.InferenceSession(n) for n in (bundle.network, written)]
    (given,) = sessions[0].get_inputs()
    shape = [size if isinstance(size, int) else 2 for size in given.shape]
    if name == "gtzan-fast":
        shape[1] = 387
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    for one, other in zip(*(each.run(None, {given.name: x}) for each in sessions), strict=True):
        assert np.array_equal(one, other)


def test_what_is_written_is_what_is_run(model, monkeypatch):
    model.doc_string = model.producer_name = model.graph.node[0].name = "not needed"
    model.metadata_props.add(key="not needed", value="not needed")
    model.opset_import.add(domain="com.microsoft", version=1)
    ran = []
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(
        "onnxruntime.InferenceSession", lambda n, **options: ran.append(n) or session(n, **options)
    )
    x = np.random.default_rng(0).standard_normal((4, 125, 13)).astype(np.float32)
    given = open_network(model.SerializeToString())(x)
    assert ran == [plain(NETWORK)]
    assert b"not needed" not in ran[0] and b"microsoft" not in ran[0]
    assert np.array_equal(given, open_network(NETWORK)(x))


# --- Each forbidden thing, as it is written and as a reader may be led to pass over it


def fields(content):
    """Give a message's fields: number, wire type, and integer or bytes."""
    place = 0
    while place < len(content):
        tag, place = varint(content, place)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, place = varint(content, place)
        else:
            length, place = varint(content, place) if wire == 2 else ({1: 8, 5: 4}[wire], place)
            value, place = content[place : place + length], place + length
        yield number, wire, value


def varint(content, place):
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place


def number(value, longer=0):
    """Write an integer, in so many bytes more than it needs."""
    written = b""
    while value >= 128:
        written, value = written + bytes([value & 127 | 128]), value >> 7
    return written + bytes([value]) if not longer else (
        written + bytes([value | 128]) + b"\x80" * (longer - 1) + b"\0"
    )  # fmt: skip


def field(num, value, form="plain"):
    """Write a field in a form that some readers of protobuf take for what it is."""
    wire = 0 if isinstance(value, int) else 2
    tag = num << 3 | wire
    if form == "group":
        content = value if wire else number(value)
        return number(num << 3 | 3) + content + number(num << 3 | 4)
    if form == "fixed":
        return number(num << 3 | 5) + bytes(4)
    if form == "high":
        written = number(tag | 1 << 32)
    elif form == "highest":
        written = number(tag | 1 << 63)
    else:
        written = number(tag, longer=3 if form == "long tag" else 0)
    longer = 2 if form == "long length" else 0
    return written + (number(value, longer) if not wire else number(len(value), longer) + value)


FORMS = ("plain", "high", "highest", "long tag", "long length", "group", "fixed")


def with_field(path, num, value, form, content=NETWORK):
    """Add a field to the first message that a path of numbers leads to."""
    if not path:
        return content + field(num, value, form)
    written, done = b"", False
    for own, wire, held in fields(content):
        if own == path[0] and not done:
            held, done = with_field(path[1:], num, value, form, held), True
        written += field(own, held) if wire in (0, 2) else number(own << 3 | wire) + held
    assert done
    return written


GRAPH, NODE, WEIGHTS, ATTRIBUTE = (7,), (7, 1), (7, 5), (7, 1, 5)
_external = TensorProto(dims=[1], data_type=1, name="x", data_location=TensorProto.EXTERNAL)
_external.external_data.add(key="location", value="/etc/passwd")
_sparse = onnx.SparseTensorProto(values=_external, dims=[1]).SerializeToString()
_body = helper.make_graph([], "body", [], []).SerializeToString()
FORBIDDEN = {
    "external data": (WEIGHTS, 13, _external.external_data[0].SerializeToString()),
    "external location": (WEIGHTS, 14, 1),
    "external, of an attribute": (ATTRIBUTE, 5, _external.SerializeToString()),
    "texts as weights": (WEIGHTS, 6, b"text"),
    "segment": (WEIGHTS, 3, b""),
    "branch or loop": (ATTRIBUTE, 6, _body),
    "branches": (ATTRIBUTE, 11, _body),
    "tensors": (ATTRIBUTE, 10, _external.SerializeToString()),
    "sparse attribute": (ATTRIBUTE, 22, _sparse),
    "sparse attributes": (ATTRIBUTE, 23, _sparse),
    "sparse weights": (GRAPH, 15, _sparse),
    "quantisation": (GRAPH, 14, b""),
    "function": ((), 25, b"\x0a\x01f"),
    "training": ((), 20, b""),
    "devices": ((), 26, b""),
    "other makers' operation": (NODE, 7, b"com.microsoft"),
    "overload": (NODE, 8, b"f"),
    "loop": (NODE, 4, b"Loop"),
    "second graph": ((), 7, _body),
    "second type of weights": (WEIGHTS, 2, 8),
    "sequence": ((7, 11, 2), 4, b""),
    "map": ((7, 11, 2), 5, b""),
    "unknown": ((), 99, b""),
    "unknown, of a node": (NODE, 2**29 - 1, 0),
}


def test_the_helper_that_adds_fields_adds_them():
    written = with_field(NODE, 6, b"a note", "plain")
    assert onnx.load_from_string(written).graph.node[0].doc_string == "a note"
    assert plain(written) == plain(NETWORK)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_is_forbidden_is_refused_in_every_form(what, form):
    path, num, value = FORBIDDEN[what]
    with pytest.raises(ValueError) as caught:
        plain(with_field(path, num, value, form))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["high", "long tag", "long length"])
def test_onnxruntime_sees_what_is_written_in_another_form(form):
    """So it is not enough to pass over what is not known."""
    hidden = with_field(*FORBIDDEN["other makers' operation"], form)
    with pytest.raises(Exception, match=r"com\.microsoft"):
        onnxruntime.InferenceSession(hidden)


@pytest.mark.parametrize("form", FORMS[1:6])
def test_what_is_allowed_is_refused_in_another_form_than_its_own(form):
    refused(with_field((), 8, b"\x10\x11", form), "cannot be run")  # an opset


@pytest.mark.parametrize("place", ["../../../../etc/passwd", "/etc/passwd", "weights.bin"])
def test_files_outside_are_not_read(model, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(np.zeros((13, 3), np.float32).tobytes())
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    refused(model, "names files outside of it")


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("place", ["../../../../etc/passwd", "/etc/passwd", "link.bin"])
def test_onnxruntime_itself_reads_no_file_outside(model, place, sparse, tmp_path, monkeypatch):
    """The lowest version that is allowed does not: should one slip through here, it is caught."""
    monkeypatch.chdir(tmp_path)
    outside = tmp_path.with_name("outside.bin")
    outside.write_bytes(np.zeros((13, 3), np.float32).tobytes())
    (tmp_path / "link.bin").symlink_to(outside)
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place)
    if sparse:
        places = helper.make_tensor("places", TensorProto.INT64, [39], range(39))
        weights.dims[:] = [39]
        one = onnx.SparseTensorProto(values=weights, indices=places, dims=[13, 3])
        model.graph.sparse_initializer.append(one)
        del model.graph.initializer[0]
    with pytest.raises(Exception, match=r"not allowed|escapes"):
        onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (helper.make_node("RunThis", [], ["r"], domain="com.example"), "not ONNX's own"),
        (helper.make_node("Relu", ["means"], ["r"], domain="com.microsoft"), "not ONNX's own"),
        (helper.make_node("RunThis", [], ["r"]), "the operation RunThis"),
        (helper.make_node("StringConcat", ["a", "b"], ["r"]), "the operation StringConcat"),
        (helper.make_node("Loop", [], ["l"]), "the operation Loop"),
        (helper.make_node("Scan", [], ["l"], body=helper.make_graph([], "b", [], [])), "loops"),
        (helper.make_node("If", ["c"], ["l"], then_branch=helper.make_graph([], "b", [], [])),
         "branches"),
    ],
)  # fmt: skip
def test_operations_that_are_not_backbeats(model, node, words):
    model.graph.node.append(node)
    refused(model, words)


def test_functions_and_training(model):
    functions = [helper.make_function("backbeat", "twice", ["x"], ["y"], [], model.opset_import)]
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    changed.functions.extend(functions)
    refused(changed, "functions")
    model.training_info.add()
    refused(model, "training")


@pytest.mark.parametrize(
    ("dims", "data_type", "data", "words"),
    [
        ([2**40], 1, {"raw_data": b""}, "more or fewer"),
        ([2**40, 0], 1, {"raw_data": b""}, "more or fewer"),
        ([-1], 1, {"raw_data": bytes(4)}, "more or fewer"),
        ([2], 1, {"raw_data": bytes(4)}, "more or fewer"),
        ([1], 1, {"raw_data": bytes(5)}, "more or fewer"),
        ([1], 1, {"raw_data": bytes(4), "float_data": [0.0]}, "more or fewer"),
        ([1], 1, {}, "more or fewer"),
        ([3], 7, {"int64_data": [1, 2]}, "more or fewer"),
        ([1], 7, {"float_data": [0.0, 0.0]}, "another type"),
        ([1], 1, {"int64_data": [1]}, "another type"),
        ([1], 8, {"string_data": [b"text"]}, "none that backbeat writes"),
        ([1], 8, {}, "other weights than numbers"),
        ([1], 11, {"double_data": [0.0]}, "none that backbeat writes"),
    ],
)
def test_weights_that_are_not_what_they_promise(model, dims, data_type, data, words):
    model.graph.initializer.append(TensorProto(dims=dims, data_type=data_type, name="w", **data))
    refused(model, words)


def test_weights_that_are_not_raw_are_written_too(model):
    for data_type, numbers in ((1, [0.5, 2.0]), (6, [1, -1]), (7, [-(2**40), 3]), (9, [1, 0])):
        model.graph.initializer.append(helper.make_tensor(f"w{data_type}", data_type, [2], numbers))
    network = model.SerializeToString()
    read = onnx.load_from_string(plain(network)).graph.initializer
    assert list(read) == list(model.graph.initializer)


def test_too_many_parts(model):
    node = helper.make_node("Identity", ["slices"], ["same"])
    model.graph.node.extend([node] * 50_000)
    refused(model, "more than 200,000 parts")


def test_numbers_within_a_part_are_counted_too():
    tensor = field(2, 7) + field(7, b"\x01" * 200_001)
    with pytest.raises(ValueError, match="more than 200,000 parts"):
        plain(field(7, field(5, tensor)))


def test_a_cut_one():
    for length in (1, 10, len(NETWORK) // 2, len(NETWORK) - 1):
        refused(NETWORK[:length], "cannot be run")


@given(st.binary(max_size=300))
def test_any_bytes_are_looked_at_in_bounded_time(content):
    try:
        plain(content)
    except ValueError as error:
        assert "\n" not in str(error)


@given(st.lists(st.tuples(st.integers(0, len(NETWORK) - 1), st.integers(0, 255)), max_size=4))
def test_what_is_written_holds_the_same_for_protobufs_own_reader(changes):
    content = bytearray(NETWORK)
    for place, byte in changes:
        content[place] = byte
    try:
        written = plain(bytes(content))
    except ValueError:
        return
    assert plain(written) == written
    read = onnx.load_from_string(written)
    assert (
        read.SerializeToString()
        == onnx.load_from_string(read.SerializeToString()).SerializeToString()
    )
    assert len(read.SerializeToString()) == len(written)  # no unknown field, nothing merged
    for text in [n.op_type for n in read.graph.node]:
        assert text.isalnum()
    assert not any(t.external_data or t.data_location for t in read.graph.initializer)


def test_numbers_of_more_than_64_bits():
    for value in (b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\x01", b"\x80" * 9 + b"\x00"):
        with pytest.raises(ValueError, match="more bytes than it needs"):
            plain(b"\x08" + value)
    assert [plain(b"\x08" + number(v)) for v in (0, 2**64 - 1)] == [
        b"\x08\0",
        b"\x08" + b"\xff" * 9 + b"\1",
    ]
