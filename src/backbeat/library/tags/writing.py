"""Genres written into files and taken back: each change is checked on a copy and logged first."""

import hashlib
import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from backbeat.classify import Failure
from backbeat.files import atomic
from backbeat.library.stamps import Stamp
from backbeat.library.tags import delta, formats
from backbeat.library.tags.id3_files import id3v1, put_id3v1
from backbeat.library.tags.log import Entry, Log, LogWriter
from backbeat.library.tags.plan import Change, LeftAlone, Options, Present, kept
from backbeat.library.tags.rewriting import (
    Song,
    State,
    TagError,
    changing,
    opened,
    refusal,
    same_sound,
    state,
)

Seen = tuple[Path, Present] | LeftAlone | Failure
"""A file to classify, with the genre that it holds; or one that needs nothing more."""

How = Literal["byte for byte", "tag for tag", "nothing to do"]

_CHANGED = "was changed by another program meanwhile"
_SOUND = "cannot make sure that its sound stays as it is"


@dataclass(frozen=True)
class Written:
    """A file that has got its genre."""

    path: Path
    genres: tuple[str, ...]
    # What the file is known by now
    stamp: Stamp | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Undone:
    """A file whose genre is what it was before."""

    path: Path
    # Whether the whole file is as it was; or its genre only, because other tags were changed since;
    # or it was so already, because the change was never made or is undone
    how: How
    # What the file is known by now; None where nothing was to be done
    stamp: Stamp | None = field(default=None, compare=False, repr=False)


def survey(paths: Iterable[Path], options: Options) -> Iterator[Seen]:
    """Read the genre of each file before any is classified; a file with two paths comes once."""
    seen: set[Path] = set()
    for path in paths:
        try:
            real = path.resolve(strict=True)
            if real not in seen:
                seen.add(real)
                yield _seen(path, real, options)
        except RuntimeError:  # what Python up to 3.12 raises for links in a circle
            yield Failure(path, "is a link that leads back to itself")
        except (TagError, OSError) as error:
            yield _failure(path, error)


def _seen(path: Path, real: Path, options: Options) -> Seen:
    if real.is_dir():
        return Failure(path, "is a folder that cannot be listed")
    present = formats.read(real)
    if kept(present, options):
        return LeftAlone(path, present, "with a genre")
    if why := refusal(real):
        return Failure(path, why)
    return path, present


def apply(
    changes: Iterable[Change], log: LogWriter, *, keep_times: bool = False
) -> Iterator[Written | Failure]:
    """Write genres into files, one after another; a bad file does not stop the others."""
    for change in changes:
        try:
            stamp = _apply(change, log, keep_times)
        except (TagError, OSError) as error:
            yield _failure(change.path, error)
        else:
            yield Written(change.path, change.genres, stamp)


def _apply(change: Change, log: LogWriter, keep_times: bool) -> Stamp | None:
    # A link stays a link: what it leads to is changed.
    path = Path(os.path.realpath(change.path))
    with opened(path) as song:
        present = formats.read(path, song.file)
        if present.values != change.present.values:
            raise TagError(path, "its genre was changed by another program meanwhile")
        if change.present.identity not in (None, present.identity):
            raise TagError(path, _CHANGED)
        log.begin(path)
        before = state(song.file)
        with changing(song, mtime_ns=before.mtime_ns if keep_times else None) as given:
            copy = given.file
            new = formats.write(path, change.genres, copy)
            _check_sound(path, song.file, copy)
            log.change(
                Entry(
                    path=path,
                    format=change.present.format,
                    old=change.present.values,
                    new=new,
                    before=before,
                    after=state(copy),
                    patch=_way_back(path, song.file, copy, before),
                )
            )
    return given.stamp


def _check_sound(path: Path, song: BinaryIO, copy: BinaryIO) -> None:
    """Raise an error if the sound of a copy differs.

    That of ID3v1's number of the genre is not compared: FFmpeg takes ID3v1 for sound where lyrics,
    zeros or other things stand before it.
    """
    old, new = id3v1(song), id3v1(copy)
    number_only = old[:-1] == new[:-1]
    if number_only:
        put_id3v1(copy, old)
    same = same_sound(song, copy)
    if number_only:
        put_id3v1(copy, new)
    if not same:
        raise TagError(path, _SOUND)


def _way_back(path: Path, song: BinaryIO, copy: BinaryIO, before: State) -> tuple[delta.Piece, ...]:
    """Find how to make the old file from the new one, and try it."""
    with _mapped(song) as old, _mapped(copy) as new:
        pieces = delta.pieces_of(old, new)
        digest = hashlib.sha256()
        for block in delta.joined(new, pieces):
            digest.update(block)
    if digest.hexdigest() != before.sha256:
        raise TagError(path, _CHANGED)
    return pieces


def undo(log: Log) -> Iterator[Undone | Failure]:
    """Take back the changes of a log, the last first, and remove copies that were left.

    It can be stopped at any moment and done again. A file whose genre was changed since, and a
    damaged line of the log, are failures.
    """
    for number in log.damaged:
        yield Failure(log.path, f"line {number} is damaged; the change it records is not undone")
    for folder in dict.fromkeys(path.parent for path in log.begun):
        try:
            atomic.sweep(folder)
        except OSError as error:
            yield _failure(folder, error)
    # A log that was added to may name one file twice.
    first = {entry.path: entry.before.sha256 for entry in reversed(log.entries)}
    for entry in reversed(log.entries):
        try:
            yield Undone(entry.path, *_undo(entry, first[entry.path]))
        except FileNotFoundError:
            yield Failure(entry.path, "is not there any more")
        except (TagError, OSError) as error:
            yield _failure(entry.path, error)


def _undo(entry: Entry, first: str) -> tuple[How, Stamp | None]:
    path = entry.path
    with opened(path) as song:
        now = state(song.file).sha256
        if now in (first, entry.before.sha256):
            return "nothing to do", None
        if now == entry.after.sha256:
            with changing(song, mtime_ns=entry.before.mtime_ns) as copy:
                _restore(song, copy.file, entry)
            return "byte for byte", copy.stamp
        present = formats.read(path, song.file).values
        if present == entry.old:
            return "nothing to do", None
        if present != entry.new:
            shown = ", ".join(present) or "none"
            raise TagError(path, f"left alone: its genre was changed since, to {shown}")
        with changing(song) as copy:
            formats.write(path, entry.old, copy.file)
            _check_sound(path, song.file, copy.file)
    return "tag for tag", copy.stamp


def _restore(song: Song, copy: BinaryIO, entry: Entry) -> None:
    digest = hashlib.sha256()
    copy.seek(0)
    copy.truncate()
    with _mapped(song.file) as new:
        try:
            for block in delta.joined(new, entry.patch):
                digest.update(block)
                copy.write(block)
        except ValueError as error:
            raise TagError(song.path, f"the log does not fit it ({error})") from error
    if digest.hexdigest() != entry.before.sha256:
        raise TagError(song.path, "the log does not fit it")


def _mapped(file: BinaryIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _failure(path: Path, error: TagError | OSError) -> Failure:
    what = error.what if isinstance(error, TagError) else error.strerror or str(error)
    return Failure(path, what)
