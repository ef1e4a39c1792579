"""A song classified within the limits, in turn, or refused with a reason and an HTTP status.

Uploads are decoded by workers, never by the server: a file that crashes its decoder, or takes too
long, costs one worker, and a new one is started.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Self, TypeVar

from backbeat import audio
from backbeat.classify import Answer, Classifier, load
from backbeat.classify.batches import Model, load_model
from backbeat.errors import BackbeatError, WorkerLostError, one_line, printable
from backbeat.files.text import number, significant
from backbeat.parallel.bounds import guarded
from backbeat.parallel.executors import ProcessExecutor
from backbeat.web.limits import Limits

Result = TypeVar("Result")

_MAX_NAME = 120  # characters of a file's name in errors and answers


class RefusedError(BackbeatError):
    """A song that is not classified: an HTTP status, and a line that names the file."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(status, message)  # both, so that it can be pickled
        self.status = status

    def __str__(self) -> str:
        return str(self.args[1])


class Service:
    """A model, ready for many visitors at once, as a context.

    Songs are classified by `workers`, by default as many processes as songs may be classified at
    once.
    """

    def __init__(
        self, classifier: Classifier, limits: Limits, workers: Executor | None = None
    ) -> None:
        self.classifier = classifier
        self.limits = limits
        # One attempt: a song that ended a worker does not get a second one.
        self.workers = workers or ProcessExecutor(limits.at_once, attempts=1)
        self._turns = threading.Semaphore(limits.at_once)
        self._places = threading.Semaphore(limits.at_once + limits.waiting)
        self._lock = threading.Lock()
        self._answering = self._waiting = 0

    @classmethod
    def of_model(cls, model: str, limits: Limits) -> Self:
        """Load a shipped bundle by its name, or a bundle or run by its path."""
        return cls(load(model), limits)

    def __enter__(self) -> Self:
        """Load the model in the workers before the first visitor comes."""
        for _ in range(self.limits.at_once):
            self.workers.submit(load_model, Model.of(self.classifier))
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers, whatever they are doing."""
        if isinstance(self.workers, ProcessExecutor):
            self.workers.stop()

    @property
    def answering(self) -> int:
        """How many songs are being classified now."""
        return self._answering

    @property
    def waiting(self) -> int:
        """How many songs wait for their turn now."""
        return self._waiting

    def answer(self, path: Path, name: str, *, tags: bool = False) -> Answer:
        """Classify a song when its turn comes, `tags` also by MusiCNN's tags.

        Answers and errors have the name that its sender gave it, not the path. Raises
        `RefusedError` with the status 413 if it is too large or too long, 415 if it is not audio,
        422 if it cannot be classified, 503 if too many are waiting, 504 if it takes too long.
        """
        own, name = own_name(name), shown_name(name)
        model = Model.of(self.classifier, tags=tags)
        with self._refusals(path, name), self._turn(name):
            if path.stat().st_size > self.limits.bytes:
                raise too_large(name, self.limits)
            answer = self.workers.submit(_answer, model, path, name, self.limits).result()
        return replace(answer, path=Path(own))

    def work(self, function: Callable[[Path], Result], path: Path, name: str) -> Result:
        """Let a worker call a function of a file, such as one that draws it; refuse as `answer`."""
        name = shown_name(name)
        with self._refusals(path, name), self._turn(name):
            return self.workers.submit(_within, function, path, self.limits.seconds).result()

    @contextlib.contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Wait for a turn, unless too many are waiting."""
        if not self._places.acquire(blocking=False):
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{name}: busy: {self.limits.waiting} songs are waiting already; try again soon",
            )
        try:
            self._count(waiting=1)
            try:
                came = self._turns.acquire(timeout=self.limits.seconds)
            finally:
                self._count(waiting=-1)
            if not came:
                raise RefusedError(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"{name}: busy: its turn did not come within "
                    f"{significant(self.limits.seconds)} s; "
                    "try again later",
                )
            try:
                self._count(answering=1)
                yield
            finally:
                self._count(answering=-1)
                self._turns.release()
        finally:
            self._places.release()

    def _count(self, *, waiting: int = 0, answering: int = 0) -> None:
        with self._lock:
            self._waiting += waiting
            self._answering += answering

    @contextlib.contextmanager
    def _refusals(self, path: Path, name: str) -> Iterator[None]:
        """Turn errors into refusals that have the sender's name of the file."""
        try:
            yield
        except RefusedError:
            raise
        except audio.AudioError as error:
            status = (
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE
                if error.kind == "not-audio"
                else HTTPStatus.UNPROCESSABLE_ENTITY
            )
            raise RefusedError(status, f"{name}: {error.what}") from error
        except FileNotFoundError as error:
            what = f"{name}: was removed before its turn came; send it again"
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, what) from error
        except WorkerLostError as error:
            if error.timed_out:
                seconds = significant(self.limits.seconds)
                what = f"{name}: no answer within {seconds} s; send less of it"
                raise RefusedError(HTTPStatus.GATEWAY_TIMEOUT, what) from error
            what = f"{name}: could not be decoded ({error.reason})"
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, what) from error
        except Exception as error:  # decoders may raise anything; the server goes on
            words = one_line(error).replace(str(path), name)
            what = f"{name}: could not be decoded ({type(error).__name__}: {words})"
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, what) from error


def _answer(model: Model, path: Path, name: str, limits: Limits) -> Answer:
    """Classify a song (in a worker)."""
    classifier = load_model(model)
    with guarded(path, limits.seconds):
        _refuse_long(name, audio.duration(path), limits)
        answer = classifier.classify(path)
    # A header may promise less than the file holds.
    _refuse_long(name, answer.seconds, limits)
    return answer


def _within(function: Callable[[Path], Result], path: Path, seconds: float) -> Result:
    """Call a function of a file (in a worker)."""
    with guarded(path, seconds):
        return function(path)


def _refuse_long(name: str, seconds: float | None, limits: Limits) -> None:
    if seconds is not None and seconds > 60 * limits.minutes:
        raise RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{name}: too long ({number(seconds / 60, 1)} minutes); "
            f"at most {significant(limits.minutes)} minutes are accepted here",
        )


def own_name(name: str) -> str:
    """Give a file's own name, without folders, shortened if too long."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2] or "file"
    return last if len(last) <= _MAX_NAME else f"{last[: _MAX_NAME - 1]}…"


def shown_name(name: str) -> str:
    """Give a file's own name for display; only once, as escapes look like folders."""
    return printable(own_name(name))


def too_large(name: str, limits: Limits) -> RefusedError:
    """Make the refusal of a file with too many bytes."""
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"{name}: too large; at most {significant(limits.megabytes)} MB are accepted here",
    )
