"""A stranger's ONNX network, read strictly and written anew with only what is understood.

Readers of protobuf differ on tags that are too long, on fields that stand twice and on groups, so a
check beside onnxruntime's own reader can be made to see another network than it runs. Here nothing
is passed on as it came. The fields, operators and types that backbeat's own networks have are
listed; they are written anew in the one form that protobuf's writers use, and that is run. All else
is refused: files named as weights, functions, loops, training, other makers' operations.
"""

import math
from collections.abc import Mapping

from backbeat.files.text import number

# What is kept of each message of onnx.proto, by the numbers of its fields. A star: it may stand
# several times. An enum is a small number, of which protobuf's readers drop the higher bits.
_KEPT: Mapping[str, Mapping[int, str]] = {
    "model": {1: "int", 7: "graph", 8: "opset*"},
    "opset": {1: "text", 2: "int"},
    "graph": {1: "node*", 2: "text", 5: "tensor*", 11: "value*", 12: "value*"},
    "node": {1: "text*", 2: "text*", 4: "text", 5: "attribute*", 7: "text"},
    "attribute": {1: "text", 2: "float", 3: "int", 4: "bytes", 5: "tensor", 7: "float*"}
    | {8: "int*", 9: "bytes*", 20: "enum"},
    "tensor": {1: "int*", 2: "enum", 4: "bytes", 5: "bytes", 7: "bytes", 8: "text", 9: "bytes"},
    "value": {1: "text", 2: "type"},
    "type": {1: "tensor type"},
    "tensor type": {1: "enum", 2: "shape"},
    "shape": {1: "dimension*"},
    "dimension": {1: "int", 2: "text"},
}
# Names, notes and shapes that onnxruntime does not need.
_LEFT_OUT: Mapping[str, tuple[int, ...]] = {
    "model": (2, 3, 4, 5, 6, 14),
    "graph": (10, 13, 16),
    "node": (3, 6, 9),
    "attribute": (13,),
    "tensor": (12, 16),
    "value": (3, 4),
    "type": (6,),
    "dimension": (3,),
}
_REFUSED: Mapping[str, Mapping[int, str]] = {
    "model": {20: "it holds a training", 25: "it holds functions"},
    "graph": {15: "it holds sparse weights"},
    "attribute": dict.fromkeys((6, 11), "it holds branches or loops")
    | dict.fromkeys((22, 23), "it holds sparse weights"),
    "tensor": dict.fromkeys((13, 14), "it names files outside of it"),
}
_ONNX_DOMAINS = (b"", b"ai.onnx")
# Those that networks of a spec's layers are exported to, and their nearest kin.
_OPERATORS = frozenset(
    b"Abs Add AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv Div "
    b"Elu Equal Erf Exp Expand Flatten Gather Gemm GlobalAveragePool GlobalMaxPool Identity "
    b"LeakyRelu Log MatMul Max MaxPool Min Mul Neg Pad Pow Reciprocal ReduceMax ReduceMean "
    b"ReduceProd ReduceSum Relu Reshape Shape Sigmoid Slice Softmax Softplus Sqrt Squeeze Sub Sum "
    b"Tanh Tile Transpose Unsqueeze Where".split()
)
_BYTES_EACH = {1: 4, 6: 4, 7: 8, 9: 1}  # of float32, int32, int64 and bool
_NUMBERS = {4: (1,), 5: (6, 9), 7: (7,)}  # fields that hold them otherwise than raw, and types
_RAW = 9
_WIRE = {"int": 0, "enum": 0, "float": 5}  # all else has a length: 2
_MAX_PARTS = 200_000  # a hundred times those of the largest here; half a second to read
_MAX_DIMENSION = 2**31

_Parts = list[bytes | memoryview]
_Found = dict[int, list[int | memoryview]]


def plain(network: bytes) -> bytes:
    """Write an ONNX network anew, from what is understood of it, without notes and other texts.

    Raises a ValueError, with the reason in plain words, if it holds anything else than numbers and
    the operators that backbeat's networks are made of, or is not encoded as protobuf's writers do.
    """
    return b"".join(_Writer().message("model", memoryview(network)))


