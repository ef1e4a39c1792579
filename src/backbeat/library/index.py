"""The index: what was answered of each file, so that only new or changed ones are done again.

An SQLite file with a row for each file, bundle and number of windows. A row holds as long as the
file's size and time of change are those that were seen before it was decoded; `settings` name what
else an answer depends on. A kill loses the songs that are being decoded, and nothing else.

A row has a checksum, and one that does not fit is as good as none: its song is heard again. A file
that is damaged beyond that is put aside, and a new one begun: the answers in it are only a cache.
"""

import contextlib
import datetime
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
import xxhash

from backbeat.classify.many import Answer, Classifier, Moment
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.files.documents import parse_json
from backbeat.files.locks import locked

_VERSION = 2
_SECONDS_TO_WAIT = 60.0  # for another command that is writing
_TABLE = """
create table if not exists answers (
    path blob not null, settings text not null, size integer not null, changed integer not null,
    answer text not null, embedding blob, sum integer, primary key (path, settings)
) without rowid
"""
# What SQLite calls damage. Its plain "error" is a table that is not there, since all that is asked
# of it here is right.
_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_IOERR_SHORT_READ,
)
_MAGIC = b"SQLite format 3\0"

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


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
    return platformdirs.user_cache_path("backbeat", appauthor=False) / "answers.sqlite"


class Index:
    """Answers on disk; to be opened by `open_index`.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _telling_of(path):
            try:
                self._connection = _connect(path)
            except sqlite3.Error as error:
                if not (_is_damage(error) and _was_ours(path)):
                    raise
                _put_aside(path, error)
                self._connection = _connect(path)
            self._file = path.stat()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do some work with the data base; if it is found damaged, with a new one instead."""
        with _telling_of(self.path):
            try:
                with self._connection:
                    return work(self._connection)
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise
                self._begin_anew(error)
            with self._connection:
                return work(self._connection)

    def _begin_anew(self, error: sqlite3.Error) -> None:
        self._connection.close()
        # Another command may have found the damage before us.
        if self.path.exists() and os.path.samestat(self.path.stat(), self._file):
            _put_aside(self.path, error)
        self._connection = _connect(self.path)
        self._file = self.path.stat()

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
        row = self._row("answer, embedding, sum", path, stamp, settings)
        if row is None or _sum(_key(path), settings, row[0], row[1]) != row[2]:
            return None
        with _telling_of(self.path):
            return replace(_answer(parse_json(row[0]), row[1]), path=path)

    def knows(self, path: Path, stamp: Stamp, settings: str) -> bool:
        """Say whether `find` would give an answer, if it is undamaged, without reading it."""
        return self._row("1", path, stamp, settings) is not None

    def _row(self, columns: str, path: Path, stamp: Stamp, settings: str) -> Any:
        asked = (
            f"select {columns} from answers "  # nosec B608 # columns of this file alone
            "where path = ? and settings = ? and size = ? and changed = ?"
        )
        of = (_key(path), settings, stamp.size, stamp.changed)
        return self._do(lambda connection: connection.execute(asked, of).fetchone())

    def changed(self, path: Path, before: Stamp, after: Stamp) -> None:
        """Note that a file was written to and sounds as before, such as when it was tagged."""
        row = (after.size, after.changed, _key(path), before.size, before.changed)
        told = (
            "update answers set size = ?, changed = ? where path = ? and size = ? and changed = ?"
        )
        self._do(lambda connection: connection.execute(told, row))

    def keep(self, answer: Answer, stamp: Stamp, settings: str) -> None:
        """Write what a file was taken for."""
        embedding = None if answer.embedding is None else answer.embedding.astype("<f2").tobytes()
        content = json.dumps(_content(answer), separators=(",", ":"))
        path = _key(answer.path)
        sum_of_row = _sum(path, settings, content.encode("utf-8"), embedding)
        row = (path, settings, stamp.size, stamp.changed, content, embedding, sum_of_row)
        told = "replace into answers values (?, ?, ?, ?, ?, ?, ?)"
        self._do(lambda connection: connection.execute(told, row))

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

        def forget(connection: sqlite3.Connection) -> int:
            rows = connection.execute(
                "select distinct path from answers where path > ? and path < ?", (start, end)
            )
            known = [path for (path,) in rows]
            gone = [path for path in known if _is_gone(path)]
            if known and len(gone) == len(known):
                raise BackbeatError(
                    f"{printable(folder)}: none of the files known there is left, so none was "
                    "forgotten; mount its drive, or name the folder above it"
                )
            connection.executemany("delete from answers where path = ?", [(path,) for path in gone])
            return len(gone)

        return self._do(forget)


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
        If it cannot be written, is no index, or of a newer format version.
    """
    with contextlib.closing(Index(path or default_path())) as index:
        yield index


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT)
    try:
        # Damaged text may be no UTF-8; its checksum is looked at first.
        connection.text_factory = bytes
        connection.execute("pragma cell_size_check = on")
        _prepare(path, connection)
        # A write costs no wait for the disk: a power cut can lose the last ones, a kill none.
        connection.execute("pragma synchronous = normal")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Make sure that the file is an index, and make a new one one: whole, or not at all."""
    version = _version(path, connection)
    if version == _VERSION:
        return
    if version:
        _add_sums(path, connection)
        return
    # For what is done first here SQLite does not wait until others are done with it.
    with locked(path, wait=True):
        # A kill at any moment leaves the file whole, and readers need not wait for a writer.
        connection.execute("pragma journal_mode = wal")
        with connection:
            connection.execute("begin immediate")
            if not _version(path, connection):  # another command may have made it meanwhile
                connection.execute(_TABLE)
                connection.execute(f"pragma user_version = {_VERSION}")


