"""What is wrong with a file: found in the same decoding pass that computes the features.

A cut file is found by comparing what its header promises with what could be decoded; `containers`
reads the promise. What cannot be found: a raw MP3 or AAC stream without a Xing frame promises
nothing, so where it is cut it looks like a shorter song.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from xxhash import xxh3_128

from backbeat.audio import LOUDEST, AudioError, AudioInfo, open_source
from backbeat.audio.containers import breaks_off, promised_seconds
from backbeat.files.folders import natural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

__all__ = [
    "Finding",
    "Inspection",
    "Inspector",
    "find_duplicates",
    "inspect",
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


WHOLE = frozenset(("too-short", "silent"))
"""Kinds of files that cannot be used although they can be read: they are skipped, not failed."""


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
        self._no_sound = 0
        self._at_full_scale = 0
        self._at_peak = 0
        self._error: AudioError | None = None
        # No secret is kept by it, so the quickest of good hashes will do.
        self._hash = xxh3_128(f"{info.sample_rate} Hz, {info.channels} channels;".encode())

    def watch(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Pass blocks through, and note what is in them.

        Parameters
        ----------
        blocks : iterable of ndarray of float32, shape (frames, channels)
            All blocks of the file, in order.

        Yields
        ------
        ndarray of float32, shape (frames, channels)
            The same blocks, but with zeros where samples are no sound (see `audio.is_sound`): what
            is computed from them is not kept, and need not overflow.

        Raises
        ------
        AudioError
            The source's own, after noting it: `inspection` can be asked for all the same.
        """
        try:
            for block in blocks:
                yield self._note(block)
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

    def _note(self, block: Samples) -> Samples:
        """Take one block into account; give it without what is no sound."""
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
        return block

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
        if self._no_sound:
            what = f"{self._no_sound:,} samples are not numbers, or too large for any sound"
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
        Each repeated file's name to the name of the first, as `folders.natural` sorts them, with
        the same samples.
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
