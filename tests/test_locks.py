"""Locks: one command at a time on one output, and nothing that a dead process can block."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from backbeat.errors import BackbeatError
from backbeat.files import atomic, locks
from backbeat.files.locks import LockedError, lock_of, locked
from sounds import music, write

pytestmark = pytest.mark.skipif(not locks.HAS_LOCKS, reason="no locks on this system")

# Holds a lock until its standard input ends, and says so.
HOLDER = """
import sys
from pathlib import Path
from backbeat.files.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(out, script=HOLDER):
    """Have another process hold the lock of an output."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, out],
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_the_second_is_refused_in_one_line_that_says_who_holds_it(tmp_path):
    out = tmp_path / "store"
    with held(out) as holder, pytest.raises(LockedError) as refused, locked(out):
        pass
    message = str(refused.value)
    assert message.startswith(f"{out}: another backbeat is writing there (process {holder.pid} on ")
    assert re.search(r" since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d\); wait until", message)
    assert "\n" not in message


def test_what_fails_leaves_no_empty_folders(tmp_path):
    out = tmp_path / "new" / "deep" / "store"
    with pytest.raises(ValueError, match="failed"), locked(out):
        out.mkdir()
        raise ValueError("failed")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "own").mkdir()
    with pytest.raises(ValueError, match="failed"), locked(out):
        (out.parent / "file").touch()
        raise ValueError("failed")
    with pytest.raises(ValueError, match="failed"), locked(tmp_path / "own"):
        raise ValueError("failed")
    names = sorted(path.name for path in tmp_path.rglob("*"))
    assert names == ["deep", "file", "new", "own"]  # what holds something, or was there before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_dead_process_blocks_nobody(tmp_path, number):
    out = tmp_path / "store"
    with held(out) as holder:
        holder.send_signal(number)
        holder.wait()
        with locked(out):
            assert lock_of(out).exists()
        assert list(tmp_path.iterdir()) == []


FORKS = """
import os, sys, time
from pathlib import Path
from backbeat.files import atomic
from backbeat.files.locks import locked
with locked(Path(sys.argv[1])), atomic.replacing(Path(sys.argv[1]) / "file"):
    here, there = os.pipe()
    if not os.fork():
        os.write(there, b"begun")
        os.close(1)
        time.sleep(60)
    os.read(here, 5)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_copy_that_outlives_a_killed_process_blocks_nobody(tmp_path):
    """Decoders run in copies of a process (fork), which inherit its open files."""
    out = tmp_path / "store"
    with held(out, FORKS) as holder:
        holder.kill()
        holder.wait()
        try:
            with locked(out):
                assert len(list(out.iterdir())) == 1
                atomic.sweep(out)
                assert list(out.iterdir()) == []
        finally:
            os.killpg(holder.pid, signal.SIGKILL)


def test_an_end_leaves_nothing_well_or_not(tmp_path):
    with locked(tmp_path / "deep" / "store"):
        pass
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "deep" / "store"):
        raise ZeroDivisionError
    assert list((tmp_path / "deep").iterdir()) == []


def test_an_output_has_one_lock_by_whatever_name(tmp_path, monkeypatch):
    out = tmp_path / "store"
    out.mkdir()
    (tmp_path / "link").symlink_to(out)
    monkeypatch.chdir(out)
    with locked(out):
        for name in (tmp_path / "link", tmp_path / "other" / ".." / "store", out / "."):
            with pytest.raises(LockedError), locked(name):
                pass
        with locked(tmp_path / "store2"), locked(out / "inner"):
            pass


def test_who_waits_gets_it_when_the_other_is_done_or_dead(tmp_path):
    out = tmp_path / "store"
    for end in ("done", "dead"):
        with held(out) as holder:
            got = threading.Event()

            def wait(got=got):
                with locked(out, wait=True):
                    got.set()

            waiting = threading.Thread(target=wait)
            waiting.start()
            assert not got.wait(0.2)
            if end == "done":
                holder.stdin.close()
            else:
                holder.kill()
            waiting.join(timeout=30)
            assert got.is_set()
    assert list(tmp_path.iterdir()) == []


def test_of_many_at_once_one_at_a_time_has_it(tmp_path):
    """The file goes and comes again all the time; the lock must not be had twice for that."""
    out, inside, most = tmp_path / "store", [], []

    def work():
        for _ in range(50):
            with locked(out, wait=True):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 200
    assert list(tmp_path.iterdir()) == []