def _version(path: Path, connection: sqlite3.Connection) -> int:
    """Give the format version of an index; 0 if it is to be made yet."""
    version, tables, others = connection.execute(
        "select user_version, (select count(*) from sqlite_master), "
        "(select count(*) from sqlite_master where name <> 'answers') from pragma_user_version"
    ).fetchone()
    if version < 0 or others or (tables and not version):
        raise BackbeatError(f"{printable(path)}: no index; name another with --index")
    if version > _VERSION:
        raise BackbeatError(
            f"{printable(path)}: an index in format version {version}, this backbeat reads "
            f"{_VERSION}; update backbeat, or name another with --index"
        )
    return int(version)


def _add_sums(path: Path, connection: sqlite3.Connection) -> None:
    """Give the rows of an index of the first format their checksums."""
    with connection:
        connection.execute("begin immediate")
        if _version(path, connection) == _VERSION:  # another command was faster
            return
        connection.execute("alter table answers add column sum integer")
        rows = connection.execute("select path, settings, answer, embedding from answers")
        connection.executemany(
            "update answers set sum = ? where path = ? and settings = ?",
            [
                (_sum(song, settings.decode("utf-8"), *rest), song, settings.decode("utf-8"))
                for song, settings, *rest in rows
            ],
        )
        connection.execute(f"pragma user_version = {_VERSION}")


def _sum(path: bytes, settings: str, answer: object, embedding: object) -> int | None:
    """Sum up a row, but for the stamp; None of what cannot be one."""
    if not isinstance(answer, bytes) or not isinstance(embedding, bytes | None):
        return None
    # What has none is told from what has an empty one.
    given = () if embedding is None else (embedding,)
    content = (path, settings.encode("utf-8"), answer, *given)
    lengths = b" ".join(b"%d" % len(part) for part in content)
    # SQLite's whole numbers have a sign.
    return xxhash.xxh3_64_intdigest(b"".join((lengths, *content))) - 2**63


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code in _DAMAGE or code & 0xFF in _DAMAGE)


def _was_ours(path: Path) -> bool:
    """Whether a damaged file was an index, rather than something that was named by mistake."""
    with path.open("rb") as file:
        return path == default_path() or file.read(len(_MAGIC)) == _MAGIC


def _put_aside(path: Path, error: sqlite3.Error) -> None:
    stamp = datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-wal", "-shm", ""):  # the log of writes before what it would be written to
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    _log.warning(
        "%s: damaged (%s), so it was put aside as %s and a new one begun; what it knew is heard "
        "again",
        printable(path),
        one_line(error),
        printable(aside),
    )


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
            f"{printable(path)}: the index cannot be used ({error}); name another with --index"
        ) from error
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        raise BackbeatError(
            f"{printable(path)}: no index, or damaged ({error}); remove it, or name another "
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
