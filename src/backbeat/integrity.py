"""What is wrong with a file: found in the same decoding pass that computes the features.

A cut file is found by comparing what its header promises with what could be decoded. Decoders hide
the difference (libsndfile silently shortens a cut WAV), so the promise is read from the header:
RIFF and RF64 (EBU Tech 3306), Sun AU, AIFF, Xing, Info and VBRI frames of MP3, Ogg's pages
(RFC 3533), MP4's boxes (ISO/IEC 14496-12), ASF's file properties; FLAC and Matroska by FFmpeg.

What cannot be found: a raw MP3 or AAC stream without a Xing frame promises nothing, so where it is
cut it looks like a shorter song.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from backbeat.audio import AudioError, AudioInfo, open_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

__all__ = [
    "Finding",
    "Inspection",
    "Inspector",
    "breaks_off",
    "find_duplicates",
    "inspect",
    "promised_seconds",
    "unopened",
]

# Missing less than this is an encoder's padding or a sloppy header, not a cut.
TOLERATED_SECONDS = 0.25
TOLERATED_SHARE = 0.01

SILENT_PEAK = 1e-4  # -80 dB below full scale: under the noise of any recording

# A clipped wave stays at its limit for several samples, an unclipped one passes its peak in one or
# two. So only runs of 3 and more count, at full scale (where lossy decoders overshoot) or at the
# file's own peak (clipped, then turned down). "At" is within 0.01 %, 3 steps of 16 bits: even a
# slow pure tone, the roundest of peaks, spends only acos(0.9999) / (pi / 2) = 0.9 % of its time
# there. Loud masters have a few tenths of a per cent of such samples; above 1 % it is damage.
CLIPPED_LEVEL = 0.9999
CLIPPED_RUN = 3
CLIPPED_SHARE = 0.01

Level = Literal["unusable", "suspicious"]
Kind = Literal[
    "unreadable",
    "not-audio",
    "truncated",
    "too-short",
    "silent",
    "not-finite",
    "excluded",
    "clipped",
    "duplicate",
]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a file.

    Attributes
    ----------
    level : {"unusable", "suspicious"}
        Unusable files are left out of training; suspicious ones stay, and are named.
    kind : str
        A word for programs.
    reason : str
        A sentence for people, with the numbers, without the file's name.
    """

    level: Level
    kind: Kind
    reason: str


