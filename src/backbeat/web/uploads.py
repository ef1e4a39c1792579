"""The folder of what visitors sent: of this process alone, cleared as soon as possible."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from backbeat.errors import BackbeatError


@contextlib.contextmanager
def uploads_folder() -> Iterator[Path]:
    """Make the folder for as long as the block runs; nobody else may look into it.

    Raises
    ------
    BackbeatError
        If it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="backbeat-")).resolve()
    except OSError as error:
        raise BackbeatError(
            f"{tempfile.gettempdir()}: no folder for uploads can be made there "
            f"({error.strerror}); name another with TMPDIR"
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def kept_while_answered(content: IO[bytes], folder: Path) -> Iterator[Path]:
    """Write an upload to a file of its own, and remove it when the block ends."""
    descriptor, name = tempfile.mkstemp(dir=folder)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(content, file)
        yield path
    finally:
        path.unlink(missing_ok=True)


def forget(path: Path, folder: Path) -> None:
    """Remove an uploaded file below `folder`, and the folder of its own that it lies in."""
    if not path.is_relative_to(folder):
        return
    path.unlink(missing_ok=True)
    parent = path.parent
    if parent != folder:
        with contextlib.suppress(OSError):  # another upload of the same bytes may have come
            parent.rmdir()


def sweep(folder: Path, older_than: float) -> int:
    """Remove what has lain in `folder` for longer than `older_than` seconds.

    An upload whose visitor left before it was answered is never told of as answered.

    Returns
    -------
    int
        How many files were removed.
    """
    removed = 0
    until = time.time() - older_than
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        with contextlib.suppress(OSError):  # gone meanwhile, or a folder that is not empty
            if path.is_dir():
                path.rmdir()
            elif path.stat().st_mtime < until:
                path.unlink()
                removed += 1
    return removed
