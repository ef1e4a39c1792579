"""Tags as they lie in a file: comments, chunks, atoms and objects, each with its own bytes.

Tag libraries drop what they cannot read, and sort or translate the rest. Here nothing is decoded
but the genre, so that it alone changes, and what a writer changes besides is seen.
"""

import re
import struct
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

BLOCK = 1 << 20  # bytes read at once
ROOM = 1024  # bytes of padding that a tag gets when it grows
MOST = 100_000  # frames or chunks that are read: damaged sizes can make millions
SOUND = (b"data", b"SSND")  # chunks of WAV and AIFF
_TO_END = 0xFFFFFFFF  # the size of a chunk that was written before its end was known

Parts = Iterator[tuple[str, bytes]]
"""Names of tags with their bytes."""


@dataclass(frozen=True)
class Held:
    """The genres in a file."""

    format: str
    values: list[str]  # those of the tag that would be written
    beside: list[str]  # those of other tags that belong to the format


@dataclass(frozen=True)
class Family:
    """What differs between formats."""

    get: Callable[[BinaryIO], Held]
    put: Callable[[BinaryIO, Sequence[str]], None]
    others: Callable[[BinaryIO], Parts]  # all tags but the genre, in their order


def at(file: BinaryIO, start: int, size: int) -> bytes:
    """Read `size` bytes of a file from `start`, or those that there are."""
    end = file.seek(0, 2)
    file.seek(min(start, end))
    return file.read(max(0, min(size, end - start)))  # no room is made for what is not there


def splice(file: BinaryIO, start: int, end: int, new: bytes) -> None:
    """Replace the bytes of a file from `start` to `end`."""
    shift, total = len(new) - (end - start), file.seek(0, 2)
    if shift:
        blocks = range(end, total, BLOCK)
        for place in reversed(blocks) if shift > 0 else blocks:
            block = at(file, place, min(BLOCK, total - place))
            file.seek(place + shift)
            file.write(block)
        file.truncate(total + shift)
    file.seek(start)
    file.write(new)


