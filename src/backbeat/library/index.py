"""The index: the answer for each file, so that only new or changed files are classified again.

An SQLite file with a row for each file, bundle and number of windows. A row is valid while the file
has the size and the times that it had before it was decoded, see `Stamp`; `settings` name what else
an answer depends on. A kill loses the songs that are being decoded, and nothing else.

Each row has a checksum; where it does not fit, the song is classified again. A file that is damaged
beyond that is put aside and a new one begun: it is only a cache.
"""

import contextlib
import datetime
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
import xxhash

from backbeat.classify import ANALYSIS_VERSION, Answer, Classifier, Moment
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.files.documents import parse_json
from backbeat.files.folders import of_user
from backbeat.files.locks import locked
from backbeat.library.stamps import Stamp, samples_of

_VERSION = 3
_APPLICATION = 0x6262_6174  # in SQLite's header: without it, a file is another program's
_SECONDS_TO_WAIT = 60.0  # for another command that is writing
_TABLE = """
create table if not exists answers (
    path blob not null, settings text not null, written text not null, place text not null,
    samples blob not null, answer text not null, embedding blob, sum integer,
    primary key (path, settings)
) without rowid
"""
# The errors that mean damage. SQLITE_ERROR is a missing table, as the statements here are correct.
_DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_IOERR_SHORT_READ,
)
_MAGIC = b"SQLite format 3\0"
_APPLICATION_AT = slice(68, 72)  # of the header, most significant byte first
_WRONG_PLACE = (FileExistsError, NotADirectoryError)

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


class UnusableIndexError(BackbeatError):
    """The place of an index cannot be read or written now, such as on a full or read-only disk."""


def default_path() -> Path:
    """Give where the index is unless another is named: the user's cache folder."""
    return of_user(platformdirs.user_cache_path) / "answers.sqlite"


class Index:
    """Answers on disk; open it with `open_index`.

    Where it cannot be used any more, as on a full disk, it says so once, and neither gives nor
    keeps answers from then on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._usable = True
        with _named_errors(path):
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
        """Do some work with the database; if it is damaged, with a new one instead."""
        with _named_errors(self.path):
            try:
                with self._connection:
                    return work(self._connection)
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise
                self._begin_anew(error)
            with self._connection:
                return work(self._connection)

    def _try(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do some work with the database, where that is possible."""
        if not self._usable:
            return None
        try:
            return self._do(work)
        except (BackbeatError, OSError) as error:  # it must not cost the answers
            _log.warning("%s; answers are not kept from here on", error)
            self._usable = False
            return None

    def _begin_anew(self, error: sqlite3.Error) -> None:
        self._connection.close()
        # Another command may have found the damage before us.
        if self.path.exists() and os.path.samestat(self.path.stat(), self._file):
            _put_aside(self.path, error)
        self._connection = _connect(self.path)
        self._file = self.path.stat()

    def find(self, path: Path, stamp: Stamp, settings: str) -> Answer | None:
        """Give the answer for a file, if it is known and the file has this stamp."""
        row = self._row("answer, embedding, sum", path, stamp, settings)
        if row is None or _sum(_key(path), settings, row[0], row[1]) != row[2]:
            return None
        with _named_errors(self.path):
            return replace(_answer(parse_json(row[0]), row[1]), path=path)

    def knows(self, path: Path, stamp: Stamp, settings: str) -> bool:
        """Whether there is an answer to find, without checking it."""
        return self._row("1", path, stamp, settings) is not None

    def _row(self, columns: str, path: Path, stamp: Stamp, settings: str) -> Any:
        query = (
            f"select {columns}, place, samples from answers "  # nosec B608 # of this file alone
            "where path = ? and settings = ? and written = ?"
        )
        values = (_key(path), settings, stamp.written)
        row = self._try(lambda connection: connection.execute(query, values).fetchone())
        if row is None:
            return None
        *known, place, samples = row
        if place == stamp.place.encode():
            return known
        if samples_of(path, stamp) != samples:
            return None
        update = "update answers set place = ? where path = ? and written = ? and samples = ?"
        same = (stamp.place, _key(path), stamp.written, samples)
        self._try(lambda connection: connection.execute(update, same))
        return known

    def changed(self, path: Path, before: Stamp, after: Stamp) -> None:
        """Note that a file was changed without its sound, such as when it was tagged."""
        samples = samples_of(path, after)
        if samples is None:  # it was changed again
            return
        row = (after.written, after.place, samples, _key(path), before.written, before.place)
        update = (
            "update answers set written = ?, place = ?, samples = ? "
            "where path = ? and written = ? and place = ?"
        )
        self._try(lambda connection: connection.execute(update, row))

    def keep(self, answer: Answer, stamp: Stamp, samples: bytes, settings: str) -> None:
        """Write the answer for a file with this stamp, and these `samples_of` it."""
        embedding = None if answer.embedding is None else answer.embedding.astype("<f2").tobytes()
        content = json.dumps(_content(answer), separators=(",", ":"))
        path = _key(answer.path)
        sum_of_row = _sum(path, settings, content.encode("utf-8"), embedding)
        seen = (stamp.written, stamp.place, samples)
        row = (path, settings, *seen, content, embedding, sum_of_row)
        replacement = "replace into answers values (?, ?, ?, ?, ?, ?, ?, ?)"
        self._try(lambda connection: connection.execute(replacement, row))

    def forget_gone(self, folder: Path) -> int:
        """Forget files below a folder that no longer exist, and give their number.

        Refuses if none of the files known there is left: more likely its drive is missing.
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
    """Open an index (by default at `default_path`), made if missing.

    Refuses a file that is no index, or of another format version.

    Raises
    ------
    UnusableIndexError
        If it cannot be used now, such as on a full or read-only disk.
    BackbeatError
        If something else is there.
    """
    with contextlib.closing(Index(path or default_path())) as index:
        yield index


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise BackbeatError(f"{printable(path)}: is a folder; name a file with --index")
    connection = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT)
    try:
        # Damaged text may not be UTF-8, and its checksum is compared first.
        connection.text_factory = bytes
        connection.execute("pragma cell_size_check = on")
        _prepare(path, connection)
        # Writes do not wait for the disk: a power cut can lose the last ones, a kill none.
        connection.execute("pragma synchronous = normal")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Check that the file is an index, or make an empty one an index: whole, or not at all."""
    if _is_made(path, connection):
        return
    # SQLite does not wait for others when the journal's mode is changed.
    with locked(path, wait=True):
        # First and by itself, so that a damaged file is known as ours whenever a kill came.
        connection.execute(f"pragma application_id = {_APPLICATION}")
        # A kill at any moment leaves the file whole, and readers need not wait for a writer.
        connection.execute("pragma journal_mode = wal")
        with connection:
            connection.execute("begin immediate")
            if not _is_made(path, connection):  # another command may have made it meanwhile
                connection.execute(_TABLE)
                connection.execute(f"pragma user_version = {_VERSION}")


