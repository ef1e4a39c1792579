"""Helpers for walking folders."""

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from backbeat.errors import BackbeatError


def identity(folder: Path | str) -> tuple[int, int]:
    """Give what identifies a folder, whatever links lead to it."""
    status = os.stat(folder)  # noqa: PTH116 - a Path for each folder costs more than the scan
    return status.st_dev, status.st_ino


def of_user(find: Callable[..., Path]) -> Path:
    """Give backbeat's own folder of the user, as a function of platformdirs finds it."""
    with contextlib.suppress(RuntimeError):  # no home is known; older versions give one named ~
        folder = find("backbeat", appauthor=False)
        if folder.is_absolute():
            return folder
    raise BackbeatError("no home folder is known; set HOME to a folder that can be written to")


def natural(name: str) -> tuple[list[str], str]:
    """Give the key that sorts names as people count, "2" before "10", folder by folder."""
    counted = re.sub("[0-9]+", lambda run: f"{len(n := run[0].lstrip('0')):03}{n}", name)
    return counted.split("/"), name


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link that leads to itself is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False
