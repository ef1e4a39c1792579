"""The verbs for a library: known songs are not classified again, playlists, similar songs."""

import contextlib
import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backbeat.classify import find_songs
from backbeat.library import open_index
from backbeat.library.index import default_path
from sounds import cut, music, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twenty-one songs and a bad file."""
    folder = tmp_path_factory.mktemp("library")
    for number in range(21):
        write(folder / f"{number % 3}" / f"{number:02d}.wav", music(6.0, seed=number))
    (folder / "0" / "bad.mp3").write_bytes(b"no music")
    return folder


@pytest.fixture
def library(folder, tmp_path):
    """A copy of it that may be changed."""
    copy = tmp_path / "library"
    for song in find_songs([folder]):
        (copy / song.parent.name).mkdir(parents=True, exist_ok=True)
        (copy / song.parent.name / song.name).write_bytes(song.read_bytes())
    return copy


@pytest.fixture
def done(monkeypatch):
    """The names of the songs that are classified from now on."""
    from backbeat import classify

    names = []
    original = classify.classify_all

    def noted(classifier, paths, **options):
        def named():
            for path in paths:
                names.append(path.name)
                yield path

        return original(classifier, named(), **options)

    monkeypatch.setattr(classify, "classify_all", noted)
    return names


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_only_new_files_are_read_and_the_table_is_the_same(cli, bundle, library, tmp_path, done):
    command = ("classify", library, "--model", bundle, "--format", "csv", "-o")
    status, _, err = cli(*command, tmp_path / "first.csv")
    assert status == 1
    assert len(done) == 22
    done.clear()
    assert cli(*command, tmp_path / "second.csv") == (1, "", err)
    assert done == ["bad.mp3"]
    first = (tmp_path / "first.csv").read_bytes()
    assert (tmp_path / "second.csv").read_bytes() == first
    done.clear()
    write(library / "1" / "new.wav", music(6.0, seed=50))
    cli(*command, tmp_path / "third.csv")
    assert sorted(done) == ["bad.mp3", "new.wav"]
    assert len(rows_of(tmp_path / "third.csv")) == 23
    done.clear()
    cli(*command, tmp_path / "fourth.csv", "--again")
    assert len(done) == 23
    assert (tmp_path / "fourth.csv").read_bytes() == (tmp_path / "third.csv").read_bytes()


def test_many_songs_end_with_a_chart(cli, bundle, folder):
    _, _, err = cli("classify", folder, "--model", bundle)
    lines = err.splitlines()
    assert any("█" in line for line in lines)
    counts = [int(line.split()[1]) for line in lines if "%" in line]
    assert sum(counts) == 22
    assert lines[-2:] == ["21 answered, 1 failed", f"failed: {folder}/0/bad.mp3: " + not_audio(err)]


def not_audio(err):
    return err.splitlines()[-1].split(": ", 2)[2]


def test_the_index_can_be_named(cli, bundle, songs, tmp_path, done):
    file = tmp_path / "mine.sqlite"
    command = ("classify", songs, "--model", bundle, "--index", file)
    first = cli(*command)
    assert file.is_file()
    done.clear()
    assert cli(*command) == first
    assert done == []
    file.write_bytes(b"no index " * 200)
    status, out, err = cli(*command)
    assert (status, out) == (1, "")
    assert err.startswith(f"backbeat: {file}: not an index, or damaged")


@pytest.mark.slow
def test_files_that_are_gone_are_forgotten_when_that_is_asked(cli, bundle, library, tmp_path):
    command = ("classify", library, "--model", bundle, "--index", tmp_path / "index")

    def known():
        with sqlite3.connect(tmp_path / "index") as connection:
            return {
                Path(os.fsdecode(row[0])) for row in connection.execute("select path from answers")
            }

    cli(*command)
    songs = set(find_songs([library])) - {library / "0" / "bad.mp3"}
    assert known() == songs
    gone = {song for song in songs if song.parent.name == "1"}
    shutil.rmtree(library / "1")
    cli(*command)
    assert known() == songs
    _, _, err = cli(*command, "--forget-gone")
    assert err.splitlines()[-1] == "7 files gone and forgotten"
    assert known() == songs - gone
    # A drive that is not there must not cost its answers.
    library.rename(tmp_path / "away")
    library.mkdir()
    out = tmp_path / "table.csv"
    status, _, err = cli(*command, "--forget-gone", "--format", "csv", "-o", out)
    assert status == 1
    assert err.splitlines()[-1] == (
        f"backbeat: {library}: none of the files known there is left, so none was forgotten; mount "
        "its drive, or name the folder above it"
    )
    assert out.exists()
    assert known() == songs - gone


def test_without_a_place_for_the_index_songs_are_answered_all_the_same(
    cli, bundle, songs, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    status, out, err = cli("classify", songs, "--model", bundle)
    assert status == 0
    assert len(out.splitlines()) == 3
    assert err.splitlines()[0] == (
        f"{tmp_path}/file/backbeat/answers.sqlite: cannot be made, as there is a file in the place "
        "of a folder; name another with --index; answers are not kept this time"
    )


@pytest.mark.skipif(os.name != "posix", reason="HOME is POSIX's")
def test_a_home_that_cannot_be_made_is_told_in_plain_words(
    cli, bundle, songs, tmp_path, monkeypatch
):
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/dev/null/home")
    status, out, err = cli("classify", songs, "--model", bundle)
    assert (status, len(out.splitlines())) == (0, 3)
    assert "[Errno" not in err
    pytest.importorskip("mutagen")
    options = ("--yes", "--min-confidence", "0", "--model", bundle)
    status, _, err = cli("tag", shutil.copytree(songs, tmp_path / "songs"), *options)
    assert status == 1
    assert err.splitlines()[-1] == (
        "backbeat: /dev/null/home/.local/state/backbeat/tags: the folder for the logs of tags "
        "cannot be made (Not a directory); set HOME or XDG_STATE_HOME to a folder that can be "
        "written to"
    )
    # So the system says where it knows no home.
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    status, out, err = cli("classify", songs, "--model", bundle)
    assert (status, len(out.splitlines())) == (0, 3)
    assert err.startswith("no home folder is known; set HOME")
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


@pytest.mark.parametrize(
    ("windows", "moments"), [((), 4), (("--windows", "2"), 2), (("--windows", "all"), 7)]
)
def test_a_long_song_is_heard_in_half_minutes(cli, tmp_path, windows, moments):
    from backbeat.evaluation.calibration import Calibration
    from backbeat.frontend import LogMel
    from bundles import make_bundle

    bundle = make_bundle(
        tmp_path / "maps.backbeat", frontend=LogMel(), input="logmel", calibration=Calibration()
    )
    song = write(tmp_path / "long.wav", music(210.0))
    arguments = ("classify", song, "--model", bundle, "--format", "jsonl", *windows)
    status, _, err = cli(*arguments)
    assert status == 0, err
    with open_index() as index:
        rows = index._connection.execute("select answer from answers").fetchall()
    (content,) = (json.loads(row[0]) for row in rows)
    assert len(content["timeline"]) == moments
    assert content["seconds"] == pytest.approx(210)


def test_a_timeline_is_of_the_whole_song(cli, bundle, tmp_path):
    song = write(tmp_path / "long.wav", music(180.0))
    _, out, _ = cli("classify", song, "--model", bundle, "--timeline", "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert float(rows[-1]["end"]) > 170


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1.5"])
def test_a_wrong_number_of_windows_is_told(cli, bundle, songs, wrong):
    status, _, err = cli("classify", songs, "--model", bundle, f"--windows={wrong}")
    assert (status, err) == (
        1,
        f"backbeat: --windows {wrong}: must be a number from 1 on, or all\n",
    )


def answers_in(index):
    """How many answers an index holds, while another process writes to it."""
    if not index.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute("select count(*) from answers").fetchone()[0]
        except sqlite3.OperationalError:  # it is just being made
            return 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_killed_run_goes_on(bundle, library, tmp_path):
    """Kill the real command again and again; the last run's table is that of an unbroken one."""
    command = [
        sys.executable,
        *("-m", "backbeat", "classify", library, "--model", bundle, "--workers", "1"),
        *("--format", "csv", "-o"),
    ]
    whole = [*command, tmp_path / "whole.csv", "--index", tmp_path / "other.sqlite"]
    subprocess.run(whole, check=False, stderr=subprocess.DEVNULL)
    wanted = (tmp_path / "whole.csv").read_bytes()
    killed = 0
    for answers in (2, 7, 12):
        process = subprocess.Popen([*command, tmp_path / "killed.csv"], stderr=subprocess.DEVNULL)
        while process.poll() is None and answers_in(default_path()) < answers:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (tmp_path / "killed.csv").exists():  # or it was killed when all was done
            assert (tmp_path / "killed.csv").read_bytes() == wanted
            (tmp_path / "killed.csv").unlink()
    assert killed, "the machine is quicker than this test thinks"
    subprocess.run([*command, tmp_path / "killed.csv"], check=False, stderr=subprocess.DEVNULL)
    assert (tmp_path / "killed.csv").read_bytes() == wanted


