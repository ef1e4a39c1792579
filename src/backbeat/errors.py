"""Errors that a user can mend, told in one line."""

import contextlib
from collections.abc import Iterator


class BackbeatError(Exception):
    """A mistake in what backbeat was given.

    The message is one line that names the file (or the option) and the remedy; the command line
    prints it alone, without a traceback, and exits with status 1.
    """


class WorkerLostError(BackbeatError):
    """A piece of work that ended the processes that did it."""


def one_line(error: BaseException, most: int = 200) -> str:
    """Give an error's words on one line, cut to `most` characters."""
    return " ".join(str(error).split())[:most]


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
