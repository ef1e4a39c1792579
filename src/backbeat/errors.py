"""Errors that a user can mend, in one line."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_FULL = {
    errno.ENOSPC: "free some space, then run the same command again",
    errno.EDQUOT: "free some of your quota, then run the same command again",
    errno.EFBIG: "it would grow larger than files may here; choose another place",
}
_REMEDIES = _FULL | {
    errno.EROFS: "choose a place that can be written to",
    errno.EACCES: "change its rights, or choose another place",
    errno.EPERM: "change its rights, or choose another place",
}


class BackbeatError(Exception):
    """A mistake in what backbeat was given.

    The message is one line that names the file (or the option) and the remedy; the command line
    prints it alone, without a traceback, and exits with its status.
    """

    status = 1


class WorkerLostError(BackbeatError):
    """A piece of work that ended the processes that did it.

    `what` is the path of its file, empty if unknown; `reason` says how the last process ended, to
    be shown beside the file's name; `timed_out` whether it took too long.
    """

    def __init__(
        self, message: str, what: str = "", reason: str = "", timed_out: bool = False
    ) -> None:
        super().__init__(message, what, reason, timed_out)  # all, so that it travels
        self.what = what
        self.reason = reason
        self.timed_out = timed_out

    def __str__(self) -> str:
        return str(self.args[0])


def one_line(error: BaseException, max_length: int = 200) -> str:
    """Give an error's message on one printable line, cut to `max_length` characters."""
    message = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return printable(" ".join(message[: 10 * max_length].split()))[:max_length]


def printable(text: str | Path) -> str:
    r"""Show a path or any other text on one line, encodable as UTF-8.

    Each character that cannot be printed is shown by `escape`. Doing it again changes nothing.
    """
    return "".join(
        character if character.isprintable() else escape(character) for character in str(text)
    )


def escape(character: str) -> str:
    r"""Write a character as the bytes of its UTF-8, such as ``\x1b``.

    A lone surrogate, as which Python gives a byte of a path that is not UTF-8, becomes that byte.
    """
    errors = "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", errors))


def message_of(error: OSError) -> str:
    """Give the system's message, such as of a full disk, with the file and the remedy."""
    where = error.filename2 or error.filename
    message = error.strerror or str(error)
    if remedy := _REMEDIES.get(error.errno or 0):
        message = f"{message}; {remedy}"
    return f"{os.fsdecode(where)}: {message}" if where else message


@contextlib.contextmanager
def naming(path: Path, instead: Path | None = None) -> Iterator[None]:
    """Add `path` to an error of a full disk, which names no file.

    `instead` is a temporary file or folder, in place of which `path` is named too.
    """
    try:
        yield
    except OSError as error:
        named = error.filename
        if named is None and error.errno in _FULL:
            error.filename = os.fspath(path)
        elif instead and isinstance(named, str) and Path(named).is_relative_to(instead):
            within = Path(named).relative_to(instead)
            error.filename, error.filename2 = os.fspath(path / within), None
        raise


@contextlib.contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Say what to install where an import in the block fails.

    `extra` is the optional part of backbeat with the package; `what` needs it and begins the
    message. The ImportError becomes a BackbeatError.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise BackbeatError(f"{what} needs {package}: pip install 'backbeat[{extra}]'") from error