@pytest.mark.slow
def test_tagging_reads_nothing_that_is_known_and_keeps_it_known(cli, bundle, library, done):
    pytest.importorskip("mutagen")
    cli("classify", library, "--model", bundle)
    done.clear()
    _, _, err = cli("tag", library, "--model", bundle, "--min-confidence", "0", "--yes")
    assert "21 tagged" in err
    assert set(done) <= {"bad.mp3"}
    done.clear()
    cli("classify", library, "--model", bundle)
    assert done == ["bad.mp3"]
    done.clear()
    assert "21 put back" in cli("tag", "--undo", err.splitlines()[0].split()[-1])[2]
    cli("classify", library, "--model", bundle)
    assert done == ["bad.mp3"]


def test_playlists_hold_every_song_once(cli, bundle, folder, tmp_path):
    out = tmp_path / "lists"
    status, printed, err = cli("playlists", folder, "--model", bundle, "-o", out)
    assert status == 1  # of the bad file
    assert err.splitlines()[-1].startswith(f"failed: {folder}/0/bad.mp3")
    files = sorted(out.iterdir())
    assert len(printed.splitlines()) == len(files)
    songs = []
    for file in files:
        assert file.suffix == ".m3u8"
        lines = file.read_text("utf-8").splitlines()
        songs += [(out / line).resolve() for line in lines if not line.startswith("#")]
    wanted = [song.resolve() for song in find_songs([folder]) if song.name != "bad.mp3"]
    assert sorted(songs) == wanted
    cli("playlists", folder, "--model", bundle, "-o", tmp_path / "none", "--min-confidence", "1")
    assert list((tmp_path / "none").iterdir()) == []


