"""What the verbs that need answers share: the bundle, the index of known answers, where to work."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import warn
from backbeat.errors import BackbeatError

if TYPE_CHECKING:
    from backbeat.classify.many import Answer, Classifier, Failure
    from backbeat.library.index import Index
    from backbeat.library.songs import Classify

Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="gtzan or gtzan-fast, which come with backbeat; a bundle; or a run directory.",
        envvar="BACKBEAT_MODEL",
    ),
]
Windows = Annotated[
    str | None,
    typer.Option(
        "--windows",
        metavar="N|all",
        help="The most half minutes to hear of a song, spread over it (default 4).",
    ),
]
IndexPath = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="FILE",
        help="Where answers are kept, so that only new or changed files are heard (default: in the "
        "user's cache folder).",
        envvar="BACKBEAT_INDEX",
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Hear files that are known, too.")]


@dataclass(frozen=True)
class Wanted:
    """What is asked of songs, and how.

    Attributes
    ----------
    model : str
    windows : str, optional
        As written: a number, or "all".
    again : bool
        Whether files that the index knows are heard, too.
    tags : bool
        Whether MusiCNN's tags are wanted.
    threads : int, optional
    cluster : str, optional
    """

    model: str
    windows: str | None = None
    again: bool = False
    tags: bool = False
    threads: int | None = None
    cluster: str | None = None


@dataclass(frozen=True)
class Answering:
    """Songs being answered: the bundle, and the answers in order."""

    classifier: "Classifier"
    answers: "Iterator[Answer | Failure]"


@contextlib.contextmanager
def answering(songs: Sequence[Path], wanted: Wanted, index: "Index | None") -> Iterator[Answering]:
    """Open what songs are answered with: a bundle, and the index from `known_answers`.

    Raises
    ------
    BackbeatError
        If the bundle or the cluster cannot be used.
    """
    from backbeat.classify.many import load
    from backbeat.library.songs import answer_all

    windows = windows_of(wanted.windows)
    classifier = load(wanted.model, tags=wanted.tags, windows=windows)
    with _where(classifier, wanted.threads, wanted.cluster) as classify:
        if index is None:
            yield Answering(classifier, classify(songs))
        else:
            answers = answer_all(classifier, songs, index, classify, again=wanted.again)
            yield Answering(classifier, answers)


@contextlib.contextmanager
def known_answers(path: Path | None) -> "Iterator[Index | None]":
    """Open the index; one that nobody asked for may fail, as where there is no home folder.

    Raises
    ------
    BackbeatError
        If the one that is named cannot be used.
    """
    from backbeat.library.index import open_index

    with contextlib.ExitStack() as stack:
        try:
            index = stack.enter_context(open_index(path))
        except (BackbeatError, OSError, RuntimeError) as error:
            if path is not None:
                raise
            warn(f"{error}; answers are not kept this time")
            index = None
        yield index


def windows_of(written: str | None) -> int | None:
    """Give the number of windows, None for all.

    Raises
    ------
    BackbeatError
        If it is neither a number nor "all".
    """
    if written is None:
        from backbeat.classify.windows import A_FEW

        return A_FEW
    if written == "all":
        return None
    if written.isdecimal() and int(written):
        return int(written)
    raise BackbeatError(f"--windows {written}: must be a number from 1 on, or all")


@contextlib.contextmanager
def _where(
    classifier: "Classifier", threads: int | None, cluster: str | None
) -> "Iterator[Classify]":
    """Open where songs are answered: threads of this process, or the workers of a cluster."""
    from backbeat.classify.many import classify_all

    if cluster is None:
        yield partial(classify_all, classifier, threads=threads)
        return
    from backbeat.classify.batches import classify_batches
    from backbeat.parallel.engine import open_executor

    # `--threads` and `--workers` say the same: how much of this machine to use.
    with open_executor(threads, cluster) as executor:
        yield partial(classify_batches, classifier, executor=executor)
