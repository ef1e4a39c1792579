"""Processes of this machine as an executor that outlives each of them."""

import pickle  # nosec B403 # only between a process and its own child, see SECURITY.md
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from backbeat.parallel.child import Child
from backbeat.parallel.forks import Fork, can_fork


class ProcessExecutor(Executor):
    """Gives work to processes, each with a thread here that waits for it.

    A piece of work whose process is lost is done again by a new one; after several it is a
    `WorkerLostError` of that piece alone. Work travels by pickle; unlike `ProcessPoolExecutor`'s,
    a process does not run the script that called it, unless the work is of that script.

    Parameters
    ----------
    workers : int
        Processes at most; each is started when there is work for it.
    attempts : int
        Processes that a piece of work may cost.
    copies : bool
        Whether the first processes are copies of this one, where that can be (`forks.can_fork`):
        they start in no time, with all that is loaded here.
    """

    def __init__(self, workers: int, *, attempts: int = 3, copies: bool = False) -> None:
        self._attempts = attempts
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._main = getattr(sys.modules.get("__main__"), "__file__", None)
        self._lock = threading.Lock()
        # Copies are made before there is a thread.
        many = workers if copies and can_fork() else 0
        forks = [Fork(alone=workers == 1) for _ in range(many)]
        self._children = [Child(self._main, attempts, fork) for fork in forks]
        self._idle = list(self._children)
        self._stopped = threading.Event()

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Have a process call ``fn(*args, **kwargs)``; gives its future."""
        future: Future[Any] = self._threads.submit(self._do, partial(fn, *args, **kwargs))
        return future

    def _do(self, function: Callable[[], Any]) -> Any:
        work = pickle.dumps(function)
        with self._lock:
            if self._idle:
                child = self._idle.pop()
            else:
                child = Child(self._main, self._attempts)
                self._children.append(child)
        try:
            return child.do(work, self._stopped.is_set)
        finally:
            with self._lock:
                self._idle.append(child)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what is under way and end the processes."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            with self._lock:
                for child in self._children:
                    child.end()

    def rest(self) -> None:
        """End the processes that have nothing to do; work that comes later starts others."""
        with self._lock:
            for child in self._idle:
                child.end()

    def stop(self) -> None:
        """Begin nothing more, and have what is under way end as soon as it can.

        All that is written is written atomically, and a training keeps its last whole epoch, for
        which it has half a minute; nobody waits for that here.
        """
        self._stopped.set()
        self.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for child in self._children:
                if child in self._idle:
                    child.end()
                else:
                    child.stop()
