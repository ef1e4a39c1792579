"""A worker: a process that does one task after another, watched by a thread of this process.

Native code that crashes, hangs or takes all memory there costs one task and the start of a new
process. What a worker has loaded stays for its next task. It computes with one thread, leaves
Ctrl-C to the process that started it, and ends as soon as nobody waits for it any more.

The work on a file is bounded in time and memory, see `bounds`.
"""

import contextlib
import os
import pickle  # nosec B403 # only between a process and its own worker, see SECURITY.md
import queue
import runpy
import signal
import subprocess
import sys
import threading
import traceback
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import IO, Any, NoReturn, cast

from backbeat.errors import BackbeatError, WorkerLostError, one_line
from backbeat.files.text import significant
from backbeat.parallel.bounds import Guarded, become_watched

# What numpy's, SciPy's and TensorFlow's thread pools read when they are loaded.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)

_ATTEMPTS = 3  # other programs of the machine can have ended a worker
_ATTEMPTS_IN_TIME = 2  # the clock runs on while a job is stopped, so the first may have been that
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_STOP = 30  # a training keeps its last whole epoch first


# --- In the process that gives tasks


class Worker:
    """A process for tasks: started when it is needed, and again after it was lost.

    A task may cost `attempts` processes. `main` is the script whose functions may be among the
    tasks; `copy` is the first process, where that is a copy of this one.
    """

    def __init__(
        self, attempts: int = _ATTEMPTS, main: str | None = None, copy: "Copy | None" = None
    ) -> None:
        self._attempts = attempts
        self._main = main
        self._process: subprocess.Popen[bytes] | Copy | None = copy
        self._current: Guarded | None = None

    def run(self, task: bytes, is_cancelled: Callable[[], bool]) -> Any:
        """Have the process do a task, a pickled function; give its result or raise its error.

        A `WorkerLostError`, if the task ended as many processes as it may. Cancelling it ends the
        process.
        """
        attempts = 0
        while True:
            attempts += 1
            process = self._process = self._process or _start(self._main)
            try:
                succeeded, result = self._ask(process, task, is_cancelled)
            except (EOFError, OSError, pickle.UnpicklingError):  # it is gone
                self.close()
                if is_cancelled():
                    raise BackbeatError("given up, as nobody waits for it any more") from None
                status = cast(int, process.returncode)
                limit = _ATTEMPTS_IN_TIME if _timed_out(status) else _ATTEMPTS
                if attempts >= min(limit, self._attempts):
                    raise _lost(status, self._current, attempts) from None
            except BaseException:  # Ctrl-C: its result would be taken for that of the next task
                self.close()
                raise
            else:
                if succeeded:
                    return result
                raise result

    def call(self, function: Callable[[], Any]) -> Any:
        """Have the process call a function; a signal that ends the waiting ends it."""
        return self.run(pickle.dumps(function), lambda: False)

    def _ask(
        self,
        process: "subprocess.Popen[bytes] | Copy",
        task: bytes,
        is_cancelled: Callable[[], bool],
    ) -> tuple[bool, Any]:
        tasks, results = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        self._current = None
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(process, is_cancelled, done), daemon=True)
        watcher.start()
        try:
            pickle.dump(task, tasks)
            tasks.flush()
            while not isinstance(reported := pickle.load(results), tuple):  # nosec B301
                self._current = reported
            return cast(tuple[bool, Any], reported)
        finally:
            done.set()
            watcher.join()

    def terminate(self) -> None:
        """Ask the process, from another thread, to end; a training keeps its last whole epoch."""
        if process := self._process:
            process.terminate()

    def close(self) -> None:
        """End the process; the next task gets a new one."""
        process, self._process = self._process, None
        if process:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):  # it may hold what was never read
                    cast(IO[bytes], pipe).close()
            process.wait()


def _start(main: str | None) -> "subprocess.Popen[bytes]":
    # Workers already fill the processors: numbers are computed with one thread each.
    environment = dict.fromkeys(THREADS, "1") | os.environ
    # -P: modules of the current folder are not ours.
    command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
    with without_ctrl_c():
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
    with contextlib.suppress(OSError):  # gone at once: noticed with the first task
        pickle.dump((sys.path, main), cast(IO[bytes], process.stdin))
    return process


@contextlib.contextmanager
def without_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C in processes that are started in the block, even while they load."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(
    process: "subprocess.Popen[bytes] | Copy",
    is_cancelled: Callable[[], bool],
    done: threading.Event,
) -> None:
    """Stop the process of a task that was cancelled: politely, then at once."""
    while not done.wait(_SECONDS_BETWEEN_LOOKS):
        if is_cancelled():
            process.terminate()
            if not done.wait(_SECONDS_TO_STOP):
                process.kill()
            return


