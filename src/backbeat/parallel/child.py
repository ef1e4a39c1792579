"""A process that does one piece of work after another for a thread that watches it.

Local workers and those of a Dask cluster are the same: a thread, and a process of its own. Native
code that crashes or hangs there costs one piece of work and the start of a new process. What a
process has loaded stays for the next piece; it has seeds that no other thread draws from, signals,
one thread for numbers, and an end as soon as nobody waits for it any more.
"""

import contextlib
import os
import pickle  # nosec B403 # only between a process and its own child, see SECURITY.md
import queue
import runpy
import signal
import subprocess
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from typing import IO, Any, NoReturn, Protocol, cast

from backbeat.errors import BackbeatError, WorkerLostError, one_line
from backbeat.parallel.isolation import UnderWay, be_watched, timed_out, why_lost

# What numpy's, SciPy's and TensorFlow's thread pools heed when they are loaded.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_STOP = 30  # a training keeps its last whole epoch first
_ATTEMPTS = 3  # whatever else goes on here can have ended it
_ATTEMPTS_IN_TIME = 2  # a stopped job's clock runs on, so the first may have been bad luck


class Process(Protocol):
    """What a process for work has to have: a `subprocess.Popen`, or a `forks.Fork`."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """What it is asked through."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it says."""

    @property
    def returncode(self) -> Any:
        """How it ended: a signal's number below zero. None before."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """Have it end at once."""

    def wait(self) -> int:
        """Wait for its end."""


class Child:
    """A process for work: started when it is needed, and again after it was lost.

    Parameters
    ----------
    main : str, optional
        The script whose functions may be among the work, if they are to be found.
    attempts : int
        Processes that a piece of work may cost.
    process : Process, optional
        The first one, if it is there already.
    """

    def __init__(
        self,
        main: str | None = None,
        attempts: int = _ATTEMPTS,
        process: Process | None = None,
    ) -> None:
        self._main = main
        self._attempts = attempts
        self._process = process

    def do(self, work: bytes, left_alone: Callable[[], bool]) -> Any:
        """Have the process do a piece of work.

        Parameters
        ----------
        work : bytes
            A pickled function without arguments. What it does to a file that it was given, it does
            in a block of `isolation.guarded`.
        left_alone : callable
            Whether nobody waits for the work any more; it is stopped then.

        Returns
        -------
        object
            What the function gave; what it raised is raised.

        Raises
        ------
        WorkerLostError
            If it ended as many processes as it may.
        """
        attempts = 0
        while True:
            attempts += 1
            process = self._process = self._process or _start(self._main)
            listener = _Listener(cast(IO[bytes], process.stdout))
            try:
                good, result = _ask(process, work, left_alone, listener)
            except (EOFError, OSError, pickle.UnpicklingError):  # it is gone
                self.end()
                if left_alone():
                    raise BackbeatError("given up, as nobody waits for it any more") from None
                status = process.returncode
                most = _ATTEMPTS_IN_TIME if timed_out(status) else _ATTEMPTS
                if attempts >= min(most, self._attempts):
                    raise _lost(status, listener.under_way, attempts) from None
                continue
            except BaseException:  # Ctrl-C: the answer would be taken for that to the next piece
                self.end()
                raise
            if good:
                return result
            raise result

    def call(self, function: Callable[[], Any]) -> Any:
        """Have the process call a function, as `do`; a signal that ends the waiting ends it."""
        return self.do(pickle.dumps(function), lambda: False)

    def stop(self) -> None:
        """Ask the process, from another thread, to end; a training keeps its last whole epoch."""
        if process := self._process:
            process.terminate()

    def end(self) -> None:
        """End the process; the next piece of work gets a new one."""
        process, self._process = self._process, None
        if process:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):  # it may hold what was never read
                    cast(IO[bytes], pipe).close()
            process.wait()


def _lost(status: int, under_way: UnderWay | None, attempts: int) -> WorkerLostError:
    """Make the error of work that ended its processes, from the last one's status."""
    reason = why_lost(status, under_way)
    if under_way:
        return WorkerLostError(
            f"{under_way.what}: {reason}", under_way.what, reason, timed_out(status)
        )
    return WorkerLostError(
        f"the same piece of work ended {attempts} processes ({reason}); run the same command "
        "again, with fewer --workers or more memory",
        reason=reason,
    )


