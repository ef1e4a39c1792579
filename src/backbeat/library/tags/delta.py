"""The way back from a changed file to what it was, in few bytes: pure functions.

Writing a genre moves things about: a longer tag pushes the audio on, a tag library sorts frames by
its own taste, Ogg numbers its pages anew. So the old bytes are told as pieces of the new ones, with
what is missing in between: some hundred bytes for a song of many megabytes, cover art and all.
"""

import base64
import mmap
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Content: TypeAlias = bytes | mmap.mmap
Piece: TypeAlias = tuple[int, int] | bytes
"""Either (start, length) of the new content, or bytes that it lacks."""

_LEAST = 32  # bytes that must agree before a piece is worth its two numbers
_NEAR = 4096  # how far around its old place a piece is looked for before everywhere
_CHUNK = 1 << 20  # bytes compared at once


def pieces_of(old: Content, new: Content) -> tuple[Piece, ...]:
    """Tell `old` as pieces of `new`.

    Parameters
    ----------
    old, new : bytes or mmap

    Returns
    -------
    tuple of pieces
        What `joined` with `new` makes `old` again.
    """
    pieces: list[Piece] = []
    # old[literal:at] is missing so far; what came before it lies `shift` further on in `new`.
    literal = at = shift = 0
    while at < len(old):
        place = _place(old, at, new, at + shift)
        if place is None:
            at += _LEAST
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
    """Give what `pieces` of `new` tell of, block by block.

    Raises
    ------
    ValueError
        If a piece lies outside of `new`.
    """
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
    """Write pieces as JSON has them: missing bytes in base 64."""
    return [
        base64.b64encode(piece).decode("ascii") if isinstance(piece, bytes) else list(piece)
        for piece in pieces
    ]


def from_json(content: Sequence[str | list[int]]) -> tuple[Piece, ...]:
    """Read what `as_json` wrote.

    Raises
    ------
    ValueError
        If it is something else.
    """
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
    probe = bytes(old[at : at + _LEAST])
    if new[expected : expected + len(probe)] == probe:
        return expected
    ahead = bytes(old[at + _LEAST : at + 2 * _LEAST])
    if ahead and new[expected + _LEAST : expected + _LEAST + len(ahead)] == ahead:
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


def _agreeing_back(old: Content, at: int, least: int, new: Content, place: int) -> int:
    """Count the bytes before ``old[at]`` and ``new[place]`` that agree, down to ``old[least]``."""
    most = min(at - least, place)
    one, other = bytes(old[at - most : at])[::-1], bytes(new[place - most : place])[::-1]
    return _first_difference(one, other)


def _first_difference(one: bytes, other: bytes) -> int:
    return bisect_left(range(1, len(one) + 1), True, key=lambda size: one[:size] != other[:size])