class _Writer:
    """Writes messages anew, and counts what they are made of."""

    def __init__(self) -> None:
        self._parts = 0

    def message(self, kind: str, content: memoryview) -> _Parts:
        found: _Found = {}
        written: _Parts = []
        place = 0
        while place < len(content):
            self._count()
            tag, place = _varint(content, place)
            number, wire = tag >> 3, tag & 7
            value, place = _value(content, place, wire)
            if number in _LEFT_OUT.get(kind, ()):
                continue
            holds = _KEPT[kind].get(number)
            if holds is None:
                what = f"field {number} of a {kind} is none that backbeat writes"
                raise ValueError(_REFUSED.get(kind, {}).get(number, what))
            one = holds.removesuffix("*")
            if wire != _WIRE.get(one, 2):
                raise ValueError(f"field {number} of a {kind} is of another type")
            if number in found and one == holds:
                raise ValueError(f"field {number} of a {kind} stands twice")
            found.setdefault(number, []).append(value)
            written += self._field(tag, one, value)
        if kind == "node":
            _require_known(found)
        elif kind == "tensor":
            self._require_whole(found)
        elif kind == "opset" and not _is_onnx(found, 1):
            return []  # none of its operations is let through
        return written

    def _field(self, tag: int, kind: str, value: int | memoryview) -> _Parts:
        """Write a field anew: tag, length, content."""
        if isinstance(value, int):
            if kind == "enum" and value >= 128:
                raise ValueError("it holds a type that there is not")
            return [_as_varint(tag), _as_varint(value)]
        if kind == "float":
            return [_as_varint(tag), value]
        if kind == "text":
            str(value, "utf-8")  # raises a ValueError otherwise
        inner = self.message(kind, value) if kind in _KEPT else [value]
        if kind == "opset" and not inner:
            return []
        return [_as_varint(tag), _as_varint(sum(map(len, inner))), *inner]

    def _require_whole(self, found: _Found) -> None:
        """Refuse a tensor that promises other numbers than it holds."""
        (data_type,) = found.get(2, [0])
        if data_type not in _BYTES_EACH:
            raise ValueError("it holds other weights than numbers")
        dimensions = [value for value in found.get(1, []) if isinstance(value, int)]
        promised, held = math.prod(dimensions), 0
        for field, (content,) in ((n, found[n]) for n in (*_NUMBERS, _RAW) if n in found):
            assert isinstance(content, memoryview)
            if field == _RAW or field == 4:
                each = _BYTES_EACH[data_type]
                held += len(content) // each if len(content) % each == 0 else -1
            else:
                held += self._count_varints(content)
            if data_type not in _NUMBERS.get(field, _BYTES_EACH):
                raise ValueError("it holds weights of another type than they promise")
        if held != promised or max(dimensions, default=0) >= _MAX_DIMENSION:
            raise ValueError("it holds more or fewer weights than it promises")

    def _count_varints(self, content: memoryview) -> int:
        place = count = 0
        while place < len(content):
            self._count()
            _, place = _varint(content, place)
            count += 1
        return count

    def _count(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise ValueError(f"it has more than {number(_MAX_PARTS)} parts")


def _is_onnx(found: _Found, number: int) -> bool:
    return all(bytes(value) in _ONNX_DOMAINS for value in found.get(number, []))


def _require_known(node: _Found) -> None:
    if not _is_onnx(node, 7):
        raise ValueError("it needs operations that are not ONNX's own")
    operator = b"".join(bytes(value) for value in node.get(4, []))
    if operator not in _OPERATORS:
        shown = operator[:40].decode("utf-8", "replace")
        raise ValueError(f"it needs the operation {shown}, which backbeat does not run")


def _value(content: memoryview, place: int, wire: int) -> tuple[int | memoryview, int]:
    """Read a field's value, and where the next field begins."""
    if wire == 0:
        return _varint(content, place)
    if wire == 2:
        length, place = _varint(content, place)
    elif wire in (1, 5):
        length = 8 if wire == 1 else 4
    else:
        raise ValueError("it is no ONNX network")
    if place + length > len(content):
        raise ValueError("it is no ONNX network, or cut short")
    return content[place : place + length], place + length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """Read a number as protobuf's writers write it, in as few bytes as there can be."""
    if place < len(content) and content[place] < 0x80:  # nearly all are of one byte
        return content[place], place + 1
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            raise ValueError("it is no ONNX network, or cut short")
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if (shift and not byte) or value >= 2**64:
                break
            return value, place
    raise ValueError("it holds a number in more bytes than it needs")


def _as_varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
