"""Parallel work: every loop over tracks goes through a `concurrent.futures.Executor`.

Local processes by default, the workers of a Dask cluster where one is named (`parallel.cluster`).
Both are processes that a thread watches (`parallel.child`), started anew where one is lost, and
free of whatever the parent had loaded (TensorFlow's threads do not survive a fork).
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from pathlib import Path
from typing import Any, TypeVar

from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.parallel.workers import ProcessExecutor

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
    workers: int | None = None,
    cluster: str | None = None,
    shared: Sequence[Path] = (),
    *,
    isolated: bool = False,
    copies: bool = False,
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
    isolated : bool
        Whether even one worker is a process of its own, as for work that may crash.
    copies : bool
        Whether local processes may begin as copies of this one; see `workers.ProcessExecutor`.

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
    executor = ProcessExecutor(workers, copies=copies)
    try:
        yield executor
        executor.shutdown()
    except BaseException:  # Ctrl-C too; what is under way may take minutes, and whoever stopped us
        executor.stop()  # waits
        raise


def rest(executor: Executor) -> None:
    """Have processes of this machine give back their memory until there is more work for them."""
    if isinstance(executor, ProcessExecutor):
        executor.rest()


def map_unordered(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ahead: int | None = None,
    instead: Callable[[Item, WorkerLostError], Item] | None = None,
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
    instead : callable, optional
        Gives what to do in the place of an item that ended its processes, such as the same without
        the file that did it, or raises; by default the error that it is given is raised.

    Yields
    ------
    Result
        The results, in the order in which they finish.

    Raises
    ------
    BackbeatError
        If a worker is gone, killed by the system or by someone.
    """
    pending: dict[Future[Result], Item] = {}
    again: list[Item] = []
    waiting = iter(items)
    with telling_of_lost_workers():
        try:
            while True:
                while len(pending) < _limit(executor, ahead):
                    try:
                        item = again.pop() if again else next(waiting)
                    except StopIteration:
                        break
                    pending[executor.submit(function, item)] = item
                if not pending:
                    return
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    item = pending.pop(future)
                    try:
                        result = future.result()
                    except WorkerLostError as error:
                        if instead is None:
                            raise
                        again.append(instead(item, error))
                        continue
                    yield result
        finally:
            _cancel(pending)


def map_ordered(
    executor: Executor,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    ahead: int | None = None,
    instead: Callable[[Item, WorkerLostError], Item] | None = None,
) -> Iterator[Result]:
    """Yield ``function(item)`` for every item, in their order; else as `map_unordered`."""
    pending: deque[tuple[Future[Result], Item]] = deque()
    waiting = iter(items)
    with telling_of_lost_workers():
        try:
            while True:
                while len(pending) < _limit(executor, ahead):
                    try:
                        item = next(waiting)
                    except StopIteration:
                        break
                    pending.append((executor.submit(function, item), item))
                if not pending:
                    return
                future, item = pending[0]
                try:
                    result = future.result()
                except WorkerLostError as error:
                    if instead is None:
                        raise
                    item = instead(item, error)
                    pending[0] = (executor.submit(function, item), item)
                    continue
                pending.popleft()
                yield result
        finally:
            _cancel(future for future, _ in pending)


def _cancel(futures: Iterable[Future[Any]]) -> None:
    """Have nothing begun that nobody waits for."""
    for future in futures:
        future.cancel()


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