def _lost(status: int, current: "Guarded | None", attempts: int) -> WorkerLostError:
    """Make the error of a task that ended its workers, from the last one's status."""
    who = "its process" if current else "the process"
    if current and _timed_out(status):
        reason = f"took longer than {significant(current.seconds, 3)} s"
    elif status == -getattr(signal, "SIGKILL", 9):
        reason = "its process was killed, perhaps for want of memory"
    elif status < 0 and -status in set(signal.Signals):
        reason = f"{who} crashed ({signal.Signals(-status).name})"
    else:
        reason = f"{who} ended with status {status}"
    if current:
        message = f"{current.path}: {reason}"
        return WorkerLostError(message, current.path, reason, _timed_out(status))
    return WorkerLostError(
        f"the same piece of work ended {attempts} processes ({reason}); run the same command "
        "again, with fewer --workers or more memory",
        reason=reason,
    )


def _timed_out(status: int) -> bool:
    """Whether a process was ended by the clock of `guarded`."""
    return status == -getattr(signal, "SIGALRM", 14)


# --- In a worker


def serve() -> NoReturn:
    """Do the tasks of standard input, until the process that gives them ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the tasks
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the results
    try:
        sys.path[:], main = pickle.load(sys.stdin.buffer)  # nosec B301
    except (EOFError, pickle.UnpicklingError):
        os._exit(1)  # the process that started it is gone already
    _work(sys.stdin.buffer, results, main)


def _work(tasks: IO[bytes], results: IO[bytes], main: str | None = None) -> NoReturn:
    """Do one task after another, until nobody gives any."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks, waiting), daemon=True).start()

    def report(current: Guarded | None) -> None:
        pickle.dump(current, results)
        results.flush()

    become_watched(report)
    while True:
        task = waiting.get()
        if main and b"__main__" in task:
            _load_main(main)
            main = None
        results.write(_result(task))
        results.flush()


def _receive(tasks: IO[bytes], waiting: "queue.SimpleQueue[bytes]") -> None:
    try:
        while True:
            waiting.put(pickle.load(tasks))  # nosec B301
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(1)  # nobody waits any more, whatever is under way


def _load_main(path: str) -> None:
    """Have the functions of a script found, as `multiprocessing` does: not run as one."""
    module = types.ModuleType("__mp_main__")
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    module.__dict__.update(runpy.run_path(path, run_name="__mp_main__"))


def _result(task: bytes) -> bytes:
    try:
        return pickle.dumps((True, pickle.loads(task)()))  # nosec B301
    except Exception as error:  # noqa: BLE001 - carried to the process that waits
        error.add_note(traceback.format_exc())
        try:
            return pickle.dumps((False, error))
        except Exception:  # noqa: BLE001 - an error that cannot travel is given in words
            words = f"{type(error).__name__}: {one_line(error)}"
            return pickle.dumps((False, RuntimeError(words)))


# --- Copies of this process: all that is loaded here is there at once


def can_copy() -> bool:
    """Whether this process may be copied: on Linux, from its first thread, without TensorFlow.

    A copy has only one of the original's threads, whatever the others were doing.
    """
    # macOS's own libraries do not survive it, and TensorFlow's threads are none of Python's.
    if sys.platform != "linux" or not hasattr(os, "fork") or "tensorflow" in sys.modules:
        return False
    here = threading.current_thread()
    others = (thread for thread in threading.enumerate() if thread is not here)
    return here is threading.main_thread() and all(thread.daemon for thread in others)


class Copy:
    """A copy of this process (`os.fork`) as the first process of a `Worker`.

    `prepare` is what the copy calls first. A cold answer to one song takes 0.4 s of processor time
    less than by a new process, at best, and 0.9 s less than by one that loads all anew. Attributes
    and methods are those of `subprocess.Popen`.
    """

    def __init__(self, prepare: Callable[[], None] | None = None) -> None:
        tasks, own_tasks = os.pipe()
        own_results, results = os.pipe()
        self.returncode: int | None = None
        with warnings.catch_warnings():
            # The threads of NumPy's linear algebra, which are made for this.
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            with without_ctrl_c():
                self.pid = os.fork()
                if not self.pid:
                    for number in (own_tasks, own_results):
                        os.close(number)
                    _be_a_copy(tasks, results, prepare)
        for number in (tasks, results):
            os.close(number)
        self.stdin = os.fdopen(own_tasks, "wb")
        self.stdout = os.fdopen(own_results, "rb")
        _copies.add(self)

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
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


_copies: weakref.WeakSet[Copy] = weakref.WeakSet()


def _be_a_copy(tasks: int, results: int, prepare: Callable[[], None] | None) -> NoReturn:
    try:
        # An earlier copy would not notice the end of this process's original while this one keeps
        # its pipes open.
        for copy in list(_copies):
            for file in (copy.stdin, copy.stdout):
                # Not by its number, which the file would close once more when it is collected: by
                # then a song may have it.
                file.raw.close()
        # What the original does on a signal is not for its copies.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if prepare:
            prepare()
        with os.fdopen(tasks, "rb") as task_file, os.fdopen(results, "wb") as result_file:
            _work(task_file, result_file)
    finally:
        os._exit(1)  # not through what the original has to do at its end
