"""Bars and what is printed beside them, on a terminal and off it."""

import os
import pty
import re
import subprocess
import sys
import textwrap

from backbeat.cli import console
from backbeat.training.fitting import Progress
from backbeat.training.history import Epoch

SCRIPT = textwrap.dedent(
    """
    import sys
    from backbeat.cli.console import progress
    with progress("classifying", "songs") as show:
        for done in range(1, 301):
            print(f"line {done} " + "x" * 100)
            show(done, 300)
        print("begun", end="")
    print("after")
    """
)


def run(stdout=None):
    """Run the script on a terminal of 80 columns; give what appeared there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=theirs,
        stdout=stdout or theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            got = os.read(ours, 65536)
        except OSError:  # so Linux says that the other end was closed
            break
        if not got:
            break
        shown += got
    os.close(ours)
    assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def test_lines_appear_above_the_bar_whole_and_in_order():
    shown = run()
    lines = re.findall(r"line (\d+) x{100}\n", shown)
    assert lines == [str(number) for number in range(1, 301)]
    # Each group of lines begins where the bar was wiped away.
    wiped = re.findall(r"\x1b\[2K(?=line )", shown)
    assert len(wiped) >= 1
    assert all(
        shown[start - 4 : start] == "\x1b[2K" or shown[start - 1] == "\n"
        for start in (match.start() for match in re.finditer("line ", shown))
    )
    assert "300 of 300 songs" in shown
    assert shown.index("300 of 300") > shown.index("line 1 ")
    # Gone when done: the bar's line is wiped, and nothing of it is written again.
    assert "\x1b[2K" in shown[shown.rindex("300 of 300") :]
    assert shown.rindex("begun\n") < shown.rindex("after\n")
    assert shown.endswith("after\n")


def test_what_is_printed_into_a_file_stays_out_of_the_terminal(tmp_path):
    with (tmp_path / "out").open("w") as file:
        shown = run(stdout=file)
    lines = (tmp_path / "out").read_text().splitlines()
    assert len(lines) == 301
    assert lines[-1] == "begunafter"
    assert "line" not in shown
    assert "300 of 300 songs" in shown


def test_the_bar_says_how_much_is_done_how_fast_and_how_long_it_takes():
    facts = console._facts(100, 500, "songs", 50.0, 2.0, 80)
    assert facts == "100 of 500 songs  50.0 songs/s  2 s elapsed, 8 s to go"
    assert console._facts(3, None, "clips", None, 0.2, 80) == "3 clips  0 s elapsed"
    assert console._facts(40, 360, "", 4.0, 10.0, 80) == "10 s elapsed, 1 min to go"
    assert "  3,302 songs/s  " in console._facts(2, 11, "songs", 3301.5, 3.0, 80)
    # Where there is little room the bar stays, and how long it takes.
    narrow = {room: console._facts(100, 500, "songs", 50.0, 2.0, room) for room in (40, 30, 20, 0)}
    assert narrow == {
        40: "100 of 500 songs  2 s elapsed, 8 s to go",
        30: "2 s elapsed, 8 s to go",
        20: "8 s to go",
        0: "8 s to go",
    }


def test_a_sentence_is_broken_between_words_and_no_number_from_its_unit(capsys, monkeypatch):
    sentence = "The model has 79.3 % of 40 songs correct, see --split artists."
    console.say_sentence(sentence)
    assert capsys.readouterr().out == f"{sentence}\n"
    monkeypatch.setattr(console, "terminal_width", lambda stream=None: 19)
    console.say_sentence(sentence)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["The model has", "79.3 % of 40 songs", "correct, see", "--split artists."]


def test_without_a_terminal_there_is_no_bar():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 301


def test_without_a_terminal_there_is_a_line_a_minute(capsys):
    now = 1000.0
    lines = console.Lines(60, lambda: now)
    for second in range(200):
        now = 1000.0 + second
        lines.show(f"at {second}")
    assert capsys.readouterr().err.splitlines() == ["at 60", "at 120", "at 180"]


def test_the_line_says_what_is_done_of_how_much(capsys, monkeypatch):
    monkeypatch.setattr(console, "_SECONDS_BETWEEN_LINES", 0.0)
    with console.progress("classifying", "songs") as show:
        show(1_000, 2_000)
        show(1_001, None, "looking\x1b")
    with console.progress("one", shown=False) as show:
        show(1, 2)
    with console.epoch_progress("validation") as show:
        show(Progress(epoch=2, epochs=9, batch=3, batches=40, loss=0.5, accuracy=0.25, history=()))
        done = Epoch(epoch=2, loss=0.4, accuracy=0.5, val_loss=0.3, val_accuracy=0.6, seconds=1)
        show(Progress(2, 9, 40, 40, 0.4, 0.5, history=(done,)))
    assert capsys.readouterr().err.splitlines() == [
        "classifying: 1,000 of 2,000 songs",
        r"looking\x1b: 1,001 songs",
        "epoch 2/9  loss 0.500  accuracy 25.0 %: 43 of 360 batches",
        "epoch 2/9  loss 0.400  accuracy 50.0 %  validation 60.0 %: 80 of 360 batches",
    ]


def test_only_what_failed_sets_the_status_and_other_kinds_are_counted(capsys):
    from pathlib import Path

    from backbeat.classify import Failure

    skipped = Failure(Path("a\n.wav"), "too short", "skipped")
    link = Failure(Path("b.wav"), "leads to a.wav", "link")
    assert not console.list_failures([skipped, link], {".jpg": 3, "": 1})
    assert console.list_failures([Failure(Path("c.wav"), "empty")])
    assert capsys.readouterr().err.splitlines() == [
        r"skipped: a\x0a.wav: too short",
        "link: b.wav: leads to a.wav",
        "4 files of other kinds (3 .jpg, 1 without suffix)",
        "failed: c.wav: empty",
    ]
    assert console.count_failures([skipped, link]) == "1 link, 1 skipped, 0 failed"
