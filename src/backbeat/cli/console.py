"""What the verbs share in talking to people: progress bars, tables, warnings."""

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from backbeat.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

    from backbeat.classify import Failure
    from backbeat.training import Progress


_SECONDS_BETWEEN = 0.1  # the bar is drawn anew as often by itself


@contextlib.contextmanager
def progress(
    what: str, unit: str = "tracks", *, shown: bool = True
) -> Iterator[Callable[..., None]]:
    """Show a bar with speed and time left on standard error, while the block runs.

    Only on a terminal: what is kept of standard error holds warnings and errors, a line each.
    Lines that the block prints on the same terminal appear above the bar.

    Yields
    ------
    callable
        To be called with (done, total), and a word for what is going on now if that changes. Work
        done before the first call (a resumed job) does not count towards the speed.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda *_told: None
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

    from backbeat.cells import escaped_in

    print(json.dumps(escaped_in(content), indent=1))


def warn(text: str) -> None:
    """Print a line on standard error."""
    print(_printable(text), file=sys.stderr)


def _printable(text: str) -> str:
    """Escape what would steer the terminal, whatever it came with: a name, a tag, a bundle."""
    return "\n".join(map(printable, text.split("\n")))


def tell_failures(failures: "Iterable[Failure]") -> None:
    """List the files that something could not be done with, and why, on standard error."""
    for failure in failures:
        warn(f"failed: {printable(failure.path)}: {failure.reason}")


class EpochBar:
    """Show a bar over all batches with epoch, loss, accuracy and time left, on a terminal."""

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
        self.bar.update(
            self.task,
            total=told.epochs * told.batches,
            completed=(told.epoch - 1) * told.batches + told.batch,
            epoch=f"{told.epoch}/{told.epochs}",
            scores=scores,
        )