def test_where_nothing_can_be_locked_work_goes_on_with_a_word(tmp_path, monkeypatch, caplog):
    def no_locks(_handle, _how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    with locked(tmp_path / "store"):
        assert list(tmp_path.iterdir()) == []
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"{tmp_path / 'store'}: cannot be locked (Operation not supported); "
        "make sure that nothing else writes there"
    ]


@pytest.mark.parametrize("kind", ["hard link", "link", "pipe"])
def test_what_stands_in_a_locks_place_is_neither_written_nor_waited_for(tmp_path, kind):
    theirs, place = tmp_path / "diary", lock_of(tmp_path / "store")
    theirs.write_text("dear diary")
    if kind == "hard link":
        place.hardlink_to(theirs)
    elif kind == "link":
        place.symlink_to(theirs)
    else:
        os.mkfifo(place)
    with (
        pytest.raises(BackbeatError, match="is a link or not a plain file"),
        locked(place.parent / "store"),
    ):
        pass
    assert theirs.read_text() == "dear diary"


# --- The verbs


def refused(cli, out, *command):
    """What a verb says while another process has its output."""
    before = everything_beside(out)
    with held(out) as holder:
        status, output, err = cli(*command)
    assert (status, output) == (1, "")
    assert err.splitlines()[-1].startswith(
        f"backbeat: {out}: another backbeat is writing there (process {holder.pid} on "
    )
    assert "Traceback" not in err
    assert everything_beside(out) == before
    return err


def everything_beside(out):
    """All files but the lock, which a holder that was killed has left."""
    return sorted(path for path in out.parent.rglob("*") if path != lock_of(out))


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    for genre in ("blues", "rock"):
        write(folder / genre / "a.wav", music(30.0, seed=len(genre)))
    return folder


def test_verbs_refuse_an_output_in_use(cli, tmp_path, store, collection):
    out = tmp_path / "place" / "out"
    out.parent.mkdir()
    assert refused(cli, out, "data", "jam", "-o", out, "--per-genre", "1").count("\n") == 1
    gtzan = ("data", "gtzan", "--from", tmp_path / "gone.zip", "-o", out)
    assert refused(cli, out, *gtzan).count("\n") == 1
    _, refusal = refused(cli, out, "prepare", collection, "-o", out, "--workers", "1").splitlines()
    assert refusal.startswith("backbeat: ")
    train = ("train", store.path, "--model", "mlp_base", "-o", out, "--split")
    refused(cli, out, *train, "tracks")
    refused(cli, out, *train, "tracks", "--folds", "2", "--workers", "1")
    options = ("--family", "mlp", "--budget", "1", "--epochs-scale", "0.01")
    assert refused(cli, out, "tune", store.path, "-o", out, *options).count("\n") == 1
    reproduce = ("reproduce", "sears2021", store.path, "--only", "mlp_base", "-o", out)
    assert refused(cli, out, *reproduce, "--workers", "1").count("\n") == 1


def test_who_only_reads_is_not_refused(cli, run, store):
    with held(run), held(store.path):
        status, output, _ = cli("evaluate", run, "--on", store.path, "--json")
    assert (status, bool(output)) == (0, True)


# --- The index of answers, which many may use at once

WRITER = """
import sys
from pathlib import Path
from backbeat.classify import Answer
from backbeat.library.index import open_index
from backbeat.library.stamps import Stamp
sys.stdin.readline()
for number in range(20):
    with open_index(Path(sys.argv[1])) as index:
        answer = Answer(path=Path(f"/{sys.argv[2]}/{number}"), seconds=1.0, ranking=(("a", 1.0),),
                        verdict="sure", strangeness=None, agreement=1.0, timeline=(),
                        embedding=None)
        index.keep(answer, Stamp(1, 1, 1, 1), b"", "settings")
"""


@pytest.mark.slow
def test_many_commands_use_one_new_index_at_once(tmp_path):
    """They are let go together, onto an index that is not there yet."""
    for round_ in range(2):
        path = tmp_path / f"{round_}.sqlite"
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, path, str(number)],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(4)
        ]
        time.sleep(1.0)
        for writer in writers:
            writer.stdin.write("\n")
            writer.stdin.flush()
        for writer in writers:
            _, err = writer.communicate(timeout=60)
            assert writer.returncode == 0, err
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("select count(*) from answers").fetchone()[0] == 80