@dataclass(frozen=True)
class Inspection:
    """What was found out about a file by decoding it.

    Attributes
    ----------
    seconds : float
        The decoded length.
    sample_rate, channels : int
        Of the file; 0 if it could not be opened.
    digest : str
        A hash of the decoded samples, their rate and their number of channels: equal for a WAV and
        a FLAC of the same samples. Empty if nothing was decoded.
    findings : tuple of Finding
        Unusable ones first.
    """

    seconds: float
    sample_rate: int
    channels: int
    digest: str
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing was found that rules the file out."""
        return all(finding.level != "unusable" for finding in self.findings)


class Inspector:
    """Inspects blocks on their way to where they are needed.

    Parameters
    ----------
    path : Path
        The file, whose header is read for what it promises.
    info : AudioInfo
        Of the opened file.

    Examples
    --------
    >>> with open_source(path) as source:  # doctest: +SKIP
    ...     inspector = Inspector(path, source.info)
    ...     for samples in mono_blocks(inspector.watch(source), source.info, 22050):
    ...         ...
    >>> inspector.inspection(min_seconds=29.0).usable  # doctest: +SKIP
    True
    """

    def __init__(self, path: Path, info: AudioInfo) -> None:
        self.path = path
        self.info = info
        self._frames = 0
        self._peak = 0.0
        self._not_finite = 0
        self._at_full_scale = 0
        self._at_peak = 0
        self._error: AudioError | None = None
        self._hash = hashlib.blake2b(
            f"{info.sample_rate} Hz, {info.channels} channels;".encode(), digest_size=16
        )

    def watch(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Pass blocks through unchanged, and note what is in them.

        Parameters
        ----------
        blocks : iterable of ndarray of float32, shape (frames, channels)
            All blocks of the file, in order.

        Yields
        ------
        ndarray of float32, shape (frames, channels)
            The same blocks.

        Raises
        ------
        AudioError
            The source's own, after noting it: `inspection` can be asked for all the same.
        """
        try:
            for block in blocks:
                self._note(block)
                yield block
        except AudioError as error:
            self.failed(error)
            raise

    def failed(self, error: AudioError) -> None:
        """Note that decoding came to a bad end."""
        self._error = error

    def inspection(self, min_seconds: float) -> Inspection:
        """Sum up, when all blocks are through.

        Parameters
        ----------
        min_seconds : float
            The length that the front-end needs.

        Returns
        -------
        Inspection
        """
        seconds = self._frames / self.info.sample_rate
        findings = [*self._whole(seconds), *self._content(seconds, min_seconds)]
        digest = self._hash.hexdigest() if self._frames else ""
        info = self.info
        return Inspection(seconds, info.sample_rate, info.channels, digest, tuple(findings))

    def _note(self, block: Samples) -> None:
        """Take one block into account."""
        self._frames += len(block)
        self._hash.update(np.ascontiguousarray(block).data)
        level = np.abs(block)
        peak = float(level.max(initial=0.0))
        if not np.isfinite(peak):
            finite = np.isfinite(level)
            self._not_finite += int(level.size - np.count_nonzero(finite))
            level = np.where(finite, level, 0)
            peak = float(level.max(initial=0.0))
        # Runs that a block's edge divides may be missed: a sample in 100,000.
        if peak >= CLIPPED_LEVEL:
            self._at_full_scale += _in_runs(level >= CLIPPED_LEVEL)
        if peak > self._peak:
            if self._peak < CLIPPED_LEVEL * peak:
                self._at_peak = 0  # what came before lies below this file's limit
            self._peak = peak
        if peak >= CLIPPED_LEVEL * self._peak >= SILENT_PEAK:
            self._at_peak += _in_runs(level >= CLIPPED_LEVEL * self._peak)

    def _whole(self, seconds: float) -> Iterator[Finding]:
        """Say whether the whole file is there."""
        broken = breaks_off(self.path)
        promised = promised_seconds(self.path, self.info)
        if promised is not None:
            missing = promised - seconds
            if missing > max(TOLERATED_SECONDS, TOLERATED_SHARE * promised):
                broken = f"the header promises {promised:.1f} s, {seconds:.1f} s are there"
            else:
                broken = None  # all of the sound is there, whatever follows it
        if broken:
            yield Finding("unusable", "truncated", f"truncated: {broken}")
        if self._error:
            yield Finding("unusable", "unreadable", self._error.what)

    def _content(self, seconds: float, min_seconds: float) -> Iterator[Finding]:
        """Say whether the samples are a song's."""
        if seconds < min_seconds:
            what = f"{seconds:.2f} s long, the front-end needs {min_seconds:.1f} s"
            yield Finding("unusable", "too-short", what)
        if self._not_finite:
            what = f"{self._not_finite:,} samples are not numbers (NaN or infinite)"
            yield Finding("unusable", "not-finite", what)
        if self._frames and self._peak < SILENT_PEAK:
            what = "only zeros" if not self._peak else f"peak {20 * np.log10(self._peak):.0f} dBFS"
            yield Finding("unusable", "silent", f"silent: {what}")
        samples = self._frames * self.info.channels
        clipped = max(self._at_full_scale, self._at_peak) / max(samples, 1)
        if clipped > CLIPPED_SHARE:
            what = f"clipped: {clipped:.1%} of its samples stand at the limit"
            yield Finding("suspicious", "clipped", what)


def inspect(path: Path, *, min_seconds: float) -> Inspection:
    """Decode a file entirely and say what is wrong with it; never raises for a bad file.

    Parameters
    ----------
    path : Path
        The file.
    min_seconds : float
        The length that the front-end needs.

    Returns
    -------
    Inspection
    """
    inspector: Inspector | None = None
    try:
        with open_source(path) as source:
            inspector = Inspector(path, source.info)
            for _ in inspector.watch(source):
                pass
    except Exception as error:  # noqa: BLE001 - whatever a decoder does with a bad file is reported
        failure = (
            error if isinstance(error, AudioError) else AudioError(path, _decoder_words(error))
        )
        if inspector is None:
            return unopened(failure)
        inspector.failed(failure)
    return inspector.inspection(min_seconds)


def unopened(error: AudioError) -> Inspection:
    """Make the inspection of a file that could not be opened out of the error that said so."""
    broken = breaks_off(Path(error.path))
    if broken:
        finding = Finding("unusable", "truncated", f"truncated: {broken}")
    else:
        finding = Finding("unusable", error.kind, error.what)
    return Inspection(0.0, 0, 0, "", (finding,))


def find_duplicates(digests: Mapping[str, str]) -> dict[str, str]:
    """Find files of the same samples.

    Parameters
    ----------
    digests : mapping of str to str
        A file's name to its digest; empty digests are alike to none.

    Returns
    -------
    dict of str to str
        Each repeated file's name to the name of the first (by name) with the same samples.
    """
    first: dict[str, str] = {}
    repeated = {}
    for name in sorted(digests):
        if digests[name]:
            original = first.setdefault(digests[name], name)
            if original != name:
                repeated[name] = original
    return repeated


