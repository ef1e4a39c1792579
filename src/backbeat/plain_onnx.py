"""Whether an ONNX network is numbers and operations alone, told without the package onnx.

A network of somebody else may name files beside it to be read as weights, carry functions and
loops that take time without end in a few bytes, and want operations that are not ONNX's own. None
of the networks that backbeat writes does: all are refused before onnxruntime sees them.
"""

from collections.abc import Iterator

_Field = tuple[int, int | memoryview]

# Which fields of ONNX's messages (onnx.proto) hold which messages, as far as is looked into.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "inner", 10: "tensor", 11: "inner", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_REFUSED = {
    "function": "it holds functions",
    "training": "it holds a training",
    "inner": "it holds branches or loops",
}
_ONNX_DOMAINS = (b"", b"ai.onnx")
_DOMAIN = 7  # of a node
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # of a tensor
_MOST_PARTS = 200_000  # a hundred times those of the largest here; half a second to look at


def require_plain(network: bytes) -> None:
    """Refuse a network that is more than numbers and operations.

    Parameters
    ----------
    network : bytes
        An ONNX model.

    Raises
    ------
    ValueError
        With the reason in plain words.
    """
    parts = 0
    todo = [("model", memoryview(network))]
    while todo:
        kind, content = todo.pop()
        inside = _INSIDE.get(kind, {})
        for number, value in _fields(content):
            parts += 1
            if parts > _MOST_PARTS:
                raise ValueError(f"it has more than {_MOST_PARTS:,} parts")
            if kind == "node" and number == _DOMAIN and isinstance(value, memoryview):
                if value.tobytes() not in _ONNX_DOMAINS:
                    raise ValueError("it needs operations that are not ONNX's own")
                continue
            if kind == "tensor" and number in (_EXTERNAL_DATA, _DATA_LOCATION) and value:
                raise ValueError("it names files outside of it")
            name = inside.get(number)
            if name in _REFUSED:
                raise ValueError(_REFUSED[name])
            if name is not None and isinstance(value, memoryview):
                todo.append((name, value))


def _fields(content: memoryview) -> Iterator[_Field]:
    """Give the fields of one message (protobuf's wire format): number, and integer or bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, how = key >> 3, key & 7
        if how == 0:
            value, place = _varint(content, place)
            yield number, value
            continue
        if how == 2:
            length, place = _varint(content, place)
        elif how in (1, 5):
            length = 8 if how == 1 else 4
        else:
            raise ValueError("it is no ONNX network")
        if place + length > len(content):
            raise ValueError("it is no ONNX network, or cut short")
        yield number, content[place : place + length]
        place += length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            break
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("it is no ONNX network, or cut short")
