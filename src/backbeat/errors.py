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

    Parameters
    ----------
    message : str
    what : str
        The file that it was about, as its path; empty if none is known.
    reason : str
        How it ended the last of them, to be shown beside the file's name.
    timed_out : bool
        Whether it took too long.
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


def one_line(error: BaseException, most: int = 200) -> str:
    """Give an error's words on one line that can be printed, cut to `most` characters."""
    words = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
    return printable(" ".join(words[: 10 * most].split()))[:most]


def printable(text: str | Path) -> str:
    r"""Turn a path or any other text into what is shown of it, on one line.

    Parameters
    ----------
    text : str or Path

    Returns
    -------
    str
        With `escape` of each character that cannot be printed; encodable as UTF-8. Doing it again
        changes nothing.
    """
    return "".join(sign if sign.isprintable() else escape(sign) for sign in str(text))


def escape(sign: str) -> str:
    r"""Write a character as the bytes of its UTF-8, such as ``\x1b``.

    A lone surrogate, as which Python gives a byte of a path that is not UTF-8, becomes that byte.
    """
    errors = "surrogateescape" if "\udc80" <= sign <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in sign.encode("utf-8", errors))


def message_of(error: OSError) -> str:
    """Give the system's message, such as of a full disk, with the file and the remedy."""
    where = error.filename2 or error.filename
    message = error.strerror or str(error)
    if remedy := _REMEDIES.get(error.errno or 0):
        message = f"{message}; {remedy}"
    return f"{os.fsdecode(where)}: {message}" if where else message


@contextlib.contextmanager
def naming(path: Path, instead: Path | None = None) -> Iterator[None]:
    """Have an error of a full disk, which names no file, name this one.

    Parameters
    ----------
    path : Path
    instead : Path, optional
        A temporary file of ours, in place of which it is named, too.
    """
    try:
        yield
    except OSError as error:
        named = error.filename
        if (named is None and error.errno in _FULL) or (instead and named == os.fspath(instead)):
            error.filename, error.filename2 = os.fspath(path), None
        raise


@contextlib.contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Say what to install where an import in the block fails.

    Parameters
    ----------
    extra : str
        The optional part of backbeat that brings the package.
    what : str
        What needs it, to begin the message with.

    Raises
    ------
    BackbeatError
        In place of the ImportError.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise BackbeatError(f"{what} needs {package}: pip install 'backbeat[{extra}]'") from error
