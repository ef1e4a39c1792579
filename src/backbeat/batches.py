"""Songs to genres by the workers of a cluster: each loads the bundle once, and answers batches.

The songs are read by the workers; what travels are paths and answers.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from backbeat.classify import Answer, Classifier, Failure, classify_all, load
from backbeat.engine import map_ordered
from backbeat.errors import BackbeatError
from backbeat.models import find_bundle

_SONGS_IN_A_BATCH = 8  # a second of work or more, and few answers to wait for


@dataclass(frozen=True)
class _Model:
    """A bundle as a worker finds it: a shipped one by its name, others at their path."""

    where: str
    hash: str
    tags: bool
    windows: int | None


@dataclass(frozen=True)
class _Batch:
    """Songs for a worker to answer: as they were named here, and where they are."""

    model: _Model
    songs: tuple[tuple[Path, Path], ...]


@dataclass(frozen=True)
class _Answers:
    """What a worker says of a batch: an answer a song, and the songs that it does not see."""

    answers: tuple[Answer | Failure, ...]
    unseen: tuple[Path, ...]


def classify_batches(
    classifier: Classifier, paths: Iterable[Path], executor: Executor
) -> Iterator[Answer | Failure]:
    """Classify many songs by an executor's workers; the answers are those of `classify_all`.

    Parameters
    ----------
    classifier : Classifier
        Loaded here; the workers load its bundle by themselves.
    paths : iterable of Path
        Audio files that the workers see at the same absolute paths; drawn lazily.
    executor : Executor
        See `engine.open_executor`.

    Yields
    ------
    Answer or Failure
        One for each path, in their order.

    Raises
    ------
    BackbeatError
        If a worker has another bundle, or does not see a song that is here.
    """
    model = _Model(
        _where(classifier),
        classifier.bundle.hash,
        classifier.tagger is not None,
        classifier.windows,
    )
    songs = ((path, path.absolute()) for path in paths)
    batches = iter(lambda: tuple(islice(songs, _SONGS_IN_A_BATCH)), ())
    for told in map_ordered(executor, _answer, (_Batch(model, batch) for batch in batches)):
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
    classifier = _load(batch.model)
    found = [here for _, here in batch.songs]
    answers = classify_all(classifier, found, threads=1)
    return _Answers(
        answers=tuple(
            replace(answer, path=named)
            for (named, _), answer in zip(batch.songs, answers, strict=True)
        ),
        unseen=tuple(here for here in found if not here.exists()),
    )


@lru_cache(maxsize=1)
def _load(model: _Model) -> Classifier:
    """Load the bundle once a worker."""
    classifier = load(model.where, tags=model.tags, windows=model.windows)
    if classifier.bundle.hash != model.hash:
        raise BackbeatError(
            f"{model.where}: a worker has another bundle there; have all machines share one"
        )
    return classifier
