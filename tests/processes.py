"""What tests ask of processes."""

import os


def exists(process: int) -> bool:
    """Whether there is a process of a number, be it one that ended and was not waited for."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
