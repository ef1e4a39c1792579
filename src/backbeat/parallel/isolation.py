"""Work on a file that may crash its process, hang or take all memory: bounded, and told of.

A decoder is native code that reads what anyone may have written. In a process for work
(`parallel.child`, `parallel.workers`) each file is worked on in a `guarded` block: whoever watches
the process knows which file it was if it ends there.
"""

import contextlib
import mmap
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60.0
"""For any file, however short: a disk may have to wake, a machine may be busy."""
SECONDS_A_MEGABYTE = 10.0
"""An hour of Opus at 24 kbit/s is 11 MB, and takes some 11 s of one core with all networks; of MP3,
57 MB. So this is ten times as long as the costliest files take."""
MEMORY = 2 * 2**30
"""Bytes that a file may take beyond what its process has loaded: an hour of MP3 takes 0.15 GB."""

_MEMORY_IN_PAGES = Path("/proc/self/statm")  # proc(5)


@dataclass(frozen=True)
class UnderWay:
    """What a process works on.

    Attributes
    ----------
    what : str
        The file's path.
    seconds : float
        How long it may take.
    """

    what: str
    seconds: float


_tell: Callable[[UnderWay | None], None] | None = None  # of processes that are watched


def be_watched(tell: Callable[[UnderWay | None], None]) -> None:
    """Make this process one that is told of, and ended, by what it works on.

    Parameters
    ----------
    tell : callable
        Called with what is begun, and with None when that is done.
    """
    global _tell
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the system's own way: it ends the process
    _tell = tell


def is_watched() -> bool:
    """Whether somebody watches this process, so that `guarded` has an effect."""
    return _tell is not None


def seconds_for(path: Path) -> float:
    """Give how long the work on a file may take, by its size."""
    try:
        size = path.stat().st_size
    except (OSError, ValueError):  # ValueError: a NUL in the name
        size = 0
    return SECONDS + SECONDS_A_MEGABYTE * size / 2**20


@contextlib.contextmanager
def guarded(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Bound the time and the memory of the work on a file.

    In a process that nobody watches it does nothing. In another, the system ends the process when
    the time is over, even where native code never returns; memory that is asked for beyond the
    bound (on Linux) is refused, which Python calls a `MemoryError`.

    Parameters
    ----------
    path : Path
    seconds : float, optional
        How long it may take; by default `seconds_for` the file.
    """
    if _tell is None:
        yield
        return
    allowed = seconds_for(path) if seconds is None else seconds
    _tell(UnderWay(str(path), allowed))
    _set_alarm(allowed)
    try:
        with _bounded_memory():
            yield
    finally:
        _set_alarm(0)
        _tell(None)


def _set_alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """Have the system refuse more memory than a file may take."""
    if sys.platform != "linux":  # others have no such bound, or none that holds
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = _in_use() + MEMORY
    limits = [limit for limit in (before, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([wanted, *limits]), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def _in_use() -> int:
    """Give the bytes of this process's own data, as the system counts them against the bound."""
    return int(_MEMORY_IN_PAGES.read_bytes().split()[5]) * mmap.PAGESIZE


def why_lost(status: int, under_way: UnderWay | None) -> str:
    """Say in a few words how a process came to its end.

    Parameters
    ----------
    status : int
        As `subprocess.Popen.returncode` gives it: a signal's number below zero.
    under_way : UnderWay, optional
        What it worked on.
    """
    if under_way and timed_out(status):
        return f"took longer than {under_way.seconds:.3g} s"
    if status == -getattr(signal, "SIGKILL", 9):
        return "its process was killed, perhaps for want of memory"
    who = "its process" if under_way else "the process"
    try:
        return f"{who} crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"{who} ended with status {status}"


def timed_out(status: int) -> bool:
    """Whether a process was ended by the clock of `guarded`."""
    return status == -getattr(signal, "SIGALRM", 14)
