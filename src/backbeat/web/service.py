"""A song answered within the limits, in turn, or refused with a reason and an HTTP status."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Self

from backbeat import audio
from backbeat.classify import Answer, Classifier, load
from backbeat.errors import BackbeatError, one_line
from backbeat.web.limits import Limits

_NAME = 120  # of a file's name, in errors and answers: more is no name


class RefusedError(BackbeatError):
    """A song that is not answered.

    Parameters
    ----------
    status : HTTPStatus
        As an HTTP answer.
    what : str
        Why, in one line, naming the file.
    """

    def __init__(self, status: HTTPStatus, what: str) -> None:
        super().__init__(what)
        self.status = status


class Service:
    """A model, ready for many visitors at once.

    Parameters
    ----------
    classifier : Classifier
    limits : Limits
    """

    def __init__(self, classifier: Classifier, limits: Limits) -> None:
        self.classifier = classifier
        self.limits = limits
        self._turns = threading.Semaphore(limits.at_once)
        self._places = threading.Semaphore(limits.at_once + limits.waiting)
        self._lock = threading.Lock()
        self._answering = self._waiting = 0
        self._tagging: Classifier | None = None

    @classmethod
    def of_model(cls, model: str, limits: Limits) -> Self:
        """Load a shipped bundle by its name, or a bundle or run by its path.

        Raises
        ------
        BackbeatError
            If it is no bundle, or damaged.
        """
        return cls(load(model), limits)

    @property
    def answering(self) -> int:
        """How many songs are being answered now."""
        return self._answering

    @property
    def waiting(self) -> int:
        """How many songs wait for their turn now."""
        return self._waiting

    def answer(self, path: Path, name: str, *, tags: bool = False) -> Answer:
        """Answer a song when its turn comes.

        Parameters
        ----------
        path : Path
            Where it lies.
        name : str
            What its sender calls it; answers and errors say this, not the path.
        tags : bool
            Whether MusiCNN's tags are wanted too.

        Returns
        -------
        Answer
            Of path `name`.

        Raises
        ------
        RefusedError
            With the status 413 if it is too large or too long, 415 if it is not audio, 422 if it
            cannot be answered, 503 if too many are waiting, 504 if the answer takes too long.
        """
        name = shown_name(name)
        with _refusals(path, name), self._turn(name):
            if path.stat().st_size > self.limits.bytes:
                raise too_large(name, self.limits)
            self._refuse_long(name, audio.duration(path))
            classifier = self._with_tags() if tags else self.classifier
            answer = self._in_time(classifier, path, name)
            # A header may promise less than the file holds.
            self._refuse_long(name, answer.seconds)
        return replace(answer, path=Path(name))

    @contextlib.contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Wait for a turn, if there is a place to wait in."""
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
                    f"{name}: busy: its turn did not come within {self.limits.seconds:g} s; "
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

    def _refuse_long(self, name: str, seconds: float | None) -> None:
        if seconds is not None and seconds > 60 * self.limits.minutes:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"{name}: too long ({seconds / 60:.1f} minutes); "
                f"at most {self.limits.minutes:g} minutes are answered here",
            )

    def _in_time(self, classifier: Classifier, path: Path, name: str) -> Answer:
        """Answer a song, or stop when the time is over."""
        stopped = threading.Event()
        clock = threading.Timer(self.limits.seconds, stopped.set)
        clock.daemon = True
        clock.start()
        try:
            return classifier.classify(path, stopped=stopped)
        except BackbeatError as error:
            if stopped.is_set():
                raise RefusedError(
                    HTTPStatus.GATEWAY_TIMEOUT,
                    f"{name}: no answer within {self.limits.seconds:g} s; send less of it",
                ) from error
            raise
        finally:
            clock.cancel()

    def _with_tags(self) -> Classifier:
        """Give the classifier with MusiCNN beside it, loaded when first asked for."""
        with self._lock:
            if self._tagging is None:
                from backbeat.tagging import load_tagger

                self._tagging = replace(self.classifier, tagger=load_tagger())
            return self._tagging


def shown_name(name: str) -> str:
    """Give a file's own name on one line, without folders, cut where it is no name any more."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2] or "file"
    shown = audio.display_name(last)
    return shown if len(shown) <= _NAME else f"{shown[: _NAME - 1]}…"


def too_large(name: str, limits: Limits) -> RefusedError:
    """Give the refusal of a file of too many bytes."""
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"{name}: too large; at most {limits.megabytes:g} MB are taken here",
    )


@contextlib.contextmanager
def _refusals(path: Path, name: str) -> Iterator[None]:
    """Turn what is wrong with a file into a refusal that says the sender's name of it."""
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
    except Exception as error:  # a decoder's surprise is the file's fault, not the server's end
        words = one_line(error).replace(str(path), name)
        what = f"{name}: could not be decoded ({type(error).__name__}: {words})"
        raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, what) from error
