"""The audio files among files and below folders, each once."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backbeat import audio
from backbeat.classify.classifier import Failure
from backbeat.errors import printable
from backbeat.files.folders import identity, is_folder, natural


@dataclass(frozen=True)
class Found:
    """What is among files and below folders."""

    songs: tuple[Path, ...]
    """In order of names as people count, "2" before "10"."""
    links: tuple[Failure, ...]
    """Symbolic links to one of `songs`, or to what an earlier link of `songs` leads to."""
    others: Mapping[str, int]
    """How many files below the folders are of other kinds, by suffix."""


def find_songs(paths: Iterable[Path]) -> Iterator[Path]:
    """Give the songs that `search` finds.

    Parameters
    ----------
    paths : iterable of Path
        A file is taken whatever its suffix; of a folder, all audio files below it that are not
        hidden.

    Yields
    ------
    Path
    """
    yield from search(paths).songs


def search(paths: Iterable[Path]) -> Found:
    """Find the audio files among files and below folders.

    Each file is given once for each of `paths` that leads to it, but for links to a song that is
    found anyway; a missing path too, for its error. A folder that several links lead to is searched
    through the first of them.
    """
    found: list[tuple[Path, bool]] = []  # with whether it is a link
    others: Counter[str] = Counter()
    for path in paths:
        if path.is_dir():
            found += _below(path, set(), others)
        else:
            found.append((path, os.path.islink(path)))  # noqa: PTH114 - a name may hold a NUL
    if not any(is_link for _, is_link in found):
        return Found(tuple(path for path, _ in found), (), others)
    known: dict[tuple[int, int], Path] = {}
    for path, _ in sorted(found, key=lambda one: one[1]):  # a song of its own name before links
        with contextlib.suppress(OSError, ValueError):
            known.setdefault(identity(path), path)
    songs: list[Path] = []
    links: list[Failure] = []
    for path, is_link in found:
        song = path
        if is_link:
            with contextlib.suppress(OSError, ValueError):  # leads nowhere: fails when it is read
                song = known[identity(path)]
        if song == path:
            songs.append(path)
        else:
            links.append(Failure(path, f"leads to {printable(song)}", "link"))
    return Found(tuple(songs), tuple(links), others)


def _below(
    folder: Path, visited: set[tuple[int, int]], others: Counter[str]
) -> Iterator[tuple[Path, bool]]:
    try:
        own = identity(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: natural(entry.name))
    except OSError:
        # A folder that may not be listed fails as the path that it is.
        yield folder, False
        return
    if own in visited:
        return
    visited.add(own)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        suffix = Path(entry.name).suffix.lower()
        if is_folder(entry):
            yield from _below(Path(entry.path), visited, others)
        elif suffix in audio.AUDIO_SUFFIXES:
            yield Path(entry.path), entry.is_symlink()
        else:
            others[suffix] += 1
