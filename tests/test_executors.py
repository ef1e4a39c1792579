"""Parallel maps: the same inline and in processes, few items at a time; no loss beyond its item."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.parallel.bounds import MEMORY, guarded
from backbeat.parallel.executors import (
    InlineExecutor,
    cpu_count,
    map_tasks,
    open_executor,
    rest,
)
from processes import exists

if sys.platform == "linux":
    import resource


def square(number):
    if number < 0:
        raise ValueError(f"{number} is negative")
    return number * number


def with_process(number):
    return number, os.getpid()


def test_inline_and_processes_give_the_same():
    wanted = {number * number for number in range(50)}
    with open_executor(1) as inline:
        assert isinstance(inline, InlineExecutor)
        # Inline is also in order, and as lazy as a plain loop.
        assert list(map_tasks(inline, square, range(50))) == [n * n for n in range(50)]
    with open_executor(2) as processes:
        assert set(map_tasks(processes, square, range(50), ahead=5)) == wanted
        results = list(map_tasks(processes, with_process, range(4)))
        assert os.getpid() not in {process for _, process in results}
        # An error of the function comes out as itself, and the executor lives on.
        with pytest.raises(ValueError, match="-3 is negative"):
            list(map_tasks(processes, square, [1, -3]))
        assert list(map_tasks(processes, square, [4])) == [16]


def test_an_error_inline_comes_out_as_itself():
    with open_executor(1) as inline, pytest.raises(ValueError, match="-1 is negative"):
        list(map_tasks(inline, square, [2, -1, 3]))


@pytest.mark.skipif(os.name != "posix", reason="the signal 0 is POSIX's")
def test_processes_that_rest_are_gone_and_others_do_what_comes_later():
    with open_executor(2) as executor:
        before = {process for _, process in map_tasks(executor, with_process, range(8))}
        rest(executor)
        assert not any(map(exists, before))
        results = dict(map_tasks(executor, with_process, range(8)))
        assert sorted(results) == list(range(8))
        assert before.isdisjoint(results.values())
    rest(ThreadPoolExecutor(1))  # another's executor is left alone


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_killed_worker_is_reported_in_one_line():
    with open_executor(2) as executor, pytest.raises(BackbeatError, match="--workers") as caught:
        list(map_tasks(executor, die, range(5)))
    assert "\n" not in str(caught.value)


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_one_worker_may_be_a_process_too():
    with open_executor(1, isolated=True) as executor:
        results = list(map_tasks(executor, with_process, range(4)))
    assert len({process for _, process in results}) == 1
    assert os.getpid() not in {process for _, process in results}


def work_on(item):
    """Crash or hang where that is asked for, in the block of a file."""
    number, what = item
    with guarded(Path(f"{number}.wav"), seconds=0.5):
        if what == "crash":
            ctypes.string_at(0)
        if what == "hang":
            time.sleep(60)
        if what == "eat":
            return bytearray(4 * MEMORY)
    return number, what


def reason_of(item, error):
    assert error.what == f"{item[0]}.wav"
    return item[0], error.reason


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("ordered", [False, True])
def test_work_that_crashes_or_hangs_costs_only_itself(ordered):
    items = [(number, {5: "crash", 9: "hang"}.get(number, "good")) for number in range(20)]
    with open_executor(2) as executor:
        results = list(map_tasks(executor, work_on, items, ordered=ordered, instead=reason_of))
        assert len(list(map_tasks(executor, square, range(50)))) == 50
    if not ordered:
        results.sort()
    assert [number for number, _ in results] == list(range(20))
    reasons = {number: reason for number, reason in results if reason != "good"}
    assert reasons == {5: "its process crashed (SIGSEGV)", 9: "took longer than 0.5 s"}


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_lost_piece_of_work_is_an_error_of_its_own_future():
    with open_executor(2) as executor:
        lost, good = executor.submit(work_on, (1, "crash")), executor.submit(square, 3)
        with pytest.raises(WorkerLostError, match=r"1\.wav: its process crashed"):
            lost.result()
        assert good.result() == 9
        killed = executor.submit(die, None)
        with pytest.raises(WorkerLostError, match="ended 3 processes"):
            killed.result()
        assert executor.submit(square, 4).result() == 16
        # Without a remedy for what is lost, the error is that of all.
        with pytest.raises(WorkerLostError, match="crashed"):
            list(map_tasks(executor, work_on, [(0, "good"), (1, "crash")], ordered=True))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's own data")
def test_memory_of_guarded_work_is_bounded():
    with open_executor(1, isolated=True) as executor:
        with pytest.raises(MemoryError):
            executor.submit(work_on, (0, "eat")).result()
        # And what follows is free of the bound.
        assert executor.submit(resource.getrlimit, resource.RLIMIT_DATA).result() == (
            resource.getrlimit(resource.RLIMIT_DATA)
        )


def test_nobody_watches_this_process():
    with guarded(Path("a.wav"), seconds=0.01):
        time.sleep(0.05)


def test_nothing_gives_nothing():
    assert list(map_tasks(InlineExecutor(), square, [])) == []
    with ThreadPoolExecutor(2) as threads:
        assert list(map_tasks(threads, square, [])) == []


class Counting(ThreadPoolExecutor):
    """Threads that know how many of their results have not been taken yet."""

    def __init__(self):
        super().__init__(3)
        self.submitted = 0

    def submit(self, *args, **kwargs):
        self.submitted += 1
        return super().submit(*args, **kwargs)


@pytest.mark.parametrize("ahead", [1, 3, 10])
def test_few_items_are_under_way_at_once(ahead):
    drawn = 0

    def items():
        nonlocal drawn
        for number in range(100):
            drawn += 1
            yield number

    most = taken = 0
    with Counting() as executor:
        for _ in map_tasks(executor, square, items(), ahead=ahead):
            most = max(most, executor.submitted - taken)
            taken += 1
    assert taken == drawn == executor.submitted == 100
    assert most <= ahead


def test_inline_is_lazy():
    drawn = []

    def items():
        for number in range(10):
            drawn.append(number)
            yield number

    results = map_tasks(InlineExecutor(), square, items(), ahead=8)
    assert next(results) == 0
    assert drawn == [0]


class Backwards(Executor):
    """Finishes the last of each four that it was given first: the other extreme of an order."""

    def __init__(self):
        self.waiting = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.waiting.append((future, fn, args))
        if len(self.waiting) == 4:
            for one, function, given in reversed(self.waiting):
                one.set_result(function(*given))
            self.waiting = []
        return future


def test_results_do_not_depend_on_the_order_of_finishing():
    given = sorted(map_tasks(Backwards(), square, range(12), ahead=4))
    assert given == [number * number for number in range(12)]


def test_work_that_has_not_begun_is_cancelled_on_an_error():
    futures = []
    with pytest.raises(ZeroDivisionError), open_executor(2) as executor:
        futures += [executor.submit(time.sleep, 0.05) for _ in range(200)]
        raise ZeroDivisionError
    deadline = time.monotonic() + 60
    while not all(future.done() for future in futures) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sum(future.cancelled() for future in futures) > 150


def test_cpu_count_is_that_of_this_process():
    assert 1 <= cpu_count() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(own)})
        try:
            assert cpu_count() == 1
        finally:
            os.sched_setaffinity(0, own)


ORPHANS = """
import os, time
from backbeat.errors import BackbeatError
from backbeat.parallel.executors import map_tasks, open_executor
def slowly(_):
    time.sleep(0.2)
    return os.getpid()
if __name__ == "__main__":
    with open_executor(2) as executor:
        workers = set()
        while len(workers) < 2:
            workers |= set(map_tasks(executor, slowly, range(2)))
        print(*workers, flush=True)
        list(map_tasks(executor, time.sleep, [60] * 8))
"""


def alive(process):
    status = Path(f"/proc/{process}/stat")
    # A zombie waits for nobody but its parent.
    return exists(process) and not (
        status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"
    )


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path, number):
    (tmp_path / "script.py").write_text(ORPHANS)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [int(number) for number in parent.stdout.readline().split()]
    assert len(workers) == 2
    time.sleep(0.3)  # now all are at work
    if number == signal.SIGINT:
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal's Ctrl-C: to parent and workers
        assert parent.wait(timeout=30) == -signal.SIGINT  # long before the work would end
    else:
        parent.kill()
        parent.wait(timeout=30)
    deadline = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers))
