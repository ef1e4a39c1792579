"""Signals end a command with a line at most, and clear away what is half done."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from backbeat.cli.stopping import stopped_by_signals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

SCRIPT = """
import signal, sys, time
from pathlib import Path
from backbeat.files import atomic
from backbeat.cli.stopping import stopped_by_signals
class Watched:
    def __del__(self):  # where Python ignores what is raised
        signal.raise_signal(int(sys.argv[1]))
with stopped_by_signals(), atomic.replacing(Path(sys.argv[2])) as temporary:
    temporary.write_text("half")
    watched = Watched()
    del watched
    print("went on", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_lost_where_python_ignores_it(tmp_path, number):
    command = [sys.executable, "-c", SCRIPT, str(int(number)), tmp_path / "file"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50)
    assert done.stdout == "went on\n"
    if number == signal.SIGTERM:
        assert (done.returncode, done.stderr) == (143, "")
    else:  # Python's own end of an interrupt, which the command line turns into a line
        assert done.returncode == -signal.SIGINT
        assert done.stderr.endswith("KeyboardInterrupt\n")
    assert list(tmp_path.iterdir()) == []


def test_all_is_as_before_when_the_block_ends():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook
    with pytest.raises(SystemExit) as ended, stopped_by_signals():
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
    after = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), sys.unraisablehook
    assert after == before


def test_a_library_that_tells_of_it_as_a_failure_of_its_own_is_stopped_all_the_same():
    """As onnxruntime does while it is being imported."""
    with pytest.raises(SystemExit) as ended, stopped_by_signals():
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit:
            raise ImportError("initialization failed") from None
    assert ended.value.code == 143
    with pytest.raises(ImportError, match="its own"), stopped_by_signals():
        raise ImportError("its own")


class Ignoring:
    """What is raised while it goes away is ignored by Python."""

    def __del__(self):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("seconds", [0, 5])
def test_one_that_python_ignored_is_raised_again_or_at_the_end(seconds):
    with pytest.raises(SystemExit) as ended, stopped_by_signals():
        Ignoring()
        time.sleep(seconds)
    assert ended.value.code == 143
    time.sleep(0.1)  # a clock left running would end this process


def test_one_that_was_heeded_is_not_raised_again():
    with stopped_by_signals(), contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_the_second_signal_ends_at_once(tmp_path):
    script = (
        "import time; from backbeat.cli.stopping import stopped_by_signals\n"
        "with stopped_by_signals():\n"
        "    try:\n        print('here', flush=True); time.sleep(60)\n"
        "    finally:\n        print('clearing', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "clearing\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == -signal.SIGINT
    assert time.monotonic() - begun < 30
    process.stdout.close()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_says_that_it_was_stopped(tmp_path, number, status):
    out = tmp_path / "jam"
    command = [sys.executable, "-m", "backbeat", "data", "jam", "-o", out, "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not (out / "jam.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    printed, err = process.communicate(timeout=60)
    assert (process.returncode, printed, err) == (status, "", "backbeat: stopped\n")
    assert not list(tmp_path.rglob(".*"))
