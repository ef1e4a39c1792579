"""A Dask cluster as an executor: one of this machine (``local:N``), or one that someone started.

Workers read and write what they share by themselves; only tasks and small results travel. Dask
gives the tasks of a worker that is gone to another. Each thread of a worker of Dask has a `Worker`
of backbeat do its tasks. This module is loaded only where a cluster is named.
"""

import contextlib
import logging
import platform
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future
from functools import partial
from pathlib import Path
from typing import Any

from backbeat import __version__
from backbeat.errors import BackbeatError, needing, one_line
from backbeat.parallel.worker import Worker

_SECONDS_TO_CONNECT = 10
_SECONDS_TO_ANSWER = 30  # looked at as often: a worker that is frozen is lost after a minute
_SECONDS_BETWEEN_COUNTS = 2.0
_MIN_AHEAD = 32
_AHEAD_A_THREAD = 2  # one under way, one that waits
_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss|ucx)://)?(?:[^\s:/\[\]]+|\[[0-9a-fA-F:]+\]):\d{1,5}")

# What must be the same on all machines: numbers come from one program, and pickles from one Python.
_OWN = f"backbeat {__version__} on Python {platform.python_version().rpartition('.')[0]}"

_threads = threading.local()  # in a worker of Dask: the `Worker` of each thread


class ClusterExecutor(Executor):
    """Gives tasks to the workers of a Dask cluster, which may come and go.

    Each worker must see the `shared` paths.
    """

    def __init__(self, client: Any, shared: Sequence[Path] = ()) -> None:
        self._client = client
        # Not pure: the same task submitted twice is done twice.
        self._tasks = client.get_executor(pure=False)
        self._shared = tuple(str(path.absolute()) for path in shared)
        self._ahead = _MIN_AHEAD
        self._counted_at = -_SECONDS_BETWEEN_COUNTS

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        """Have a worker call ``fn(*args, **kwargs)``; gives its future."""
        import cloudpickle

        # As bytes, so that a worker with another backbeat says so before it fails to read them.
        task = cloudpickle.dumps(partial(fn, *args, **kwargs))
        future: Future[Any] = self._tasks.submit(_run, _OWN, self._shared, task)
        return future

    @property
    def ahead(self) -> int:
        """How many tasks to have under way, by the workers that are there now."""
        now = time.monotonic()
        if now - self._counted_at >= _SECONDS_BETWEEN_COUNTS:
            self._ahead = max(_MIN_AHEAD, _AHEAD_A_THREAD * sum(self._client.nthreads().values()))
            self._counted_at = now
        return self._ahead

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for what is under way, or cancel it; the cluster stays."""
        self._tasks.shutdown(wait=wait and not cancel_futures)


@contextlib.contextmanager
def open_cluster(address: str, shared: Sequence[Path] = ()) -> Iterator[ClusterExecutor]:
    """Connect to a cluster, or start one of processes of this machine.

    `address` is ``tcp://HOST:PORT`` of a scheduler, the ``.json`` file that it wrote (``dask
    scheduler --scheduler-file``), or ``local:N`` for N processes of this machine. Each worker must
    see the `shared` paths, which tasks read and write. The executor waits for workers where there
    are none yet. On an error or Ctrl-C inside the block, what has not begun is cancelled, and what
    is under way is stopped within seconds.
    """
    options = _read_address(address)
    with needing("cluster", f"--cluster {address}"):
        import distributed
    # What goes wrong with a worker or the connection becomes an exception of one line.
    for name in ("distributed", "distributed.client", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with contextlib.ExitStack() as opened:
        if "n_workers" in options:
            with _ignoring_interrupts():
                local = opened.enter_context(distributed.LocalCluster(**options))
            options = {"address": local}
        try:
            client = distributed.Client(
                **options, timeout=_SECONDS_TO_CONNECT, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise BackbeatError(
                f"--cluster {address}: no scheduler answers there within {_SECONDS_TO_CONNECT} s "
                f"({one_line(error, 120)}); start one with `dask scheduler`, see docs/cluster.md"
            ) from error
        executor = ClusterExecutor(opened.enter_context(client), shared)
        _require_backbeat(client)
        try:
            yield executor
        except distributed.KilledWorker as error:
            raise BackbeatError(
                f"--cluster {address}: the same piece of work ended {error.allowed_failures + 1} "
                f"workers, the last of them {error.last_worker.address}, perhaps for want of "
                "memory; give workers more, and run the same command again"
            ) from error
        except CancelledError as error:
            raise BackbeatError(
                f"--cluster {address}: the connection to the scheduler was lost; run the same "
                "command again when it is there"
            ) from error
        finally:
            executor.shutdown(wait=False)


def _read_address(address: str) -> dict[str, Any]:
    """Turn an address into the options of `LocalCluster` (with ``n_workers``) or of `Client`."""
    if re.fullmatch(r"local:0*[1-9]\d{0,3}", address):
        return {
            "n_workers": int(address.removeprefix("local:")),
            "threads_per_worker": 1,
            "processes": True,
            "scheduler_kwargs": {"worker_ttl": _SECONDS_TO_ANSWER},
            "dashboard_address": "127.0.0.1:0",
            "silence_logs": logging.CRITICAL,
        }
    if address.endswith(".json"):
        if not Path(address).is_file():
            raise BackbeatError(
                f"--cluster {address}: no such file; `dask scheduler --scheduler-file` writes it"
            )
        return {"scheduler_file": address}
    if _ADDRESS.fullmatch(address) and not address.startswith("local:"):
        return {"address": address}
    raise BackbeatError(
        f"--cluster {address}: not an address; name local:N, tcp://HOST:PORT, or the .json file "
        "that a scheduler wrote"
    )


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Have processes that are started in the block leave Ctrl-C to this one."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's alone
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _require_backbeat(client: Any) -> None:
    """Make sure that the scheduler and the workers that are there have what is here."""
    found = client.get_versions(packages=["backbeat"])
    for place, has in ({"the scheduler": found["scheduler"]} | found["workers"]).items():
        major, minor, *_ = has["host"]["python"].split(".")
        own = f"backbeat {has['packages']['backbeat'] or '(none)'} on Python {major}.{minor}"
        if own != _OWN:
            raise BackbeatError(f"{place}: has {own}, not {_OWN} as here; install that there too")


def _run(wanted: str, shared: Sequence[str], task: bytes) -> Any:
    """Do a task, in a worker of Dask."""
    from distributed import get_worker

    worker = get_worker()
    if wanted != _OWN:  # one that joined late
        raise BackbeatError(f"{worker.address}: has {_OWN}, not {wanted} as the client")
    for path in map(Path, shared):
        # An empty folder is a place where nothing is mounted.
        if not (any(path.iterdir()) if path.is_dir() else path.exists()):
            raise BackbeatError(
                f"{path}: {worker.address} does not see it; have all machines share it at this path"
            )
    if not hasattr(_threads, "worker"):
        _threads.worker = Worker()
    key = worker.get_current_task()

    def is_cancelled() -> bool:
        """Whether the scheduler no longer wants this thread's task."""
        known = worker.state.tasks.get(key)
        return known is None or known.state != "executing"

    return _threads.worker.run(task, is_cancelled)
