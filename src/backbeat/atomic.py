"""Atomic writes: a killed process leaves either the old file or the new one, never a half."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield beside
        beside.chmod(0o777 & ~_umask())
        beside.replace(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


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
