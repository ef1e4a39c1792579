"""A file changed in a copy beside it, which then takes its place: whole, or not at all.

Tag libraries write in place. Where a tag outgrows its room they move all that comes after it, and a
process killed meanwhile leaves a broken song.

Others may be allowed to write to the song's folder. So song, copy and folder are each opened once,
no link in their place is followed, and all is done by their descriptors. The song is locked from
reading to renaming, so that two users who tag one folder do not both change it.
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

import av

from backbeat.audio.ffmpeg import is_cover, open_container
from backbeat.errors import BackbeatError
from backbeat.files.atomic import own_file, sweep_once
from backbeat.files.locks import NO_LINK, NoLocksError, close, open_locked

_CHUNK = 1 << 20
# A folder that cannot be synced by itself (some network file systems), an attribute that does not
# exist here, or that only root may set.
_NOT_HERE = (errno.EINVAL, errno.ENOTSUP)
_NOT_OURS = (*_NOT_HERE, errno.ENODATA, errno.EPERM, errno.EACCES)

_log = logging.getLogger(__name__)

Identity: TypeAlias = tuple[int, int, int, int]
"""Which file it is, unchanged: device, inode, size in bytes and time of the last change in ns."""


class TagError(BackbeatError):
    """A file whose genre cannot be read or written; `what` says why, without the file's name."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(path, what)
        self.path = path
        self.what = what

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True)
class State:
    """The length of a file, the SHA-256 of its content and when it was written."""

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
    """The descriptor of its folder."""


def identity(status: os.stat_result) -> Identity:
    """Give the identity of a file as it is now."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def state(file: BinaryIO) -> State:
    """Read a file to its end and give its state."""
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
    """
    status = path.stat() if status is None else status
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        return "is read-only"
    if status.st_nlink > 1:
        return f"has {status.st_nlink} names (hard links), which writing would separate"
    return None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Song]:
    """Open and lock a song for reading.

    Raises `TagError` if it is a link or no file, or another program has locked or replaced it.
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
            _warn_of_no_locks(path.parent, str(error))
            return os.open(path.name, os.O_RDONLY | NO_LINK, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TagError(path, "is a link now; it is left alone") from error
        raise
    if handle is None:
        raise TagError(path, "is being changed by another program")
    return handle


@functools.cache
def _warn_of_no_locks(folder: Path, why: str) -> None:
    _log.warning(
        "%s: songs there cannot be locked (%s); let no other program tag them now",
        folder,
        why,
    )


@contextlib.contextmanager
def changing(song: Song, *, mtime_ns: int | None = None) -> Iterator[BinaryIO]:
    """Yield a copy of a song to change, which takes its place when the block ends well.

    The copy keeps the file's mode, extended attributes and, where the system allows it, owner and
    group; its time of last change is `mtime_ns` (in ns), or now. What a killed process leaves of it
    is removed the next time.

    Raises `TagError` if the file must not be replaced, or another program changed or replaced it or
    the copy. If that happened right after the copy got its place, the copy no longer exists.
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
    """Whether a name is still that of a file, unchanged."""
    try:
        return identity(os.lstat(name, dir_fd=folder)) == identity(status)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _keep(song: int, copy: int, before: os.stat_result) -> None:
    """Give a copy the owner, extended attributes (also access lists) and mode of the song."""
    for owner, group in ((-1, before.st_gid), (before.st_uid, -1)):
        with contextlib.suppress(PermissionError):  # only root may give files to all others
            os.fchown(copy, owner, group)
    if hasattr(os, "listxattr"):
        with _ignoring(_NOT_HERE):
            for attribute in os.listxattr(song):
                with _ignoring(_NOT_OURS):
                    os.setxattr(copy, attribute, os.getxattr(song, attribute))
    os.fchmod(copy, stat.S_IMODE(before.st_mode))


def _sync(folder: int) -> None:
    """Let the new name outlive a power cut, where folders can be synced."""
    with _ignoring(_NOT_HERE):
        os.fsync(folder)


@contextlib.contextmanager
def _ignoring(numbers: tuple[int, ...]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


def same_sound(one: Path | BinaryIO, other: Path | BinaryIO) -> bool:
    """Whether the streams of two files agree packet for packet, as coded, without decoding them.

    False also if FFmpeg cannot read one of them to its end, or finds no sound.
    """
    packets = _packets(one)
    return bool(packets) and packets == _packets(other)


def _packets(file: Path | BinaryIO) -> list[tuple[int, int, str]]:
    """Give index, number of packets and digest of each stream; none on an error."""
    try:
        with open_container(file) as container:
            # The pictures of a video count; cover art is a tag, and may move.
            streams = [one for one in container.streams if not is_cover(one)]
            digests = {stream.index: hashlib.sha256() for stream in streams}
            counts = dict.fromkeys(digests, 0)
            for packet in container.demux(streams):
                digest = digests[packet.stream.index]
                digest.update(f"{packet.pts} {packet.dts} {packet.size} ".encode())
                digest.update(bytes(packet))
                counts[packet.stream.index] += 1
            return [(index, counts[index], digests[index].hexdigest()) for index in counts]
    except av.FFmpegError:
        return []
