"""Where the file of a path is that was written on another system, or that is spelt otherwise."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from backbeat.audio import AUDIO_SUFFIXES
from backbeat.errors import printable
from backbeat.files.cells import exactly
from backbeat.files.text import plural

_LONGEST = 4_096  # characters of a path


class Finder:
    r"""Finds the files of a table below a folder, whatever the system that wrote their paths.

    A path may have backslashes, another Unicode form or letter case, or no suffix. An absolute one
    that is nowhere, such as ``C:\Users\me\rock\a.wav``, is found without its beginning, the same
    for all; a number by itself as the Free Music Archive's files are called, 2 as
    ``000/000002.mp3``. What could mean two files means none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._listed: dict[str, dict[str, str]] = {}
        self._beginning: list[str] | None = None
        self._first = ""
        self._otherwise = 0
        self.found = 0
        """How many files were found."""

    def name_of(self, cell: str) -> str:
        """Give the path of a table's cell, as it is spelt on the disk if its file is found."""
        written = exactly(cell)  # of a table that backbeat wrote
        for name in (cell, written):
            if self.exists(name):
                self.found += 1
                return name
        real = self.find(cell) or self.find(written)
        if real is None:
            return written
        self.found += 1
        self._otherwise += 1
        if not self._first:
            alike = unicodedata.normalize("NFC", cell) == unicodedata.normalize("NFC", real)
            other = "the other Unicode form" if alike else printable(cell[:200])
            self._first = f"{printable(real)} for {other}"
        return real

    def exists(self, name: str) -> bool:
        """Whether there is a file of this very name; not that of a Path, which raises of some."""
        return os.path.exists(os.path.join(self._folder, name))  # noqa: PTH110, PTH118

    def notes(self) -> tuple[str, ...]:
        """Say how many files were found that are spelt otherwise than in the table."""
        if not self._otherwise:
            return ()
        paths = plural(self._otherwise, "path")
        return (f"{paths} found under another spelling, such as {self._first}",)

    def find(self, written: str) -> str | None:
        """Give the path as it is spelt on the disk, below the folder or absolute; None if none."""
        if len(written) > _LONGEST:
            return None
        first, *rest = written.replace("\\", "/").split("/")
        parts = [first, *(part for part in rest if part not in ("", "."))]
        if first and not re.fullmatch("[A-Za-z]:", first):
            found = self._down(self._folder, parts)
            if found is None and written.isdecimal():
                song = written.zfill(6)
                found = self._down(self._folder, [song[:3], song])
            return found
        if not first and (found := self._down("/", parts[1:])):
            return f"/{found}"
        if self._beginning is not None:
            cut = len(self._beginning)
            return self._down(self._folder, parts[cut:]) if parts[:cut] == self._beginning else None
        for cut in range(1, len(parts)):
            if found := self._down(self._folder, parts[cut:]):
                self._beginning = parts[:cut]
                return found
        return None

    def _down(self, place: str, parts: list[str]) -> str | None:
        """Go down from a folder; give the way as it is spelt there."""
        way = []
        for depth, part in enumerate(parts, 1):
            if part not in (".", ".."):
                names = self._names(place)
                real = names.get(part) or names.get(_key(part))
                if not real and depth == len(parts):
                    real = names.get(f"{_key(part)}.")
                if not real:
                    return None
                part = real
            way.append(part)
            place = os.path.join(place, part)  # noqa: PTH118 - a Path for each part is slow
        return "/".join(way) if way else None

    def _names(self, folder: str) -> dict[str, str]:
        """List a folder: real names by themselves, by their keys, and by their stems with a dot."""
        if folder not in self._listed:
            try:
                names = os.listdir(folder)  # noqa: PTH208 - names alone
            except OSError:  # not there, or closed to us: then it holds none of the files
                names = []
            listed: dict[str, str] = {}
            for name in names:
                stem, suffix = os.path.splitext(name)  # noqa: PTH122 - as above
                keys = [_key(name)]
                if suffix.lower() in AUDIO_SUFFIXES:
                    keys.append(f"{_key(stem)}.")
                for key in keys:
                    listed[key] = name if key not in listed else ""
            self._listed[folder] = listed | {name: name for name in names}
        return self._listed[folder]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
