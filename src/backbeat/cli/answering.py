"""What the verbs that classify songs share: the bundle, the index of known answers, workers."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from backbeat.cli.console import progress, warn
from backbeat.errors import BackbeatError

if TYPE_CHECKING:
    from backbeat.classify import Answer, Classifier, Failure
    from backbeat.library.index import Index


@dataclass(frozen=True)
class AnswerOptions:
    """How songs are classified: the options of the same names, as they are written."""

    model: str
    windows: str | None = None
    again: bool = False
    workers: int | None = None
    cluster: str | None = None
    tags: bool = False


@contextlib.contextmanager
def answering(
    songs: Sequence[Path], options: AnswerOptions, index: "Index | None"
) -> "Iterator[tuple[Classifier, Iterator[Answer | Failure]]]":
    """Open a bundle and where it works; yields it with the songs' answers, in order."""
    from backbeat.classify import classify_all, load
    from backbeat.library.songs import answer_all
    from backbeat.parallel.executors import open_executor

    windows = max_windows(options.windows)
    classifier = load(options.model, tags=options.tags, windows=windows)
    if caution := classifier.bundle.description.caution:
        warn(f"{options.model}: {caution}")
    with contextlib.ExitStack() as stack:
        if options.cluster is None:
            classify = partial(classify_all, classifier, workers=options.workers)
        else:
            executor = stack.enter_context(open_executor(options.workers, options.cluster))
            classify = partial(classify_all, classifier, executor=executor)
        if index is None:
            yield classifier, classify(songs)
        else:
            answers = answer_all(classifier, songs, index, classify, again=options.again)
            yield classifier, answers


def answer_songs(
    paths: Sequence[Path], options: AnswerOptions, index_path: Path | None
) -> "tuple[list[Answer], list[Failure], Mapping[str, int]]":
    """Classify all songs, known ones from the index; count files of other kinds by suffix."""
    from backbeat.classify import Failure, search

    found = search(paths)
    if not found.songs:
        raise BackbeatError("no audio files there")
    answers: list[Answer] = []
    failures: list[Failure] = []
    with (
        open_known(index_path) as index,
        answering(found.songs, options, index) as (_, results),
        progress("classifying", "songs") as show,
    ):
        for done, result in enumerate(results, start=1):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                answers.append(result)
            show(done, len(found.songs))
    return answers, [*failures, *found.links], found.others


@contextlib.contextmanager
def open_known(path: Path | None) -> "Iterator[Index | None]":
    """Open the index; None where it cannot be used, as on a full disk or without a home folder.

    Only a file that is named and no index is an error.
    """
    from backbeat.library.index import UnusableIndexError, open_index

    with contextlib.ExitStack() as stack:
        try:
            index = stack.enter_context(open_index(path))
        except BackbeatError as error:
            if path is not None and not isinstance(error, UnusableIndexError):
                raise
            warn(f"{error}; answers are not kept this time")
            index = None
        yield index


def max_windows(written: str | None) -> int | None:
    """Give the number of windows of --windows, None for all."""
    if written is None:
        from backbeat.classify.windows import DEFAULT_WINDOWS

        return DEFAULT_WINDOWS
    if written == "all":
        return None
    if written.isdecimal() and int(written):
        return int(written)
    raise BackbeatError(f"--windows {written}: must be a number from 1 on, or all")
