"""ID3v2 and APEv2 in their bytes.

mutagen sorts frames, drops those that it cannot read and writes no ID3v2.2. Here no frame is
decoded, so that the genre's alone changes.
"""

import re
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import BinaryIO

from backbeat.library.tags.raw import BLOCK, MOST, ROOM, at, text


@dataclass(frozen=True)
class Id3:
    """An ID3v2 tag in pieces, which joined are its bytes."""

    head: bytes = b"ID3\4\0\0\0\0\0\0"  # the header and the extended header
    frames: tuple[bytes, ...] = ()
    rest: bytes = b""  # padding; or, in a damaged tag, all from what is not a frame
    foot: bytes = b""
    unsync: bool = False  # whether a zero byte stands after each 0xFF that could be taken for sound
    bits: int = 7  # how many bits of each byte of a frame's size count

    @property
    def version(self) -> int:
        """Give the 3 of ID3v2.3."""
        return self.head[3]

    @property
    def clean(self) -> bool:
        """Whether only padding follows the frames."""
        return not self.rest.strip(b"\0")

    @property
    def genre_frames(self) -> tuple[bytes, ...]:
        """Give the frames of the genre."""
        return tuple(filter(self._is_genre, self.frames))

    def _is_genre(self, frame: bytes) -> bool:
        name = frame[:3] if self.version == 2 else frame[:4]
        return name.rstrip(b"\0 ") in (b"TCON", b"TCO")

    def joined(self) -> bytes:
        """Give the bytes of the tag."""
        return self.head + b"".join(self.frames) + self.rest + self.foot


def id3_length(start: bytes) -> int:
    """Give the length of the ID3v2 tag whose first bytes these are; 0 for another thing."""
    if not re.match(rb"ID3[\2-\xfe][\0-\xfe].[\0-\x7f]{4}", start, re.DOTALL):
        return 0
    foot = 10 if start[3] == 4 and start[5] & 0x10 else 0
    return 10 + _number(start[6:10], 7) + foot


def id3(tag: bytes) -> Id3:
    """Split a tag. Where its sizes fit only as another version has them, they are read so."""
    version, flags = tag[3], tag[5]
    if version > 4:
        raise ValueError(f"ID3v2.{version} is not known")
    if len(tag) != id3_length(tag):
        raise ValueError("its ID3 tag is cut")
    # Version 2.4 counts sizes with the zeros of unsynchronisation, those before without.
    unsyncs = ((False, True) if version == 4 else (True, False)) if flags & 0x80 else (False,)
    units = {2: (8,), 3: (8, 7), 4: (7, 8)}[version]
    tries = (_split(tag, unsync, bits) for unsync in unsyncs for bits in units)
    first = next(tries)
    best = first if first.clean else next((one for one in tries if one.clean), first)
    if not best.clean and (b"TCO" if version == 2 else b"TCON") in best.rest:
        raise ValueError("its ID3 tag is damaged, and a genre stands behind the damage")
    return best


def _split(tag: bytes, unsync: bool, bits: int) -> Id3:
    version, flags = tag[3], tag[5]
    end = len(tag) - (10 if version == 4 and flags & 0x10 else 0)
    pieces = tag[10:end].split(b"\xff\0") if unsync else [tag[10:end]]
    plain = b"\xff".join(pieces)
    zeros: list[int] = []  # places in `plain` before which a zero was left out
    for piece in pieces[:-1]:
        zeros.append((zeros[-1] if zeros else 0) + len(piece) + 1)
    length = 3 if version == 2 else 4  # of a frame's name, and of its size
    head = 6 if version == 2 else 10
    name = re.compile(rb"[A-Z][A-Za-z0-9]{%d}[A-Za-z0-9 \0]" % (length - 2))
    start = 0
    if flags & 0x40 and version > 2 and not name.match(plain):
        start = _number(plain[:4], 7) if version == 4 else 4 + _number(plain[:4], 8)
    cuts = [start if start <= len(plain) else 0]
    while name.match(plain, cuts[-1]) and len(cuts) < MOST:
        size = _number(plain[cuts[-1] + length : cuts[-1] + 2 * length], bits)
        if cuts[-1] + head + size > len(plain):
            break
        cuts.append(cuts[-1] + head + size)
    places = [10 + cut + bisect_right(zeros, cut) for cut in cuts]
    return Id3(
        head=tag[: places[0]],
        frames=tuple(tag[i:j] for i, j in pairwise(places)),
        rest=tag[places[-1] : end],
        foot=tag[end:],
        unsync=unsync,
        bits=bits,
    )


