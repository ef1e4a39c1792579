"""`backbeat serve` as a process of its own, for the tests."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 180
_STOP_SECONDS = 20


@dataclass(frozen=True)
class Served:
    """A server that can be asked."""

    address: str
    process: subprocess.Popen
    temporary: Path
    """Where its folder of uploads lies."""

    def left(self):
        """The files that lie in its folders, with their contents' lengths."""
        files = (path for path in self.temporary.rglob("*") if path.is_file())
        return {path.name: path.stat().st_size for path in files if path.stat().st_size}

    def stop(self, number=signal.SIGINT):
        """End it as Ctrl-C does; gives exit status and all that it wrote on standard error."""
        self.process.send_signal(number)
        err = self.process.communicate(timeout=_STOP_SECONDS)[1]
        return self.process.returncode, err


@contextlib.contextmanager
def serving(temporary, *options):
    """Serve on a free port of this machine alone, until the block ends."""
    temporary.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "backbeat", "serve", "--port", "0", *map(str, options)]
    environment = {**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"}
    environment.pop("BACKBEAT_MODEL", None)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        # A server that never begins must fail the test, not hang it.
        clock = threading.Timer(_START_SECONDS, process.kill)
        clock.start()
        try:
            line = process.stdout.readline()
            assert line.startswith("http://127.0.0.1:"), line or process.stderr.read()
            clock.cancel()
            yield Served(line.split()[0], process, temporary)
        finally:
            clock.cancel()
            if process.poll() is None:
                process.terminate()
                try:
                    process.communicate(timeout=_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
