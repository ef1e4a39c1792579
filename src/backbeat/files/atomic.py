"""Atomic writes: a killed process leaves either the old file or the new one, never a half.

The temporary file lies beside its place, hidden, and locked by its writer: a lock that the system
releases when the writer dies. So what killed processes left is distinct from what others are
writing now, and the next write to the folder removes it: on the machine that wrote it, as not
every network file system shows locks to other machines, and after a day everywhere.

Others may be allowed to write to the folder, and put a link in place of the temporary file. So its
name cannot be guessed, operations use its descriptor where possible, and it is moved to its place
only if it is still the same file.
"""

import contextlib
import errno
import functools
import hashlib
import io
import logging
import os
import secrets
import shutil
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backbeat.errors import BackbeatError, naming
from backbeat.files.locks import (
    BINARY,
    HAS_LOCKS,
    NO_LINK,
    NoLocksError,
    close,
    open_locked,
    wait_for_lock,
)

PREFIX = ".writing-"
"""Of temporary files' names; what follows identifies the machine."""

_SECONDS_OF_A_DAY = 86_400
# What a file system answers that cannot force a file to the disk: not what a broken disk answers.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
_BROKEN = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

_log = logging.getLogger(__name__)

_scratches: list[contextlib.ExitStack] = []  # one for each block that is open, all but one empty
_scratches_lock = threading.Lock()


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, which replaces `path` when the block ends without an error.

    It lies in the same folder (made if missing) with the same suffix, and is removed if the block
    raises. It is an error if another program replaced it meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_once(path.parent.absolute())
    with contextlib.ExitStack() as stack:
        file = own_file(path, stack)
        temporary = Path(file.name)
        stack.enter_context(naming(path, temporary))
        yield file
        file.flush()
        sync(file.fileno(), path)
        _open_to_others(path, temporary, file.fileno(), 0o666)
        _check_own(path, temporary, file.fileno())
        if not HAS_LOCKS:
            file.close()  # Windows replaces no file that is open
        temporary.replace(path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Do as `writing` does, for libraries that write to a path.

    They would follow a link that another program puts there: use `writing` where possible.
    """
    with writing(path) as file:
        yield Path(file.name)


def own_file(path: Path, stack: contextlib.ExitStack, dir_fd: int | None = None) -> BinaryIO:
    """Make a temporary file beside another: locked, readable by nobody else, open for both.

    `stack` closes it, and removes it unless it was moved. `dir_fd` is the open folder to make it
    in; by default `path`'s parent. Its name is its path.
    """
    while True:
        place = path.with_name(f"{_prefix()}{secrets.token_hex(8)}{path.suffix}")
        name = place if dir_fd is None else place.name
        with naming(path, Path(name)):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | BINARY | NO_LINK
            handle = os.open(name, flags, 0o600, dir_fd=dir_fd)
        stack.callback(_unlink, name, dir_fd)
        raw = io.FileIO(handle, "r+", closefd=not HAS_LOCKS)
        raw.name = os.fspath(place)
        file = io.BufferedRandom(raw)
        if HAS_LOCKS:
            stack.callback(close, handle)
        stack.callback(_close_quietly, file)
        _lock(handle)
        if not HAS_LOCKS or os.fstat(handle).st_nlink:  # or it was swept away before it was locked
            return file


def _unlink(name: Path | str, dir_fd: int | None) -> None:
    # It was moved to its place, or another program has put a folder there.
    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
        os.unlink(name, dir_fd=dir_fd)


def _close_quietly(file: BinaryIO) -> None:
    """Close a file that is finished or failed: a failed write was reported before."""
    with contextlib.suppress(OSError):
        file.close()


def sync(handle: int, path: Path) -> None:
    """Force an open file to the disk, where its file system can."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        note_refused("fsync", error, path, "a power cut may lose what was written last")


def sync_folder(folder: Path) -> None:
    """Let new names in a folder outlive a power cut, where folders can be opened and synced."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def change_mode(path: Path, temporary: Path, handle: int, mode: int) -> None:
    """Give a file that is being written to `path` its mode, where the file system keeps one."""
    if stat.S_IMODE(os.fstat(handle).st_mode) == mode:
        return
    with keeping("chmod", path, "its mode"):
        if hasattr(os, "fchmod"):
            os.fchmod(handle, mode)
        else:
            temporary.chmod(mode)


@contextlib.contextmanager
def keeping(call: str, path: Path, what: str) -> Iterator[None]:
    """Note once in a run if the system refuses a call, by which something of a file would be kept.

    A disk that is full or broken is an error.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _BROKEN:
            raise
        note_refused(call, error, path, f"{what} is not kept, nor that of others there")


def note_refused(call: str, error: OSError, path: Path, effect: str) -> None:
    """Say once in a run that a file system refuses a call, and the effect."""
    if call not in _noted:
        _noted.add(call)
        _log.warning("%s: %s is refused (%s): %s", path, call, error.strerror, effect)


_noted: set[str] = set()


def _open_to_others(path: Path, temporary: Path, handle: int, mode: int) -> None:
    """Give a file the mode that it would have got at its place."""
    change_mode(path, temporary, handle, mode & ~_umask())


def _check_own(path: Path, temporary: Path, handle: int) -> None:
    """Refuse to move a file that is not ours any more."""
    try:
        if os.path.samestat(os.fstat(handle), temporary.lstat()):
            return
    except FileNotFoundError:
        pass
    raise BackbeatError(
        f"{path}: not written, as another program replaced or removed what was being written; "
        "choose a folder that only you can write to"
    )


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, which takes its place when the block ends without an error.

    `path` must not exist, or be an empty folder. The new folder is removed if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_once(path.parent.absolute())
    with contextlib.ExitStack() as stack:
        beside, handle = _own_folder(path, stack)
        stack.enter_context(naming(path, beside))
        yield beside
        if handle is None:
            beside.chmod(0o777 & ~_umask())
        else:
            _open_to_others(path, beside, handle, 0o777)
            _check_own(path, beside, handle)
        beside.replace(path)


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """Have what `tempfile` makes in the block lie in a folder of its own, removed at the end.

    Libraries leave files there when their process is killed. The folder is then removed by the next
    that opens one. Threads share one.
    """
    with _scratches_lock:
        stack = contextlib.ExitStack()
        if not _scratches:
            before, here = tempfile.tempdir, Path(tempfile.gettempdir())
            sweep(here)
            folder, _ = _own_folder(here / "backbeat", stack)
            tempfile.tempdir = os.fspath(folder)
            stack.callback(setattr, tempfile, "tempdir", before)
        _scratches.append(stack)
    try:
        yield
    finally:
        with _scratches_lock:
            # Last in, or what the first has opened.
            _scratches.pop().close()


def _own_folder(path: Path, stack: contextlib.ExitStack) -> tuple[Path, int | None]:
    while True:
        beside = path.with_name(f"{_prefix()}{secrets.token_hex(8)}")
        with naming(path, beside):
            beside.mkdir(0o700)
        stack.callback(_remove, beside)
        if not HAS_LOCKS:
            return beside, None
        with contextlib.suppress(FileNotFoundError):  # swept away before it was locked
            handle = os.open(beside, os.O_RDONLY | NO_LINK)
            stack.callback(close, handle)
            _lock(handle)
            if beside.exists():
                return beside, handle


def _remove(folder: Path) -> None:
    """Remove a folder; threads of a library may still write there for a moment after an error."""
    for _ in range(20):
        if not folder.exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.1)


