"""What the verbs share in talking to people: progress bars, tables, warnings."""

import contextlib
import io
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backbeat.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from backbeat.classify.many import Failure
    from backbeat.training.fitting import Progress


_SECONDS_BETWEEN = 0.1  # the bar is drawn anew as often by itself
_SECONDS_A_LINE = 60.0  # where there is no terminal to draw a bar on


class Lines:
    """Writes at most a line of progress a minute on standard error, the first after a minute.

    Parameters
    ----------
    seconds : float
        Between two lines.
    clock : callable
        Gives the time in seconds; for tests.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next = clock() + seconds

    def show(self, line: str) -> None:
        """Write the line if it is time for one."""
        now = self._clock()
        if now >= self._next:
            self._next = now + self._seconds
            print(_printable(line), file=sys.stderr, flush=True)


def _progress_line(what: str, done: int, total: int | None, unit: str) -> str:
    of = f" of {total:,}" if total else ""
    return f"{what}: {done:,}{of} {unit}".rstrip()


@contextlib.contextmanager
def progress(
    what: str, unit: str = "tracks", *, shown: bool = True
) -> Iterator[Callable[..., None]]:
    """Show a bar with speed and time left on standard error, while the block runs.

    Without a terminal, a line a minute instead. Lines that the block prints on the same terminal
    appear above the bar.

    Yields
    ------
    callable
        To be called with (done, total), and a word for what is going on now if that changes. Work
        done before the first call (a resumed job) does not count towards the speed.
    """
    if not shown:
        yield lambda *_told: None
        return
    if not sys.stderr.isatty():
        lines = Lines(_SECONDS_A_LINE)
        yield lambda done, total, now=what: lines.show(_progress_line(now, done, total, unit))
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        redirect_stdout=False,
    )
    with bar, _above(console) as above:
        task = bar.add_task(what, total=None, speed="")

        def told(done: int, total: int | None, now: str = what) -> None:
            per_second = bar.tasks[0].speed
            speed = f"{per_second:.1f} {unit}/s" if per_second else ""
            bar.update(task, description=now, completed=done, total=total, speed=speed)

        yield told
        # Below what was printed, a bar that is full tells nothing more.
        bar.live.transient = above is not None and above.used


@contextlib.contextmanager
def _above(console: "Console") -> Iterator["_Above | None"]:
    """Let what is printed appear above a bar of the console, if both are on a terminal."""
    if not sys.stdout.isatty():
        yield None
        return
    above = _Above(console)
    try:
        with contextlib.redirect_stdout(above):
            yield above
    finally:
        above.end()


class _Above(io.TextIOBase):
    """Takes text, and shows it in whole lines."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._text = ""
        self._shown = 0.0
        self.used = False

    def write(self, text: str) -> int:
        """Take text; it is shown within a moment, or with what comes next."""
        self._text += text
        self.used = True
        # Each time the bar is drawn anew, which takes longer than to look up a known answer.
        if time.monotonic() > self._shown + _SECONDS_BETWEEN:
            self.show()
        return len(text)

    def show(self) -> None:
        """Show the lines that are whole."""
        from rich.text import Text

        lines, end, self._text = self._text.rpartition("\n")
        if end:
            # The terminal breaks long lines by itself, so that they can be copied whole.
            self._console.print(Text(lines), soft_wrap=True)
            self._shown = time.monotonic()

    def end(self) -> None:
        """Show what is left."""
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"
        self.show()

    def isatty(self) -> bool:
        """Say that it ends on a terminal."""
        return True


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on standard output; numbers stand to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # As texts: what stands in brackets in a song's name is no style.
    heading = Text(_printable(title), style="table.title")
    shown = Table(title=heading, title_justify="left", title_style="bold", show_edge=False)
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float) or row[index] == "" for row in rows)
        shown.add_column(
            Text(_printable(column)),
            justify="right" if numbers and rows else "left",
            overflow="fold",
        )
    for row in rows:
        words = (f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row)
        shown.add_row(*(Text(_printable(cell)) for cell in words))
    # A terminal has its own width; a pipe or a file has none, and must not lose the ends of names.
    width = None if sys.stdout.isatty() else 200
    Console(width=width, soft_wrap=False).print(shown)


def say(text: str) -> None:
    """Print a line on standard output."""
    print(_printable(text))


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


def tell_failures(
    failures: "Collection[Failure]", others: "Mapping[str, int] | None" = None
) -> bool:
    """List the files that were not dealt with, and why, on standard error.

    Parameters
    ----------
    failures : collection of Failure
    others : mapping of str to int, optional
        How many files of other kinds a search passed over, by suffix.

    Returns
    -------
    bool
        Whether any failed, which is exit status 1; skipped files and links are no failures.
    """
    for failure in failures:
        warn(f"{failure.status}: {printable(failure.path)}: {failure.reason}")
    if others:
        kinds = sorted(others.items(), key=lambda kind: (-kind[1], kind[0]))
        named = ", ".join(f"{count:,} {suffix or 'without suffix'}" for suffix, count in kinds[:5])
        more = ", ..." if len(kinds) > 5 else ""
        count = sum(others.values())
        warn(f"{count:,} file{'' if count == 1 else 's'} of other kinds ({named}{more})")
    return any(failure.status == "failed" for failure in failures)


def count_failures(failures: "Collection[Failure]") -> str:
    """Count files that were not dealt with, such as "1 link, 2 skipped, 0 failed"."""
    counts = Counter(failure.status for failure in failures)
    links = f"{counts['link']:,} link{'' if counts['link'] == 1 else 's'}" if counts["link"] else ""
    skipped = f"{counts['skipped']:,} skipped" if counts["skipped"] else ""
    return ", ".join(filter(None, (links, skipped, f"{counts['failed']:,} failed")))


class EpochBar:
    """Show a bar over all batches with epoch, loss, accuracy and time left.

    Without a terminal, a line a minute instead.
    """

    def __init__(self, monitored: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self.monitored = monitored
        console = Console(stderr=True)
        self.lines = None if console.is_terminal else Lines(_SECONDS_A_LINE)
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[scores]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=None, epoch="", scores="")

    def __enter__(self) -> "EpochBar":
        self.bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.bar.stop()

    def __call__(self, told: "Progress") -> None:
        """Show how far the training is."""
        scores = f"loss {told.loss:.3f}  accuracy {told.accuracy:.1%}"
        if told.history:
            scores += f"  {self.monitored} {told.history[-1].val_accuracy:.1%}"
        if self.lines:
            batch = f"batch {told.batch:,}/{told.batches:,}"
            self.lines.show(f"epoch {told.epoch}/{told.epochs}  {batch}  {scores}")
        self.bar.update(
            self.task,
            total=told.epochs * told.batches,
            completed=(told.epoch - 1) * told.batches + told.batch,
            epoch=f"{told.epoch}/{told.epochs}",
            scores=scores,
        )
