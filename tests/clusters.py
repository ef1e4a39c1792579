"""Real schedulers and workers of Dask on this machine, for the tests."""

import os
import subprocess
import sys
import time
from pathlib import Path

from backbeat.parallel.executors import InlineExecutor

DASK = (sys.executable, "-m", "dask")
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONPATH": str(Path(__file__).parent),  # for the workers, of functions that are made here
}

# Has each song take long enough that a kill meets it in its middle: for the processes that work.
SLOW = """
import sys
if any("backbeat.parallel.worker" in argument for argument in sys.orig_argv):
    import time
    import backbeat.features.prepare as prepare
    quickly = prepare.extract_track
    def slowly(*given):
        time.sleep(0.4)
        return quickly(*given)
    prepare.extract_track = slowly
"""
# Another backbeat than here, as a worker reports it at first, and as it says when it is given work.
OLDER = """
import distributed.versions
distributed.versions._version_cached = lambda package: {version!r}
"""
LATE = 'from backbeat.parallel import cluster; cluster._OWN = "backbeat 0.0.1 on Python 3.11"'


class Cluster:
    """A scheduler, and the workers that it is given; all end with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen] = []
        self.scheduler = self._start("scheduler", "--port", "0", "--no-dashboard")
        until(self.file.exists)

    def worker(self, preload: str = "", *options: str, slow: bool = False) -> subprocess.Popen:
        """Start a worker, without a nanny: what is killed stays killed."""
        if preload:
            script = self.folder / f"preload{len(self.processes)}.py"
            script.write_text(preload)
            options = (*options, "--preload", str(script))
        return self._start(
            "worker", "--no-nanny", "--no-dashboard", "--nthreads", "1", "--death-timeout", "30",
            *options, slow=slow,
        )  # fmt: skip

    def _start(self, kind: str, *options: str, slow: bool = False) -> subprocess.Popen:
        process = subprocess.Popen(
            [*DASK, kind, *options, "--scheduler-file", self.file, "--host", "127.0.0.1"],
            cwd=self.folder,
            env=self.slowed() if slow else ENVIRONMENT,
            stderr=(self.folder / f"{kind}{len(self.processes)}.log").open("wb"),
        )
        self.processes.append(process)
        return process

    def slowed(self) -> dict[str, str]:
        """Give an environment whose processes for work take their time."""
        (self.folder / "sitecustomize.py").write_text(SLOW)
        path = ENVIRONMENT["PYTHONPATH"] + os.pathsep + str(self.folder)
        return ENVIRONMENT | {"PYTHONPATH": path}

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait(timeout=30)


def until(true, seconds=40):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Elsewhere(InlineExecutor):
    """Works on another machine, which does not have a file."""

    def __init__(self, path):
        self.path = path

    def submit(self, fn, /, *args, **kwargs):
        hidden = self.path.with_suffix(".hidden")
        self.path.rename(hidden)
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            hidden.rename(self.path)
