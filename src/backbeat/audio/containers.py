"""The length that a file's header declares, and whether its layout shows a missing end.

Decoders hide a cut (libsndfile silently shortens a cut WAV), so the declared length is read from
the header: RIFF, RIFX and RF64 (EBU Tech 3306), Sony's wave 64, Sun AU, AIFF, Apple's CAF, Xing,
Info and VBRI frames of MP3, Ogg's pages (RFC 3533), MP4's boxes (ISO/IEC 14496-12), ASF's file
properties; FLAC, True Audio, WavPack and Matroska by FFmpeg. Raw AC-3 (ETSI TS 102 366) declares no
length: only a cut within a frame shows.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backbeat.audio import ogg
from backbeat.audio.source import AudioInfo
from backbeat.files.text import number

_BY_FFMPEG = (b"fLaC", b"\x1aE\xdf\xa3", b"TTA1", b"wvpk")  # the headers that it reads
_WAVE_64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_AC3 = b"\x0bw"


def declared_seconds(path: Path, info: AudioInfo) -> float | None:
    """Give the length in seconds that a file's header declares, whatever the file holds.

    None where the format, or this file's header, declares none.
    """
    try:
        with path.open("rb") as file:
            start = _skip_id3(file)
            head = file.read(16)
            if head[:4] in (b"RIFF", b"RF64", b"RIFX") and head[8:12] == b"WAVE":
                order = ">" if head[:4] == b"RIFX" else "<"
                return _wave_seconds(_chunks(file, f"{order}4sI"), file, order)
            if head == _WAVE_64:
                return _wave_seconds(_wave_64_chunks(file), file, "<")
            if head[:4] in (b".snd", b"dns."):
                return _au_seconds(file, ">" if head[:4] == b".snd" else "<")
            if head[:4] == b"caff":
                return _caf_seconds(file)
            if head[:4] == b"OggS":
                return ogg.seconds(file)
            if head[:4] == b"FORM":
                return _aiff_seconds(file, info.sample_rate)
            if head == _ASF_HEADER:
                return _asf_seconds(file)
            if head[:4] in _BY_FFMPEG or head[4:8] == b"ftyp":
                return info.seconds
            if info.codec.startswith("mp3"):
                file.seek(start)
                return _mp3_seconds(file.read(8192), info.sample_rate)
    except (OSError, struct.error, IndexError, ValueError):  # a header cut short
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
    """Say in words what is missing at the end of an Ogg, MP4 or AC-3 file.

    None if nothing is known.
    """
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head[:4] == b"OggS":
                return ogg.breaks_off(file)
            if head[4:8] == b"ftyp":
                return _mp4_breaks_off(file)
            if head[:2] == _AC3:
                return _ac3_breaks_off(file)
    except (OSError, struct.error, IndexError, ValueError):  # reported where it is read
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


def _wave_64_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Walk the chunks of Sony's wave 64: kinds of 16 bytes, of which the first 4 are RIFF's."""
    position = 40
    while len(head := _at(file, position, 24)) == 24:
        kind, length = struct.unpack("<4s12xQ", head)  # with the head
        if length < 24:
            return
        yield kind, length - 24
        position += (length + 7) // 8 * 8


def _at(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)


def _wave_seconds(chunks: Iterator[tuple[bytes, int]], file: BinaryIO, order: str) -> float | None:
    """Read a WAV's length: bytes of data by bytes a second."""
    rate = 0
    long_data = 0
    for kind, length in chunks:
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
            streamed = size == 0 or (not long_data and 0x7FFFF000 - 64 <= size <= 0xFFFFFFFF)
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


def _caf_seconds(file: BinaryIO) -> float | None:
    """Read a CAF's length: bytes of data by bytes a second, or the frames of its packets."""
    rate = bytes_a_packet = frames_a_packet = 0
    seconds = None
    for kind, length in _chunks(file, _CAF):
        if kind == b"desc":
            rate, bytes_a_packet, frames_a_packet = struct.unpack(">d8xII", file.read(24))
            if not 0 < rate < float("inf"):
                return None
        elif kind == b"pakt" and rate:
            return float(struct.unpack(">8xq", file.read(16))[0] / rate)
        elif kind == b"data" and rate and bytes_a_packet and length > 4:  # -1: not known
            seconds = (length - 4) / bytes_a_packet * frames_a_packet / rate
    return seconds


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


def _ac3_breaks_off(file: BinaryIO) -> str | None:
    """Walk the last frames of raw AC-3 or E-AC-3: the last must be whole."""
    size = file.seek(0, os.SEEK_END)
    tail = _at(file, max(0, size - 4 * 4096), 4 * 4096)  # a frame is 4,096 bytes at most
    begin = -1
    while (begin := tail.find(_AC3, begin + 1)) >= 0:
        position, frames = begin, 0
        # Two bytes may look like a frame's beginning by chance, three times in a row they do not.
        while tail.startswith(_AC3, position) and position + 6 <= len(tail):
            position += _ac3_bytes(tail[position : position + 6])
            frames += 1
        if frames > 2:
            cut = position > len(tail) or 0 < len(tail) - position < 6
            return "it breaks off within a frame" if cut else None
    return None


_AC3_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576)


def _ac3_bytes(head: bytes) -> int:
    """Give the length of the frame that begins with these six bytes."""
    if head[5] >> 3 > 10:  # E-AC-3
        return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
    code = head[4] & 63
    kilobits = (*_AC3_KILOBITS, 640)[code // 2]
    rate = head[4] >> 6  # 48, 44.1 or 32 kHz
    words = (2 * kilobits, 320 * kilobits // 147 + code % 2, 3 * kilobits)[rate]
    return 2 * words


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
