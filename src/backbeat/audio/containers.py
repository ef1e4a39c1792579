"""The length that a file's header declares, and whether its layout shows a missing end.

Decoders hide a cut (libsndfile silently shortens a cut WAV), so the declared length is read from
the header: RIFF and RF64 (EBU Tech 3306), Sun AU, AIFF, Xing, Info and VBRI frames of MP3, Ogg's
pages (RFC 3533), MP4's boxes (ISO/IEC 14496-12), ASF's file properties; FLAC and Matroska by
FFmpeg.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from backbeat.audio.source import AudioInfo
from backbeat.files.text import number

__all__ = [
    "breaks_off",
    "declared_seconds",
    "is_free_format",
    "ogg_links",
    "ogg_pages",
    "sample_bytes",
]


def declared_seconds(path: Path, info: AudioInfo) -> float | None:
    """Give the length in seconds that a file's header declares, whatever the file holds.

    None where the format, or this file's header, declares none.
    """
    try:
        with path.open("rb") as file:
            start = _skip_id3(file)
            head = file.read(16)
            if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
                return _riff_seconds(file, ">" if head[:4] == b"RIFX" else "<")
            if head[:4] in (b".snd", b"dns."):
                return _au_seconds(file, ">" if head[:4] == b".snd" else "<")
            if head[:4] == b"FORM":
                return _aiff_seconds(file, info.sample_rate)
            if head == _ASF_HEADER:
                return _asf_seconds(file)
            if head[:4] in (b"fLaC", b"\x1aE\xdf\xa3") or head[4:8] == b"ftyp":
                return info.seconds
            if info.codec.startswith("mp3"):
                file.seek(start)
                return _mp3_seconds(file.read(8192), info.sample_rate)
    except (OSError, struct.error):  # a header cut short
        pass
    return None


def is_free_format(path: Path) -> bool:
    """Whether a file begins with an MP3 frame of a bit rate that its header does not declare."""
    try:
        with path.open("rb") as file:
            _skip_id3(file)
            head = file.read(3)
    except OSError:  # what cannot be read is reported elsewhere
        return False
    # The mark; layer 3 of any version; bit rate 0.
    return len(head) == 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and not head[2] & 0xF0


def breaks_off(path: Path) -> str | None:
    """Say in words what is missing at the end of an Ogg or MP4 file; None if nothing is known."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head[:4] == b"OggS":
                return _ogg_breaks_off(file)
            if head[4:8] == b"ftyp":
                return _mp4_breaks_off(file)
    except (OSError, struct.error, IndexError):  # what cannot be read is reported elsewhere
        pass
    return None


def _skip_id3(file: BinaryIO) -> int:
    """Go to the beginning of the sound, after ID3v2 tags."""
    start = 0
    while (head := file.read(10))[:3] == b"ID3" and len(head) == 10:
        a, b, c, d = head[6:]
        start += 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if head[5] & 0x10 else 0)
        file.seek(start)
    file.seek(start)
    return start


def _chunks(file: BinaryIO, layout: str) -> Iterator[tuple[bytes, int]]:
    """Walk the chunks after a file's head; the file is at each one's content."""
    in_caf = layout == _CAF
    position = 8 if in_caf else 12
    size = struct.calcsize(layout)
    while True:
        file.seek(position)
        head = file.read(size)
        if len(head) < size:
            return
        kind, length = struct.unpack(layout, head)
        yield kind, length
        if length < 0:  # of the last in a CAF: to the end
            return
        position += size + length + (0 if in_caf else length % 2)