def _in_runs(mask: NDArray[np.bool_]) -> int:
    """Count the true cells of (frames, channels) that stand in runs of 3 and more frames."""
    if len(mask) < CLIPPED_RUN or np.count_nonzero(mask) < CLIPPED_RUN:
        return 0
    starts = mask[:-2] & mask[1:-1] & mask[2:]
    covered = np.zeros_like(mask)
    covered[:-2] = starts
    covered[1:-1] |= starts
    covered[2:] |= starts
    return int(np.count_nonzero(covered))


def _decoder_words(error: Exception) -> str:
    """Tell an error that no decoder should raise."""
    return f"cannot be decoded ({type(error).__name__}: {error})"


# --- What headers promise


def promised_seconds(path: Path, info: AudioInfo) -> float | None:
    """Give the length that a file's header promises, whatever is really there.

    Parameters
    ----------
    path : Path
        The file.
    info : AudioInfo
        Of the opened file.

    Returns
    -------
    float or None
        Seconds; None where the format, or this file's header, makes no promise.
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
    except (OSError, struct.error):  # a header cut short promises nothing
        pass
    return None


def breaks_off(path: Path) -> str | None:
    """Say whether the layout of an Ogg or MP4 file shows that its end is missing.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str or None
        What is missing, in words; None if nothing is, or the format does not tell.
    """
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
    """Go to where the sound begins, behind tags in ID3v2."""
    start = 0
    while (head := file.read(10))[:3] == b"ID3" and len(head) == 10:
        a, b, c, d = head[6:]
        start += 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if head[5] & 0x10 else 0)
        file.seek(start)
    file.seek(start)
    return start


def _chunks(file: BinaryIO, layout: str) -> Iterator[tuple[bytes, int]]:
    """Walk the chunks behind a 12-byte head; the file stands at each one's content."""
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
    """Read a WAV's promise: bytes of data by bytes a second."""
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
    """Read a Sun AU's promise."""
    file.seek(4)
    _, size, coding, rate, channels = struct.unpack(">5I", file.read(20))
    width = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(coding, 0)
    if size in (0, 0xFFFFFFFF) or not width * rate * channels:
        return None
    return float(size / (width * rate * channels))


def _aiff_seconds(file: BinaryIO, sample_rate: int) -> float | None:
    """Read an AIFF's promise, its number of frames."""
    for kind, _ in _chunks(file, ">4sI"):
        if kind == b"COMM":
            frames: int = struct.unpack(">2xI", file.read(6))[0]
            return frames / sample_rate
    return None


_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _asf_seconds(file: BinaryIO) -> float | None:
    """Read a WMA's promise: its time of playing in 100 ns, less the preroll in ms."""
    file.seek(0)
    head = file.read(65536)
    at = head.find(_ASF_PROPERTIES)
    if at < 0:
        return None
    playing, preroll, flags = struct.unpack_from("<Q8xQI", head, at + 64)
    return None if flags & 1 else playing / 1e7 - preroll / 1e3  # flag 1: broadcast, not known


def _mp3_seconds(head: bytes, sample_rate: int) -> float | None:
    """Read the promise of an MP3's first frame, if it is a Xing, Info or VBRI frame."""
    for mark, flags_at, count_at in ((b"Xing", 4, 8), (b"Info", 4, 8), (b"VBRI", None, 14)):
        at = head.find(mark)
        # The mark stands behind the side information, whose length depends on version and channels.
        for behind in (36, 21, 13):
            frame = head[at - behind : at] if at >= behind else b""
            if frame[:1] != b"\xff" or frame[1] & 0xE0 != 0xE0:
                continue
            if flags_at is not None and not head[at + 7] & 1:
                continue  # it does not tell the number of frames
            frames: int = struct.unpack_from(">I", head, at + count_at)[0]
            samples = 1152 if frame[1] & 0x18 == 0x18 else 576
            return frames * samples / sample_rate if frames else None
    return None


def _ogg_breaks_off(file: BinaryIO) -> str | None:
    """Look at an Ogg's last page: it must be whole and carry the mark of the end."""
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
    return None if tail[at + 5] & 4 else "its last page does not carry the mark of the end"


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
            break  # something else behind the last box
        indexed |= kind in (b"moov", b"moof")
        position += length
    if position > size:
        return f"it breaks off, {position - size:,} of its {position:,} bytes are missing"
    return None if indexed else "its index (moov) is missing, the recording was never finished"
