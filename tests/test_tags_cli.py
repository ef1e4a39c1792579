"""`backbeat tag`: shows, asks, writes, resumes after kill -9, and undoes; on many files, too."""

import csv
import hashlib
import json
import re
import signal
import subprocess
import sys
from unittest.mock import ANY

import pytest

from backbeat.evaluation.calibration import Calibration, Unsure
from backbeat.library.tags import formats
from bundles import make_bundle
from sounds import cut, music, write
from tagged import SUFFIXES, copy_of, make_songs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A song of three seconds in each format, with tags and cover art; not to be changed."""
    return make_songs(tmp_path_factory.mktemp("made"), seconds=3.0)


@pytest.fixture
def library(made, tmp_path):
    """A copy of the songs."""
    return [copy_of(song, tmp_path / "music") for song in made.values()]


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder / "backbeat" / "tags"


@pytest.fixture
def tag(cli, bundle):
    def tag(*arguments):
        return cli("tag", *arguments, "--model", bundle, "--min-confidence", "0.1")

    return tag


def hashes(folder):
    return {
        path.relative_to(folder): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def logs(home):
    return sorted(home.glob("*.jsonl"))


def genre(path):
    return formats.read(path).genres


# --- Asking


def test_without_a_terminal_nothing_is_changed(tag, library, home):
    folder = library[0].parent
    before = hashes(folder)
    status, out, err = tag(folder)
    assert status == 1
    header, *lines = out.splitlines()
    assert header.split() == ["genre", "now", "becomes", "sure", "file"]
    assert len(lines) == len(library)
    assert all(re.match(r"\(none\)  +\w", line) for line in lines)
    assert {line.index("%") for line in lines} == {header.index("sure") + 3}
    assert "nothing was changed: there is no terminal to ask; add --yes" in err
    assert "0 tagged, 0 left alone, 0 failed" in err
    assert hashes(folder) == before
    assert logs(home) == []


@pytest.mark.parametrize(("says", "done"), [("y\n", True), ("n\n", False)])
def test_on_a_terminal_it_asks(tag, library, monkeypatch, says, done):
    import io

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(says))
    folder = library[0].parent
    before = hashes(folder)
    status, _, err = tag(folder)
    assert status == 0
    assert "Write the genre into these 8 files?" in err
    assert (hashes(folder) != before) == done
    assert all(bool(genre(path)) == done for path in library)


def test_yes_writes_and_undo_takes_it_back(tag, cli, library, home):
    folder = library[0].parent
    before = hashes(folder)
    status, out, err = tag(folder, "--yes")
    assert status == 0
    (log,) = logs(home)
    assert f"to take this back: backbeat tag --undo {log}\n" in err
    assert "8 tagged, 0 left alone, 0 failed" in err
    assert len(out.splitlines()) == 9  # and the header
    assert all(genre(path)[0] in ("Blues", "Jazz", "Rock") for path in library)
    after = hashes(folder)
    # A second time there is nothing to do, and no log of nothing.
    status, out, err = tag(folder, "--yes")
    assert (status, out) == (0, "")
    assert "0 tagged, 8 left alone (8 with a genre), 0 failed" in err
    assert hashes(folder) == after
    assert logs(home) == [log]
    status, out, err = cli("tag", "--undo", log)
    assert (status, out, err) == (0, "", "8 put back (8 byte for byte), 0 not\n")
    assert hashes(folder) == before
    assert cli("tag", "--undo", log)[2] == "0 put back, 8 as before already, 0 not\n"


def test_what_is_told_is_what_is_written(tag, library):
    _, out, _ = tag(library[0].parent, "--yes", "--multi")
    for path in library:
        (line,) = [line for line in out.splitlines() if line.endswith(str(path))]
        assert re.split(" {2,}", line)[:2] == ["(none)", ", ".join(genre(path))]


# --- What is left alone


def test_a_damaged_song_is_left_alone_unless_it_is_asked_for(tag, tmp_path):
    path = cut(write(tmp_path / "music" / "cut.flac", music(12.0)))
    before = path.read_bytes()
    status, out, err = tag(tmp_path / "music", "--yes")
    assert (status, out) == (0, "")
    assert err.splitlines()[0] == "0 tagged, 1 left alone (1 damaged), 0 failed"
    assert re.fullmatch(rf"note: {path}: \d of 12 s could be read", err.splitlines()[1])
    assert path.read_bytes() == before
    status, out, err = tag(tmp_path / "music", "--yes", "--damaged", "--json")
    assert status == 0
    made = json.loads(out)
    assert made["tagged"] == 1
    assert made["notes"] == [{"path": str(path), "note": ANY}]
    assert genre(path)


def test_only_files_without_a_genre_unless_told(tag, library):
    formats.write(library[0], ("Polka",))
    others = library[0].read_bytes()
    status, _, err = tag(library[0].parent, "--yes")
    assert "7 tagged, 1 left alone (1 with a genre), 0 failed" in err
    assert library[0].read_bytes() == others
    status, out, err = tag(library[0].parent, "--yes", "--overwrite", "--log", "over.jsonl")
    assert status == 0
    assert out.splitlines()[1].startswith("Polka  ")
    assert "1 tagged, 7 left alone (7 already so), 0 failed" in err
    assert genre(library[0]) != ("Polka",)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_unsure_songs_are_left_alone(cli, library, tmp_path):
    calibration = Calibration(
        temperature=1.0,
        songs=50,
        unsure=Unsure(threshold=1.0, max_error=0.2, coverage=0.5, error=0.1),
    )
    model = make_bundle(tmp_path / "unsure.backbeat", calibration=calibration)
    before = hashes(library[0].parent)
    status, out, err = cli("tag", library[0].parent, "--yes", "--model", model)
    assert (status, out) == (0, "")
    assert err == "0 tagged, 8 left alone (8 unsure), 0 failed\n"
    assert hashes(library[0].parent) == before


@pytest.mark.slow
def test_files_that_need_not_change_are_never_opened_for_writing(bundle, library):
    formats.write(library[0], ("Polka",))
    code = """
