"""Copies of this process as processes for work: all that is loaded here is there at once.

A copy has but one of its original's threads, whatever the others were about. So only a process
whose others just draw or wait is copied, and one that is lost is not replaced by another copy.
"""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import warnings
import weakref
from pathlib import Path
from typing import NoReturn

from backbeat.parallel.child import spared_by_ctrl_c, work_for

_MAKERS = ("scipy_", "")  # of wheels; of distributions


def can_fork() -> bool:
    """Whether this process may be copied: on Linux, from its first thread, without TensorFlow."""
    # macOS's own libraries do not survive it, and TensorFlow's threads are none of Python's.
    if sys.platform != "linux" or "tensorflow" in sys.modules:
        return False
    here = threading.current_thread()
    others = (thread for thread in threading.enumerate() if thread is not here)
    return here is threading.main_thread() and all(thread.daemon for thread in others)


class Fork:
    """A copy of this process that does one piece of work after another, for `child.Child`.

    Parameters
    ----------
    alone : bool
        Whether there are no others beside it, so that it may use more than one processor.

    Attributes
    ----------
    stdin, stdout : binary files
        For what it is asked and what it says.
    returncode : int, optional
        As `subprocess.Popen` gives it, once it has been waited for.
    """

    def __init__(self, *, alone: bool = False) -> None:
        asked, self_asks = os.pipe()
        self_hears, told = os.pipe()
        self.returncode: int | None = None
        with warnings.catch_warnings():
            # The threads of NumPy's linear algebra, which are made for this.
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            with spared_by_ctrl_c():
                self.pid = os.fork()
                if not self.pid:
                    for number in (self_asks, self_hears):
                        os.close(number)
                    _be_a_copy(asked, told, alone)
        for number in (asked, told):
            os.close(number)
        self.stdin = os.fdopen(self_asks, "wb")
        self.stdout = os.fdopen(self_hears, "rb")
        _forks.add(self)

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Have it end at once."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self) -> int:
        """Wait for its end, and give its `returncode`."""
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


_forks: weakref.WeakSet[Fork] = weakref.WeakSet()


def _close_others() -> None:
    """Let go of earlier copies: a later one must not keep the ends of their pipes open."""
    for fork in list(_forks):
        for file in (fork.stdin, fork.stdout):
            if not file.closed:
                os.close(file.fileno())


def _one_thread_each() -> None:
    """Have NumPy and SciPy, which are loaded already, compute with one thread in this process.

    Copies fill the processors by themselves. Both bring OpenBLAS, under names of their own.
    """
    names = [f"{maker}openblas_set_num_threads{bits}" for maker in _MAKERS for bits in ("", "64_")]
    mapped = Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines()
    for path in {line.split(maxsplit=5)[5] for line in mapped if "openblas" in line}:
        library = ctypes.CDLL(path)
        for name in names:
            if set_threads := getattr(library, name, None):
                set_threads(1)


def _be_a_copy(asked: int, told: int, alone: bool) -> NoReturn:
    try:
        _close_others()
        if not alone:
            _one_thread_each()
        # What the original does on a signal is not for its copies.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with os.fdopen(asked, "rb") as asked_file, os.fdopen(told, "wb") as told_file:
            work_for(asked_file, told_file)
    finally:
        os._exit(1)  # not through what the original has to do at its end
