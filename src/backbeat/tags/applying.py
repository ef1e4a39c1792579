"""Changes made: each one tried on a copy, checked, logged, and then put in the file's place."""

import hashlib
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backbeat.classify import Failure
from backbeat.tags import delta, formats
from backbeat.tags.errors import TagError
from backbeat.tags.log import Entry, LogWriter
from backbeat.tags.plan import Change
from backbeat.tags.rewriting import State, changing, state
from backbeat.tags.sound import same_sound


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
    path = change.path.resolve()  # a link stays a link: what it leads to is changed
    if formats.read(path).values != change.present.values:
        raise TagError(path, "its genre was changed by someone else meanwhile")
    log.begin(path)
    before = state(path)
    with changing(path, mtime_ns=before.mtime_ns if keep_times else None) as copy:
        new = formats.write(copy, change.genres)
        if not same_sound(path, copy):
            raise TagError(path, "its sound would not stay as it is")
        after = state(copy)
        log.change(
            Entry(
                path=path,
                format=change.present.format,
                old=change.present.values,
                new=new,
                before=before,
                after=after,
                patch=_way_back(path, copy, before),
            )
        )


def _way_back(path: Path, copy: Path, before: State) -> tuple[delta.Piece, ...]:
    """Find how to make the old file from the new one, and try it."""
    with (
        path.open("rb") as old_file,
        copy.open("rb") as new_file,
        mmap.mmap(old_file.fileno(), 0, access=mmap.ACCESS_READ) as old,
        mmap.mmap(new_file.fileno(), 0, access=mmap.ACCESS_READ) as new,
    ):
        pieces = delta.pieces_of(old, new)
        digest = hashlib.sha256()
        for block in delta.joined(new, pieces):
            digest.update(block)
    if digest.hexdigest() != before.sha256:
        raise TagError(path, "was changed by someone else meanwhile")
    return pieces
