"""A process that does one piece of work after another for a thread of a cluster's worker.

A worker of Dask runs its work in threads, beside its own. Work in a process of its own has what
local processes have: seeds that no other thread draws from, signals, one thread for numbers, and an
end as soon as nobody waits for it any more. What it has loaded stays for the next piece.
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, Any, cast

from backbeat.engine import THREADS
from backbeat.errors import BackbeatError, WorkerLostError, one_line

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_STOP = 30  # a training keeps its last whole epoch first
_ATTEMPTS = 3


class Child:
    """A process for work: started when it is needed, and again after it was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def do(self, work: bytes, left_alone: Callable[[], bool]) -> Any:
        """Have the process do a piece of work.

        Parameters
        ----------
        work : bytes
            A pickled function without arguments.
        left_alone : callable
            Whether nobody waits for the work any more; it is stopped then.

        Returns
        -------
        object
            What the function gave; what it raised is raised.

        Raises
        ------
        WorkerLostError
            If it ended the process several times.
        """
        for _ in range(_ATTEMPTS):
            self._process = self._process or _start()
            try:
                good, result = _ask(self._process, work, left_alone)
            except (EOFError, OSError, pickle.UnpicklingError):  # it was killed
                _end(self._process)
                self._process = None
                if left_alone():
                    raise BackbeatError("given up, as nobody waits for it any more") from None
                continue
            if good:
                return result
            raise result
        raise WorkerLostError(
            f"the same piece of work ended {_ATTEMPTS} processes, perhaps for want of memory; give "
            "workers more, and run the same command again"
        )


def _start() -> subprocess.Popen[bytes]:
    # Workers already fill the processors: numbers are computed with one thread each.
    environment = dict.fromkeys(THREADS, "1") | os.environ
    return subprocess.Popen(
        [sys.executable, "-m", "backbeat.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    # Closes its pipes, one of which may hold what it never read, and waits until it is gone.
    with contextlib.suppress(BrokenPipeError), process:
        pass


def _ask(
    process: subprocess.Popen[bytes], work: bytes, left_alone: Callable[[], bool]
) -> tuple[bool, Any]:
    """Give the process work and wait for what it says: whether all went well, and the result."""
    asked, told = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process, left_alone, done), daemon=True)
    watcher.start()
    try:
        pickle.dump(work, asked)
        asked.flush()
        answer: tuple[bool, Any] = pickle.load(told)
        return answer
    finally:
        done.set()
        watcher.join()


def _watch(
    process: subprocess.Popen[bytes], left_alone: Callable[[], bool], done: threading.Event
) -> None:
    """Stop the process where nobody waits for it any more: politely, then at once."""
    while not done.wait(_SECONDS_BETWEEN_LOOKS):
        if left_alone():
            process.terminate()
            if not done.wait(_SECONDS_TO_STOP):
                process.kill()
            return


def serve() -> None:
    """Do what standard input asks for, until it ends with the worker on its other side."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who gave the work
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked,), daemon=True).start()
    while True:
        answers.write(_answer(asked.get()))
        answers.flush()


def _listen(asked: "queue.SimpleQueue[bytes]") -> None:
    try:
        while True:
            asked.put(pickle.load(sys.stdin.buffer))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)  # the worker is gone, whatever is under way


def _answer(work: bytes) -> bytes:
    try:
        return pickle.dumps((True, pickle.loads(work)()))
    except Exception as error:  # noqa: BLE001 - carried to the one who waits
        error.add_note(traceback.format_exc())
        try:
            return pickle.dumps((False, error))
        except Exception:  # noqa: BLE001 - an error that cannot travel is told in words
            words = f"{type(error).__name__}: {one_line(error)}"
            return pickle.dumps((False, RuntimeError(words)))


if __name__ == "__main__":
    serve()
