"""Old bytes are found in new ones wherever they went; the patch is small."""

import json
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.library.tags import delta

BYTES = st.binary(max_size=300)
PARTS = st.lists(st.binary(min_size=40, max_size=90), min_size=1, max_size=6)


def missing(pieces):
    return sum(len(piece) for piece in pieces if isinstance(piece, bytes))


def back(new, pieces):
    written = json.loads(json.dumps(delta.as_json(pieces)))
    return b"".join(delta.joined(new, delta.from_json(written)))


@given(BYTES, BYTES)
def test_any_content_comes_back(old, new):
    assert back(new, delta.pieces_of(old, new)) == old


@given(PARTS, st.randoms(), BYTES)
def test_content_comes_back_from_its_shuffled_parts(parts, chance, inserted):
    moved = parts.copy()
    chance.shuffle(moved)
    new = inserted.join(moved)
    old = b"".join(parts)
    assert back(new, delta.pieces_of(old, new)) == old


def test_what_has_moved_is_not_told_again():
    chance = random.Random(1)
    picture, sound, tag = (chance.randbytes(size) for size in (200_000, 900_000, 300))
    old = tag + picture + bytes(1000) + sound
    new = b"Rock!" + picture[:150_000] + tag + picture[150_000:] + bytes(800) + sound
    pieces = delta.pieces_of(old, new)
    assert back(new, pieces) == old
    assert missing(pieces) == 0
    assert len(pieces) < 12


def test_renumbered_pages_cost_their_numbers_only():
    chance = random.Random(2)
    pages = [chance.randbytes(4000) for _ in range(2000)]

    def numbered(first):
        return b"".join(
            b"OggS"
            + bytes(14)
            + struct.pack("<II", first + n, hash((first, n)) & 0xFFFFFFFF)
            + page
            for n, page in enumerate(pages)
        )

    old, new = numbered(2), b"a longer tag" * 300 + numbered(3)
    pieces = delta.pieces_of(old, new)
    assert back(new, pieces) == old
    assert missing(pieces) <= 26 + 8 * len(pages)  # the first page's whole header, then numbers


def test_what_is_nowhere_is_told_whole():
    chance = random.Random(3)
    old, new = chance.randbytes(5000), chance.randbytes(5000)
    assert delta.pieces_of(old, new) == (old,)
    assert delta.pieces_of(b"", new) == ()


@pytest.mark.parametrize("piece", [(0, 11), (-1, 3), (4, -2), (11, 0)])
def test_pieces_outside_are_refused(piece):
    with pytest.raises(ValueError, match="outside"):
        list(delta.joined(b"0123456789", [piece]))


@pytest.mark.parametrize("content", [["not base 64!"], [[1]], [["a", 2]]])
def test_other_json_is_refused(content):
    with pytest.raises(ValueError):
        delta.from_json(content)
