"""Genres in Vorbis comments (FLAC, Ogg), in MP4 and in ASF."""

import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from backbeat.library.tags import raw
from backbeat.library.tags.id3_files import id3v1, start_of
from backbeat.library.tags.raw import Family, Held, Parts, at, splice

# --- Vorbis comments


def _flac_comments(file: BinaryIO) -> list[raw.Comments]:
    blocks, _ = raw.flac_blocks(file, start_of(file))
    found = [raw.comments(content) for kind, content in blocks if kind == raw.COMMENTS]
    return found or [raw.Comments()]


def _comments_held(comments: Iterable[raw.Comments]) -> Held:
    return Held("Vorbis comment", [genre for one in comments for genre in one.genres()], [])


def _comments_parts(comments: raw.Comments) -> Parts:
    yield "vendor", comments.vendor
    for entry in comments.having(()).entries:
        yield raw.text(entry.partition(b"=")[0].upper()), entry


def _flac_put(file: BinaryIO, genres: Sequence[str]) -> None:
    start = start_of(file)
    blocks, end = raw.flac_blocks(file, start)
    splice(file, start + 4, end, raw.flac_with(blocks, genres))


def _flac_others(file: BinaryIO) -> Parts:
    for comments in _flac_comments(file):
        yield from _comments_parts(comments)
    for kind, content in raw.flac_blocks(file, start_of(file))[0]:
        if kind not in (raw.COMMENTS, raw.PADDING):
            yield f"block {kind}", content


FLAC = Family(lambda file: _comments_held(_flac_comments(file)), _flac_put, _flac_others)


# What the first packet of a stream begins with, and how many bytes of the second come before the
# comments.
_CODECS = {b"\x01vorbis": 7, b"OpusHead": 8, b"\x7fFLAC": 4}


def _ogg(file: BinaryIO, count: int = 1) -> tuple[list[Any], list[bytes], int, raw.Comments]:
    """Read the pages of so many packets, from the comments on.

    Gives the pages, their packets, how many bytes of the first one stand before the comments, and
    the comments with what is kept behind them: no padding.
    """
    from mutagen.ogg import OggPage

    file.seek(start_of(file))
    known: list[int] = []
    while not known:
        first = OggPage(file)
        if not first.first:
            raise ValueError("only Vorbis, Opus and FLAC are known in Ogg")
        known = [_CODECS[one] for one in _CODECS if b"".join(first.packets).startswith(one)]
    pages: list[Any] = []
    done = 0
    while done < count:
        page = OggPage(file)
        if page.serial == first.serial:
            pages.append(page)
            done += len(page.packets) - (not page.complete)
    packets, head = OggPage.to_packets(pages), known[0]
    comments = raw.comments(packets[0][head:])
    rest = comments.rest
    # The end of Vorbis' comments is a bit, and Opus keeps what begins with one.
    rest = rest[:1] if head == 7 else rest if rest and rest[0] & 1 else b""
    return pages, packets, head, replace(comments, rest=rest)


def _ogg_put(file: BinaryIO, genres: Sequence[str]) -> None:
    from mutagen.ogg import OggPage

    pages, (old, *others), head, comments = _ogg(file)
    body, start = comments.having(genres).joined(), old[:head]
    if head == 4:
        start = start[:1] + len(body).to_bytes(3, "big")
    elif head == 7 or not comments.rest:
        room = len(old) - head - len(body)
        body += bytes(room if room >= 0 else raw.ROOM)
    # mutagen numbers the pages up to the end of the file.
    v1 = id3v1(file)
    file.truncate(file.seek(0, 2) - len(v1))
    new = OggPage._from_packets_try_preserve([start + body, *others], pages)
    OggPage.replace(file, pages, new)
    file.seek(0, 2)
    file.write(v1)


def _ogg_others(file: BinaryIO) -> Parts:
    _, packets, _, comments = _ogg(file, count=2)
    yield from _comments_parts(comments)
    yield "the end of the comments", comments.rest
    yield "the codec's header", packets[1]


OGG = Family(lambda file: _comments_held([_ogg(file)[3]]), _ogg_put, _ogg_others)


# --- MP4

_LIST = (b"moov", b"udta", b"meta", b"ilst")
_GENRE = b"\xa9gen"
_MOVED = (b"stco", b"co64", b"tfhd", b"tfra", b"free", b"skip", b"mdat")
"""Atoms of places in the file, and of sound, which `same_sound` compares."""


def _mp4_atoms(file: BinaryIO) -> Iterator[tuple[raw.Atom, bytes]]:
    """Yield the atoms that hold no others, with their bytes; those of sound have none."""
    for atom in raw.atoms(file, 0, file.seek(0, 2)):
        if not atom.parent:
            size = 0 if atom.path[-1] in _MOVED else atom.end - atom.start
            yield atom, at(file, atom.start, size)


