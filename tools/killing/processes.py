"""Commands run, killed and waited for."""

import atexit
import contextlib
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import psutil

MAX_SECONDS = 600.0  # more than any command here needs
_SECONDS_FOR_ORPHANS = 15.0


def environment_of(folder: Path) -> dict[str, str]:
    """Give the environment that a command is run in: caches and logs of its own."""
    return os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def start(arguments: list[Any], folder: Path) -> "subprocess.Popen[bytes] | Forked":
    """Start the real command as a session of its own."""
    if "tensorflow" in sys.modules:
        return Forked([str(argument) for argument in arguments], folder)
    return subprocess.Popen(
        [sys.executable, "-m", "backbeat", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_of(folder),
        start_new_session=True,
    )


def preload() -> None:
    """Load the modules of trainings, so that a copy of this process (fork) has them."""
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name in ("training.jobs", "runs.scoring", "reproduce.runner", "reproduce.page", "tuning"):
        importlib.import_module(f"backbeat.{name}")
    for name in ("backbeat.cli", "tensorflow", "keras", "tf2onnx", "onnx", "sklearn.metrics"):
        importlib.import_module(name)


class Forked:
    """A command in a copy of this process, with some methods of `subprocess.Popen`."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid:
            return
        os.setsid()
        for number, file in ((0, os.open(os.devnull, os.O_RDWR)), (2, self.errors.fileno())):
            os.dup2(file, number)
        os.dup2(0, 1)
        os.environ.update(environment_of(folder))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.argv = ["backbeat", *arguments]
        command = importlib.import_module("backbeat.__main__")
        sys.modules["__main__"] = command  # for processes that are spawned
        try:
            command.main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        except BaseException:  # noqa: BLE001 - printed as Python does
            traceback.print_exc()
            status = 1
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def poll(self) -> int | None:
        """Give the exit status, negative by a signal; None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait for the end."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("backbeat", timeout)
            time.sleep(0.002)
        return status

    def communicate(self, timeout: float = MAX_SECONDS) -> tuple[bytes, bytes]:
        """Wait for the end and give the standard error."""
        self.wait(timeout)
        self.errors.seek(0)
        return b"", self.errors.read()

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run(arguments: list[Any], folder: Path) -> tuple[int, str]:
    """Run the real command to its end; give its status and standard error."""
    process = start(arguments, folder)
    _, err = process.communicate(timeout=MAX_SECONDS)
    return process.poll() or 0, err.decode(errors="replace")


def wait_for_orphans(session: int) -> list[str]:
    """Wait for all processes of a session to be gone; end and name those that are not."""
    deadline = time.monotonic() + _SECONDS_FOR_ORPHANS
    while (left := processes_of(session)) and time.monotonic() < deadline:
        time.sleep(0.02)
    named = []
    for process in left:
        with contextlib.suppress(psutil.Error):
            named.append(" ".join(process.cmdline())[-200:])
            process.kill()
    return named


def processes_of(session: int) -> list[psutil.Process]:
    """Give the living processes of a session."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and os.getsid(process.pid) == session:
                found.append(process)
    return found