def _lock(handle: int) -> None:
    with contextlib.suppress(NoLocksError):  # then nothing is swept, either
        wait_for_lock(handle)


def sweep(folder: Path) -> None:
    """Remove what killed processes were writing in a folder (not below it), if there are locks."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                _remove_if_left(Path(entry.path))


def is_free(path: Path) -> bool:
    """Whether nothing is at a path, or an empty folder; what killed processes left is removed."""
    if not path.is_dir():
        return not path.exists()
    sweep(path)
    return not any(path.iterdir())


@functools.lru_cache(maxsize=1024)
def sweep_once(folder: Path) -> None:
    """Sweep a folder at a process's first write to it: later, only what dies meanwhile is new."""
    sweep(folder)


def _remove_if_left(path: Path) -> None:
    try:
        ours = path.name.startswith(_prefix())
        if not ours and time.time() - path.lstat().st_mtime < _SECONDS_OF_A_DAY:
            return
        handle = open_locked(path)
    except (OSError, NoLocksError):  # it was moved meanwhile, or is not ours to read
        return
    if handle is None:
        return
    try:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except PermissionError:  # it stays
        return
    finally:
        close(handle)


@functools.cache
def _prefix() -> str:
    """Begin a name so that it identifies this machine, whatever its host name contains."""
    host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    return f"{PREFIX}{host}-"


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with writing(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def _umask() -> int:
    """Give the process's umask (the system returns it only when it is set)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
