"""Errors that a user can mend, told in one line."""


class BackbeatError(Exception):
    """A mistake in what backbeat was given.

    The message is one line that names the file (or the option) and the remedy; the command line
    prints it alone, without a traceback, and exits with status 1.
    """
