"""What the verbs print: progress bars, tables, lines, JSON."""

import contextlib
import io
import os
import shutil
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from backbeat.errors import printable
from backbeat.files import tables
from backbeat.files.text import number, percent, plural, rough

if TYPE_CHECKING:
    from rich.console import Console

    from backbeat.classify import Answer, Failure
    from backbeat.library.tags.plan import Change, LeftAlone
    from backbeat.training.fitting import Progress
    from backbeat.training.jobs import JobsProgress

_BAR = 20  # columns of a bar
_SECONDS_BETWEEN_DRAWINGS = 0.1
_SECONDS_BETWEEN_LINES = 60.0  # where there is no terminal to draw a bar on


class Lines:
    """Writes a line of progress on standard error, at most one in so many seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = clock() + seconds

    def show(self, line: str) -> None:
        """Write the line if it is time for one."""
        now = self._clock()
        if now >= self._next:
            self._next = now + self._seconds
            warn(line)
            sys.stderr.flush()


@contextlib.contextmanager
def progress(
    description: str, unit: str = "tracks", *, shown: bool = True
) -> Iterator[Callable[..., None]]:
    """Show a bar with speed and time left on standard error while the block runs.

    Without a terminal, a line a minute. Lines that the block prints on the same terminal appear
    above the bar. Yields a function of (done, total), and of a new description if that changes.
    Work done before its first call (a resumed job) does not count towards the speed.
    """
    if not shown:
        yield lambda *_: None
        return
    if not sys.stderr.isatty():
        lines = Lines(_SECONDS_BETWEEN_LINES)

        def show_line(done: int, total: int | None, description: str = description) -> None:
            of = f" of {number(total)}" if total else ""
            lines.show(f"{description}: {number(done)}{of} {unit}" if unit else description)

        yield show_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR),
        TextColumn("{task.fields[facts]}", markup=False),
        console=console,
        redirect_stdout=False,
        transient=True,  # what was done is said in its own words afterwards
    )
    with bar, contextlib.ExitStack() as stack:
        if sys.stdout.isatty():
            above = stack.enter_context(contextlib.closing(_Above(console)))
            stack.enter_context(contextlib.redirect_stdout(above))
        task = bar.add_task(description, total=None, facts="")

        def show_bar(done: int, total: int | None, description: str = description) -> None:
            bar.update(task, description=description, completed=done, total=total)
            now = bar.tasks[0]
            room = console.width - tables.width_of(description) - _BAR - 2
            facts = _facts(done, total, unit, now.speed, now.elapsed or 0.0, room)
            bar.update(task, facts=facts)

        yield show_bar


def _facts(
    done: int, total: int | None, unit: str, speed: float | None, elapsed: float, room: int
) -> str:
    """Say how much is done, how fast it goes and how long it takes: what the room is enough for."""
    time_taken = to_go = f"{rough(elapsed)} elapsed"
    if speed and total:
        to_go = f"{rough((total - done) / speed)} to go"
        time_taken += f", {to_go}"
    of = f" of {number(total)}" if total else ""
    count = f"{number(done)}{of} {unit}  " if unit else ""
    rate = f"{number(speed, 1 if speed < 100 else 0)} {unit}/s  " if unit and speed else ""
    shown = (count + rate + time_taken, count + time_taken, time_taken, to_go)
    return next((facts for facts in shown if len(facts) <= room), to_go)


class _Above(io.TextIOBase):
    """Shows text above a bar, in whole lines and not each by itself: the bar is drawn each time."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._text = ""
        self._next = 0.0

    def write(self, text: str) -> int:
        """Take text; it is shown within a moment, or with what comes next."""
        self._text += text
        if time.monotonic() > self._next:
            self._show()
        return len(text)

    def _show(self) -> None:
        from rich.text import Text

        lines, end, self._text = self._text.rpartition("\n")
        if end:
            # The terminal breaks long lines by itself, so that they can be copied whole.
            self._console.print(Text(lines), soft_wrap=True)
            self._next = time.monotonic() + _SECONDS_BETWEEN_DRAWINGS

    def close(self) -> None:
        """Show what is left."""
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"
        self._show()

    def isatty(self) -> bool:
        """Say that it ends on a terminal."""
        return True


@contextlib.contextmanager
def epoch_progress(monitored: str) -> "Iterator[Callable[[Progress], None]]":
    """Show epoch, loss and accuracy of a training, and the accuracy of the monitored part."""
    with progress("training", "batches") as show:

        def on_progress(now: "Progress") -> None:
            description = f"epoch {now.epoch}/{now.epochs}  loss {number(now.loss, 3)}"
            description += f"  accuracy {percent(now.accuracy)}"
            if now.history:
                description += f"  {monitored} {percent(now.history[-1].val_accuracy)}"
            done = (now.epoch - 1) * now.batches + now.batch
            show(done, now.epochs * now.batches, description)

        yield on_progress