def test_similar_songs_are_named_and_listed(cli, bundle, folder, tmp_path):
    song = folder / "0" / "00.wav"
    copy = write(tmp_path / "copy.wav", music(6.0, seed=0))
    out = tmp_path / "like.m3u8"
    options = ("--model", bundle, "--top", "3", "-o", out)
    status, printed, _ = cli("similar", copy, "--in", folder, *options)
    assert status == 1  # of the bad file
    lines = [line for line in printed.splitlines() if line[:1].isspace() or line[:1].isdigit()]
    assert len(lines) == 3
    assert lines[0].split()[0] == "1.00"
    assert str(song) in lines[0]
    listed = [line for line in out.read_text().splitlines() if not line.startswith("#")]
    assert (tmp_path / listed[0]).resolve() == song.resolve()
    # A song is not like itself.
    _, printed, _ = cli("similar", song, "--in", folder / "0", *options)
    assert "00.wav" not in printed.split("\n", 1)[1]


def test_songs_of_the_same_artist_can_be_left_out(cli, bundle, tmp_path):
    mutagen = pytest.importorskip("mutagen.flac")
    for number, artist in enumerate(["Ann", "ann", "Bob"]):
        path = write(tmp_path / f"{number}.flac", music(6.0, seed=number))
        file = mutagen.FLAC(path)
        file["artist"] = artist
        file.save()
    arguments = ("similar", tmp_path / "0.flac", "--in", tmp_path, "--model", bundle)
    status, printed, _ = cli(*arguments, "--other-artists")
    assert status == 0
    assert "2.flac" in printed
    assert "1.flac" not in printed
    plain = write(tmp_path / "plain" / "x.wav", music(6.0))
    status, _, err = cli("similar", plain, *arguments[2:], "--other-artists")
    assert (status, "no artist in its tags" in err) == (1, True)


def test_playlists_and_similar_say_what_could_not_be_read(cli, bundle, folder, tmp_path):
    path = cut(write(folder / "cut.wav", music(12.0, seed=9)))
    note = "6 of 12 s could be read"
    listed = ("playlists", folder, "-o", tmp_path / "lists", "--model", bundle)
    asked = ("similar", path, "--in", folder, "--model", bundle)
    for arguments in (listed, asked):
        assert f"note: {path}: {note}" in cli(*arguments)[2].splitlines()
        known = {"path": str(path), "seconds_asked": 12.0, "seconds_read": 6.0, "note": note}
        assert known in json.loads(cli(*arguments, "--json")[1])["notes"]


@pytest.mark.parametrize("verb", ["playlists", "similar"])
def test_no_songs_is_an_error(cli, bundle, songs, tmp_path, verb):
    (tmp_path / "empty").mkdir()
    arguments = {
        "playlists": ("playlists", tmp_path / "empty", "-o", tmp_path / "lists"),
        "similar": ("similar", songs / "a.wav", "--in", tmp_path / "empty"),
    }[verb]
    status, _, err = cli(*arguments, "--model", bundle)
    assert (status, err) == (1, "backbeat: no audio files there\n")