def _riff_seconds(file: BinaryIO, order: str) -> float | None:
    """Read a WAV's length: bytes of data by bytes a second."""
    rate = 0
    long_data = 0
    for kind, length in _chunks(file, order + "4sI"):
        if kind == b"ds64":  # RF64: the true size of data, which then claims 0xFFFFFFFF
            long_data = struct.unpack("<8xQ", file.read(16))[0]
        elif kind == b"fmt ":
            coding, _, per_second, bytes_a_second, align, _ = struct.unpack(
                order + "HHIIHH", file.read(16)
            )
            # Sloppy writers get the redundant field wrong; for compressed sound it is all there is.
            rate = per_second * align if coding in (1, 3, 6, 7, 0xFFFE) else bytes_a_second
        elif kind == b"data":
            size = long_data if length == 0xFFFFFFFF else length
            # Written to a pipe: 0, or a placeholder near 2 or 4 GB.
            streamed = size == 0 or (not long_data and size >= 0x7FFFF000 - 64)
            return size / rate if rate and not streamed else None
    return None


def _au_seconds(file: BinaryIO, order: str) -> float | None:
    """Read a Sun AU's length."""
    file.seek(4)
    _, size, coding, rate, channels = struct.unpack(order + "5I", file.read(20))
    width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(coding, 0)
    if size in (0, 0xFFFFFFFF) or not width * rate * channels:
        return None
    return float(size / (width * rate * channels))


def _aiff_seconds(file: BinaryIO, sample_rate: int) -> float | None:
    """Read an AIFF's length, from its number of frames."""
    for kind, _ in _chunks(file, ">4sI"):
        if kind == b"COMM":
            frames: int = struct.unpack(">2xI", file.read(6))[0]
            return frames / sample_rate
    return None


@dataclass(frozen=True)
class SampleBytes:
    """Where the samples of a WAV, AIFF, CAF or AU lie, in bytes."""

    start: int
    declared: int  # how many there are by the header
    undeclared: int  # how many follow that are neither a chunk, nor a tag, nor padding
    sizes: Mapping[int, bytes]  # at which place the header would have what if it declared them all


_CAF = ">4sq"  # a chunk's head in a CAF
_PADDING = 1 << 16
_ALL = b"\xff" * 4  # as a size: all that follows
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")


def sample_bytes(file: BinaryIO) -> SampleBytes | None:
    """Find the samples of an open WAV, AIFF, CAF or AU; None in another file."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    mark, order = head[:4], ">" if head[:4] in (b".snd", b"FORM", b"RIFX", b"caff") else "<"
    layout = _CAF if mark == b"caff" else order + "4sI"
    start, declared = 0, None
    sizes: dict[int, bytes] = {}
    try:
        if mark in (b".snd", b"dns."):
            start, declared = struct.unpack(order + "4x2I", head)
            sizes[8] = _ALL
        elif mark in (b"RIFF", b"RIFX", b"RF64", b"FORM", b"caff"):
            for kind, length in _chunks(file, layout):
                at = file.tell()
                if kind == b"COMM":
                    sizes[at + 2] = _ALL  # the number of frames
                elif kind == b"ds64":
                    declared = struct.unpack("<8xQ", file.read(16))[0]
                    sizes[at + 8] = struct.pack("<Q", end - at)
                elif kind in (b"data", b"SSND"):
                    # Before the samples AIFF has 8 bytes in the chunk, and CAF 4.
                    lead = {b"FORM": 8, b"caff": 4}.get(mark, 0)
                    start = at + lead
                    if declared is None and length >= 0:
                        declared = max(0, length - lead)
                    sizes |= {at - 8: struct.pack(">q", end - at)} if lead == 4 else {at - 4: _ALL}
                    break
        if declared is None or not start:
            return None
        undeclared = end - start - declared
        if undeclared > _PADDING:
            file.seek(start + declared + (0 if layout == _CAF else declared % 2))
            head = file.read(struct.calcsize(layout))
            kind, length = struct.unpack(layout, head)
            is_chunk = all(32 <= letter < 127 for letter in kind) and length <= undeclared
            if not is_chunk and not head.startswith(_TAGS):
                return SampleBytes(start, declared, undeclared, sizes)
    except (OSError, OverflowError, struct.error):  # the decoder reports what is damaged
        return None
    return SampleBytes(start, declared, 0, sizes)


_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _asf_seconds(file: BinaryIO) -> float | None:
    """Read a WMA's length: its time of playing in 100 ns, less the preroll in ms."""
    file.seek(0)
    head = file.read(65536)
    at = head.find(_ASF_PROPERTIES)
    if at < 0:
        return None
    playing, preroll, flags = struct.unpack_from("<Q8xQI", head, at + 64)
    return None if flags & 1 else playing / 1e7 - preroll / 1e3  # flag 1: broadcast, not known