@contextlib.contextmanager
def job_progress(name: str, unit: str) -> "Iterator[Callable[[JobsProgress], None]]":
    """Show how far many trainings are, and how many of them are finished."""
    with progress(name, "") as show:

        def on_progress(now: "JobsProgress") -> None:
            failed = f", {now.failed} failed" if now.failed else ""
            show(now.done, now.total, f"{name}: {now.finished} of {now.jobs} {unit}{failed}")

        yield on_progress


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Give the columns of the terminal; None for a pipe or a file, where nothing is cut off."""
    is_terminal = (stream or sys.stdout).isatty()
    return shutil.get_terminal_size().columns if is_terminal else None


def in_colour() -> bool:
    """Whether standard output is a terminal on which colours are wanted."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def table(
    title: str, columns: Sequence[str | tables.Column], rows: Sequence[Sequence[Any]]
) -> None:
    """Print a table on standard output, no wider than the terminal; numbers stand to the right.

    What is too narrow for some columns leaves them out, and says which.
    """
    own = [tables.Column(one) if isinstance(one, str) else one for one in columns]
    texts = [[_cell(value) for value in row] for row in rows]
    colour = in_colour()
    layout = tables.lay_out(own, texts, terminal_width(), colour=colour)
    if title:
        print(tables.styled(_printable(title), "1", colour=colour))
    print(tables.styled(layout.header(), "2", colour=colour))
    for row in texts:
        print(layout.line(row))
    if layout.left_out:
        say(f"Too narrow to show: {', '.join(layout.left_out)}.")


def _cell(value: Any) -> tables.Cell:
    """Give a value as a cell that cannot steer the terminal."""
    if isinstance(value, tables.Styled):
        return tables.Styled(printable(value.text), value.codes)
    return number(value) if isinstance(value, int) else printable(value)


def say(text: str) -> None:
    """Print a line on standard output."""
    print(_printable(text))


def say_sentence(text: str, stream: TextIO | None = None) -> None:
    """Print a sentence, by default on standard output, broken between words to the terminal."""
    width = terminal_width(stream)
    if width is None:
        print(_printable(text), file=stream)
        return
    whole = _printable(text).replace(" %", "\N{NO-BREAK SPACE}%")
    for line in textwrap.wrap(whole, width, break_long_words=False, break_on_hyphens=False):
        print(line.replace("\N{NO-BREAK SPACE}%", " %"), file=stream)


def say_json(content: Any) -> None:
    """Print a value as JSON on standard output, its text as `cells.escaped` gives it."""
    import json

    from backbeat.files.cells import escaped_in

    print(json.dumps(escaped_in(content), indent=1))


def warn(text: str) -> None:
    """Print a line on standard error."""
    print(_printable(text), file=sys.stderr)


def _printable(text: str) -> str:
    """Escape what would steer the terminal, whatever it came with: a name, a tag, a bundle."""
    return "\n".join(map(printable, text.split("\n")))


def list_failures(
    failures: "Collection[Failure]", others: "Mapping[str, int] | None" = None
) -> bool:
    """List the files that were not processed, and why, on standard error.

    `others` counts the files of other kinds that a search left out, by suffix. Returns whether any
    failed, which is exit status 1; skipped files and links are no failures.
    """
    for failure in failures:
        warn(f"{failure.status}: {printable(failure.path)}: {failure.reason}")
    if others:
        kinds = sorted(others.items(), key=lambda kind: (-kind[1], kind[0]))
        named = ", ".join(
            f"{number(count)} {suffix or 'without suffix'}" for suffix, count in kinds[:5]
        )
        more = ", ..." if len(kinds) > 5 else ""
        warn(f"{plural(sum(others.values()), 'file')} of other kinds ({named}{more})")
    return any(failure.status == "failed" for failure in failures)


def list_notes(answers: "Iterable[Answer | Change | LeftAlone]") -> None:
    """List the songs that could not be read whole, and what is missing, on standard error."""
    for answer in answers:
        if answer.note:
            warn(f"note: {printable(answer.path)}: {answer.note}")


def notes_json(answers: "Iterable[Answer]") -> list[dict[str, Any]]:
    """Give the songs that could not be read whole as values that JSON knows."""
    return [
        {
            "path": str(answer.path),
            "seconds_asked": answer.seconds_asked,
            "seconds_read": answer.seconds_read,
            "note": answer.note,
        }
        for answer in answers
        if answer.note
    ]


def count_failures(failures: "Collection[Failure]") -> str:
    """Count files that were not processed, such as "1 link, 2 skipped, 0 failed"."""
    counts = Counter(failure.status for failure in failures)
    links = plural(counts["link"], "link") if counts["link"] else ""
    skipped = f"{number(counts['skipped'])} skipped" if counts["skipped"] else ""
    return ", ".join(filter(None, (links, skipped, f"{number(counts['failed'])} failed")))


def failures_json(failures: "Collection[Failure]") -> list[dict[str, str]]:
    """Give the files that were not processed as values that JSON knows."""
    return [
        {"path": str(failure.path), "status": failure.status, "error": failure.reason}
        for failure in failures
    ]


def list_failed_runs(failures: Mapping[str, str]) -> None:
    """List the trainings that failed, and why, on standard error."""
    for name, reason in failures.items():
        warn(f"failed: {name}: {reason}")
