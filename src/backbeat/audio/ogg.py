"""An Ogg's pages (RFC 3533): its links, the length that they declare, and a missing end."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import BinaryIO

_TWO_PAGES = 2 * 65536  # a page is 65,307 bytes at most
_LONGEST_PAGE = 20.0  # seconds: they hold one or two, but for speech
_MAX_HEADERS = 10_000  # pages: covers take hundreds


@dataclass(frozen=True)
class Page:
    """A page, or the part of it that the file holds."""

    position: int
    """In bytes, as its length."""
    length: int
    """In bytes, whether the file has them all or not."""
    begins: bool
    """Whether its stream begins here."""
    ends: bool
    granule: int
    """How many samples of its stream are complete; -1 if no packet ends here."""
    stream: bytes
    """The stream's number."""
    content: bytes
    """Its first bytes."""


def pages(file: BinaryIO, position: int = 0) -> Iterator[Page]:
    """Walk an Ogg's pages; none if `position` is none's."""
    start = position
    while True:
        file.seek(position)
        head = file.read(27 + 255 + 64)
        if len(head) < 27:
            return
        if head[:4] == b"OggS":
            segments = head[26]
            length = 27 + segments + sum(head[27 : 27 + segments])
            granule, stream = struct.unpack_from("<q4s", head, 6)
            begins, ends = bool(head[5] & 2), bool(head[5] & 4)
            content = head[27 + segments :]
            yield Page(position, length, begins, ends, granule, stream, content)
            position += length
        elif position > start:
            # Damaged: the next page is found by its mark.
            file.seek(position)
            at = file.read(_TWO_PAGES).find(b"OggS")
            position += at if at > 0 else _TWO_PAGES - 3
        else:
            return


def links(path: Path) -> list[tuple[int, int]]:
    """Give where each link of a chained Ogg begins and ends, in bytes; none if it is not chained.

    A radio recording is such a chain: songs one after another, each with its own header.
    """
    try:
        with path.open("rb") as file:
            streams = set()
            for page in pages(file):
                if not page.begins:
                    break
                streams.add(page.stream)
            last = _last_page(file)
            if not streams or last is None or last.stream in streams:
                return []  # the last page belongs to the first link
            starts = []
            began = False
            for page in pages(file):
                if page.begins and not began:
                    starts.append(page.position)
                began = page.begins
            size = file.seek(0, os.SEEK_END)
    except OSError:  # what cannot be read is reported by the decoder
        return []
    return list(pairwise([*starts, size])) if len(starts) > 1 else []


def seconds(file: BinaryIO) -> float | None:
    """Give an Ogg's length: what its last page ends at, whichever pages are damaged.

    None for several streams, for one that was cut, and for a recording of a station that begins in
    the middle.
    """
    first, last = next(pages(file), None), _last_page(file)
    if breaks_off(file) or first is None or last is None or first.stream != last.stream:
        return None
    head, before = first.content, 0
    if head.startswith(b"\x01vorbis"):
        rate = int.from_bytes(head[12:16], "little")
    elif head.startswith(b"OpusHead"):
        rate, before = 48_000, int.from_bytes(head[10:12], "little")
    elif head.startswith(b"\x7fFLAC"):
        rate = int.from_bytes(head[27:30], "big") >> 4
    elif head.startswith(b"Speex   "):
        rate = int.from_bytes(head[36:40], "little")
    else:
        return None
    granules = (page.granule for page in islice(pages(file), _MAX_HEADERS) if page.granule > 0)
    if not rate or not 0 < next(granules, 0) <= _LONGEST_PAGE * rate:
        return None
    return max(0, last.granule - before) / rate


def breaks_off(file: BinaryIO) -> str | None:
    """Look at an Ogg's last page: it must be whole and have the end-of-stream flag."""
    last = _last_page(file)
    if last is None:
        return None
    if last.position + last.length > file.seek(0, os.SEEK_END):
        return "it breaks off within a page"
    return None if last.ends else "its last page does not have the end-of-stream flag"


def _last_page(file: BinaryIO) -> Page | None:
    begin = max(0, file.seek(0, os.SEEK_END) - _TWO_PAGES)
    file.seek(begin)
    at = file.read().rfind(b"OggS")
    return next(pages(file, begin + at), None) if at >= 0 else None
