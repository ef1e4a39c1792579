"""The length that a file's header declares, and whether its layout shows a missing end.

Decoders hide a cut (libsndfile silently shortens a cut WAV), so the declared length is read from
the header: RIFF and RF64 (EBU Tech 3306), Sun AU, AIFF, Xing, Info and VBRI frames of MP3, Ogg's
pages (RFC 3533), MP4's boxes (ISO/IEC 14496-12), ASF's file properties; FLAC and Matroska by
FFmpeg.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backbeat.audio import AudioInfo
from backbeat.files.text import number

__all__ = ["breaks_off", "declared_seconds"]


def declared_seconds(path: Path, info: AudioInfo) -> float | None:
    """Give the length in seconds that a file's header declares, whatever the file holds.

    None where the format, or this file's header, declares none.
    """
    try:
        with path.open("rb") as file:
            start = _skip_id3(file)
            head = file.read(16)
            if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
                return _riff_seconds(file)
            if head[:4] == b".snd":
                return _au_seconds(file)
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
    """Walk the chunks after a 12-byte head; the file is at each one's content."""
    position = 12
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        kind, length = struct.unpack(layout, head)
        yield kind, length
        position += 8 + length + length % 2


def _riff_seconds(file: BinaryIO) -> float | None:
    """Read a WAV's length: bytes of data by bytes a second."""
    rate = 0
    long_data = 0
    for kind, length in _chunks(file, "<4sI"):
        if kind == b"ds64":  # RF64: the true size of data, which then claims 0xFFFFFFFF
            long_data = struct.unpack("<8xQ", file.read(16))[0]
        elif kind == b"fmt ":
            coding, _, per_second, bytes_a_second, align, _ = struct.unpack(
                "<HHIIHH", file.read(16)
            )
            # Sloppy writers get the redundant field wrong; for compressed sound it is all there is.
            rate = per_second * align if coding in (1, 3, 6, 7, 0xFFFE) else bytes_a_second
        elif kind == b"data":
            size = long_data if length == 0xFFFFFFFF else length
            # Written to a pipe: 0, or a placeholder near 2 or 4 GB.
            streamed = size == 0 or (not long_data and size >= 0x7FFFF000 - 64)
            return size / rate if rate and not streamed else None
    return None


def _au_seconds(file: BinaryIO) -> float | None:
    """Read a Sun AU's length."""
    file.seek(4)
    _, size, coding, rate, channels = struct.unpack(">5I", file.read(20))
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


def _ogg_breaks_off(file: BinaryIO) -> str | None:
    """Look at an Ogg's last page: it must be whole and have the end-of-stream flag."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2 * 65536))  # a page is 65,307 bytes at most
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
