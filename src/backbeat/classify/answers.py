"""How answers are written: as a table for people, as CSV, as JSON lines."""

import contextlib
import csv
import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from backbeat.classify.classifier import Answer, Failure
from backbeat.errors import BackbeatError, printable
from backbeat.files import atomic
from backbeat.files.cells import escaped_in, harmless

_ANSWERED = "answered"  # the status of those that are no `Failure`
_DIGITS = 6  # of probabilities, in JSON
_TAGS = 5  # of the fifty, but in JSON lines


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

    def __init__(self, file: IO[str], *, genres: int, top: int, timeline: bool) -> None:
        self.file = file
        self.top = min(top, genres)
        self.timeline = timeline

    @abstractmethod
    def answer(self, answer: Answer) -> None:
        """Write the answer to a song."""

    @abstractmethod
    def failure(self, failure: Failure) -> None:
        """Write that a file has no answer."""


class TableWriter(Writer):
    """A line a song: answer, probability, the next best, agreement of its slices, path."""

    def answer(self, answer: Answer) -> None:
        """Write the answer to a song."""
        # Of an answer that is withheld, the likeliest genre is only the first of the guesses.
        guesses = answer.ranking[: self.top] if answer.withheld else answer.ranking[1 : self.top]
        others = ", ".join(f"{printable(genre)} {p:.0%}" for genre, p in guesses)
        probability = "" if answer.withheld else f"{answer.probability:.0%}"
        named = f"{printable(answer.label):<12} {probability:>4}"
        agree = f"{answer.agreement:>4.0%} of segments agree"
        columns = [named, f"{others:<36}" if others else "", agree, printable(answer.path)]
        print("  ".join(column for column in columns if column), file=self.file, flush=True)
        if answer.note:
            print(f"    {printable(answer.note)}", file=self.file, flush=True)
        if answer.tags:
            best = ", ".join(f"{tag} {fit:.0%}" for tag, fit in answer.tags[:_TAGS])
            print(f"    tags: {best}", file=self.file, flush=True)
        if self.timeline:
            for moment in answer.timeline:
                span = f"{_clock(moment.start)} - {_clock(moment.end)}"
                genre = printable(moment.genre)
                print(f"    {span}  {genre:<12} {moment.probability:>4.0%}", file=self.file)

    def failure(self, failure: Failure) -> None:
        """Write nothing: failures are listed at the end."""


class CsvWriter(Writer):
    """A row a song; with a timeline, a row a slice.

    `genre` is empty where the answer is withheld, so that a column of guesses is not taken for one
    of answers.
    """

    def __init__(self, file: IO[str], *, genres: int, top: int, timeline: bool) -> None:
        super().__init__(file, genres=genres, top=top, timeline=timeline)
        self.writer = csv.writer(file, lineterminator="\n")
        if timeline:
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
                span = [f"{moment.start:.3f}", f"{moment.end:.3f}"]
                probability = f"{moment.probability:.4f}"
                genre = harmless(moment.genre)
                self.writer.writerow([path, *span, genre, probability, note, _ANSWERED, ""])
        else:
            others = [
                cell
                for genre, probability in answer.ranking[1 : self.top]
                for cell in (harmless(genre), f"{probability:.4f}")
            ]
            facts = [
                f"{answer.probability:.4f}",
                f"{answer.agreement:.4f}",
                f"{answer.seconds:.3f}",
                f"{answer.seconds_asked:.3f}",
                f"{answer.seconds_read:.3f}",
                "" if answer.strangeness is None else f"{answer.strangeness:.4f}",
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
    return "; ".join(f"{tag} {fit:.2f}" for tag, fit in tags[:_TAGS])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):>3}:{rest:04.1f}"
