"""Executors: every loop over tracks goes through a `concurrent.futures.Executor`.

Workers of this machine by default, those of a Dask cluster where one is named (`cluster`). Both are
processes that a thread watches (`worker`), and free of what this process has loaded.
"""

import contextlib
import os
import pickle  # nosec B403 # only between a process and its own worker, see SECURITY.md
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.parallel.worker import Copy, Worker, can_copy

_AHEAD = 32  # tasks under way at once, on one machine

Item = TypeVar("Item")
Result = TypeVar("Result")


class InlineExecutor(Executor):
    """Does tasks at once in this process: one worker, no pickling."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Run ``fn(*args, **kwargs)`` now and return its finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - carried to the caller by the future
            future.set_exception(error)
        return future


class ProcessExecutor(Executor):
    """Gives tasks to workers of this machine, each with a thread here that waits for it.

    A task whose process is lost is done again by a new one; after several it is a
    `WorkerLostError` of that task alone. Unlike `ProcessPoolExecutor`'s, a process does not run the
    script that called it, unless the task is of that script.

    There are at most so many `workers`; each is started when there is a task for it, and a task may
    cost `attempts` processes. If `in_copies` is given, the first processes are copies of this one,
    where that is possible (`worker.can_copy`); each calls it first.
    """

    def __init__(
        self, workers: int, *, attempts: int = 3, in_copies: Callable[[], None] | None = None
    ) -> None:
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        self._new_worker = partial(Worker, attempts, main)
        # Copies are made before there is a thread.
        copies = workers if in_copies and can_copy() else 0
        self._workers = [self._new_worker(Copy(in_copies)) for _ in range(copies)]
        self._idle = list(self._workers)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Have a worker call ``fn(*args, **kwargs)``; gives its future."""
        future: Future[Any] = self._threads.submit(self._run, partial(fn, *args, **kwargs))
        return future

    def _run(self, function: Callable[[], Any]) -> Any:
        task = pickle.dumps(function)
        with self._lock:
            if self._idle:
                worker = self._idle.pop()
            else:
                worker = self._new_worker()
                self._workers.append(worker)
        try:
            return worker.run(task, self._stopped.is_set)
        finally:
            with self._lock:
                self._idle.append(worker)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what is under way and end the workers."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            with self._lock:
                for worker in self._workers:
                    worker.close()

    def rest(self) -> None:
        """End the workers that have nothing to do; later tasks start others."""
        with self._lock:
            for worker in self._idle:
                worker.close()

    def stop(self) -> None:
        """Begin nothing more, and have what is under way end as soon as it can.

        All that is written is written atomically, and a training keeps its last whole epoch, for
        which it has half a minute; nobody waits for that here.
        """
        self._stopped.set()
        self.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for worker in self._workers:
                if worker in self._idle:
                    worker.close()
                else:
                    worker.terminate()


def cpu_count() -> int:
    """Give the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def open_executor(
    workers: int | None = None,
    cluster: str | None = None,
    shared: Sequence[Path] = (),
    *,
    isolated: bool = False,
    in_copies: Callable[[], None] | None = None,
) -> Iterator[Executor]:
    """Open an executor of workers of this machine, or of a cluster's.

    On an error or Ctrl-C inside the block, tasks that have not begun are cancelled.

    Parameters
    ----------
    workers : int, optional
        Local processes; by default one a processor.
    cluster : str, optional
        The address of a Dask cluster instead, or ``local:N``; see `cluster.open_cluster`.
    shared : sequence of Path
        What the tasks read and write: each worker of a cluster must see it, at the same path.
    isolated : bool
        Whether even one worker is a process of its own, as for work that may crash.
    in_copies : callable, optional
        Whether workers of this machine may begin as copies of this process; see `ProcessExecutor`.

    Raises
    ------
    BackbeatError
        If the cluster cannot be reached.
    """
    if cluster is not None:
        if workers is not None:
            raise BackbeatError("--workers is for this machine; leave it out with --cluster")
        from backbeat.parallel.cluster import open_cluster

        with open_cluster(cluster, shared) as executor_of_cluster:
            yield executor_of_cluster
        return
    workers = cpu_count() if workers is None else workers
    if workers <= 1 and not isolated:
        yield InlineExecutor()
        return
    executor = ProcessExecutor(workers, in_copies=in_copies)
    try:
        yield executor
        executor.shutdown()
    except BaseException:  # Ctrl-C too: what is under way may take minutes
        executor.stop()
        raise


def rest(executor: Executor) -> None:
    """Have processes of this machine give back their memory until there is more work for them."""
    if isinstance(executor, ProcessExecutor):
        executor.rest()


def map_tasks(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ordered: bool = False,
    ahead: int | None = None,
    instead: Callable[[Item, WorkerLostError], Item] | None = None,
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, as they finish, or in order.

    Items are drawn lazily: at most `ahead` are under way, so memory stays flat however many there
    are; by default 32, or what the executor's own ``ahead`` says, which grows with a cluster.
    `instead` gives what to do in the place of an item that ended its workers, such as the same
    without the file that did it; by default the `WorkerLostError` is raised.
    """
    pending: dict[int, tuple[Future[Result], Item]] = {}
    numbered = enumerate(items)
    try:
        while True:
            room = max(0, _limit(executor, ahead) - len(pending))
            for number, item in islice(numbered, room):
                pending[number] = (executor.submit(function, item), item)
            if not pending:
                return
            if ordered:
                ready = [next(iter(pending))]
            else:
                wait([future for future, _ in pending.values()], return_when=FIRST_COMPLETED)
                ready = [number for number, (future, _) in pending.items() if future.done()]
            for number in ready:
                future, item = pending[number]
                try:
                    result = future.result()
                except WorkerLostError as error:
                    if instead is None:
                        raise
                    item = instead(item, error)
                    pending[number] = (executor.submit(function, item), item)
                else:
                    del pending[number]
                    yield result
    finally:
        for future, _ in pending.values():
            future.cancel()


def _limit(executor: Executor, ahead: int | None) -> int:
    if isinstance(executor, InlineExecutor):
        return 1  # what is submitted is done already
    own: int = getattr(executor, "ahead", _AHEAD)
    return ahead or own