def text(content: bytes) -> str:
    """Read UTF-8, or the Latin-1 of old programs."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


# --- Vorbis comments and the blocks of FLAC

COMMENTS, PADDING = 4, 1
Block = tuple[int, bytes]
"""The kind of a block of FLAC, and its content."""


@dataclass(frozen=True)
class Comments:
    """A Vorbis comment header; joined, its pieces are its bytes."""

    vendor: bytes = b"backbeat"
    entries: tuple[bytes, ...] = ()
    # What follows: nothing in FLAC; in Ogg the framing bit and padding, or what Opus keeps
    rest: bytes = b""

    def genres(self) -> list[str]:
        """Give the values of GENRE."""
        return [text(one.partition(b"=")[2]) for one in self.entries if _is_genre_entry(one)]

    def having(self, genres: Sequence[str]) -> "Comments":
        """Give comments with other genres where the first one is, or at the end."""
        kept = [entry for entry in self.entries if not _is_genre_entry(entry)]
        place = next((i for i, one in enumerate(self.entries) if _is_genre_entry(one)), len(kept))
        kept[place:place] = [f"GENRE={genre}".encode() for genre in genres]
        return replace(self, entries=tuple(kept))

    def joined(self) -> bytes:
        """Give the bytes."""
        parts = [self.vendor, *self.entries]
        sized = [struct.pack("<I", len(part)) + part for part in parts]
        return b"".join((sized[0], struct.pack("<I", len(sized) - 1), *sized[1:], self.rest))


def comments(content: bytes) -> Comments:
    """Split a Vorbis comment header."""
    place = 0

    def number() -> int:
        nonlocal place
        if place + 4 > len(content):
            raise ValueError("its comments are cut")
        place += 4
        return int.from_bytes(content[place - 4 : place], "little")

    def part() -> bytes:
        nonlocal place
        size = number()
        place += size
        if place > len(content):
            raise ValueError("its comments are cut")
        return content[place - size : place]

    vendor = part()
    entries = tuple(part() for _ in range(number()))
    return Comments(vendor, entries, content[place:])


def _is_genre_entry(entry: bytes) -> bool:
    return entry[:6].upper() == b"GENRE="


def flac_blocks(file: BinaryIO, start: int) -> tuple[list[Block], int]:
    """Read the blocks of a FLAC that begins at byte `start`; give also where its sound begins."""
    place, blocks, last = start + 4, list[Block](), False
    while not last:
        head = at(file, place, 4).ljust(4)
        size = int.from_bytes(head[1:], "big")
        last = bool(head[0] & 0x80)
        blocks.append((head[0] & 0x7F, at(file, place + 4, size)))
        place += 4 + size
        if len(blocks[-1][1]) < size:
            raise ValueError("its blocks are cut")
    if not re.match(rb"\xff[\xf8\xf9]", at(file, place, 2)):
        raise ValueError("its sound does not begin where its blocks end")
    return blocks, place


def flac_with(blocks: Sequence[Block], genres: Sequence[str]) -> bytes:
    """Give the bytes of blocks with other genres, in the first comments; padding makes room."""
    new, todo = list(blocks), genres
    if not any(kind == COMMENTS for kind, _ in new):
        new.insert(1, (COMMENTS, Comments().joined()))
    for number, (kind, content) in enumerate(new):
        if kind == COMMENTS:
            new[number] = kind, comments(content).having(todo).joined()
            todo = ()
    spare = sum(4 + len(one) for _, one in blocks) - sum(4 + len(one) for _, one in new)
    paddings = [number for number, (kind, _) in enumerate(new) if kind == PADDING]
    if paddings:
        spare += len(new[paddings[-1]][1])
        new[paddings[-1]] = PADDING, bytes(min(spare, 0xFFFFFF) if spare >= 0 else ROOM)
    elif spare < 0:
        new.append((PADDING, bytes(ROOM)))
    if any(len(content) > 0xFFFFFF for _, content in new):
        raise ValueError("its comments would be too large")
    ends = [*[0] * (len(new) - 1), 0x80]
    return b"".join(
        bytes([kind | end]) + len(content).to_bytes(3, "big") + content
        for (kind, content), end in zip(new, ends, strict=True)
    )


# --- Chunks of WAV and AIFF


@dataclass(frozen=True)
class Chunk:
    """A chunk in a file: its name, and where it, its content and what follows begin, in bytes."""

    name: bytes
    start: int
    content: int
    size: int
    end: int


@dataclass(frozen=True)
class Form:
    """The chunks of a WAV (RIFF, RIFX, RF64) or AIFF."""

    order: str  # `<` or `>`, as for `struct`
    size: int | None  # in bytes by its header; None if not known when the file was begun
    wide: int | None  # the byte where RF64 has this size instead
    chunks: tuple[Chunk, ...]
    end: int  # the byte where the last chunk ends
    # Whether the chunks fill the file and none could be longer, so that another can follow
    clean: bool


def form(file: BinaryIO) -> Form:
    """Find the chunks of a WAV or AIFF, also where padding bytes or sizes are missing."""
    total = file.seek(0, 2)
    kind = at(file, 0, 4)
    order = ">" if kind in (b"FORM", b"RIFX") else "<"
    (size,) = struct.unpack(order + "I", at(file, 4, 4))
    piped, wide, wide_data = size in (0, _TO_END), None, 0
    limit = total if piped else 8 + size
    place, chunks, unsure = 12, list[Chunk](), False
    while place + 8 <= min(limit, total) and len(chunks) < MOST and not unsure:
        name, size_here = struct.unpack(order + "4sI", at(file, place, 8))
        content = place + 8
        if name == b"ds64" and kind in (b"RF64", b"BW64"):
            size, wide_data = struct.unpack("<QQ", at(file, content, 16))
            piped, wide, limit = False, content, 8 + size
        if name == b"data" and (size_here == _TO_END or (piped and not size_here)):
            size_here, unsure = (wide_data, False) if wide else (total - content, True)
        if name == bytes(4):
            break
        unsure |= content + size_here > total
        size_here = min(size_here, total - content)
        end = content + size_here
        follows = at(file, end, 4)
        padded = size_here % 2 and follows and not re.match(rb"[ -~]{4}", follows)
        place = end + 1 if padded and end < limit else end
        chunks.append(Chunk(name, content - 8, content, size_here, place))
    behind = at(file, place, 1 << 16)
    clean = (
        not unsure
        and place >= min(limit, total)
        and (behind[:3] in (b"ID3", b"TAG") or not behind.strip(b"\0"))
    )
    return Form(order, None if piped else size, wide, tuple(chunks), place, clean)


def info_genres(content: bytes) -> list[str]:
    """Give the genre of a chunk LIST."""
    found = re.search(rb"IGNR(....)", content, re.DOTALL) if content[:4] == b"INFO" else None
    if not found:
        return []
    value = content[found.end() : found.end() + int.from_bytes(found[1], "little")]
    return [text(value.partition(b"\0")[0])]


# --- Atoms of MP4


@dataclass(frozen=True)
class Atom:
    """An atom of MP4: its name behind those of its parents, and its first and last byte."""

    path: tuple[bytes, ...]
    start: int
    end: int

    @property
    def parent(self) -> bool:
        """Whether it holds others."""
        return self.path[-1] in _PARENTS and len(self.path) < 9


def atom(name: bytes, content: bytes) -> bytes:
    """Give the bytes of an atom."""
    return struct.pack(">I4s", 8 + len(content), name) + content


_PARENTS = {b"moov", b"udta", b"trak", b"mdia", b"minf", b"stbl", b"meta", b"ilst"}
_PARENTS |= {b"moof", b"traf", b"mfra"}


def atoms(file: BinaryIO, start: int, end: int, path: tuple[bytes, ...] = ()) -> Iterator[Atom]:
    """Yield the atoms between two bytes, those that hold others before what they hold."""
    while start + 8 <= end:
        size, name = struct.unpack(">I4s", at(file, start, 8))
        head = 8
        if size == 1:
            (size,) = struct.unpack(">Q", at(file, start + 8, 8))
            head = 16
        size = size or end - start
        if size < head or start + size > end:
            raise ValueError(f"its atom {text(name)} is cut")
        one = Atom((*path, name), start, start + size)
        yield one
        if one.parent:
            # In MP4 `meta` begins with a version, in QuickTime it does not.
            head += 4 if name == b"meta" and at(file, start + head + 4, 4) != b"hdlr" else 0
            yield from atoms(file, start + head, one.end, one.path)
        start += size


def data_values(content: bytes) -> list[bytes]:
    """Give the values of an entry of MP4's list, which are atoms `data`."""
    values = []
    while len(content) >= 16:
        size = int.from_bytes(content[:4], "big")
        if content[4:8] == b"data":
            values.append(content[16:size])
        content = content[max(size, 8) :]
    return values


