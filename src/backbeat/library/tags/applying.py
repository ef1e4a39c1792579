"""Changes made: each one tried on a copy, checked, logged, and then put in the file's place."""

import hashlib
import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backbeat.classify.many import Failure
from backbeat.library.tags import delta, formats
from backbeat.library.tags.errors import TagError
from backbeat.library.tags.log import Entry, LogWriter
from backbeat.library.tags.plan import Change
from backbeat.library.tags.rewriting import State, changing, opened, state
from backbeat.library.tags.sound import same_sound


@dataclass(frozen=True)
class Written:
    """A file that has got its genre."""

    path: Path
    genres: tuple[str, ...]


def apply(
    changes: Iterable[Change], log: LogWriter, *, keep_times: bool = False
) -> Iterator[Written | Failure]:
    """Write genres into files, one after another.

    Parameters
    ----------
    changes : iterable of Change
        Drawn lazily.
    log : LogWriter
        Tells of each change before it is made.
    keep_times : bool
        Whether the files' times of last change stay as they are.

    Yields
    ------
    Written or Failure
        One for each change: a bad file costs nothing but itself.
    """
    for change in changes:
        try:
            _apply(change, log, keep_times)
        except TagError as error:
            yield Failure(change.path, error.what)
        except OSError as error:
            yield Failure(change.path, error.strerror or str(error))
        else:
            yield Written(change.path, change.genres)


def _apply(change: Change, log: LogWriter, keep_times: bool) -> None:
    # A link stays a link: what it leads to is changed.
    path = Path(os.path.realpath(change.path))
    with opened(path) as song:
        present = formats.read(path, song.file)
        if present.values != change.present.values:
            raise TagError(path, "its genre was changed by another program meanwhile")
        if change.present.identity not in (None, present.identity):
            raise TagError(path, "was changed by another program meanwhile")
        log.begin(path)
        before = state(song.file)
        with changing(song, mtime_ns=before.mtime_ns if keep_times else None) as copy:
            new = formats.write(path, change.genres, copy)
            if not same_sound(song.file, copy):
                raise TagError(path, "its sound would not stay as it is")
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


def _way_back(path: Path, song: BinaryIO, copy: BinaryIO, before: State) -> tuple[delta.Piece, ...]:
    """Find how to make the old file from the new one, and try it."""
    with (
        mmap.mmap(song.fileno(), 0, access=mmap.ACCESS_READ) as old,
        mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ) as new,
    ):
        pieces = delta.pieces_of(old, new)
        digest = hashlib.sha256()
        for block in delta.joined(new, pieces):
            digest.update(block)
    if digest.hexdigest() != before.sha256:
        raise TagError(path, "was changed by another program meanwhile")
    return pieces
