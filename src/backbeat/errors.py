"""Errors that a user can mend, told in one line."""

import contextlib
from collections.abc import Iterator


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
        How it ended the last of them, to be told beside the file's name.
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
