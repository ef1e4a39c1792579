"""Valid bytes to damaged ones. The same generator gives the same bytes."""

import io
import json
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

Mutator = Callable[[Random, Sequence[bytes]], bytes]
"""From seeds, each the bytes of a valid file, to the bytes of a case."""

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
_LONG_EDGES = (*_EDGES, 2**63 - 1, 2**63, 2**64 - 1, 10**9)
_HEAD = 200  # bytes that hold most headers
_MAX_BYTES = 4 << 20  # of a case, so that repeating does not make it slow


def of_bytes(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a file as disks, networks and attackers do: one to four changes."""
    content = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 2, 3, 4))):
        random.choice(_CHANGES)(random, content, seeds)
        del content[_MAX_BYTES:]
    return bytes(content)


def of_ogg(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Damage an Ogg file, and mostly make its checksums right, or all of a page is passed over."""
    content = of_bytes(random, seeds)
    return _with_checksums(content) if random.random() < 0.8 else content


def of_json(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Damage the values of a JSON file, and sometimes its bytes."""
    if random.random() < 0.4:
        return of_bytes(random, seeds)
    content = json.loads(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        content = _changed(random, content)
    return json.dumps(content).encode("utf-8", "surrogatepass")


def of_json_lines(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Damage one line of JSON lines."""
    if random.random() < 0.4:
        return of_bytes(random, seeds)
    lines = random.choice(seeds).splitlines(keepends=True)
    row = random.randrange(len(lines))
    lines[row] = json.dumps(_changed(random, json.loads(lines[row]))).encode() + b"\n"
    return b"".join(lines)


def of_text(random: Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a table or a spec: its cells and lines, and now and then its bytes."""
    if random.random() < 0.4:
        return of_bytes(random, seeds)
    lines = random.choice(seeds).splitlines(keepends=True)
    for _ in range(random.choice((1, 1, 2, 4))):
        row = random.randrange(len(lines))
        marks = [at for at, sign in enumerate(lines[row]) if sign in b",;:\t \n"]
        start, end = sorted((random.choice([0, *marks]), random.choice([*marks, len(lines[row])])))
        lines[row] = lines[row][:start] + random.choice(_ODD_CELLS) + lines[row][end:]
        if random.random() < 0.2:
            lines.insert(random.randrange(len(lines)), random.choice(lines))
    return b"".join(lines)


def of_zip(**members: Mutator) -> Mutator:
    """Make a mutator of zip files: of one member, packed again with its checksum, or of bytes.

    Parameters
    ----------
    members : mutator
        By a member's name, with ``_`` for its dot; others are damaged byte by byte.
    """

    def mutate(random: Random, seeds: Sequence[bytes]) -> bytes:
        if random.random() < 0.4:
            return of_bytes(random, seeds)
        with zipfile.ZipFile(io.BytesIO(random.choice(seeds))) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        name = random.choice(list(parts))
        one = members.get(name.replace(".", "_"), of_bytes)
        parts[name] = one(random, [parts[name]])
        return packed(parts)

    return mutate


def packed(parts: dict[str, bytes]) -> bytes:
    """Give a zip file of these members."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


# --- Bytes


def _place(random: Random, content: bytes | bytearray) -> int:
    """Choose a place: half of all in the head, some at the end."""
    size = max(1, len(content))
    where = random.random()
    if where < 0.5:
        return random.randrange(min(_HEAD, size))
    if where < 0.65:
        return size - 1 - random.randrange(min(_HEAD, size))
    return random.randrange(size)


def _span(random: Random, content: bytes | bytearray) -> tuple[int, int]:
    """Choose a stretch of up to a third of the file."""
    start = _place(random, content)
    length = int(2 ** random.uniform(0, max(1, len(content) // 3).bit_length()))
    return start, min(len(content), start + length)


def _flip(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    for _ in range(random.choice((1, 2, 8, 40))):
        if content:
            content[_place(random, content)] ^= 1 << random.randrange(8)


def _overwrite(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    start, end = _span(random, content)
    fill = random.choice((b"\0", b"\xff", None))
    content[start:end] = random.randbytes(end - start) if fill is None else fill * (end - start)


def _edge(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    """Write a number at the edge of its range, where a length or a count may be."""
    for _ in range(random.choice((1, 1, 3))):
        width, order = random.choice((1, 2, 4, 4, 8)), random.choice("<>")
        number = random.choice(_LONG_EDGES) & (1 << 8 * width) - 1
        at = _place(random, content)
        content[at : at + width] = struct.pack(
            f"{order}{ {1: 'B', 2: 'H', 4: 'I', 8: 'Q'}[width] }", number
        )


def _cut(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    del content[_place(random, content) :]


def _remove(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    start, end = _span(random, content)
    del content[start:end]


def _repeat(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    start, end = _span(random, content)
    content[start:start] = content[start:end] * random.choice((1, 2, 50))


def _swap(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    start, end = _span(random, content)
    chunk = bytes(content[start:end])
    del content[start:end]
    at = _place(random, content)
    content[at:at] = chunk


def _splice(random: Random, content: bytearray, seeds: Sequence[bytes]) -> None:
    """Go on with another file in the middle."""
    other = random.choice(seeds)
    content[_place(random, content) :] = other[_place(random, other) :]


def _insert(random: Random, content: bytearray, _seeds: Sequence[bytes]) -> None:
    at = _place(random, content)
    content[at:at] = random.choice((random.randbytes(64), bytes(5_000), b"\xff" * 300))


_CHANGES = (_flip, _flip, _overwrite, _edge, _edge, _edge, _cut, _remove, _repeat, _swap, _splice)
_CHANGES += (_insert,)


# --- Structures

_ODD_CELLS = (
    *(b"", b"-1", b"0", b"nan", b"-inf", b"1e999", b"9" * 5_000, b"2001-99-99", b"true", b"null"),
    *(b"\0", b"\xff\xfe", b'"', b'""', b"\r", b"\xed\xa0\x80", b"a" * 200_000, b"[" * 2_000),
    *(b"{" * 2_000, b"&a [*a, *a]", b"*a", b"!!python/object:os.system {}", b"../../etc", b"|"),
    *(b"=1+1", b"\xe2\x80\xa8", b"<<: *a", b"1:1:1", b"0x", b"? ", b"- - - -", b"\x1b[31m"),
)
_ODD_VALUES = (
    *(None, True, 0, -1, 2**31, 2**63, -(2**63), 1e308, 0.5, "", "a", "\0", "\ud800", [], {}),
    *(float("nan"), float("inf"), "x" * 100_000, [[]], [None], {"": ""}, [0] * 1_000, "nan"),
)


def _changed(random: Random, content: Any) -> Any:
    """Change one place of a JSON value: replace, remove or double it."""
    if isinstance(content, dict) and content and random.random() < 0.9:
        content = dict(content)
        key = random.choice(list(content))
        how = random.random()
        if how < 0.08:
            del content[key]
        elif how < 0.12:
            content[random.choice(("", "extra", "\ud800"))] = content.pop(key)
        else:
            content[key] = _changed(random, content[key])
        return content
    if isinstance(content, list) and content and random.random() < 0.8:
        content = list(content)
        row = random.randrange(len(content))
        how = random.random()
        if how < 0.1:
            del content[row]
        elif how < 0.2:
            content.append(content[row])
        else:
            content[row] = _changed(random, content[row])
        return content
    if random.random() < 0.05:
        deep: Any = content
        for _ in range(random.choice((3, 900))):  # json.dumps itself gives up at 1,000
            deep = [deep]
        return deep
    return random.choice(_ODD_VALUES)


# --- Ogg


def _crc_of(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


_CRC = [_crc_of(byte) for byte in range(256)]


def _with_checksums(content: bytes) -> bytes:
    """Set the checksum of each page (RFC 3533) that can be found."""
    whole = bytearray(content)
    at = whole.find(b"OggS")
    while at >= 0 and at + 27 <= len(whole):
        count = whole[at + 26]
        end = at + 27 + count + sum(whole[at + 27 : at + 27 + count])
        whole[at + 22 : at + 26] = bytes(4)
        checksum = 0
        for byte in whole[at:end]:
            checksum = (checksum << 8 & 0xFFFFFFFF) ^ _CRC[checksum >> 24 ^ byte]
        whole[at + 22 : at + 26] = struct.pack("<I", checksum)
        at = whole.find(b"OggS", at + 27)
    return bytes(whole)
