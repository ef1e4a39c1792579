"""Parallel work: every loop over tracks goes through a `concurrent.futures.Executor`.

Local processes by default, the workers of a Dask cluster where one is named (`backbeat.cluster`).
A `spawn` start keeps local workers free of whatever the parent had loaded (TensorFlow's threads do
not survive a fork).
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any, TypeVar

from backbeat.errors import BackbeatError

# What numpy's, SciPy's and TensorFlow's thread pools heed when they are loaded.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

_AHEAD = 32  # items under way at once, on one machine

Item = TypeVar("Item")
Result = TypeVar("Result")


class InlineExecutor(Executor):
    """An executor that does the work at once in the calling process: one worker, no pickling."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Run ``fn(*args, **kwargs)`` now and return its finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - carried to the caller by the future
            future.set_exception(error)
        return future


def cpu_count() -> int:
    """Give the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def open_executor(
    workers: int | None = None, cluster: str | None = None, shared: Sequence[Path] = ()
) -> Iterator[Executor]:
    """Open an executor of local processes, or of a cluster's workers.

    On an error or Ctrl-C inside the block, work that has not begun is cancelled.

    Parameters
    ----------
    workers : int, optional
        Local processes; by default one a processor.
    cluster : str, optional
        The address of a Dask cluster instead, or ``local:N``; see `cluster.open_cluster`.
    shared : sequence of Path
        What the work reads and writes: each worker of a cluster must see it, at the same path.

    Raises
    ------
    BackbeatError
        If the cluster cannot be reached.
    """
    if cluster is not None:
        if workers is not None:
            raise BackbeatError(
                "--workers and --threads are of this machine; leave them out with --cluster"
            )
        from backbeat.cluster import open_cluster

        with open_cluster(cluster, shared) as executor_of_cluster:
            yield executor_of_cluster
        return
    workers = cpu_count() if workers is None else workers
    if workers <= 1:
        yield InlineExecutor()
        return
    executor = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    with _one_thread_each():
        try:
            yield executor
        except BaseException:  # Ctrl-C too: nothing more is begun, and the error goes on
            executor.shutdown(wait=False, cancel_futures=True)
            # What is under way may take minutes, and whoever stopped us waits. All that is written
            # is written atomically, and a training keeps its last whole epoch.
            for child in multiprocessing.active_children():
                child.terminate()
            raise
        executor.shutdown()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Have processes that are started now compute with one thread, unless the user says otherwise.

    Processes already fill the processors; threads of their own would only get in each other's way.
    """
    ours = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(ours, "1"))
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


def map_unordered(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ahead: int | None = None,
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, as they finish.

    Parameters
    ----------
    executor : Executor
        Where the work is done.
    function : callable
        A module-level function (it is sent to other processes).
    items : iterable
        Drawn lazily: at most `ahead` are under way, so memory stays flat however many there are.
    ahead : int, optional
        The number of items under way at once; by default 32, or what the executor's own ``ahead``
        says, which grows with a cluster.

    Yields
    ------
    Result
        The results, in the order in which they finish.

    Raises
    ------
    BackbeatError
        If a worker is gone, killed by the system or by someone.
    """
    pending: set[Future[Result]] = set()
    with telling_of_lost_workers():
        for item in items:
            pending.add(executor.submit(function, item))
            if len(pending) >= _limit(executor, ahead):
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)


def map_ordered(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ahead: int | None = None,
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in their order; else as `map_unordered`."""
    pending: deque[Future[Result]] = deque()
    with telling_of_lost_workers():
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) >= _limit(executor, ahead):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _limit(executor: Executor, ahead: int | None) -> int:
    if isinstance(executor, InlineExecutor):
        return 1  # what is submitted is done already
    own: int = getattr(executor, "ahead", _AHEAD)
    return ahead or own


@contextlib.contextmanager
def telling_of_lost_workers() -> Iterator[None]:
    """Turn the end of a worker that was killed into one line.

    Raises
    ------
    BackbeatError
        If a worker is gone.
    """
    try:
        yield
    except BrokenExecutor as error:
        raise BackbeatError(
            "a worker process was killed, perhaps for want of memory; run the same command again, "
            "with fewer --workers"
        ) from error


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)
