"""How answers are written: as a table for people, as CSV, as JSON lines."""

import contextlib
import csv
import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from backbeat.classify.classifier import Answer, Failure
from backbeat.errors import BackbeatError, printable
from backbeat.files import atomic
from backbeat.files.cells import escaped_in, harmless
from backbeat.files.tables import Column, Styled, colour_of, lay_out, styled
from backbeat.files.text import fixed, number, percent, probability

_ANSWERED = "answered"  # the status of those that are no `Failure`
_DIGITS = 6  # of probabilities, in JSON
_TAGS = 5  # of the fifty, but in JSON lines
_DIM = "2"
_PATH = 60  # characters of a path, where the terminal has room for so many
_COLUMNS = (
    Column("genre", shorten="end", width=12, right=False),
    Column("sure", width=5, right=True),
    Column("segments agree", width=14, right=True),
    Column("others", shorten="end", width=36, optional=1, right=False),
    Column("file", shorten="middle", width=_PATH, right=False),
)


def described(answer: Answer, *, top: int | None = None) -> dict[str, Any]:
    """Give an answer, but for its path, as the JSON that all programs read.

    With the `top` likeliest genres; all by default.
    """
    return {
        "answer": answer.label,
        "verdict": answer.verdict,
        "genre": answer.genre,
        "probability": round(answer.probability, _DIGITS),
        "agreement": round(answer.agreement, _DIGITS),
        "seconds": answer.seconds,
        "seconds_asked": answer.seconds_asked,
        "seconds_read": answer.seconds_read,
        "note": answer.note,
        "strangeness": answer.strangeness and round(answer.strangeness, _DIGITS),
        "ranking": [
            {"genre": genre, "probability": round(probability, _DIGITS)}
            for genre, probability in answer.ranking[:top]
        ],
        "tags": [{"tag": tag, "fit": round(fit, _DIGITS)} for tag, fit in answer.tags],
        "timeline": [
            {
                "start": moment.start,
                "end": moment.end,
                "genre": moment.genre,
                "probability": round(moment.probability, _DIGITS),
            }
            for moment in answer.timeline
        ],
    }


def record(result: Answer | Failure, *, top: int, timeline: bool) -> dict[str, Any]:
    """Describe a song's answer or failure with its path, as a line of JSON lines."""
    if isinstance(result, Failure):
        return {"path": str(result.path), "status": result.status, "error": result.reason}
    content = described(result, top=top)
    if not result.tags:
        del content["tags"]
    if not timeline:
        del content["timeline"]
    return {"path": str(result.path), "status": _ANSWERED, **content}


class Writer(ABC):
    """Writes answers and failures to a file as they come, with the `top` genres of each answer."""

    def __init__(
        self,
        file: IO[str],
        *,
        genres: Sequence[str],
        top: int,
        timeline: bool,
        width: int | None = None,
        colour: bool = False,
    ) -> None:
        self.file = file
        self.genres = genres
        self.top = min(top, len(genres))
        self.timeline = timeline
        self.width = width  # of the terminal, for a table; None where nothing is shortened
        self.colour = colour

    @abstractmethod
    def answer(self, answer: Answer) -> None:
        """Write the answer to a song."""

    @abstractmethod
    def failure(self, failure: Failure) -> None:
        """Write that a file has no answer."""


class TableWriter(Writer):
    """A line a song: genre, probability, agreeing segments, the next best, path; below a header."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.colours = {genre: colour_of(place) for place, genre in enumerate(self.genres)}
        self.layout = lay_out(_COLUMNS, (), self.width, colour=self.colour)
        self.is_begun = False

    def answer(self, answer: Answer) -> None:
        """Write the answer to a song."""
        if not self.is_begun:
            print(styled(self.layout.header(), _DIM, colour=self.colour), file=self.file)
            self.is_begun = True
        # Of an answer that is withheld, the likeliest genre is only the first of the guesses.
        guesses = answer.ranking[: self.top] if answer.withheld else answer.ranking[1 : self.top]
        others = ", ".join(f"{printable(genre)} {probability(p)}" for genre, p in guesses)
        if answer.verdict == "out of genre":
            others = f"nearest: {printable(answer.genre)}"
        row = (
            Styled(printable(answer.label), self.colours.get(answer.label, _DIM)),
            "" if answer.withheld else probability(answer.probability),
            _agreeing(answer),
            Styled(others, _DIM) if answer.withheld else others,
            printable(answer.path),
        )
        print(self.layout.line(row), file=self.file, flush=True)
        if answer.note:
            print(f"    {printable(answer.note)}", file=self.file, flush=True)
        if answer.tags:
            best = ", ".join(f"{tag} {percent(fit, 0)}" for tag, fit in answer.tags[:_TAGS])
            print(f"    tags: {best}", file=self.file, flush=True)
        if self.timeline:
            for moment in answer.timeline:
                span = f"{_clock(moment.start):>8} to {_clock(moment.end):<7}"
                genre = f"{printable(moment.genre):<12}"
                genre = styled(genre, self.colours[moment.genre], colour=self.colour)
                print(f"    {span}  {genre} {probability(moment.probability):>5}", file=self.file)

    def failure(self, failure: Failure) -> None:
        """Write nothing: failures are listed at the end."""


def _agreeing(answer: Answer) -> str:
    """Say how many of the song's segments have its genre, such as ``9 of 10``."""
    segments = len(answer.timeline)
    return f"{number(round(answer.agreement * segments))} of {number(segments)}" if segments else ""


