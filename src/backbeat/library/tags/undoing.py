"""A log's changes taken back: the last first, byte for byte where nobody else changed the file."""

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from backbeat.classify.many import Failure
from backbeat.files import atomic
from backbeat.library.tags import delta, formats
from backbeat.library.tags.errors import TagError
from backbeat.library.tags.log import Entry, Log
from backbeat.library.tags.rewriting import Song, changing, opened, state
from backbeat.library.tags.sound import same_sound

How = Literal["byte for byte", "tag for tag", "nothing to do"]


@dataclass(frozen=True)
class Undone:
    """A file whose genre is what it was.

    Attributes
    ----------
    path : Path
    how : {"byte for byte", "tag for tag", "nothing to do"}
        Whether the whole file is as it was; or its genre only, because other tags were changed
        since; or it was so already, because the change was never made or is undone.
    """

    path: Path
    how: How


def undo(log: Log) -> Iterator[Undone | Failure]:
    """Take back what a log tells of.

    It can be stopped at any moment and done again. What killed processes have left beside the files
    is removed.

    Parameters
    ----------
    log : Log

    Yields
    ------
    Undone or Failure
        One for each change, the last first; a failure for a file whose genre someone changed since,
        and for each damaged line of the log.
    """
    for number in log.damaged:
        yield Failure(log.path, f"line {number} is damaged, and what it tells of left as it is")
    for folder in dict.fromkeys(path.parent for path in log.begun):
        try:
            atomic.sweep(folder)
        except OSError as error:
            yield Failure(folder, error.strerror or str(error))
    # A log that was added to may tell of one file twice.
    first = {entry.path: entry.before.sha256 for entry in reversed(log.entries)}
    for entry in reversed(log.entries):
        try:
            yield Undone(entry.path, _undo(entry, first[entry.path]))
        except TagError as error:
            yield Failure(entry.path, error.what)
        except FileNotFoundError:
            yield Failure(entry.path, "is not there any more")
        except OSError as error:
            yield Failure(entry.path, error.strerror or str(error))


def _undo(entry: Entry, first: str) -> How:
    path = entry.path
    with opened(path) as song:
        now = state(song.file).sha256
        if now in (first, entry.before.sha256):
            return "nothing to do"
        if now == entry.after.sha256:
            with changing(song, mtime_ns=entry.before.mtime_ns) as copy:
                _restore(song, copy, entry)
            return "byte for byte"
        present = formats.read(path, song.file).values
        if present == entry.old:
            return "nothing to do"
        if present != entry.new:
            told = ", ".join(present) or "none"
            raise TagError(path, f"left alone: its genre was changed since, to {told}")
        with changing(song) as copy:
            formats.write(path, entry.old, copy)
            if not same_sound(song.file, copy):
                raise TagError(path, "its sound would not stay as it is")
    return "tag for tag"


def _restore(song: Song, copy: BinaryIO, entry: Entry) -> None:
    digest = hashlib.sha256()
    copy.seek(0)
    copy.truncate()
    with mmap.mmap(song.file.fileno(), 0, access=mmap.ACCESS_READ) as new:
        try:
            for block in delta.joined(new, entry.patch):
                digest.update(block)
                copy.write(block)
        except ValueError as error:
            raise TagError(song.path, f"the log does not fit it ({error})") from error
    if digest.hexdigest() != entry.before.sha256:
        raise TagError(song.path, "the log does not fit it")
