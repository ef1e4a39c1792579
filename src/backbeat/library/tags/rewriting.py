"""A file changed in a copy beside it, which then takes its place: whole, or not at all.

Tag libraries write in place, and where a tag has outgrown its room they move all that comes after
it: a process killed meanwhile leaves a broken song.

Others may be allowed to write to the song's folder. So song, copy and folder are each opened once,
no link in their place is followed, and all is done by their descriptors. The song is locked from
reading to renaming: of two that tag a folder, each in the name of another user, one has it.
"""

import contextlib
import errno
import functools
import hashlib
import io
import logging
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from backbeat.files.atomic import own_file, sweep_once
from backbeat.files.locks import NO_LINK, NoLocksError, close, open_locked
from backbeat.library.tags.errors import TagError

_CHUNK = 1 << 20
# A folder that cannot be synced by itself (some network file systems), an attribute that there is
# none of here, or that only root may set.
_NOT_HERE = (errno.EINVAL, errno.ENOTSUP)
_NOT_OURS = (*_NOT_HERE, errno.ENODATA, errno.EPERM, errno.EACCES)

_log = logging.getLogger(__name__)

Identity: TypeAlias = tuple[int, int, int, int]
"""What tells one file from another and from itself once it was changed: its device, inode, size in
bytes and time of the last change in ns."""


@dataclass(frozen=True)
class State:
    """What tells a file's content from another: its length, its SHA-256 and when it was written."""

    size: int
    """In bytes."""
    sha256: str
    mtime_ns: int


@dataclass(frozen=True)
class Song:
    """A song that is open and locked; see `opened`."""

    path: Path
    file: BinaryIO
    folder: int
    """The descriptor of the folder that it is in."""


def identity(status: os.stat_result) -> Identity:
    """Say which file it is, and that it was not changed."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def state(file: BinaryIO) -> State:
    """Read a file to its end and tell its state."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(_CHUNK):
        digest.update(block)
    status = os.fstat(file.fileno())
    return State(status.st_size, digest.hexdigest(), status.st_mtime_ns)


def refusal(path: Path, status: os.stat_result | None = None) -> str | None:
    """Say why a file must not be replaced by a changed copy of it, if so.

    A file of several hard links is refused: the copy would take the place of one of its names, the
    others would keep the old content, and undoing could not join them again.

    Parameters
    ----------
    path : Path
    status : os.stat_result, optional
        The file's, by default looked up.
    """
    status = path.stat() if status is None else status
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        return "is read-only"
    if status.st_nlink > 1:
        return f"has {status.st_nlink} names (hard links), which writing would part"
    return None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Song]:
    """Open a song for reading, and keep other programs that lock it from it.

    Parameters
    ----------
    path : Path
        No symbolic link.

    Raises
    ------
    TagError
        If it is a link or no file, or another program has locked or just replaced it.
    OSError
        If it cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, folder)
        handle = _open_song(path, folder)
        stack.callback(close, handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise TagError(path, "is not a file")
        if not _is_at(path.name, folder, os.fstat(handle)):
            raise TagError(path, "was changed by another program meanwhile")
        raw = io.FileIO(handle, closefd=False)
        raw.name = os.fspath(path)  # by which libraries know its format, too
        yield Song(path, io.BufferedReader(raw), folder)


def _open_song(path: Path, folder: int) -> int:
    try:
        try:
            handle = open_locked(path.name, folder)
        except NoLocksError as error:
            _tell_of_no_locks(path.parent, str(error))
            return os.open(path.name, os.O_RDONLY | NO_LINK, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TagError(path, "is a link now; it is left alone") from error
        raise
    if handle is None:
        raise TagError(path, "is being changed by another program")
    return handle


@functools.cache
def _tell_of_no_locks(folder: Path, why: str) -> None:
    _log.warning(
        "%s: songs there cannot be locked (%s); see to it that nothing else tags them", folder, why
    )


@contextlib.contextmanager
def changing(song: Song, *, mtime_ns: int | None = None) -> Iterator[BinaryIO]:
    """Yield a copy of a song to change, which takes its place when the block ends well.

    The copy keeps the file's mode, extended attributes and, where the system lets us, owner and
    group. What is left of it by a killed process is removed the next time.

    Parameters
    ----------
    song : Song
    mtime_ns : int, optional
        The time of the last change that the new file tells, in ns; by default now.

    Yields
    ------
    binary file
        Named as the copy is; another program may have put something else there.

    Raises
    ------
    TagError
        If the file must not be replaced, or someone else changed or replaced it or the copy. If
        they did so right after the copy got its place, the copy is not there any more.
    """
    path, folder = song.path, song.folder
    before = os.fstat(song.file.fileno())
    if why := refusal(path, before):
        raise TagError(path, why)
    sweep_once(path.parent)
    with contextlib.ExitStack() as stack:
        copy = own_file(path, stack, folder)
        song.file.seek(0)
        shutil.copyfileobj(song.file, copy, _CHUNK)
        copy.flush()
        yield copy
        copy.flush()
        handle = copy.fileno()
        written = os.fstat(handle).st_mtime_ns
        _keep(song.file.fileno(), handle, before)
        os.utime(handle, ns=(before.st_atime_ns, written if mtime_ns is None else mtime_ns))
        os.fsync(handle)
        after, name = os.fstat(handle), Path(copy.name).name
        if not _is_at(path.name, folder, before):
            raise TagError(path, "was changed by another program meanwhile")
        if not _is_at(name, folder, after):
            raise TagError(path, "its copy was changed by another program meanwhile")
        os.replace(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder)
        # By its whole path: that is what is reported, and logged.
        if not _is_at(path, None, after):
            raise TagError(path, "was replaced by another program as soon as its genre was written")


def _is_at(name: Path | str, folder: int | None, status: os.stat_result) -> bool:
    """Whether a name is still that of a file, which was not changed either."""
    try:
        return identity(os.lstat(name, dir_fd=folder)) == identity(status)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _keep(song: int, copy: int, before: os.stat_result) -> None:
    """Give a copy the owner, extended attributes (access lists, too) and mode of the song."""
    for owner, group in ((-1, before.st_gid), (before.st_uid, -1)):
        with contextlib.suppress(PermissionError):  # only root may give files to all others
            os.fchown(copy, owner, group)
    if hasattr(os, "listxattr"):
        with _passing_over(_NOT_HERE):
            for attribute in os.listxattr(song):
                with _passing_over(_NOT_OURS):
                    os.setxattr(copy, attribute, os.getxattr(song, attribute))
    os.fchmod(copy, stat.S_IMODE(before.st_mode))


def _sync(folder: int) -> None:
    """Have the new name outlive a power cut, too, where folders can be synced."""
    with _passing_over(_NOT_HERE):
        os.fsync(folder)


@contextlib.contextmanager
def _passing_over(numbers: tuple[int, ...]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise
