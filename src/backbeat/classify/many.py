"""Songs to genres: found below folders, many at once, none of which can end another.

Decoders are native code, and read what anyone may have written. So every song is answered in
another process than the caller's, and one that crashes or hangs there is a `Failure`.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from backbeat import audio
from backbeat.classify.batches import classify_batches, keep
from backbeat.classify.classifier import Answer, Classifier, Failure, Moment, Verdict, load
from backbeat.errors import printable
from backbeat.files.folders import identity, is_folder, natural
from backbeat.parallel.engine import cpu_count, open_executor

__all__ = [
    "Answer",
    "Classifier",
    "Failure",
    "Found",
    "Moment",
    "Verdict",
    "classify_all",
    "find_songs",
    "load",
    "search",
]

_SONGS_AHEAD = 2  # a worker: enough to keep all busy, few enough to be stopped at once


def classify_all(
    classifier: Classifier, paths: Iterable[Path], *, threads: int | None = None
) -> Iterator[Answer | Failure]:
    """Classify many songs, in order.

    Parameters
    ----------
    classifier : Classifier
    paths : iterable of Path
        Audio files; drawn lazily.
    threads : int, optional
        Songs at once; by default one a processor.

    Yields
    ------
    Answer or Failure
        One for each path: a bad file costs nothing but itself, even where it crashes its decoder,
        or takes longer than `isolation.seconds_for` gives it.
    """
    threads = threads or cpu_count()
    waiting = iter(paths)
    first = list(islice(waiting, threads))
    if not first:
        return
    keep(classifier)
    workers = min(threads, len(first))
    with open_executor(workers, isolated=True, copies=True) as executor:
        yield from classify_batches(
            classifier, chain(first, waiting), executor, size=1, ahead=_SONGS_AHEAD * threads
        )


@dataclass(frozen=True)
class Found:
    """What is among files and below folders.

    Attributes
    ----------
    songs : tuple of Path
        In order of names as people count, "2" before "10".
    links : tuple of Failure
        Symbolic links to one of `songs`, or to what an earlier link of `songs` leads to.
    others : mapping of str to int
        How many files below the folders are of other kinds, by suffix.
    """

    songs: tuple[Path, ...]
    links: tuple[Failure, ...]
    others: Mapping[str, int]


def find_songs(paths: Iterable[Path]) -> Iterator[Path]:
    """Give the songs that `search` finds."""
    yield from search(paths).songs


def search(paths: Iterable[Path]) -> Found:
    """Find the audio files among files and below folders.

    Parameters
    ----------
    paths : iterable of Path
        A file is taken whatever its suffix; of a folder, all audio files below it that are not
        hidden. A folder that several links lead to is looked through by the first of them.

    Returns
    -------
    Found
        Each file once for each of `paths` that leads to it, but for links to a song that is found
        anyway; a missing path too, for its error.
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
            with contextlib.suppress(OSError, ValueError):  # it leads nowhere: told as it is read
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
        # A folder that may not be listed is told of as the path it is.
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