def _is_made(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether the file is an index of this format, rather than empty; refuse anything else."""
    version, application, tables, others = connection.execute(
        "select user_version, application_id, (select count(*) from sqlite_master), "
        "(select count(*) from sqlite_master where name <> 'answers') "
        "from pragma_user_version, pragma_application_id"
    ).fetchone()
    # Indexes before version 3 had no application.
    foreign = application not in ((_APPLICATION,) if version == _VERSION else (0, _APPLICATION))
    if version < 0 or others or (tables and not version) or foreign:
        raise BackbeatError(f"{printable(path)}: not an index; name another with --index")
    if version not in (0, _VERSION):
        raise BackbeatError(
            f"{printable(path)}: an index in format version {version}, this backbeat reads "
            f"{_VERSION}; remove it, or name another with --index"
        )
    return bool(version)


def _sum(path: bytes, settings: str, answer: object, embedding: object) -> int | None:
    """Give the checksum of a row without its stamp; None if the types are wrong."""
    if not isinstance(answer, bytes) or not isinstance(embedding, bytes | None):
        return None
    # No embedding and an empty one give different checksums.
    given = () if embedding is None else (embedding,)
    content = (path, settings.encode("utf-8"), answer, *given)
    lengths = b" ".join(b"%d" % len(part) for part in content)
    # SQLite's integers are signed.
    return xxhash.xxh3_64_intdigest(b"".join((lengths, *content))) - 2**63


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code in _DAMAGE or code & 0xFF in _DAMAGE)


def _was_ours(path: Path) -> bool:
    """Whether a damaged file was an index, rather than something named by mistake."""
    with path.open("rb") as file:
        head = file.read(_APPLICATION_AT.stop)
    marked = head[_APPLICATION_AT] == _APPLICATION.to_bytes(4, "big")
    return (head.startswith(_MAGIC) and marked) or path == default_path()


def _put_aside(path: Path, error: sqlite3.Error) -> None:
    stamp = datetime.datetime.now().astimezone().strftime("%Y-%m-%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    for suffix in ("-wal", "-shm", ""):  # the log of writes before what it would be written to
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    _log.warning(
        "%s: damaged (%s), so it was put aside as %s and a new one begun; its songs are "
        "classified again",
        printable(path),
        one_line(error),
        printable(aside),
    )


def settings_of(classifier: Classifier) -> str:
    """Name everything, besides the file, that an answer depends on."""
    described = {
        "analysis": ANALYSIS_VERSION,
        "bundle": classifier.bundle.hash,
        "windows": classifier.windows,
        "tags": classifier.tagger is not None,
    }
    return json.dumps(described, sort_keys=True)


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn errors into one that names the index and the remedy."""
    try:
        yield
    except _WRONG_PLACE as error:
        raise BackbeatError(
            f"{printable(path)}: cannot be made, as there is a file in the place of a folder; "
            "name another with --index"
        ) from error
    except (sqlite3.OperationalError, OSError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise UnusableIndexError(
            f"{printable(path)}: the index cannot be used ({what}); name another with --index"
        ) from error
    except (sqlite3.DatabaseError, ValueError, KeyError, TypeError) as error:
        raise BackbeatError(
            f"{printable(path)}: not an index, or damaged ({error}); remove it, or name another "
            "with --index"
        ) from error


def _key(path: Path) -> bytes:
    """Give a file's absolute path as the system writes it; links are followed before ``..`` only.

    There, the system follows them, too: the folder above is that of what the link leads to.
    """
    path = path.absolute()
    if ".." in path.parts:
        last = len(path.parts) - path.parts[::-1].index("..")
        path = Path(os.path.realpath(Path(*path.parts[:last])), *path.parts[last:])
    return os.fsencode(path)


def _is_gone(path: bytes) -> bool:
    """Whether a file certainly does not exist; one that may not be looked at may exist."""
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
