"""A worker: results, errors, what it prints, and who stops it."""

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.parallel.worker import THREADS, Worker, without_ctrl_c
from processes import exists

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def never():
    return False


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    if worker._process:
        worker._process.kill()
        worker._process.wait()


def do(worker, work, *given, is_cancelled=never):
    return worker.run(pickle.dumps(partial(work, *given)), is_cancelled)


def test_one_process_does_one_task_after_another(worker):
    process = do(worker, os.getpid)
    assert process != os.getpid()
    assert do(worker, os.getpid) == process
    assert do(worker, print, "this must not get between the answers") is None
    assert do(worker, pow, 2, 10) == 1024


def test_numbers_are_computed_with_one_thread(worker, monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(THREADS[0], "3")  # but the user's word goes before
    assert [do(worker, os.getenv, name) for name in THREADS[:2]] == ["3", "1"]


def test_errors_come_back_and_the_process_goes_on(worker):
    process = do(worker, os.getpid)
    with pytest.raises(ZeroDivisionError) as caught:
        do(worker, divmod, 1, 0)
    assert "in _result" in caught.value.__notes__[0]  # where it was raised
    with pytest.raises(FileNotFoundError):  # not taken for a broken pipe
        do(worker, os.stat, "/no/such/file")
    with pytest.raises(TypeError, match="cannot pickle"):
        do(worker, open, os.devnull)
    with pytest.raises(RuntimeError, match="OwnError: bad luck"):  # of a class that is only there
        do(worker, exec, "class OwnError(Exception): pass\nraise OwnError('bad luck')")
    assert do(worker, os.getpid) == process


def test_a_task_that_ends_the_process_is_tried_again_but_not_for_ever(worker, tmp_path):
    with pytest.raises(WorkerLostError, match="ended 3 processes") as caught:
        do(worker, exec, "import os; os._exit(1)")
    assert "\n" not in str(caught.value)
    assert do(worker, pow, 2, 3) == 8
    # Killed from outside: once more, and all is well.
    mark = tmp_path / "mark"
    code = f"import os\nif not os.path.exists({str(mark)!r}): os.mkdir({str(mark)!r}); os._exit(9)"
    assert do(worker, exec, code) is None
    assert mark.exists()


def test_a_process_that_nobody_waits_for_is_stopped(worker):
    process = do(worker, os.getpid)
    begun = time.monotonic()
    with pytest.raises(BackbeatError, match="nobody waits"):
        do(worker, time.sleep, 60, is_cancelled=lambda: time.monotonic() - begun > 0.5)
    assert time.monotonic() - begun < 20
    assert not exists(process)


def test_a_process_ends_with_the_one_who_asks(worker):
    process = do(worker, os.getpid)
    worker._process.stdin.close()  # as the system does where that one is killed
    worker._process.wait(timeout=20)
    assert not exists(process)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals are POSIX's")
def test_a_process_gets_no_ctrl_c_from_its_first_moment_on():
    script = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('lives')"
    with without_ctrl_c():
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.communicate()[0] == b"lives\n"
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize("said", [b"", pickle.dumps((sys.path, None))[:9]])
def test_a_process_whose_starter_is_gone_at_once_ends_without_a_word(said):
    command = [sys.executable, "-P", "-c", "from backbeat.parallel.worker import serve; serve()"]
    done = subprocess.run(command, input=said, capture_output=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only there a process is copied")
def test_a_copy_closes_the_pipes_of_others_once():
    # Once more, when they were collected, took the files of songs away from their decoders. In a
    # process of its own, which holds nothing of other tests that could be collected.
    script = """if True:
        import gc, os, sys
        from backbeat.parallel.worker import Copy

        earlier = [Copy(), Copy(), Copy()]

        def prepare():
            opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(8)]
            earlier.clear()
            gc.collect()
            for number in opened:
                os.fstat(number)
            os.write(1, b"all open")

        later = Copy(prepare)
        for copy in (later, *earlier):
            copy.stdin.close()
            copy.wait()
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"all open", b"")