def _start(main: str | None) -> subprocess.Popen[bytes]:
    # Workers already fill the processors: numbers are computed with one thread each.
    environment = dict.fromkeys(THREADS, "1") | os.environ
    with spared_by_ctrl_c():
        process = subprocess.Popen(
            # -P: what lies in the current folder is no module of ours.
            [sys.executable, "-P", "-m", "backbeat.parallel.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
    with contextlib.suppress(OSError):  # gone at once: told when it is asked
        pickle.dump((sys.path, main), cast(IO[bytes], process.stdin))
    return process


@contextlib.contextmanager
def spared_by_ctrl_c() -> Iterator[None]:
    """Have a process that is started in the block never hear Ctrl-C, not even while it loads."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Listener:
    """Hears what a process for work says: what it has begun, and at last the answer."""

    def __init__(self, told: IO[bytes]) -> None:
        self._told = told
        self.under_way: UnderWay | None = None

    def answer(self) -> tuple[bool, Any]:
        """Wait for the answer: whether all went well, and the result or the error."""
        while True:
            said = pickle.load(self._told)  # nosec B301
            if isinstance(said, tuple):
                return cast(tuple[bool, Any], said)
            self.under_way = said


def _ask(
    process: Process,
    work: bytes,
    left_alone: Callable[[], bool],
    listener: _Listener,
) -> tuple[bool, Any]:
    """Give a process work and wait for its answer."""
    asked = cast(IO[bytes], process.stdin)
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process, left_alone, done), daemon=True)
    watcher.start()
    try:
        pickle.dump(work, asked)
        asked.flush()
        return listener.answer()
    finally:
        done.set()
        watcher.join()


def _watch(process: Process, left_alone: Callable[[], bool], done: threading.Event) -> None:
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
    try:
        sys.path[:], main = pickle.load(sys.stdin.buffer)  # nosec B301
    except (EOFError, pickle.UnpicklingError):
        os._exit(1)  # whoever started it is gone already
    work_for(sys.stdin.buffer, answers, main)


def work_for(asked: IO[bytes], told: IO[bytes], main: str | None = None) -> NoReturn:
    """Do what is asked for, until there is nobody who asks.

    Parameters
    ----------
    asked, told : binary file
        Where work is read from, and what comes of it written to.
    main : str, optional
        See `Child`.
    """
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(asked, waiting), daemon=True).start()

    def tell(under_way: UnderWay | None) -> None:
        pickle.dump(under_way, told)
        told.flush()

    be_watched(tell)
    while True:
        work = waiting.get()
        if main and b"__main__" in work:
            _load_main(main)
            main = None
        told.write(_answer(work))
        told.flush()


def _load_main(path: str) -> None:
    """Have the functions of a script found, as `multiprocessing` does: not run as one."""
    module = types.ModuleType("__mp_main__")
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    module.__dict__.update(runpy.run_path(path, run_name="__mp_main__"))


def _listen(asked: IO[bytes], waiting: "queue.SimpleQueue[bytes]") -> None:
    try:
        while True:
            waiting.put(pickle.load(asked))  # nosec B301
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)  # the worker is gone, whatever is under way


def _answer(work: bytes) -> bytes:
    try:
        return pickle.dumps((True, pickle.loads(work)()))  # nosec B301
    except Exception as error:  # noqa: BLE001 - carried to the one who waits
        error.add_note(traceback.format_exc())
        try:
            return pickle.dumps((False, error))
        except Exception:  # noqa: BLE001 - an error that cannot travel is told in words
            words = f"{type(error).__name__}: {one_line(error)}"
            return pickle.dumps((False, RuntimeError(words)))


if __name__ == "__main__":
    # The module that work imports, not a second one beside it.
    from backbeat.parallel.child import serve as serve_as_module

    serve_as_module()