# --- Objects of ASF

ASF = uuid.UUID("75b22630-668e-11cf-a6d9-00aa0062ce6c").bytes_le
_EXTENSION = uuid.UUID("5fbf03b5-a92e-11cf-8ee3-00c00c205365").bytes_le
_OWN = [
    uuid.UUID(name).bytes_le
    for name in (
        "1806d474-cadf-4509-a4ba-9aabcb96aae8",  # padding, and the four with attributes
        "75b22633-668e-11cf-a6d9-00aa0062ce6c",
        "d2d0a440-e307-11d2-97f0-00a0c95ea850",
        "c5f8cbea-5baf-4877-8467-aa8c44fa4cca",
        "44231c94-9498-49d1-a141-1d134e457054",
    )
]


def asf_objects(header: bytes, start: int = 30) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of the objects from byte `start`, also beyond the header's count."""
    while start + 24 <= len(header):
        guid, size = struct.unpack_from("<16sQ", header, start)
        yield guid, header[start + 24 : start + size]
        start += max(size, 24)


def asf_parts(header: bytes) -> Parts:
    """Yield the objects without attributes, from the extension of the header, too."""
    for guid, content in asf_objects(header):
        inner = asf_objects(content, 22) if guid == _EXTENSION else [(guid, content)]
        yield from ((str(uuid.UUID(bytes_le=one)), held) for one, held in inner if one not in _OWN)
