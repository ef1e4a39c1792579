"""One case: damaged bytes are read; the outcome with its time and memory."""

import contextlib
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from backbeat.audio import AudioError
from backbeat.errors import BackbeatError, printable
from backbeat.files import text
from fuzzing.targets import Target

FINE = ("read", "refused")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a case."""

    target: str
    number: int
    kind: str
    """``"read"`` or ``"refused"`` (in one line that names the file) are correct. Anything else is a
    finding: ``"exception"``, ``"message"``, ``"memory"``, ``"slow"``, ``"hang"``, ``"crash"``, and
    ``"noise"``: a reader of thousands of files must not print about each."""
    message: str = ""
    place: str = ""
    """Where in the code a finding was raised; it separates findings."""
    seconds: float = 0.0
    """Processor time."""
    megabytes: float = 0.0
    """Growth of the process at its peak."""


def seeds_of(target: Target, folder: Path) -> list[bytes]:
    """Give a target's valid files, made in `folder` unless they exist."""
    done = folder / ".made"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        target.make(folder)
        done.touch()
    if target.file:
        return [(folder / target.file).read_bytes()]
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != done)
    return [path.read_bytes() for path in files]


def damaged(target: Target, seeds: list[bytes], seed: int, number: int) -> bytes:
    """Give the bytes of a case."""
    return target.mutate(Random(f"{seed}/{target.name}/{number}"), seeds)


class Bench:
    """A folder in which one target's cases are read; `made` is the folder of its seeds."""

    def __init__(self, target: Target, made: Path, folder: Path) -> None:
        self.target = target
        self.seeds = seeds_of(target, made)
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        if target.file:
            shutil.copytree(made, folder)
        else:
            folder.mkdir(parents=True)
        self.path = folder / (target.file or f"case{target.suffix}")
        self._whole = {path.name for path in folder.iterdir()}
        # The cost of the first reading, such as imports, belongs to no case.
        for content in self.seeds:
            with contextlib.suppress(Exception):  # the tests check that they can be read
                self.read(content)

    def run(self, seed: int, number: int, printed: "Printed | None" = None) -> Outcome:
        """Try a case."""
        content = damaged(self.target, self.seeds, seed, number)
        kind, message, place = "read", "", ""
        before = printed.size() if printed else 0
        resident = reset_peak()
        start = time.process_time()
        try:
            self.read(content)
        except BackbeatError as error:
            kind, message = self._judged(error)
            place = type(error).__name__ if kind != "refused" else ""
        except MemoryError:
            kind, message, place = "memory", traceback.format_exc()[-1500:], "MemoryError"
        except Exception as error:  # noqa: BLE001 - the findings
            kind, message = "exception", traceback.format_exc()[-3000:]
            place = f"{type(error).__name__} {_frame(error)}"
        seconds = time.process_time() - start
        megabytes = max(0.0, (peak() - resident) / 1024)
        if kind in FINE:
            if megabytes > self.target.megabytes:
                kind, place = "memory", f"{text.number(megabytes)} MB"
            elif seconds > self.target.seconds:
                kind, place = "slow", f"{text.number(seconds)} s"
            elif printed and printed.size() > before and not self.target.says:
                kind, message = "noise", printed.since(before)
                place = message[:40]
        return Outcome(self.target.name, number, kind, message, place, seconds, megabytes)

    def read(self, content: bytes) -> None:
        """Read bytes as the target's file, and remove what that made."""
        self.path.write_bytes(content)
        try:
            self.target.read(self.path)
        finally:
            for path in self.folder.iterdir():
                if path.name not in self._whole:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _judged(self, error: BackbeatError) -> tuple[str, str]:
        """Check that an error is one line that names the file."""
        message = str(error)
        named = self.path if isinstance(error, AudioError) else self.folder
        if not message.isprintable() or printable(named) not in message or len(message) > 1_000:
            return "message", repr(message)[:2_000]
        return "refused", message


def _frame(error: BaseException) -> str:
    """Give the last place in backbeat that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/src/backbeat/" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


# --- Memory and printing, by Linux's counts


def reset_peak() -> float:
    """Reset the peak of this process's memory; give its present size, in KiB."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> float:
    """Give the peak of this process's memory since then, in KiB."""
    return _status("VmHWM")


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1])
    return 0.0


def bound_memory(megabytes: int) -> None:
    """Limit the growth of the process, so that a bomb ends it and not the machine."""
    most = int(_status("VmSize") * 1024) + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


class Printed:
    """What is printed while cases are read, also by C libraries."""

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    @contextlib.contextmanager
    def taken(self) -> Iterator["Printed"]:
        """Take standard output and error while the block runs."""
        kept = [(number, os.dup(number)) for number in (1, 2)]
        try:
            for number, _ in kept:
                os.dup2(self._number, number)
            yield self
        finally:
            for number, own in kept:
                os.dup2(own, number)
                os.close(own)

    def size(self) -> int:
        """Give how many bytes were printed so far."""
        sys.stdout.flush()
        sys.stderr.flush()
        return os.fstat(self._number).st_size

    def since(self, start: int) -> str:
        """Give what was printed since then."""
        return os.pread(self._number, 2_000, start).decode("utf-8", "replace")
