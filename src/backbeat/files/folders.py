"""Helpers for walking folders."""

import os
import re
from pathlib import Path


def identity(folder: Path | str) -> tuple[int, int]:
    """Give what identifies a folder, whatever links lead to it."""
    status = os.stat(folder)  # noqa: PTH116 - a Path for each folder costs more than the scan
    return status.st_dev, status.st_ino


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