def _mp3_seconds(head: bytes, sample_rate: int) -> float | None:
    """Read the length from an MP3's first frame, if it is a Xing, Info or VBRI frame."""
    for mark, flags_at, count_at in ((b"Xing", 4, 8), (b"Info", 4, 8), (b"VBRI", None, 14)):
        at = head.find(mark)
        # The mark follows the side information, whose length depends on version and channels.
        for behind in (36, 21, 13):
            frame = head[at - behind : at] if at >= behind else b""
            if frame[:1] != b"\xff" or frame[1] & 0xE0 != 0xE0:
                continue
            if flags_at is not None and not head[at + 7] & 1:
                continue  # it has no number of frames
            frames: int = struct.unpack_from(">I", head, at + count_at)[0]
            samples = 1152 if frame[1] & 0x18 == 0x18 else 576
            return frames * samples / sample_rate if frames else None
    return None


def ogg_links(path: Path) -> list[tuple[int, int]]:
    """Give where each link of a chained Ogg begins and ends, in bytes; none if it is not chained.

    A radio recording is such a chain: songs one after another, each with its own header.
    """
    try:
        with path.open("rb") as file:
            streams = set()
            for _, begins, stream in ogg_pages(file):
                if not begins:
                    break
                streams.add(stream)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TWO_PAGES))
            tail = file.read()
            at = tail.rfind(b"OggS")
            if not streams or at < 0 or tail[at + 14 : at + 18] in streams:
                return []  # the last page belongs to the first link
            starts = []
            began = False
            for position, begins, _ in ogg_pages(file):
                if begins and not began:
                    starts.append(position)
                began = begins
    except OSError:  # what cannot be read is reported by the decoder
        return []
    return list(pairwise([*starts, size])) if len(starts) > 1 else []


def ogg_pages(file: BinaryIO) -> Iterator[tuple[int, bool, bytes]]:
    """Walk an Ogg's pages: the position, whether a stream begins there, and the stream's number."""
    position = 0
    while True:
        file.seek(position)
        head = file.read(27 + 255)
        if len(head) < 27:
            return
        if head[:4] == b"OggS":
            yield position, bool(head[5] & 2), head[14:18]
            position += 27 + head[26] + sum(head[27 : 27 + head[26]])
        elif position:
            # Damaged: the next page is found by its mark.
            file.seek(position)
            at = file.read(_TWO_PAGES).find(b"OggS")
            position += at if at > 0 else _TWO_PAGES - 3
        else:
            return


_TWO_PAGES = 2 * 65536  # a page is 65,307 bytes at most


def _ogg_breaks_off(file: BinaryIO) -> str | None:
    """Look at an Ogg's last page: it must be whole and have the end-of-stream flag."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TWO_PAGES))
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0:
        return None
    segments = tail[at + 26]
    end = at + 27 + segments + sum(tail[at + 27 : at + 27 + segments])
    if end > len(tail):
        return "it breaks off within a page"
    return None if tail[at + 5] & 4 else "its last page does not have the end-of-stream flag"


def _mp4_breaks_off(file: BinaryIO) -> str | None:
    """Walk an MP4's boxes: they must end where the file does, and hold the index."""
    size = file.seek(0, os.SEEK_END)
    position = 0
    indexed = False
    while position + 8 <= size:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = struct.unpack(">Q", file.read(8))[0]
        length = length or size - position  # 0: to the end
        if length < 8:
            break  # something else after the last box
        indexed |= kind in (b"moov", b"moof")
        position += length
    if position > size:
        return (
            f"it breaks off, {number(position - size)} of its {number(position)} bytes are missing"
        )
    return None if indexed else "its index (moov) is missing, the recording was never finished"
