"""Atomic writes: a killed process leaves either the old file or the new one, never a half.

What is being written lies beside its place, hidden, and locked by its writer: a lock that the
system takes back when the writer dies. So what killed processes have left can be told from what
others are writing just now, and the next write to the folder removes it: on the machine that wrote
it, as not every network file system tells others of its locks, and after a day everywhere.

Others may be allowed to write to the folder, and put a link in place of what is being written. So
its name cannot be guessed, what can be done by its descriptor is done by that, and it gets its
place only if it still is what was written.
"""

import contextlib
import functools
import hashlib
import io
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backbeat.errors import BackbeatError, naming
from backbeat.files.locks import HAS_LOCKS, NO_LINK, NoLocksError, close, open_locked, wait_for_lock

PREFIX = ".writing-"
"""How the names of what is being written begin; what follows tells one machine from another."""

_SECONDS_OF_A_DAY = 86_400


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write to, which takes the place of `path` when the block ends well.

    Parameters
    ----------
    path : Path
        The file to be written. Missing parent folders are made.

    Yields
    ------
    binary file
        In the same folder, with the same suffix. It is removed if the block raises.

    Raises
    ------
    BackbeatError
        If another program replaced it meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep_once(path.parent.absolute())
    with contextlib.ExitStack() as stack:
        file = own_file(path, stack)
        temporary = Path(file.name)
        stack.enter_context(naming(path, temporary))
        yield file
        file.flush()
        os.fsync(file.fileno())
        _open_to_others(temporary, file.fileno(), 0o666)
        _check_own(path, temporary, file.fileno())
        if not HAS_LOCKS:
            file.close()  # Windows replaces no file that is open
        temporary.replace(path)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Do as `writing` does, for libraries that write to a path.

    They would follow a link that another program puts there: what can, uses `writing`.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Path
        A temporary file with the same suffix (libraries choose the format by it).
    """
    with writing(path) as file:
        yield Path(file.name)


def own_file(path: Path, stack: contextlib.ExitStack, dir_fd: int | None = None) -> BinaryIO:
    """Make a temporary file beside another: locked, and nobody else's to read.

    Parameters
    ----------
    path : Path
        The other file.
    stack : contextlib.ExitStack
        Closes it, and removes it where it has not got its place.
    dir_fd : int, optional
        The open folder that it is made in; by default what is at `path`'s parent.

    Returns
    -------
    binary file
        For reading and writing. Its name is its path.
    """
    while True:
        place = path.with_name(f"{_prefix()}{secrets.token_hex(8)}{path.suffix}")
        name = place if dir_fd is None else place.name
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600, dir_fd=dir_fd)
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
    # It has got its place, or another program has put a folder there.
    with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
        os.unlink(name, dir_fd=dir_fd)


def _close_quietly(file: BinaryIO) -> None:
    """Close what is done with, or failed: what cannot be written any more was told before."""
    with contextlib.suppress(OSError):
        file.close()


def _open_to_others(path: Path, handle: int, mode: int) -> None:
    """Give what is written the rights that it would have got at its place."""
    if hasattr(os, "fchmod"):
        os.fchmod(handle, mode & ~_umask())
    else:
        path.chmod(mode & ~_umask())


def _check_own(path: Path, temporary: Path, handle: int) -> None:
    """Refuse to put in place what is not ours any more."""
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
    sweep_once(path.parent.absolute())
    with contextlib.ExitStack() as stack:
        beside, handle = _own_folder(path, stack)
        stack.enter_context(naming(path, beside))
        yield beside
        if handle is None:
            beside.chmod(0o777 & ~_umask())
        else:
            _open_to_others(beside, handle, 0o777)
            _check_own(path, beside, handle)
        beside.replace(path)


def _own_folder(path: Path, stack: contextlib.ExitStack) -> tuple[Path, int | None]:
    while True:
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=_prefix()))
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
def sweep_once(folder: Path) -> None:
    """Sweep a folder at a process's first write to it: later, only what dies meanwhile is new."""
    sweep(folder)


def _remove_if_left(path: Path) -> None:
    try:
        ours = path.name.startswith(_prefix())
        if not ours and time.time() - path.lstat().st_mtime < _SECONDS_OF_A_DAY:
            return
        handle = open_locked(path)
    except (OSError, NoLocksError):  # it has got its place meanwhile, or is not ours to read
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
    """Begin a name in a way that tells this machine from others, whatever its name is made of."""
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
    """Give the process's umask (the system only tells it while setting it)."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
