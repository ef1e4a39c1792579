"""The old bytes of a changed file as a small patch of the new ones: pure functions.

Writing a genre moves bytes: a longer tag pushes the audio on, a tag library sorts frames, Ogg
numbers its pages again. So a patch names pieces of the new file and holds the bytes that it lacks:
some hundred bytes for a song of many megabytes, cover art included.
"""

import base64
import mmap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Content: TypeAlias = bytes | mmap.mmap
Piece: TypeAlias = tuple[int, int] | bytes
"""Either (start, length) of the new content, or bytes that it lacks."""

_MIN_PIECE = 32  # bytes that must agree for a piece
_NEAR = 4096  # bytes around its old place that are searched before the whole file
_CHUNK = 1 << 20  # bytes compared at once


def pieces_of(old: Content, new: Content) -> tuple[Piece, ...]:
    """Give the pieces of `new` that `joined` makes `old` of."""
    pieces: list[Piece] = []
    # old[literal:at] is missing so far; what came before it lies `shift` further on in `new`.
    literal = at = shift = 0
    while at < len(old):
        place = _place(old, at, new, at + shift)
        if place is None:
            at += _MIN_PIECE
            continue
        back = _agreeing_back(old, at, literal, new, place)
        start, place = at - back, place - back
        length = _agreeing(old, start, new, place)
        if start > literal:
            pieces.append(bytes(old[literal:start]))
        pieces.append((place, length))
        literal = at = start + length
        shift = place + length - at
    if literal < len(old):
        pieces.append(bytes(old[literal:]))
    return tuple(pieces)


def joined(new: Content, pieces: Sequence[Piece]) -> Iterator[bytes]:
    """Yield the content of `pieces`, block by block; raise ValueError for one outside of `new`."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        start, length = piece
        if not 0 <= start <= start + length <= len(new):
            raise ValueError("a piece lies outside of the file")
        for begin in range(start, start + length, _CHUNK):
            yield bytes(new[begin : min(begin + _CHUNK, start + length)])


def as_json(pieces: Sequence[Piece]) -> list[str | list[int]]:
    """Write pieces for JSON: ranges as they are, bytes in base 64."""
    return [
        base64.b64encode(piece).decode("ascii") if isinstance(piece, bytes) else list(piece)
        for piece in pieces
    ]


def from_json(content: Sequence[str | list[int]]) -> tuple[Piece, ...]:
    """Read what `as_json` wrote."""
    pieces: list[Piece] = []
    for one in content:
        if isinstance(one, str):
            pieces.append(base64.b64decode(one, validate=True))
        else:
            start, length = one
            pieces.append((int(start), int(length)))
    return tuple(pieces)


def _place(old: Content, at: int, new: Content, expected: int) -> int | None:
    """Find where in `new` the bytes at ``old[at]`` are: first where they would be unmoved."""
    probe = bytes(old[at : at + _MIN_PIECE])
    if new[expected : expected + len(probe)] == probe:
        return expected
    ahead = bytes(old[at + _MIN_PIECE : at + 2 * _MIN_PIECE])
    if ahead and new[expected + _MIN_PIECE : expected + _MIN_PIECE + len(ahead)] == ahead:
        # Only a page's number and checksum differ: looking everywhere, for each page, takes long.
        return None
    for start, end in ((max(0, expected - _NEAR), expected + _NEAR), (0, len(new))):
        if (found := new.find(probe, start, end)) >= 0:
            return found
    return None


def _agreeing(old: Content, at: int, new: Content, place: int) -> int:
    """Count the bytes that agree from ``old[at]`` and ``new[place]`` on."""
    length, step = 0, 64
    most = min(len(old) - at, len(new) - place)
    while length < most:
        step = min(step, most - length)
        one = old[at + length : at + length + step]
        other = new[place + length : place + length + step]
        if one != other:
            return length + _first_difference(one, other)
        length += step
        step = min(step * 4, _CHUNK)
    return length


def _agreeing_back(old: Content, at: int, start: int, new: Content, place: int) -> int:
    """Count the bytes before ``old[at]`` and ``new[place]`` that agree, down to ``old[start]``."""
    most = min(at - start, place)
    one, other = bytes(old[at - most : at])[::-1], bytes(new[place - most : place])[::-1]
    return _first_difference(one, other)


def _first_difference(one: bytes, other: bytes) -> int:
    return bisect_left(range(1, len(one) + 1), True, key=lambda size: one[:size] != other[:size])
