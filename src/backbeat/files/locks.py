"""Locks: one command at a time on one output.

The system holds a lock for a process and releases it when that dies, however it dies, so none is
left behind. (The library filelock does the same, but leaves its files, and does not say who holds
a lock.) A lock is a hidden file beside the output, ``.NAME.lock``, that names its holder; it is
removed when the command ends, and one that a killed process left is taken over.

Where the file system has no locks (some network file systems), or the folder is read-only, work
continues without one, with a warning; on Windows there are none.
"""

import contextlib
import datetime
import errno
import json
import logging
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from backbeat.errors import BackbeatError, naming

try:
    import fcntl
except ImportError:  # Windows
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

_log = logging.getLogger(__name__)

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""Has `os.open` refuse a link, which another may have put in a file's place."""

BINARY = getattr(os, "O_BINARY", 0)
"""Has Windows leave the ends of lines of a file that `os.open` opens as they are."""

_HELD_BY_OTHERS = (errno.EAGAIN, errno.EACCES)
_ours: set[int] = set()  # files that this process has open to lock them
_NO_PLACE = (errno.EACCES, errno.EPERM, errno.EROFS)


class LockedError(BackbeatError):
    """Another process is writing to the same output."""


class NoLocksError(Exception):
    """There are no locks on this system or file system."""


@contextlib.contextmanager
def locked(out: Path, *, wait: bool = False, doing: str = "writing there") -> Iterator[None]:
    """Keep other processes that lock the same output from it, while the block runs.

    `out` is a file or folder, present or not; missing parent folders are made, and removed if the
    block raises and leaves them empty. Links are followed, so that an output has one lock whatever
    its name. With `wait`, wait for the other process (as a worker does for one of an earlier start
    of the same command); otherwise raise a `LockedError` which says that it is `doing`.
    """
    place = lock_of(out)
    with _leaving_nothing(out), contextlib.ExitStack() as stack:
        try:
            if HAS_LOCKS:
                stack.enter_context(_held(place, out, wait, doing))
        except NoLocksError as error:
            _log.warning(
                "%s: cannot be locked (%s); make sure that nothing else writes there", out, error
            )
        with naming(out):
            yield


@contextlib.contextmanager
def _leaving_nothing(out: Path) -> Iterator[None]:
    """Remove the folders that the block makes for `out`, where it raises and they are empty."""
    missing = [folder for folder in (out, *out.parents) if not os.path.lexists(folder)]
    try:
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):  # it holds something, or was not made
                folder.rmdir()
        raise


def lock_of(out: Path) -> Path:
    """Give the path of an output's lock."""
    whole = out.resolve()
    return whole.parent / f".{whole.name}.lock"


@contextlib.contextmanager
def _held(place: Path, out: Path, wait: bool, doing: str) -> Iterator[None]:
    handle = _open(place, out, wait, doing)
    try:
        _sign(handle)
        yield
    finally:
        place.unlink(missing_ok=True)  # while it is ours: another that has it open sees that
        close(handle)


def _open(place: Path, out: Path, wait: bool, doing: str) -> int:
    """Open and lock the file; give its descriptor."""
    while True:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(place, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666)
        except OSError as error:
            if error.errno in _NO_PLACE and out.exists():
                raise NoLocksError(f"{place.parent} is read-only") from error
            if error.errno == errno.ELOOP:
                raise _in_the_way(place) from error
            raise
        try:
            status = os.fstat(handle)
            # Signed, a file by another name (a hard link) would lose what it holds.
            if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                raise _in_the_way(place)
            if wait:
                wait_for_lock(handle)
            elif not try_lock(handle):
                raise LockedError(
                    f"{out}: another backbeat is {doing}{_signature(handle)}; wait until it "
                    "is done or stop it, then run the same command again"
                )
            # The one before us may have removed it between our two steps.
            if os.fstat(handle).st_nlink and os.path.samestat(os.fstat(handle), place.stat()):
                return handle
        except FileNotFoundError:
            pass
        except NoLocksError:
            place.unlink(missing_ok=True)
            close(handle)
            raise
        except BaseException:
            close(handle)
            raise
        close(handle)


def _in_the_way(place: Path) -> BackbeatError:
    return BackbeatError(
        f"{place}: is a link or not a plain file, in place of a lock; remove it, then run the same "
        "command again"
    )


def _sign(handle: int) -> None:
    """Write who holds a lock, for the message that others get."""
    since = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    who = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    with contextlib.suppress(OSError):  # a full disk: the lock holds, only the message is shorter
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(who).encode(), 0)


def _signature(handle: int) -> str:
    try:
        who = json.loads(os.pread(handle, 4096, 0))
        return f" (process {int(who['pid'])} on {who['host']} since {who['since']})"
    except (ValueError, KeyError, TypeError, OSError):  # it was locked just now, or not signed
        return ""


def try_lock(handle: int) -> bool:
    """Lock an open file if no other process has locked it; the lock ends when the file is closed.

    Raises `NoLocksError` if there are none here.
    """
    return _flock(handle, wait=False)


def open_locked(
    path: Path | str, dir_fd: int | None = None, *, access: int = os.O_RDONLY
) -> int | None:
    """Open and lock a file or folder, but not a link; None if another process has locked it.

    `dir_fd` is the open folder that a relative path starts from; `access` is for reading, unless
    locking needs a file open for writing. Close the descriptor by `close`. Raises `NoLocksError` if
    there are no locks here, `OSError` if it cannot be opened.
    """
    # A pipe that was put there would have us wait for its writer.
    flags = access | BINARY | NO_LINK | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags, dir_fd=dir_fd)
    try:
        if try_lock(handle):
            return handle
    except NoLocksError:
        close(handle)
        if access == os.O_RDONLY:  # so it is on NFS
            with contextlib.suppress(PermissionError, IsADirectoryError):
                return open_locked(path, dir_fd, access=os.O_RDWR)
        raise
    close(handle)
    return None


def wait_for_lock(handle: int) -> None:
    """Lock an open file as soon as no other process holds the lock."""
    _flock(handle, wait=True)


def _flock(handle: int, *, wait: bool) -> bool:
    if not HAS_LOCKS:
        raise NoLocksError("this system has no locks")
    _ours.add(handle)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD_BY_OTHERS:
            return False
        raise NoLocksError(error.strerror) from error
    return True


def close(handle: int) -> None:
    """Close a file that may have been locked."""
    _ours.discard(handle)
    os.close(handle)


def _leave_to_parent() -> None:
    """Close locked files in a fork of this process, where the locks would outlive us."""
    for handle in _ours:
        os.close(handle)
    _ours.clear()


if HAS_LOCKS:
    os.register_at_fork(after_in_child=_leave_to_parent)
