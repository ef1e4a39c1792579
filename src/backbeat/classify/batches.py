"""Many songs to genres by workers, here or on a cluster: each loads the bundle once.

Decoders are native code that reads what anyone may have written. So every song is answered in
another process than the caller's, and one that crashes or hangs there is a `Failure`. Workers read
the songs by themselves; only paths and answers travel.
"""

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Self

from backbeat.bundle.shipped import find_bundle
from backbeat.classify.classifier import Answer, Classifier, Failure, load
from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.parallel.bounds import keep_freed_memory
from backbeat.parallel.executors import cpu_count, map_tasks, open_executor

_SONGS_IN_A_BATCH = 8  # a second of work or more on a cluster, and few answers to wait for
_SONGS_AHEAD = 2  # a worker: enough to keep all busy, few enough to be stopped at once
_MAX_MODELS = 2  # the page has songs with tags and without


@dataclass(frozen=True)
class Model:
    """A bundle as a worker finds it: a shipped one by its name, others at their path."""

    where: str
    hash: str
    tags: bool
    windows: int | None

    @classmethod
    def of(cls, classifier: Classifier, *, tags: bool = False) -> Self:
        """Say where a worker finds what is loaded here, with MusiCNN's tags if `tags`."""
        path = classifier.bundle.path.absolute()
        # A shipped bundle may lie elsewhere on other machines.
        is_shipped = find_bundle(path.stem).absolute() == path
        tags = tags or classifier.tagger is not None
        where = path.stem if is_shipped else str(path)
        return cls(where, classifier.bundle.hash, tags, classifier.windows)


@dataclass(frozen=True)
class _Batch:
    """Songs for a worker to answer: as they were named here, and where they are."""

    model: Model
    songs: tuple[tuple[Path, Path], ...]
    lost: tuple[tuple[str, str], ...] = ()
    """Where songs are that ended a worker, and how."""


def classify_all(
    classifier: Classifier,
    paths: Iterable[Path],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
) -> Iterator[Answer | Failure]:
    """Classify many songs, in order.

    Parameters
    ----------
    classifier : Classifier
        Loaded here; workers of an executor load its bundle by themselves.
    paths : iterable of Path
        Audio files; drawn lazily. Workers must see them at the same absolute paths.
    workers : int, optional
        Songs at once; by default one a processor.
    executor : Executor, optional
        Answers them instead; see `open_executor`.

    Yields
    ------
    Answer or Failure
        One for each path: a bad file costs nothing but itself, even where it crashes its decoder,
        or takes longer than 60 s and 10 s a megabyte.

    Raises
    ------
    BackbeatError
        If a worker has another bundle, or does not see a song that is here.
    """
    model = Model.of(classifier)
    waiting = iter(paths)
    size, ahead = _SONGS_IN_A_BATCH, None
    with contextlib.ExitStack() as stack:
        if executor is None:
            workers = workers or cpu_count()
            first = list(islice(waiting, workers))
            if not first:
                return
            waiting = chain(first, waiting)
            size, ahead = 1, _SONGS_AHEAD * workers
            keep = partial(_keep, model, classifier)
            opened = open_executor(min(workers, len(first)), isolated=True, in_copies=keep)
            executor = stack.enter_context(opened)
        songs = ((path, path.absolute()) for path in waiting)
        batches = (_Batch(model, batch) for batch in iter(lambda: tuple(islice(songs, size)), ()))
        for answers, unseen in map_tasks(
            executor, _answer, batches, ordered=True, ahead=ahead, instead=_without
        ):
            for path in unseen:
                if path.exists():
                    raise BackbeatError(
                        f"{path}: a worker does not see it; have all machines share it at this path"
                    )
            yield from answers


def _without(batch: _Batch, error: WorkerLostError) -> _Batch:
    """Give the same batch without the song that ended its worker."""
    if error.what not in {str(here) for _, here in batch.songs}:
        raise error
    return replace(batch, lost=(*batch.lost, (error.what, error.reason)))


# --- In a worker

_loaded: dict[Model, Classifier] = {}


def _answer(batch: _Batch) -> tuple[list[Answer | Failure], list[Path]]:
    """Answer a batch: an answer a song, and the songs that this worker does not see."""
    keep_freed_memory()
    classifier = load_model(batch.model)
    lost = dict(batch.lost)
    answers = [
        Failure(named, lost[str(here)])
        if str(here) in lost
        else replace(classifier.answer(here), path=named)
        for named, here in batch.songs
    ]
    return answers, [here for _, here in batch.songs if not here.exists()]


def load_model(model: Model) -> Classifier:
    """Load a bundle, once a worker."""
    if model not in _loaded:
        classifier = load(model.where, tags=model.tags, windows=model.windows)
        if classifier.bundle.hash != model.hash:
            raise BackbeatError(
                f"{model.where}: a worker has another bundle there; have all machines share one"
            )
        _keep(model, classifier)
    return _loaded[model]


def _keep(model: Model, classifier: Classifier) -> None:
    if len(_loaded) >= _MAX_MODELS:
        _loaded.clear()
    _loaded[model] = classifier
