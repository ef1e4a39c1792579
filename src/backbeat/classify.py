"""Songs to genres: found below folders, many at once, none of which can end another.

Decoders are native code, and read what anyone may have written. So every song is answered in
another process than the caller's, and one that crashes or hangs there is a `Failure`.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from backbeat import audio
from backbeat.batches import classify_batches, keep
from backbeat.classifier import Answer, Classifier, Failure, Moment, Verdict, load
from backbeat.engine import cpu_count, open_executor
from backbeat.folders import identity, is_folder

__all__ = [
    "Answer",
    "Classifier",
    "Failure",
    "Moment",
    "Verdict",
    "classify_all",
    "find_songs",
    "load",
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


def find_songs(paths: Iterable[Path]) -> Iterator[Path]:
    """Find the audio files among files and below folders, in order of names.

    Parameters
    ----------
    paths : iterable of Path
        A file is taken whatever its suffix; of a folder, all audio files below it that are not
        hidden. A folder that several links lead to is looked through by the first of them.

    Yields
    ------
    Path
        Each file once for each of `paths` that leads to it; a missing path too, for its error.
    """
    for path in paths:
        if path.is_dir():
            yield from _below(path, set())
        else:
            yield path


def _below(folder: Path, visited: set[tuple[int, int]]) -> Iterator[Path]:
    try:
        own = identity(folder)
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        # A folder that may not be listed is told of as the path it is.
        yield folder
        return
    if own in visited:
        return
    visited.add(own)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if is_folder(entry):
            yield from _below(Path(entry.path), visited)
        elif Path(entry.name).suffix.lower() in audio.AUDIO_SUFFIXES:
            yield Path(entry.path)