def genre_tag(tag: Id3) -> bytes:
    """Give a tag that has the genre of another alone."""
    body = b"".join(tag.genre_frames)
    body = body.replace(b"\xff\0", b"\xff") if tag.unsync else body
    flags = tag.head[5] & 0x80 if tag.version == 4 and not tag.unsync else 0
    return b"ID3" + bytes([tag.version, 0, flags]) + _synchsafe(len(body)) + body


def id3_with(tag: Id3, genres: Sequence[str]) -> bytes:
    """Give the bytes of a tag with other genres; all other frames stay, in their order."""
    place, bit = (15, 0x20) if tag.version == 4 else (14, 0x80)
    if len(tag.head) > place and tag.head[place] & bit:
        raise ValueError("its ID3 tag has a checksum, which would no longer fit")
    own = tag.genre_frames
    kept = [frame for frame in tag.frames if frame not in own]
    if genres:
        # In a damaged tag before all others: who reads on behind the damage may find more.
        place = len(kept) if tag.clean else 0
        place = tag.frames.index(own[0]) if own else place
        kept.insert(place, _genre_frame(tag, genres))
    content = tag.head[10:] + b"".join(kept)
    rest = tag.rest
    if tag.clean and not tag.foot and len(tag.head) == 10:
        room = len(tag.joined()) - 10 - len(content)
        rest = bytes(room if room >= 0 else ROOM)
    head = tag.head[:6] + _synchsafe(len(content) + len(rest))
    return head + content + rest + (b"3DI" + head[3:] if tag.foot else b"")


def _genre_frame(tag: Id3, genres: Sequence[str]) -> bytes:
    # Without an end, a reader finds no last value if that is empty.
    joined = "/".join(genres) or "\0"
    if tag.version == 4:
        body = b"\3" + "\0".join((*genres[:-1], genres[-1] or "\0")).encode()
    elif joined.isascii():
        body = b"\0" + joined.encode()
    else:
        body = b"\1\xff\xfe" + joined.encode("utf-16-le") + b"\0\0"
    if tag.version == 2:
        return b"TCO" + len(body).to_bytes(3, "big") + body
    frame = b"TCON" + (_synchsafe(len(body)) if tag.bits == 7 else struct.pack(">I", len(body)))
    frame += b"\0\0" + body
    return re.sub(rb"\xff(?=[\0\xe0-\xff])", b"\xff\0", frame) if tag.unsync else frame


def _number(content: bytes, bits: int) -> int:
    return reduce(lambda value, byte: value << bits | byte, content, 0)


def _synchsafe(number: int) -> bytes:
    if number >> 28:
        raise ValueError("its ID3 tag would be too large")
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


# --- APEv2


def ape_genres(file: BinaryIO) -> list[str]:
    """Give the genres of the APEv2 tag at the end of a file, however broken its other items are."""
    begin = max(0, file.seek(0, 2) - BLOCK)
    foot = begin + at(file, begin, BLOCK).rfind(b"APETAGEX")
    if foot < begin:
        return []
    size, count = struct.unpack("<II", at(file, foot + 12, 8).ljust(8, b"\0"))
    items = at(file, max(0, foot + 32 - size), min(size, foot))
    place = 0
    for _ in range(min(count, MOST)):
        length, flags = struct.unpack("<II", items[place : place + 8].ljust(8, b"\0"))
        end = items.find(b"\0", place + 8)
        if items[place + 8 : end].lower() == b"genre" and not flags & 6:
            return [text(one) for one in items[end + 1 : end + 1 + length].split(b"\0")]
        place = end + 1 + length
    return []
