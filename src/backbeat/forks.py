"""A piece of work in a copy of this process: watched as a `child.Child` is, and as good as free.

All that is loaded is there at once. A copy has but one of its original's threads, whatever the
others were about; so only a process that has no others is copied.
"""

import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from backbeat.child import Listener, answer_of, lost
from backbeat.isolation import be_watched


def can_fork() -> bool:
    """Whether this process may be copied: on Linux, without threads and without TensorFlow."""
    # macOS's own libraries do not survive it, and TensorFlow's threads are none of Python's.
    return (
        sys.platform == "linux"
        and threading.active_count() == 1
        and "tensorflow" not in sys.modules
    )


class Fork:
    """A copy of this process that calls a function, from now on.

    Parameters
    ----------
    function : callable
        Without arguments. What it does to a file it does in a block of `isolation.guarded`.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            # The threads of NumPy's linear algebra, which are made for this.
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            self._process = os.fork()
        if not self._process:
            os.close(reading)
            _work(function, writing)
        os.close(writing)
        self._told = os.fdopen(reading, "rb")
        self._ended = False

    def result(self) -> Any:
        """Wait for what the function gives; what it raises is raised.

        Raises
        ------
        WorkerLostError
            If it ended the process.
        """
        listener = Listener(self._told)
        try:
            good, result = listener.answer()
        except (EOFError, pickle.UnpicklingError):
            raise lost(self._wait(), listener.under_way, attempts=1) from None
        self._wait()
        if good:
            return result
        raise result

    def end(self) -> None:
        """End the process, if it is still there."""
        self._told.close()
        if not self._ended:
            os.kill(self._process, signal.SIGKILL)
            self._wait()

    def _wait(self) -> int:
        _, status = os.waitpid(self._process, 0)
        self._ended = True
        return os.waitstatus_to_exitcode(status)


def _work(function: Callable[[], Any], writing: int) -> NoReturn:
    """Be the copy: do the work, say what came of it, and end without a trace."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who waits
        with os.fdopen(writing, "wb") as answers:

            def tell(under_way: object) -> None:
                pickle.dump(under_way, answers)
                answers.flush()

            be_watched(tell)
            answers.write(answer_of(function))
    finally:
        os._exit(0)  # not through what the original has to do at its end
