"""Songs to genres by workers, here or on a cluster: each loads the bundle once.

The songs are read by the workers; what travels are paths and answers. A song that ends its worker
is a failure, and the others of its batch are answered all the same.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Self

from backbeat.bundle.shipped import find_bundle
from backbeat.classify.classifier import Answer, Classifier, Failure, load
from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.parallel.engine import map_ordered
from backbeat.parallel.memory import keep_freed_memory

_SONGS_IN_A_BATCH = 8  # a second of work or more on a cluster, and few answers to wait for
_MODELS_KEPT = 2  # the page has songs with tags and without


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
        tags = tags or classifier.tagger is not None
        return cls(_where(classifier), classifier.bundle.hash, tags, classifier.windows)


@dataclass(frozen=True)
class _Batch:
    """Songs for a worker to answer: as they were named here, and where they are."""

    model: Model
    songs: tuple[tuple[Path, Path], ...]
    lost: tuple[tuple[str, str], ...] = ()
    """Where songs are that ended a worker, and how."""


@dataclass(frozen=True)
class _Answers:
    """What a worker says of a batch: an answer a song, and the songs that it does not see."""

    answers: tuple[Answer | Failure, ...]
    unseen: tuple[Path, ...]


_kept: dict[Model, Classifier] = {}  # of this process, which may be a worker


def classify_batches(
    classifier: Classifier,
    paths: Iterable[Path],
    executor: Executor,
    *,
    size: int = _SONGS_IN_A_BATCH,
    ahead: int | None = None,
) -> Iterator[Answer | Failure]:
    """Classify many songs by an executor's workers.

    Parameters
    ----------
    classifier : Classifier
        Loaded here; the workers load its bundle by themselves.
    paths : iterable of Path
        Audio files that the workers see at the same absolute paths; drawn lazily.
    executor : Executor
        See `engine.open_executor`.
    size : int
        Songs that a worker answers in one go.
    ahead : int, optional
        Batches under way at once, as for `engine.map_ordered`.

    Yields
    ------
    Answer or Failure
        One for each path, in their order.

    Raises
    ------
    BackbeatError
        If a worker has another bundle, or does not see a song that is here.
    """
    model = Model.of(classifier)
    songs = ((path, path.absolute()) for path in paths)
    batches = (_Batch(model, batch) for batch in iter(lambda: tuple(islice(songs, size)), ()))
    for told in map_ordered(executor, _answer, batches, ahead=ahead, instead=_without):
        for path in told.unseen:
            if path.exists():
                raise BackbeatError(
                    f"{path}: a worker does not see it; have all machines share it at this path"
                )
        yield from told.answers


def _where(classifier: Classifier) -> str:
    """Name a shipped bundle, which lies elsewhere on other machines; give the path of others."""
    path = classifier.bundle.path.absolute()
    return path.stem if find_bundle(path.stem).absolute() == path else str(path)


def _answer(batch: _Batch) -> _Answers:
    """Answer a batch (in a worker)."""
    keep_freed_memory()
    classifier = load_model(batch.model)
    lost = dict(batch.lost)

    def answer(named: Path, here: Path) -> Answer | Failure:
        if reason := lost.get(str(here)):
            return Failure(named, reason)
        return replace(classifier.answer(here), path=named)

    return _Answers(
        answers=tuple(answer(named, here) for named, here in batch.songs),
        unseen=tuple(here for _, here in batch.songs if not here.exists()),
    )


def _without(batch: _Batch, error: WorkerLostError) -> _Batch:
    """Give the same batch without the song that ended its worker."""
    if error.what not in {str(here) for _, here in batch.songs}:
        raise error
    return replace(batch, lost=(*batch.lost, (error.what, error.reason)))


def keep(classifier: Classifier) -> None:
    """Have copies of this process find a classifier that is loaded here."""
    _keep(Model.of(classifier), classifier)


def _keep(model: Model, classifier: Classifier) -> None:
    if len(_kept) >= _MODELS_KEPT:
        _kept.clear()
    _kept[model] = classifier


def load_model(model: Model) -> Classifier:
    """Load a bundle, once a worker.

    Raises
    ------
    BackbeatError
        If it is another here.
    """
    if classifier := _kept.get(model):
        return classifier
    classifier = load(model.where, tags=model.tags, windows=model.windows)
    if classifier.bundle.hash != model.hash:
        raise BackbeatError(
            f"{model.where}: a worker has another bundle there; have all machines share one"
        )
    _keep(model, classifier)
    return classifier
