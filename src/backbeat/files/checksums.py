"""Checksums of the files of a folder: ``SHA256SUMS``, as ``sha256sum -c`` reads it.

A damaged digit in a table is still a digit, which no parser notices. So finished folders get
checksums, which are compared before they are read. A folder without the file is not checked.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from backbeat.errors import BackbeatError
from backbeat.files import atomic

NAME = "SHA256SUMS"


def write_sums(folder: Path, names: Iterable[str], coming: Mapping[str, str] | None = None) -> None:
    """Write the checksums of files of a folder, in place of older ones.

    Of `names`, those that do not exist are skipped. `coming` are names and texts of files that
    will be written next, in UTF-8.
    """
    sums = {name: _sum(folder / name) for name in names if (folder / name).exists()}
    for name, text in (coming or {}).items():
        sums[name] = hashlib.sha256(text.encode("utf-8")).hexdigest()
    _write(folder, sums)


def renew_sum(folder: Path, name: str) -> None:
    """Update the checksum of a file that was written again, where its folder has checksums."""
    if (folder / NAME).exists():
        _write(folder, _read(folder) | {name: _sum(folder / name)})


def check_sums(folder: Path, names: Iterable[str], remedy: str) -> None:
    """Raise if one of the files has changed since its checksum was written, or has none.

    A folder without checksums is not checked, and missing files are left to their readers. `remedy`
    says what to do about a changed file.
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
    """Name a file of those with checksums that is gone or changed; None if there is none."""
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
