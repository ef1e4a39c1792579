"""The log of what was written into tags: JSON lines, each change told before it is made.

A run begins with a line that says so. Before a file is copied there is a line ``begin``, so that a
copy left by a killed process can be found; before the copy takes the file's place there is a line
``change``, forced to the disk, with all that taking it back needs.
"""

import contextlib
import datetime
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from backbeat import __version__
from backbeat.errors import BackbeatError
from backbeat.tags import delta
from backbeat.tags.rewriting import State

VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A change as the log tells it.

    Attributes
    ----------
    path : Path
        Absolute, symbolic links followed.
    format : str
        The kind of tag.
    old, new : tuple of str
        The genre's values in the tag, exactly.
    before, after : State
        The whole file's.
    patch : tuple of pieces
        The old content told as pieces of the new one, see `delta`.
    """

    path: Path
    format: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    before: State
    after: State
    patch: tuple[delta.Piece, ...]


@dataclass(frozen=True)
class Log:
    """A log as it is read: its changes in order, and all paths that were begun."""

    entries: tuple[Entry, ...]
    begun: tuple[Path, ...]


def state_folder() -> Path:
    """Give the folder for logs: ``$XDG_STATE_HOME/backbeat/tags``, or below ``~/.local/state``."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "backbeat" / "tags"


def new_log() -> Path:
    """Name a log for this run, with date and time, that is not there yet."""
    stamp = datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H%M%S")
    names = (f"{stamp}{suffix}.jsonl" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for name in names if not (path := state_folder() / name).exists())


class LogWriter:
    """Writes a log; the file is made with the first line, and what it held before is kept."""

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self.path = path
        self._options = options
        self._file: IO[str] | None = None

    def begin(self, path: Path) -> None:
        """Tell that a copy of a file is going to be made."""
        if self._file is None:
            self._file = self._open()
        self._line({"event": "begin", "path": str(path)})

    def change(self, entry: Entry) -> None:
        """Tell of a change, and wait until that is on the disk."""
        content = asdict(entry)
        content["path"] = str(entry.path)
        content["patch"] = delta.as_json(entry.patch)
        self._line({"event": "change", **content})
        assert self._file is not None
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file, if there is one; what is told later opens it anew."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[str]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            read_log(self.path)  # nothing is added to what is no log
            _drop_half_line(self.path)
        file = self.path.open("a", encoding="utf-8")
        self._file = file
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        run = {"event": "run", "log": "backbeat tag", "version": VERSION, "backbeat": __version__}
        self._line({**run, "started": started, "options": self._options})
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the log's name, too, is to be there after a power cut
        finally:
            os.close(folder)
        return file

    def _line(self, content: dict[str, Any]) -> None:
        # Escapes keep names of undecodable bytes.
        print(json.dumps(content), file=self._file, flush=True)


def read_log(path: Path) -> Log:
    """Read a log.

    A last line without an end was being written when the process was killed; the change that it
    tells of was not made.

    Raises
    ------
    BackbeatError
        If it is not there, or no log of ours.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        raise BackbeatError(f"{path}: no such log; `backbeat tag` tells its path") from None
    except UnicodeDecodeError:
        raise BackbeatError(f"{path}: is no log of `backbeat tag`") from None
    entries, begun = [], []
    for number, line in enumerate(lines, start=1):
        if not line.endswith("\n"):
            break
        try:
            content = json.loads(line)
            if number == 1 and content["log"] != "backbeat tag":
                raise ValueError
            if content["event"] == "run" and content["version"] != VERSION:
                raise BackbeatError(
                    f"{path}: line {number}: is of a newer backbeat; use that to undo it"
                )
            if content["event"] == "begin":
                begun.append(Path(content["path"]))
            if content["event"] == "change":
                entries.append(_entry(content))
        except (ValueError, KeyError, TypeError) as error:
            raise BackbeatError(
                f"{path}: line {number}: is not of a log of `backbeat tag`"
            ) from error
    return Log(tuple(entries), tuple(begun))


def _entry(content: dict[str, Any]) -> Entry:
    return Entry(
        path=Path(content["path"]),
        format=content["format"],
        old=tuple(content["old"]),
        new=tuple(content["new"]),
        before=State(**content["before"]),
        after=State(**content["after"]),
        patch=delta.from_json(content["patch"]),
    )


def _drop_half_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one process at a time write tags: two would write the same copies.

    Raises
    ------
    BackbeatError
        If another one is writing, or on Windows.
    """
    try:
        import fcntl
    except ImportError:
        raise BackbeatError("tags are written on Linux and macOS only, so far") from None
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackbeatError("another backbeat is writing tags; wait until it is done") from None
        yield