import sys
from backbeat.cli import main

def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(sys.argv[2].rpartition("/")[2]):
        assert not set(str(arguments[1])) & set("wax+"), arguments
        assert not arguments[2] & 3, arguments
        print("opened", file=sys.stderr)

sys.addaudithook(hook)
main()
"""
    folder = library[0].parent
    for arguments in (["--yes"], ["--dry-run", "--overwrite"]):
        command = ["tag", library[0], *arguments, "--model", bundle]
        done = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "opened" in done.stderr
    assert len(list(folder.iterdir())) == len(library)


def test_bad_files_are_listed_and_stop_nothing(tag, library, tmp_path):
    folder = library[0].parent
    (folder / "text.mp3").write_text("no song")
    write(folder / "plain.au", music(3.0))
    copy_of(library[0], folder, "locked.mp3").chmod(0o444)
    write(folder / "short.flac", music(1.0))
    (folder / "gone.mp3").symlink_to(tmp_path / "nowhere.mp3")
    circle = tmp_path / "round.mp3"
    circle.symlink_to(circle)
    (folder / "twice.mp3").symlink_to(library[0])
    status, _, err = tag(folder, circle, "--yes")
    assert status == 1
    assert "8 tagged, 0 left alone, 1 link, 1 skipped, 5 failed" in err
    assert f"failed: {folder}/text.mp3: its tags cannot be read (" in err
    assert f"failed: {folder}/plain.au: has a format whose tags cannot be written\n" in err
    assert f"failed: {folder}/locked.mp3: is read-only\n" in err
    assert f"link: {folder}/twice.mp3: leads to {library[0]}\n" in err
    assert f"skipped: {folder}/short.flac: too short: this model needs 2.9 s\n" in err
    assert f"failed: {folder}/gone.mp3: No such file or directory\n" in err
    assert f"failed: {circle}: " in err
    assert all(genre(path) for path in library)


# --- Dry runs


def test_a_dry_run_writes_nothing_but_its_table(tag, library, home, tmp_path):
    folder = library[0].parent
    formats.write(library[0], ("Polka",))
    before = hashes(folder)
    table = tmp_path / "plan.csv"
    status, out, err = tag(folder, "--dry-run", "-o", table)
    assert status == 0
    assert len(out.splitlines()) == 8  # and the header
    assert "7 would be tagged, 1 left alone (1 with a genre), 0 failed" in err
    assert hashes(folder) == before
    assert not home.exists()
    with table.open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(map(str, library))
    assert rows[str(library[0])]["decision"] == "with a genre"
    assert rows[str(library[0])]["old"] == "Polka"
    for path in library[1:]:
        assert rows[str(path)]["decision"] == "write"
        (line,) = [line for line in out.splitlines() if line.endswith(str(path))]
        assert re.split(" {2,}", line)[1] == rows[str(path)]["new"]
    assert tag(folder, "--dry-run")[1] == out


# --- Options


def test_times_are_kept_if_wanted(tag, library):
    times = [path.stat().st_mtime_ns for path in library]
    tag(*library, "--yes", "--keep-times")
    assert [path.stat().st_mtime_ns for path in library] == times
    assert all(map(genre, library))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name files or folders to tag, or --undo LOG"),
        (["a.mp3", "--only-empty", "--overwrite"], "--only-empty and --overwrite say the opposite"),
        (["a.mp3", "-o", "plan.csv"], "--out: has no effect without --dry-run; leave it out"),
        (["a.mp3", "--undo", "log.jsonl"], "--undo needs its log only; leave the paths out"),
        (["--undo", "log.jsonl", "--dry-run"], "--dry-run: has no effect with --undo"),
        (["--undo", "gone.jsonl"], "gone.jsonl: no such log"),
    ],
)
def test_mistakes_are_told_in_a_line(cli, arguments, words):
    status, out, err = cli("tag", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("backbeat: ")
    assert words in err
    assert err.count("\n") == 1


def test_an_empty_folder_is_told(tag, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, err = tag(tmp_path / "empty", "--yes")
    assert (status, err) == (1, "0 tagged, 0 left alone, 0 failed\nno audio files there\n")


# --- Many files


@pytest.mark.slow
def test_two_hundred_files_killed_and_resumed_and_undone(cli, bundle, made, tmp_path, home):
    folder = tmp_path / "many"
    paths = [
        copy_of(made[SUFFIXES[n % 8]], folder, f"{n:03}.{SUFFIXES[n % 8]}") for n in range(200)
    ]
    before = hashes(folder)
    command = [sys.executable, "-m", "backbeat", "tag", folder, "--yes", "--model", bundle]
    command += ["--min-confidence", "0.1"]
    for enough in (20, 120):
        killed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(enough):
            killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        songs = [path for path in folder.iterdir() if not path.name.startswith(".")]
        assert len(songs) == 200
        tagged = sum(bool(genre(path)) for path in paths)
        assert tagged < 200
    assert tagged > 100
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{200 - tagged} tagged, {tagged} left alone ({tagged} with a genre), 0 failed" in (
        done.stderr
    )
    assert all(map(genre, paths))
    assert {path.name for path in folder.iterdir()} == {path.name for path in paths}
    assert len(logs(home)) == 3
    for log in reversed(logs(home)):
        status, _, err = cli("tag", "--undo", log)
        assert status == 0, err
    assert hashes(folder) == before
