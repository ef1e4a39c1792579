"""What is wrong with a file: found in the same decoding pass that computes the features.

A cut file is found by comparing the length that its header declares with what was decoded. Not
found: a cut raw MP3 or AAC stream without a Xing frame, which declares no length and so looks like
a shorter song.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from xxhash import xxh3_128

from backbeat.audio import LOUDEST, AudioError, AudioInfo, open_source
from backbeat.audio.containers import breaks_off, declared_seconds
from backbeat.audio.source import CANCELLED
from backbeat.files.folders import natural
from backbeat.files.text import number, percent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

TOLERATED_SECONDS = 0.25
"""Missing less than this is an encoder's padding or an inexact header, not a cut."""
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
    "cancelling",
    "header",
    "duplicate",
]


WHOLE = frozenset(("too-short", "silent"))
"""Kinds of unusable files that can be read: they are skipped, and do not count as failed."""
_NEEDS = "the front-end needs"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a file: `kind` for programs, `reason` for people.

    Unusable files are left out of training; suspicious ones stay, and are listed. The reason has
    the numbers and not the file's name.
    """

    level: Level
    kind: Kind
    reason: str


@dataclass(frozen=True)
class Inspection:
    """What decoding a file showed.

    `seconds` is the decoded length; `sample_rate` (Hz) and `channels` are 0 if it could not be
    opened. `digest` is a hash of the decoded samples, their rate and number of channels: equal for
    a WAV and a FLAC of the same samples, empty if nothing was decoded. Unusable `findings` come
    first.
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

    Examples
    --------
    >>> with open_source(path) as source:  # doctest: +SKIP
    ...     inspector = Inspector(path, source.info, source.notes)
    ...     for samples in mono_blocks(inspector.watch(source), source.info, 22050):
    ...         ...
    >>> inspector.inspection(min_seconds=29.0).usable  # doctest: +SKIP
    True
    """

    def __init__(self, path: Path, info: AudioInfo, notes: Sequence[str] = ()) -> None:
        self.path = path
        self.info = info
        self.notes = notes  # of the source, which may add to them
        self._frames = 0
        self._peak = 0.0
        self._no_sound = 0
        self._at_full_scale = 0
        self._at_peak = 0
        self._cancelled = 0
        self._error: AudioError | None = None
        # No secret is kept by it, so the quickest of good hashes will do.
        self._hash = xxh3_128(f"{info.sample_rate} Hz, {info.channels} channels;".encode())

    def watch(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Pass on all blocks of the file, in order, of shape (frames, channels), and note content.

        Samples that are not sound (see `audio.is_sound`) become zeros: what is computed from them
        is not kept, and need not overflow. An error of the source is noted and raised again.
        """
        try:
            for block in blocks:
                yield self._note(block)
        except AudioError as error:
            self.failed(error)
            raise

    def failed(self, error: AudioError) -> None:
        """Note that decoding failed."""
        self._error = error

    def inspection(self, min_seconds: float) -> Inspection:
        """Sum up after all blocks; the front-end needs `min_seconds`."""
        seconds = self._frames / self.info.sample_rate
        findings = [*self._whole(seconds), *self._content(seconds, min_seconds)]
        digest = self._hash.hexdigest() if self._frames else ""
        info = self.info
        return Inspection(seconds, info.sample_rate, info.channels, digest, tuple(findings))

    def _note(self, block: Samples) -> Samples:
        """Record one block; give it with zeros where samples are not sound."""
        self._frames += len(block)
        self._hash.update(np.ascontiguousarray(block).data)
        peak = float(max(block.max(initial=0.0), -block.min(initial=0.0)))
        if not peak <= LOUDEST:  # NaN, too
            sound = np.abs(block) <= LOUDEST
            self._no_sound += int(block.size - np.count_nonzero(sound))
            block = np.where(sound, block, np.float32(0))
            peak = float(max(block.max(initial=0.0), -block.min(initial=0.0)))
        # Runs that a block's edge divides may be missed: a sample in 100,000.
        if peak >= CLIPPED_LEVEL:
            self._at_full_scale += _in_runs(np.abs(block) >= CLIPPED_LEVEL)
        if peak > self._peak:
            if self._peak < CLIPPED_LEVEL * peak:
                self._at_peak = 0  # what came before lies below this file's limit
            self._peak = peak
        if peak >= CLIPPED_LEVEL * self._peak >= SILENT_PEAK:
            self._at_peak += _in_runs(np.abs(block) >= CLIPPED_LEVEL * self._peak)
        if block.shape[1] == 2:
            left, right = block.T
            power = np.dot(left, left) + np.dot(right, right)
            if power + 2 * np.dot(left, right) < CANCELLED * power:
                self._cancelled += len(block)
        return block

    def _whole(self, seconds: float) -> Iterator[Finding]:
        """Check whether the whole file is there."""
        broken = breaks_off(self.path)
        declared = declared_seconds(self.path, self.info)
        if declared is not None:
            missing = declared - seconds
            if missing > max(TOLERATED_SECONDS, TOLERATED_SHARE * declared):
                broken = (
                    f"the header declares {number(declared, 1)} s, {number(seconds, 1)} s are there"
                )
            else:
                broken = None  # all of the sound is there, whatever follows
        if broken:
            yield Finding("unusable", "truncated", f"truncated: {broken}")
        if self._error:
            yield Finding("unusable", "unreadable", self._error.what)

    def _content(self, seconds: float, min_seconds: float) -> Iterator[Finding]:
        """Check whether the samples are a song's."""
        if seconds < min_seconds:
            what = f"{number(seconds, 2)} s long, {_NEEDS} {number(min_seconds, 1)} s"
            yield Finding("unusable", "too-short", what)
        if self._no_sound:
            what = f"{number(self._no_sound)} samples are not numbers, or too large for any sound"
            yield Finding("unusable", "not-finite", what)
        if self._frames and self._peak < SILENT_PEAK:
            what = (
                "only zeros" if not self._peak else f"peak {number(20 * np.log10(self._peak))} dBFS"
            )
            yield Finding("unusable", "silent", f"silent: {what}")
        samples = self._frames * self.info.channels
        clipped = max(self._at_full_scale, self._at_peak) / max(samples, 1)
        if clipped > CLIPPED_SHARE:
            what = f"clipped: {percent(clipped)} of its samples are at the limit"
            yield Finding("suspicious", "clipped", what)
        if self._cancelled > self._frames / 2:
            what = "its channels cancel each other, one is inverted; the louder is analysed"
            yield Finding("suspicious", "cancelling", what)
        for what in self.notes:
            yield Finding("suspicious", "header", what)