def _mp4_list(file: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Give the entries of the list of tags: their names and bytes."""
    entries = []
    for atom, content in _mp4_atoms(file):
        if atom.path[:-1] == _LIST:
            entries.append((atom.path[-1], content))
        elif atom.path == (*_LIST[:3], b"hdlr") and content[16:20] == b"mdta":
            raise ValueError("they are of QuickTime's kind, keys and values")
    return entries


def _mp4_get(file: BinaryIO) -> Held:
    from mutagen.id3 import TCON

    held = Held("MP4", [], [])
    for name, content in _mp4_list(file):
        values = raw.data_values(content[8:])
        if name == _GENRE:
            held.values.extend(raw.text(value) for value in values)
        elif name == b"gnre":
            numbers = [int.from_bytes(value, "big") for value in values]
            held.values.extend(g for number in numbers for g in TCON.GENRES[number - 1 :][:1])
        elif name == b"----" and re.search(rb"name....GENRE....data", content, re.I | re.S):
            held.beside.extend(raw.text(value) for value in values)
    # QuickTime and 3GPP have it outside of the list.
    outside: dict[tuple[bytes, ...], int] = {(*_LIST[:2], _GENRE): 12, (*_LIST[:2], b"gnre"): 14}
    for atom, content in _mp4_atoms(file):
        if start := outside.get(atom.path):
            held.beside.append(raw.text(content[start:].strip(b"\0")))
    return held


def _mp4_put(file: BinaryIO, genres: Sequence[str]) -> None:
    from mutagen.mp4 import MP4Tags

    entries = _mp4_list(file)
    values = [raw.atom(b"data", struct.pack(">II", 1, 0) + genre.encode()) for genre in genres]
    new = [raw.atom(_GENRE, b"".join(values))] if genres else []
    places = [number for number, (name, _) in enumerate(entries) if name in (_GENRE, b"gnre")]
    kept = [content for name, content in entries if name not in (_GENRE, b"gnre")]
    place = places[0] if places else len(kept)
    content = b"".join((*kept[:place], *new, *kept[place:]))

    class Raw(MP4Tags):  # type: ignore[misc]
        """A list that mutagen writes as it is, and moves all else."""

        def _render(self, key: str, value: bytes) -> bytes:
            return value

    if places or new:
        tags = Raw()
        tags["ilst"] = content
        size = file.seek(0, 2)
        file.seek(0)
        tags.save(file, padding=_keep_padding)
        _mp4_move(file, file.seek(0, 2) - size)


def _mp4_move(file: BinaryIO, shift: int) -> None:
    """Move the places in fragments and in their index; mutagen moves those of the first alone."""
    moov = fragments = 0
    for atom in raw.atoms(file, 0, file.seek(0, 2)):
        name, places, size = atom.path[-1], range(0), 8
        moov = atom.start if name == b"moov" else moov
        fragments += name == b"moof"
        head = at(file, atom.start, 24)
        if name == b"tfhd" and fragments > 1 and head[11] & 1:
            places = range(atom.start + 16, atom.start + 17)
        elif name == b"tfra":
            size = 8 if head[8] else 4
            step = 2 * size + sum((head[19] >> bits & 3) + 1 for bits in (0, 2, 4))
            places = range(atom.start + 24 + size, atom.end, step)
        for place in places:
            value = int.from_bytes(at(file, place, size), "big")
            if value > moov:
                file.seek(place)
                file.write((value + shift).to_bytes(size, "big"))


def _keep_padding(info: Any) -> int:
    """Keep the size of the tag's room, where it suffices."""
    padding: int = info.padding if info.padding >= 0 else info.get_default_padding()
    return padding


def _mp4_others(file: BinaryIO) -> Parts:
    made = (*_LIST[:3], b"hdlr")  # with the first tag
    for atom, content in _mp4_atoms(file):
        own = atom.path in ((*_LIST, _GENRE), (*_LIST, b"gnre"), made)
        if not own and atom.path[-1] not in _MOVED:
            yield raw.text(b".".join(atom.path)), content


MP4 = Family(_mp4_get, _mp4_put, _mp4_others)


# --- ASF

_ATTRIBUTE = "WM/Genre"


def _asf(file: BinaryIO) -> Any:
    from mutagen.asf import ASF

    file.seek(0)
    return ASF(file)


def _asf_header(file: BinaryIO) -> bytes:
    (size,) = struct.unpack("<Q", at(file, 16, 8))
    return at(file, 0, size)


def _asf_put(file: BinaryIO, genres: Sequence[str]) -> None:
    # FFmpeg counts one object too few, which mutagen would drop.
    count = sum(1 for _ in raw.asf_objects(_asf_header(file)))
    file.seek(24)
    file.write(struct.pack("<I", count))
    asf = _asf(file)
    if _ATTRIBUTE in asf.tags:
        del asf.tags[_ATTRIBUTE]
    if genres:
        asf.tags[_ATTRIBUTE] = list(genres)
    file.seek(0)
    asf.save(file, padding=_keep_padding)


def _asf_others(file: BinaryIO) -> Parts:
    # mutagen may move an attribute to another object.
    for name, value in _asf(file).tags:
        if name != _ATTRIBUTE:
            yield name, repr(value).encode("utf-8", "surrogatepass")
    yield from raw.asf_parts(_asf_header(file))


ASF = Family(
    get=lambda file: Held("ASF", [str(one) for one in _asf(file).tags.get(_ATTRIBUTE, ())], []),
    put=_asf_put,
    others=_asf_others,
)
