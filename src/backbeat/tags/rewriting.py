"""A file changed in a copy beside it, which then takes its place: whole, or not at all.

Tag libraries write in place, and where a tag has outgrown its room they move all that comes after
it: a process killed meanwhile leaves a broken song.
"""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backbeat.tags.errors import TagError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class State:
    """What tells a file's content from another: its length, its SHA-256 and when it was written."""

    size: int
    """In bytes."""
    sha256: str
    mtime_ns: int


def state(path: Path) -> State:
    """Read a file to its end and tell its state."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
        status = os.fstat(file.fileno())
    return State(status.st_size, digest.hexdigest(), status.st_mtime_ns)


def refusal(path: Path) -> str | None:
    """Say why a file must not be replaced by a changed copy of it, if so.

    A file of several hard links is refused: the copy would take the place of one of its names, the
    others would keep the old content, and undoing could not join them again.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        return "is read-only"
    if status.st_nlink > 1:
        return f"has {status.st_nlink} names (hard links), which writing would part"
    return None


def copy_name(path: Path) -> Path:
    """Give the name of the copy: hidden, always the same, and of the same suffix."""
    name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    return path.with_name(f".backbeat-{name}{path.suffix}")


@contextlib.contextmanager
def changing(path: Path, *, mtime_ns: int | None = None) -> Iterator[Path]:
    """Yield a copy of a file to change, which takes its place when the block ends well.

    The copy keeps the file's mode, extended attributes and, where the system lets us, owner and
    group. What is left of it by a killed process is overwritten the next time.

    Parameters
    ----------
    path : Path
        No symbolic link.
    mtime_ns : int, optional
        The time of the last change that the new file tells, in ns; by default now.

    Raises
    ------
    TagError
        If the file must not be replaced, or someone else changed it meanwhile.
    """
    if why := refusal(path):
        raise TagError(path, why)
    before = path.stat()
    copy = copy_name(path)
    try:
        copy.unlink(missing_ok=True)
        # Made anew, so that it is no link to elsewhere, and nobody else's to read before its turn.
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        shutil.copyfile(path, copy)
        yield copy
        written = copy.stat().st_mtime_ns
        for owner, group in ((-1, before.st_gid), (before.st_uid, -1)):
            with contextlib.suppress(PermissionError):  # only root may give files to all others
                os.chown(copy, owner, group)
        shutil.copystat(path, copy)
        os.utime(copy, ns=(before.st_atime_ns, written if mtime_ns is None else mtime_ns))
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        if _identity(path.stat()) != _identity(before):
            raise TagError(path, "was changed by someone else meanwhile")
        copy.replace(path)
    finally:
        copy.unlink(missing_ok=True)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
