"""Bounds of time and memory for the work on a file, in a worker.

A decoder is native code that reads what anyone may have written: it may crash its process, hang or
take all memory. So a worker does what it does to a file in a `guarded` block.
"""

import contextlib
import ctypes
import functools
import mmap
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

SECONDS = 60.0
"""For any file, however short: a disk may have to wake, a machine may be busy."""
SECONDS_A_MEGABYTE = 10.0
"""An hour of Opus at 24 kbit/s is 11 MB, and takes some 11 s of one core with all networks; of MP3,
57 MB. So this is ten times as long as the costliest files take."""
MEMORY = 2 * 2**30
"""Bytes that a file may take beyond what its process has loaded: an hour of MP3 takes 0.15 GB."""


@dataclass(frozen=True)
class Guarded:
    """The file that a worker works on, and how long it may take."""

    path: str
    seconds: float


_report: Callable[[Guarded | None], None] | None = None  # in workers


def become_watched(report: Callable[[Guarded | None], None]) -> None:
    """Make this process a worker, which reports the file that it begins, and None when it is done.

    If the process ends in between, the file is known that ended it.
    """
    global _report
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the system's own way: it ends the process
    _report = report


def is_watched() -> bool:
    """Whether this process is a worker, so that `guarded` has an effect."""
    return _report is not None


def seconds_for(path: Path) -> float:
    """Give how long the work on a file may take, in seconds, by its size."""
    try:
        size = path.stat().st_size
    except (OSError, ValueError):  # ValueError: a NUL in the name
        size = 0
    return SECONDS + SECONDS_A_MEGABYTE * size / 2**20


@contextlib.contextmanager
def guarded(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Bound the time (by default `seconds_for` the file) and the memory of the work on a file.

    In a process that is no worker it does nothing. In a worker, the system ends the process when
    the time is over, even where native code never returns; memory that is asked for beyond
    `MEMORY` (on Linux) is refused, which Python calls a `MemoryError`.
    """
    if _report is None:
        yield
        return
    allowed = seconds_for(path) if seconds is None else seconds
    _report(Guarded(str(path), allowed))
    _set_alarm(allowed)
    try:
        with _bounded_memory():
            yield
    finally:
        _set_alarm(0)
        _report(None)


def _set_alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def address_space() -> int | None:
    """Give how many bytes of memory this process may ask for (``ulimit -v``); None if all."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    if sys.platform != "linux" or resource is None:  # others have no such bound, or none that holds
        yield
        return
    try:
        # Of proc(5): the process's own data, in pages, as the system counts it against the bound.
        used = int(Path("/proc/self/statm").read_bytes().split()[5]) * mmap.PAGESIZE
    except OSError:  # /proc is not there, as in some containers
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limits = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([used + MEMORY, *limits]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@functools.cache
def keep_freed_memory() -> None:
    """Have glibc keep freed memory of up to 256 MB, instead of asking for it anew for each song.

    The arrays of half a minute are some megabytes each, which glibc gives back to the system when
    they are freed; the system then clears every page again before the next song has it. That took
    a third of the time of a log-mel map. It needs no more memory at its peak, but frees it later.
    Does nothing where there is no glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return
    # The numbers are M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's malloc.h.
    mallopt(-3, 32 * 2**20)  # glibc's own greatest
    mallopt(-1, 256 * 2**20)  # more than a song's arrays together