def inspect(path: Path, *, min_seconds: float) -> Inspection:
    """Decode a file entirely and say what is wrong with it; never raises for a bad file."""
    inspector: Inspector | None = None
    try:
        with open_source(path) as source:
            inspector = Inspector(path, source.info, source.notes)
            for _ in inspector.watch(source):
                pass
    except Exception as error:  # noqa: BLE001 - whatever a decoder does with a bad file is reported
        failure = error if isinstance(error, AudioError) else AudioError(path, _unexpected(error))
        if inspector is None:
            return unopened(failure)
        inspector.failed(failure)
    return inspector.inspection(min_seconds)


def is_too_short(findings: str) -> bool:
    """Whether the findings of a file, joined by "; ", say only that it is too short."""
    return _NEEDS in findings and ";" not in findings


def unopened(error: AudioError) -> Inspection:
    """Make the inspection of a file that could not be opened from the error."""
    broken = breaks_off(Path(error.path))
    if broken:
        finding = Finding("unusable", "truncated", f"truncated: {broken}")
    else:
        finding = Finding("unusable", error.kind, error.what)
    return Inspection(0.0, 0, 0, "", (finding,))


def find_duplicates(digests: Mapping[str, str]) -> dict[str, str]:
    """Give each repeated file's name, and that of the first (in `folders.natural` order) like it.

    Files are alike if their digests are equal and not empty.
    """
    first: dict[str, str] = {}
    repeated = {}
    for name in sorted(digests, key=natural):
        if digests[name]:
            original = first.setdefault(digests[name], name)
            if original != name:
                repeated[name] = original
    return repeated


def _in_runs(mask: NDArray[np.bool_]) -> int:
    """Count the true cells, shape (frames, channels), in runs of 3 and more frames."""
    if len(mask) < CLIPPED_RUN or np.count_nonzero(mask) < CLIPPED_RUN:
        return 0
    starts = mask[:-2] & mask[1:-1] & mask[2:]
    covered = np.zeros_like(mask)
    covered[:-2] = starts
    covered[1:-1] |= starts
    covered[2:] |= starts
    return int(np.count_nonzero(covered))


def _unexpected(error: Exception) -> str:
    """Describe an error that no decoder should raise."""
    return f"cannot be decoded ({type(error).__name__}: {error})"