class CsvWriter(Writer):
    """A row a song; with a timeline, a row a slice.

    `genre` is empty where the answer is withheld, so that a column of guesses is not taken for one
    of answers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.writer = csv.writer(self.file, lineterminator="\n")
        if self.timeline:
            facts = ["start", "end", "genre", "probability"]
            self.columns = ["path", *facts, "note", "status", "error"]
        else:
            others = [
                f"{name}_{place}"
                for place in range(2, self.top + 1)
                for name in ("genre", "probability")
            ]
            facts = ["answer", "genre", "guess", "probability", "agreement"]
            facts += ["seconds", "seconds_asked", "seconds_read", "strangeness"]
            self.columns = ["path", *facts, *others, "tags", "note", "status", "error"]
        self.writer.writerow(self.columns)

    def answer(self, answer: Answer) -> None:
        """Write the answer to a song."""
        path, note = harmless(answer.path), harmless(answer.note)
        if self.timeline:
            for moment in answer.timeline:
                span = [fixed(moment.start, 3), fixed(moment.end, 3)]
                genre, sure = harmless(moment.genre), fixed(moment.probability, 4)
                self.writer.writerow([path, *span, genre, sure, note, _ANSWERED, ""])
        else:
            others = [
                cell
                for genre, share in answer.ranking[1 : self.top]
                for cell in (harmless(genre), fixed(share, 4))
            ]
            facts = [
                fixed(answer.probability, 4),
                fixed(answer.agreement, 4),
                fixed(answer.seconds, 3),
                fixed(answer.seconds_asked, 3),
                fixed(answer.seconds_read, 3),
                "" if answer.strangeness is None else fixed(answer.strangeness, 4),
            ]
            guess = harmless(answer.genre)
            named = [path, harmless(answer.label), "" if answer.withheld else guess, guess]
            tags = harmless(_joined(answer.tags))
            self.writer.writerow([*named, *facts, *others, tags, note, _ANSWERED, ""])
        self.file.flush()

    def failure(self, failure: Failure) -> None:
        """Write a row with nothing but the path, the status and the reason."""
        blank = [""] * (len(self.columns) - 3)
        reason = harmless(failure.reason)
        self.writer.writerow([harmless(failure.path), *blank, failure.status, reason])
        self.file.flush()


class JsonlWriter(Writer):
    """A JSON object a song."""

    def answer(self, answer: Answer) -> None:
        """Write the answer to a song."""
        self._line(answer)

    def failure(self, failure: Failure) -> None:
        """Write the path, the status and the reason."""
        self._line(failure)

    def _line(self, result: Answer | Failure) -> None:
        content = record(result, top=self.top, timeline=self.timeline)
        print(json.dumps(escaped_in(content)), file=self.file, flush=True)


WRITERS: dict[str, type[Writer]] = {"table": TableWriter, "csv": CsvWriter, "jsonl": JsonlWriter}


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[IO[str]]:
    """Open standard output (None), or a file that is there only when it is whole."""
    if path is None:
        if hasattr(sys.stdout, "reconfigure") and not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8")  # as in a file
        yield sys.stdout
        return
    if path.is_dir():
        raise BackbeatError(f"{path}: is a folder; name a file to write to")
    with atomic.writing(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.detach()


def _joined(tags: tuple[tuple[str, float], ...]) -> str:
    """Give the best tags in one cell, such as ``rock 0.61; guitar 0.30``."""
    return "; ".join(f"{tag} {fixed(fit, 2)}" for tag, fit in tags[:_TAGS])


def _clock(seconds: float) -> str:
    minutes, tenths = divmod(round(10 * seconds), 600)
    return f"{minutes}:{tenths // 10:02}.{tenths % 10}"
