"""Checksums of the files of a folder: ``SHA256SUMS``, as ``sha256sum -c`` reads it.

A damaged digit in a table is a digit like any other, and no parser can tell. So what is finished is
summed up, and what is read of it is compared first. A folder without the file, made by an older
backbeat, is read as it is.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from backbeat.errors import BackbeatError
from backbeat.files import atomic

NAME = "SHA256SUMS"


def write_sums(folder: Path, names: Iterable[str], coming: Mapping[str, str] | None = None) -> None:
    """Sum up files of a folder; what was summed up before is forgotten.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Of the files; those that are not there are passed over.
    coming : mapping of str to str, optional
        Names and texts of files that are going to be written, in UTF-8.
    """
    sums = {name: _sum(folder / name) for name in names if (folder / name).exists()}
    for name, text in (coming or {}).items():
        sums[name] = hashlib.sha256(text.encode("utf-8")).hexdigest()
    _write(folder, sums)


def renew_sum(folder: Path, name: str) -> None:
    """Sum up a file anew that was written again, where its folder was summed up at all."""
    if (folder / NAME).exists():
        _write(folder, _read(folder) | {name: _sum(folder / name)})


def check_sums(folder: Path, names: Iterable[str], remedy: str) -> None:
    """Make sure that files are as they were when they were summed up.

    Parameters
    ----------
    folder : Path
        Where it was not summed up, nothing is checked.
    names : iterable of str
        Those that are not there are left to their readers.
    remedy : str
        What to do about one that has changed.

    Raises
    ------
    BackbeatError
        If one has changed since, or is not listed.
    """
    if not (folder / NAME).exists():
        return
    sums = _read(folder)
    for name in names:
        path = folder / name
        if path.exists() and sums.get(name) != _sum(path):
            raise BackbeatError(
                f"{path}: damaged, or changed since it was made (it does not agree with {NAME} "
                f"beside it); {remedy}"
            )


def first_changed(folder: Path) -> str | None:
    """Name a file of all that were summed up in a folder that is gone, or not as it was.

    Parameters
    ----------
    folder : Path
        Where it was not summed up, nothing is checked.
    """
    if not (folder / NAME).exists():
        return None
    for name, digest in _read(folder).items():
        if not (folder / name).is_file() or digest != _sum(folder / name):
            return name
    return None


def _sum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BackbeatError(f"{path}: cannot be read ({error.strerror})") from error


def _read(folder: Path) -> dict[str, str]:
    """Read the sums by name; of a damaged file, what can be read."""
    try:
        text = (folder / NAME).read_text("utf-8", errors="replace")
    except OSError as error:
        raise BackbeatError(f"{folder / NAME}: cannot be read ({error.strerror})") from error
    lines = (line.partition("  ") for line in text.splitlines())
    return {name: digest for digest, _, name in lines}


def _write(folder: Path, sums: Mapping[str, str]) -> None:
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    atomic.write_text(folder / NAME, text)
