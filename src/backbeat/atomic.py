"""Atomic writes: a killed process leaves either the old file or the new one, never a half.

What is being written lies beside its place, hidden, and locked by its writer: a lock that the
system takes back when the writer dies. So what killed processes have left can be told from what
others are writing just now, and the next write to the folder removes it: on the machine that wrote
it, as not every network file system tells others of its locks, and after a day everywhere.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backbeat.errors import naming
from backbeat.locks import HAS_LOCKS, NoLocksError, close, try_lock, wait_for_lock

PREFIX = ".writing-"
"""How the names of what is being written begin; what follows tells one machine from another."""

_SECONDS_OF_A_DAY = 86_400


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to, which takes its place when the block ends well.

    Parameters
    ----------
    path : Path
        The file to be written. Missing parent folders are made.

    Yields
    ------
    Path
        A temporary file in the same folder, with the same suffix (libraries choose the format by
        it). It is removed if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent.absolute())
    with contextlib.ExitStack() as stack:
        temporary = _own_file(path, stack)
        stack.enter_context(naming(path, temporary))
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)


def _own_file(path: Path, stack: contextlib.ExitStack) -> Path:
    """Make a temporary file that is ours, and removed where it has not got its place."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(), suffix=path.suffix)
        stack.callback(Path(name).unlink, missing_ok=True)
        if not HAS_LOCKS:
            os.close(handle)  # Windows replaces no file that is open
            return Path(name)
        stack.callback(close, handle)
        _lock(handle)
        if os.fstat(handle).st_nlink:  # or it was swept away before it was locked
            return Path(name)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path` to fill, which takes its place when the block ends well.

    Parameters
    ----------
    path : Path
        The folder to be made; it must not exist, or be empty.

    Yields
    ------
    Path
        A temporary folder, removed if the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(path.parent.absolute())
    with contextlib.ExitStack() as stack:
        beside = _own_folder(path, stack)
        stack.enter_context(naming(path, beside))
        yield beside
        beside.chmod(0o777 & ~_umask())
        beside.replace(path)


def _own_folder(path: Path, stack: contextlib.ExitStack) -> Path:
    while True:
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix()))
        stack.callback(_remove, beside)
        if not HAS_LOCKS:
            return beside
        with contextlib.suppress(FileNotFoundError):  # swept away before it was locked
            handle = os.open(beside, os.O_RDONLY)
            stack.callback(close, handle)
            _lock(handle)
            if beside.exists():
                return beside


def _remove(folder: Path) -> None:
    """Remove a folder where threads of a library may write for a moment after an error of one."""
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
def _sweep_once(folder: Path) -> None:
    """Sweep a folder at a process's first write to it: later, only what dies meanwhile is new."""
    sweep(folder)


def _remove_if_left(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:  # it has got its place meanwhile, or is not ours to read
        return
    try:
        ours = path.name.startswith(_prefix())
        if not ours and time.time() - os.fstat(handle).st_mtime < _SECONDS_OF_A_DAY:
            return
        if not try_lock(handle):
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except (NoLocksError, PermissionError):  # it stays
        return
    finally:
        close(handle)


@functools.cache
def _prefix() -> str:
    """Begin a name in a way that tells this machine from others, whatever its name is made of."""
    host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    return f"{PREFIX}{host}-"


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def _umask() -> int:
    """Give the process's umask (the system only tells it while setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
