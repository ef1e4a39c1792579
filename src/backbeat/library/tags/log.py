"""The log of what was written into tags: JSON lines, each change recorded before it is made.

A run begins with a line ``run``. Before a file is copied there is a line ``begin``, so that a copy
left by a killed process can be found; before the copy takes the file's place there is a line
``change``, forced to the disk, with all that undoing needs. A line ``end`` comes last.

Each line has a checksum, since a damaged one could put a wrong genre into a file, or the right one
into another. A damaged line is reported and not used; the others can still be undone.
"""

import contextlib
import datetime
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import platformdirs

from backbeat import __version__
from backbeat.errors import BackbeatError
from backbeat.files.atomic import sync, sync_folder
from backbeat.files.documents import parse_json
from backbeat.files.folders import of_user
from backbeat.files.locks import locked
from backbeat.library.tags import delta
from backbeat.library.tags.rewriting import State

VERSION = 2


@dataclass(frozen=True)
class Entry:
    """A recorded change."""

    path: Path  # absolute, symbolic links followed
    format: str  # the kind of tag
    old: tuple[str, ...]
    new: tuple[str, ...]  # the genre's values in the tag, exactly
    before: State
    after: State
    patch: tuple[delta.Piece, ...]  # the old content as pieces of the new one, see `delta`


@dataclass(frozen=True)
class Log:
    """A log as it is read."""

    path: Path
    entries: tuple[Entry, ...]  # its changes, in order
    begun: tuple[Path, ...]  # files of which a copy was begun
    damaged: tuple[int, ...]  # numbers of the lines that are damaged, from 1
    ended: bool  # whether it has its end: if not, backbeat was killed, or the log was cut


def state_folder() -> Path:
    """Give the folder for logs: ``tags`` in the user's state folder of this application."""
    return of_user(platformdirs.user_state_path) / "tags"


def new_log() -> Path:
    """Give a path with date and time for the log of this run."""
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
        """Record that a copy of a file is going to be made."""
        if self._file is None:
            self._file = self._open()
        self._line({"event": "begin", "path": str(path)})

    def change(self, entry: Entry) -> None:
        """Record a change, and wait until that is on the disk."""
        content = asdict(entry)
        content["path"] = str(entry.path)
        content["patch"] = delta.as_json(entry.patch)
        self._line({"event": "change", **content})
        assert self._file is not None
        sync(self._file.fileno(), self.path)

    def close(self) -> None:
        """Close the file, if there is one; what is recorded later opens it again."""
        if self._file is not None:
            # A full disk leaves the log without an end; it can still be undone.
            with contextlib.suppress(OSError), self._file:
                self._line({"event": "end"})
            self._file = None

    def _open(self) -> IO[str]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            read_log(self.path)  # refuses a file that is no log
            _end_line(self.path)
        file = self.path.open("a", encoding="utf-8")
        self._file = file
        started = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        run = {"event": "run", "log": "backbeat tag", "version": VERSION, "backbeat": __version__}
        self._line({**run, "started": started, "options": self._options})
        sync_folder(self.path.parent)  # so that a power cut does not lose the log's name
        return file

    def _line(self, content: dict[str, Any]) -> None:
        print(json.dumps(content | {"sum": _sum(content)}), file=self._file, flush=True)


def read_log(path: Path) -> Log:
    """Read a log; refuse a file that is missing, no log, or of another format version.

    A last line without an end was being written when the process was killed: its change was not
    made.
    """
    try:
        # `splitlines` would split at other characters, too.
        *lines, rest = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise BackbeatError(f"{path}: no such log; `backbeat tag` prints its path") from None
    if line := _whole(rest):
        lines.append(line)
    entries: list[Entry] = []
    begun: list[Path] = []
    damaged: list[int] = []
    version, event = VERSION, ""
    for number, line in enumerate(lines, start=1):
        try:
            content = _checked(line)
            event = content["event"]
            if event == "run":
                version = _version(content)
            if event == "begin":
                begun.append(_path(content))
            if event == "change":
                entries.append(_entry(content))
        except (ValueError, KeyError, TypeError):
            damaged.append(number)
        if version != VERSION:
            raise BackbeatError(
                f"{path}: line {number}: has format version {version}, this backbeat reads "
                f"{VERSION}; undo it with the backbeat that wrote it"
            )
    if lines and len(damaged) == len(lines):
        raise BackbeatError(f"{path}: line 1: is not of a log of `backbeat tag`")
    return Log(path, tuple(entries), tuple(begun), tuple(damaged), event == "end")


def _sum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content).encode("ascii")).hexdigest()[:16]


def _checked(line: bytes) -> dict[str, Any]:
    """Read a line and compare its checksum, which another format version may not have."""
    content = parse_json(line.decode("ascii"))
    if not isinstance(content, dict):
        raise TypeError("no line of a log")
    checksum = content.pop("sum", None)
    other_version = content.get("event") == "run" and content.get("version") != VERSION
    if checksum != _sum(content) and not (checksum is None and other_version):
        raise ValueError("its checksum does not fit")
    return content


def _version(content: dict[str, Any]) -> int:
    if content["log"] != "backbeat tag":
        raise ValueError("not a log of tags")
    return int(content["version"])


def _whole(rest: bytes) -> bytes:
    """Give what follows the last newline, if it is a line that lost its own newline."""
    for line in (rest, rest[:-1]):
        with contextlib.suppress(ValueError, TypeError):
            _checked(line)
            return line
    return b""


def _path(content: dict[str, Any]) -> Path:
    path = Path(content["path"])
    if not path.is_absolute() or not path.name or "\0" in str(path):
        raise ValueError("not the absolute path of a file")
    return path


def _entry(content: dict[str, Any]) -> Entry:
    return Entry(
        path=_path(content),
        format=content["format"],
        old=tuple(content["old"]),
        new=tuple(content["new"]),
        before=State(**content["before"]),
        after=State(**content["after"]),
        patch=delta.from_json(content["patch"]),
    )


def _end_line(path: Path) -> None:
    """Let a log end with a whole line: an incomplete one records no change that was made."""
    content = path.read_bytes()
    start = content.rfind(b"\n") + 1
    if start < len(content):
        line = _whole(content[start:])
        with path.open("r+b") as file:
            file.truncate(start)
            file.seek(start)
            file.write(line + b"\n" if line else b"")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one process at a time write tags; refuse if another is writing (not on Windows)."""
    folder = state_folder()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder, doing="writing tags"))
        except OSError as error:
            raise BackbeatError(
                f"{folder}: the folder for the logs of tags cannot be made ({error.strerror}); "
                "set HOME or XDG_STATE_HOME to a folder that can be written to"
            ) from error
        yield
