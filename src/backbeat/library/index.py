"""The index: what was answered of each file, so that only new or changed ones are done again.

An SQLite file with a row for each file, bundle and number of windows. A row holds as long as the
file's size and time of change are those that were seen before it was decoded; `settings` name what
else an answer depends on. A kill loses the songs that are being decoded, and nothing else.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from backbeat.audio import display_name
from backbeat.classify import Answer, Classifier, Moment
from backbeat.errors import BackbeatError

_VERSION = 1
_SECONDS_TO_WAIT = 60.0  # for another command that is writing
_TABLE = """
create table if not exists answers (
    path blob not null, settings text not null, size integer not null, changed integer not null,
    answer text not null, embedding blob, primary key (path, settings)
) without rowid
"""


@dataclass(frozen=True)
class Stamp:
    """By what a file is known to be the same."""

    size: int
    """In bytes."""
    changed: int
    """In nanoseconds since 1970."""


def stamp_of(path: Path) -> Stamp | None:
    """Look at a file; None where there is none to look at, for decoding to say what is wrong."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def default_path() -> Path:
    """Give where the index is unless another is named: the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "backbeat" / "answers.sqlite"


class Index:
    """Answers on disk; to be opened by `open_index`.

    Parameters
    ----------
    path : Path
    connection : sqlite3.Connection
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def find(self, path: Path, stamp: Stamp, settings: str) -> Answer | None:
        """Give the answer of a file, if it is known and the file is as it was.

        Parameters
        ----------
        path : Path
            As the answer shall name it.
        stamp : Stamp
            Of the file now.
        settings : str
            See `settings_of`.
        """
        with _telling_of(self.path):
            row = self._row("answer, embedding", path, stamp, settings)
            return row and replace(_answer(json.loads(row[0]), row[1]), path=path)

    def knows(self, path: Path, stamp: Stamp, settings: str) -> bool:
        """Say whether `find` would give an answer, without reading it."""
        with _telling_of(self.path):
            return self._row("1", path, stamp, settings) is not None

    def _row(self, columns: str, path: Path, stamp: Stamp, settings: str) -> Any:
        return self._connection.execute(
            f"select {columns} from answers "
            "where path = ? and settings = ? and size = ? and changed = ?",
            (_key(path), settings, stamp.size, stamp.changed),
        ).fetchone()

    def changed(self, path: Path, before: Stamp, after: Stamp) -> None:
        """Note that a file was written to and sounds as before, such as when it was tagged."""
        row = (after.size, after.changed, _key(path), before.size, before.changed)
        with _telling_of(self.path), self._connection:
            self._connection.execute(
                "update answers set size = ?, changed = ? "
                "where path = ? and size = ? and changed = ?",
                row,
            )

    def keep(self, answer: Answer, stamp: Stamp, settings: str) -> None:
        """Write what a file was taken for."""
        embedding = None if answer.embedding is None else answer.embedding.astype("<f2").tobytes()
        content = json.dumps(_content(answer), separators=(",", ":"))
        row = (_key(answer.path), settings, stamp.size, stamp.changed, content, embedding)
        with _telling_of(self.path), self._connection:
            self._connection.execute("replace into answers values (?, ?, ?, ?, ?, ?)", row)

    def forget_gone(self, folder: Path) -> int:
        """Forget files below a folder that are there no more.

        Parameters
        ----------
        folder : Path

        Returns
        -------
        int
            How many were forgotten.

        Raises
        ------
        BackbeatError
            If nothing is left of what was known there: more likely its drive is missing.
        """
        separator = os.fsencode(os.sep)
        start = _key(folder).rstrip(separator) + separator
        end = start[:-1] + bytes([separator[0] + 1])
        with _telling_of(self.path), self._connection:
            rows = self._connection.execute(
                "select distinct path from answers where path > ? and path < ?", (start, end)
            )
            known = [path for (path,) in rows]
            gone = [path for path in known if _is_gone(path)]
            if known and len(gone) == len(known):
                raise BackbeatError(
                    f"{display_name(folder)}: none of the files known there is left, so none was "
                    "forgotten; mount its drive, or name the folder above it"
                )
            self._connection.executemany(
                "delete from answers where path = ?", [(path,) for path in gone]
            )
        return len(gone)


@contextlib.contextmanager
def open_index(path: Path | None = None) -> Iterator[Index]:
    """Open an index, made if missing.

    Parameters
    ----------
    path : Path, optional
        `default_path` if none is given.

    Raises
    ------
    BackbeatError
        If it cannot be written, or is no index.
    """
    path = path or default_path()
    with _telling_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT)
    with contextlib.closing(connection):
        with _telling_of(path):
            _prepare(path, connection)
            # A write costs no wait for the disk: a power cut can lose the last ones, a kill none.
            connection.execute("pragma synchronous = normal")
        yield Index(path, connection)


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Make sure that the file is an index, and make a new one one."""
    version = connection.execute("pragma user_version").fetchone()[0]
    if version == _VERSION:
        return
    if version or connection.execute("select count(*) from sqlite_master").fetchone()[0]:
        raise BackbeatError(
            f"{display_name(path)}: no index of this version of backbeat; name another with --index"
        )
    # A kill at any moment leaves the file whole, and readers need not wait for a writer.
    connection.execute("pragma journal_mode = wal")
    connection.execute(_TABLE)
    connection.execute(f"pragma user_version = {_VERSION}")


def settings_of(classifier: Classifier) -> str:
    """Name all that a file's answer depends on beside the file."""
    described = {
        "bundle": classifier.bundle.hash,
        "windows": classifier.windows,
        "tags": classifier.tagger is not None,
    }
    return json.dumps(described, sort_keys=True)


@contextlib.contextmanager
def _telling_of(path: Path) -> Iterator[None]:
    """Say what is wrong with the index's file, and what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise BackbeatError(
            f"{display_name(path)}: the index cannot be used ({error}); name another with --index"
        ) from error
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        raise BackbeatError(
            f"{display_name(path)}: no index, or damaged ({error}); remove it, or name another "
            "with --index"
        ) from error


def _key(path: Path) -> bytes:
    """Give a file's absolute path as the system writes it; links are not followed."""
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps ".."


def _is_gone(path: bytes) -> bool:
    """Whether a file is certainly not there; what may not be looked at may be there."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _content(answer: Answer) -> dict[str, Any]:
    kept = {
        field.name: getattr(answer, field.name)
        for field in fields(Answer)
        if field.name not in ("path", "timeline", "embedding")
    }
    return kept | {"timeline": [astuple(moment) for moment in answer.timeline]}


def _answer(content: Mapping[str, Any], embedding: bytes | None) -> Answer:
    pairs = {
        name: tuple((str(label), float(value)) for label, value in content[name])
        for name in ("ranking", "tags")
    }
    return Answer(
        **{
            **content,
            **pairs,
            "path": Path(),
            "timeline": tuple(Moment(*moment) for moment in content["timeline"]),
            "embedding": None
            if embedding is None
            else np.frombuffer(embedding, "<f2").astype(np.float32),
        }
    )
