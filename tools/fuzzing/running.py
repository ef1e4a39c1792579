"""Cases in their own processes: one that hangs or dies is reported, and the others go on."""

import multiprocessing
import os
import time
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from fuzzing.cases import Bench, Outcome, Printed, bound_memory
from fuzzing.targets import targets

HANGS = 60.0  # seconds of the clock: other work may have the processors for a while
_MAX_MEGABYTES = 4096
_TICK = 1.0


@dataclass(frozen=True)
class Piece:
    """Some cases of a target: `start` to before `stop`."""

    target: str
    start: int
    stop: int


@dataclass
class _Worker:
    process: Any
    connection: Connection
    piece: Piece | None = None
    number: int = 0
    waited: float = 0.0


def run(
    pieces: Iterable[Piece], *, seed: int, folder: Path, workers: int
) -> Iterator[Outcome | Piece]:
    """Try cases in processes.

    Parameters
    ----------
    pieces : iterable of Piece
    seed : int
    folder : Path
        For seeds, and to work in.
    workers : int

    Yields
    ------
    Outcome or Piece
        What became of each case; a piece when all of its cases are done.
    """
    waiting = deque(pieces)
    whole = {(piece.target, piece.stop): piece for piece in waiting}
    pool = [_started(seed, folder, number) for number in range(workers)]
    numbers = iter(range(workers, 10**9))
    try:
        while waiting or any(worker.piece for worker in pool):
            for worker in pool:
                if waiting and not worker.piece:
                    worker.piece, worker.waited = waiting.popleft(), 0.0
                    worker.number = worker.piece.start
                    worker.connection.send(worker.piece)
            before = time.monotonic()
            ready = wait([worker.connection for worker in pool if worker.piece], _TICK)
            # A process that was stopped for a while takes that for no time.
            passed = min(time.monotonic() - before, 2 * _TICK)
            for place, worker in enumerate(pool):
                if worker.piece is None:
                    continue
                worker.waited += passed
                try:
                    if worker.connection in ready:
                        message = worker.connection.recv()
                        worker.waited = 0.0
                        if message is None:
                            yield whole[worker.piece.target, worker.piece.stop]
                            worker.piece = None
                        elif isinstance(message, int):
                            worker.number = message
                        elif isinstance(message, str):
                            raise RuntimeError(f"valid seeds cannot be read:\n{message}")
                        else:
                            yield message
                    elif worker.waited > HANGS:
                        raise TimeoutError
                except (EOFError, OSError) as error:
                    hangs = isinstance(error, TimeoutError)
                    worker.process.join(0 if hangs else _TICK)
                    worker.process.kill()
                    worker.process.join()
                    kind = "hang" if hangs else "crash"
                    message = f"exit code {worker.process.exitcode}"
                    yield Outcome(worker.piece.target, worker.number, kind, message, message)
                    rest = Piece(worker.piece.target, worker.number + 1, worker.piece.stop)
                    waiting.appendleft(rest)
                    pool[place] = _started(seed, folder, next(numbers))
    finally:
        for worker in pool:
            worker.process.kill()
            worker.process.join()


def _started(seed: int, folder: Path, number: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, seed, folder, number), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(connection: Connection, seed: int, folder: Path, number: int) -> None:
    """Do pieces until the other end is closed: a case's number before it, its outcome after."""
    place = folder / "work" / str(number)
    place.mkdir(parents=True, exist_ok=True)
    os.environ |= {"XDG_STATE_HOME": str(place), "XDG_CACHE_HOME": str(place)}
    bench: Bench | None = None
    with Printed(place / "printed").taken() as printed:
        while True:
            piece = connection.recv()
            if bench is None or bench.target.name != piece.target:
                target = targets()[piece.target]
                made = folder / "seeds" / piece.target.replace("/", "-")
                try:
                    bench = Bench(target, made, place / "bench")
                except Exception:
                    connection.send(traceback.format_exc())
                    raise
                bound_memory(_MAX_MEGABYTES)
            for case in range(piece.start, piece.stop):
                connection.send(case)
                connection.send(bench.run(seed, case, printed))
            connection.send(None)
