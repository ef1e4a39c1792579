"""A file changed in a copy beside it, which then takes its place: whole, or not at all.

Tag libraries write in place. Where a tag outgrows its room they move all that comes after it, and a
process killed meanwhile leaves a broken song.

Others may be allowed to write to the song's folder. So song, copy and folder are each opened once,
no link in their place is followed, and all is done by their descriptors. The song is locked from
reading to renaming, so that two users who tag one folder do not both change it. Windows has neither
such locks nor descriptors of folders: there, paths are compared again right before the renaming.
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
from backbeat.files.atomic import change_mode, keeping, own_file, sweep_once, sync
from backbeat.files.locks import BINARY, HAS_LOCKS, NO_LINK, NoLocksError, close, open_locked
from backbeat.library.stamps import Stamp, stamp_from

_CHUNK = 1 << 20
# A folder that cannot be synced by itself (some network file systems).
_NOT_HERE = (errno.EINVAL, errno.ENOTSUP)
_OF_SYSTEM = ("security.", "trusted.")  # attributes that are not the user's
# An attribute that is gone by now, or that only root may set.
_NOT_OURS = (*_NOT_HERE, errno.ENODATA, errno.EPERM, errno.EACCES)
_HAS_FOLDERS = hasattr(os, "O_DIRECTORY") and os.open in os.supports_dir_fd

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

    size: int  # in bytes
    sha256: str
    mtime_ns: int


@dataclass(frozen=True)
class Song:
    """A song that is open and locked; see `opened`."""

    path: Path
    file: BinaryIO
    folder: int | None  # the descriptor of its folder; None on Windows


@dataclass
class Copy:
    """A copy of a song, to be changed; see `changing`."""

    file: BinaryIO
    stamp: Stamp | None = None  # of the file at the song's place, as soon as the copy is there


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
        folder = None
        if _HAS_FOLDERS:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, folder)
        handle = _open_song(path, folder)
        raw = io.FileIO(handle, closefd=not HAS_LOCKS)
        raw.name = os.fspath(path)  # by which libraries know its format, too
        file = stack.enter_context(io.BufferedReader(raw))
        if HAS_LOCKS:
            stack.callback(close, handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise TagError(path, "is not a file")
        if not _is_at(path, folder, os.fstat(handle)):
            raise TagError(path, "was changed by another program meanwhile")
        yield Song(path, file, folder)


def _open_song(path: Path, folder: int | None) -> int:
    name = path if folder is None else path.name
    try:
        try:
            handle = open_locked(name, folder)
        except NoLocksError as error:
            if HAS_LOCKS:
                _warn_of_no_locks(path.parent, str(error))
            return os.open(name, os.O_RDONLY | BINARY | NO_LINK, dir_fd=folder)
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
def changing(song: Song, *, mtime_ns: int | None = None) -> Iterator[Copy]:
    """Yield a copy of a song to change, which takes its place when the block ends well.

    The copy keeps the file's mode, extended attributes, owner and group; its time of last change is
    `mtime_ns` (in ns), or now. Where the system refuses one of these, such as on a network share,
    that is noted once in a run. What a killed process leaves of it is removed the next time.

    Raises `TagError` if the file must not be replaced, or another program changed or replaced it or
    the copy. If that happened right after the copy got its place, the copy no longer exists.
    """
    path, folder = song.path, song.folder
    before = os.fstat(song.file.fileno())
    if why := refusal(path, before):
        raise TagError(path, why)
    sweep_once(path.parent)
    with contextlib.ExitStack() as stack:
        with _naming("open", path):
            copy = own_file(path, stack, folder)
        song.file.seek(0)
        shutil.copyfileobj(song.file, copy, _CHUNK)
        copy.flush()
        given = Copy(copy)
        yield given
        copy.flush()
        handle, name = copy.fileno(), Path(copy.name)
        written = os.fstat(handle).st_mtime_ns
        _keep(song, copy, before)
        times = before.st_atime_ns, written if mtime_ns is None else mtime_ns
        with keeping("utime", path, "the time of its last change"):
            os.utime(handle if os.utime in os.supports_fd else name, ns=times)
        with _naming("fsync", path):
            sync(handle, path)
        after = os.fstat(handle)
        if not HAS_LOCKS:  # Windows replaces no file that is open
            copy.close()
            song.file.close()
        if not _is_at(path, folder, before):
            raise TagError(path, "was changed by another program meanwhile")
        if not _is_at(name, folder, after):
            raise TagError(path, "its copy was changed by another program meanwhile")
        with _naming("rename", path):
            if folder is None:
                name.replace(path)
            else:
                os.replace(name.name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder)
        # Renaming changes the time of its status.
        given.stamp = stamp_from(os.fstat(handle) if HAS_LOCKS else path.stat())
        # By its whole path: that is what is reported, and logged.
        if not _is_at(path, None, after):
            raise TagError(path, "was replaced by another program as soon as its genre was written")


def _is_at(path: Path, folder: int | None, status: os.stat_result) -> bool:
    """Whether a path, or its name in an open folder, is still that of a file, unchanged."""
    name = path if folder is None else path.name
    try:
        return identity(os.lstat(name, dir_fd=folder)) == identity(status)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _keep(song: Song, copy: BinaryIO, before: os.stat_result) -> None:
    """Give a copy the owner, extended attributes (also access lists) and mode of the song."""
    path, handle, now = song.path, copy.fileno(), os.fstat(copy.fileno())
    for owner, group, is_so in (
        (-1, before.st_gid, now.st_gid == before.st_gid),
        (before.st_uid, -1, now.st_uid == before.st_uid),
    ):
        if not is_so and hasattr(os, "fchown"):
            with keeping("chown", path, "its owner or group"):
                os.fchown(handle, owner, group)
    if hasattr(os, "listxattr"):
        with keeping("listxattr", path, "its extended attributes"), _ignoring(_NOT_HERE):
            for attribute in os.listxattr(song.file.fileno()):
                quiet = _NOT_OURS if attribute.startswith(_OF_SYSTEM) else (errno.ENODATA,)
                what = f"its extended attribute {attribute}"
                with keeping("setxattr", path, what), _ignoring(quiet):
                    os.setxattr(handle, attribute, os.getxattr(song.file.fileno(), attribute))
    change_mode(path, Path(copy.name), handle, stat.S_IMODE(before.st_mode))


def _sync(folder: int | None) -> None:
    """Let the new name outlive a power cut, where folders can be synced."""
    if folder is not None:
        with _ignoring(_NOT_HERE):
            os.fsync(folder)


@contextlib.contextmanager
def _naming(call: str, path: Path) -> Iterator[None]:
    """Name the call that the system refused."""
    try:
        yield
    except OSError as error:
        raise TagError(path, f"{error.strerror} ({call} is refused)") from error


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
