"""Faults of the disk: each told in a line with its remedy, and nothing lost that was done."""

import contextlib
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from backbeat.bundle import read_bundle
from backbeat.evaluation import read_predictions
from backbeat.jam.compose import compose
from made_features import small_spec
from sounds import music, write

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


class Disk:
    """A small file system of its own, in memory."""

    def __init__(self, path):
        self.path = path

    def resize(self, kib):
        self._mount("remount", f"size={kib}k")

    def read_only(self):
        self._mount("remount", "ro")

    def _mount(self, *options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", self.path]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path):
    """A disk of 4 KiB, to be made larger."""
    made = Disk(tmp_path / "disk")
    made.path.mkdir()
    try:
        made._mount("size=4k")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can be made by root alone, where file systems may be mounted")
    yield made
    subprocess.run(["umount", "--lazy", made.path], check=True)


@pytest.fixture
def read_only(tmp_path, request):
    """Give a function that makes a folder read-only, for root, too."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if not ROOT:
        yield folder, lambda: folder.chmod(0o555)
        folder.chmod(0o755)
        return
    made = request.getfixturevalue("disk")
    made.resize(20_000)
    yield made.path, made.read_only


def tree(folder):
    """All files below a folder, with their bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def finished(cli, disk, *command, sizes):
    """Run a command on a disk that is too small; each time make it larger, and run it again."""
    told = []
    for size in sizes:
        disk.resize(size)
        status, _, err = cli(*command)
        if not status:
            break
        lines = [line for line in err.splitlines() if "No space left on device" in line]
        assert len(lines) == 1, err
        assert lines[0].startswith(f"backbeat: {disk.path}"), err
        assert lines[0].endswith("; free some space, then run the same command again"), err
        assert "Traceback" not in err
        assert not list(disk.path.rglob(".writing-*"))
        told.append(lines[0])
    assert not status, err
    assert len(told) > 1, "the disk was too large"
    return told


# --- A full disk


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    for number, genre in enumerate(("blues", "jazz", "rock", "rock")):
        write(folder / genre / f"{number}.wav", music(29.5, seed=number))
    return folder


def test_jam_goes_on_as_space_is_freed(cli, disk):
    out = disk.path / "jam"
    command = ("data", "jam", "--per-genre", "1", "--workers", "1", "-o", out)
    finished(cli, disk, *command, sizes=(4, 3000, 9000, 40_000))
    clips = list(out.rglob("*.wav"))
    assert len(clips) == 10
    for clip in clips:
        samples, _ = soundfile.read(clip, dtype="int16")
        wanted = compose(clip.parent.name, 0, seed=0).samples
        assert np.abs(samples / 2**15 - wanted).max() < 2 / 2**15


@pytest.mark.parametrize("packed", [False, True])
def test_gtzan_goes_on_as_space_is_freed(cli, disk, tmp_path, packed):
    for number in range(4):
        write(tmp_path / "gtzan" / "genres" / "blues" / f"blues.0000{number}.wav", music(30.0))
        write(tmp_path / "gtzan" / "genres" / "rock" / f"rock.0000{number}.wav", music(30.0))
    source = tmp_path / "gtzan"
    if packed:
        source = shutil.make_archive(tmp_path / "packed", "zip", source)
    out = disk.path / "out"
    command = ("data", "gtzan", "-o", out, "--from", source, "--workers", "1")
    finished(cli, disk, *command, sizes=(100, 3000, 40_000))
    assert tree(out / "genres") == tree(tmp_path / "gtzan" / "genres")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_prepare_goes_on_as_space_is_freed(cli, disk, collection, tmp_path, workers):
    out = disk.path / "features"
    command = ("prepare", collection, "--workers", workers, "-o")
    sizes = (8, 60, 180, 300, 2000) if workers == "1" else (8, 180, 2000)
    finished(cli, disk, *command, out, sizes=sizes)
    cli("prepare", collection, "--workers", "1", "-o", tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")


def test_training_goes_on_as_space_is_freed(cli, disk, store, run, tmp_path):
    spec = tmp_path / "small.yaml"
    spec.write_text(small_spec().to_yaml())
    out = disk.path / "run"
    command = ("train", store.path, "--model", spec, "--split", "artists", "--seed", "3", "-o", out)
    whole = sum(path.stat().st_size for path in run.iterdir() if path.is_file()) // 1024
    sizes = (4, 24, whole * 0.4, whole * 0.7, whole * 0.9, whole * 1.5, 20_000)
    finished(cli, disk, *command, "--resume", sizes=[int(size) for size in sizes])
    ours, others = (read_predictions(path / "predictions.csv") for path in (out, run))
    assert np.array_equal(ours.probabilities, others.probabilities)
    assert read_bundle(out).description.measured == read_bundle(run).description.measured


def test_searching_goes_on_as_space_is_freed(cli, disk, store):
    out = disk.path / "search"
    command = ("tune", store.path, "--family", "mlp", "--strategy", "tpe", "--budget", "2")
    options = ("--epochs-scale", "0.02", "--split", "tracks", "-o", out)
    finished(cli, disk, *command, *options, sizes=(4, 60, 160, 400, 20_000))
    assert (out / "best.yaml").exists()


def test_a_reproduction_goes_on_as_space_is_freed(cli, disk, store):
    out = disk.path / "paper"
    command = ("reproduce", "sears2021", store.path, "--only", "mlp_1[34]", "--workers", "1")
    disk.resize(300)
    status, _, err = cli(*command, "--epochs-scale", "0.02", "-o", out)
    assert status == 1
    assert "No space left on device" in err
    assert "Traceback" not in err
    disk.resize(60_000)
    status, _, err = cli(*command, "--epochs-scale", "0.02", "-o", out)
    assert status == 0, err
    assert (out / "report.html").exists()


def test_answers_are_given_where_the_index_has_no_room(
    cli, disk, bundle, tmp_path, monkeypatch, caplog
):
    for number in range(12):
        write(tmp_path / "songs" / f"{number:02}.wav", music(3.0, seed=number))
    command = ("classify", tmp_path / "songs", "--model", bundle, "--format", "csv")
    _, wanted, _ = cli(*command, "--index", tmp_path / "other.sqlite")
    index = disk.path / "backbeat" / "answers.sqlite"
    status, out, err = cli(*command, "--index", index)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert re.match(rf"backbeat: ({index}: the index cannot be used|.*No space left)", err)
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk.path))
    status, out, err = cli(*command)  # the index that nobody has named
    assert (status, out) == (0, wanted)
    assert "answers are not kept this time" in err
    disk.resize(100)  # room for some
    caplog.clear()
    status, out, err = cli(*command)
    assert (status, out) == (0, wanted), err
    assert [record.getMessage() for record in caplog.records] == [
        f"{index}: the index cannot be used (database or disk is full); name another with --index; "
        "answers are not kept from here on"
    ]
    status, _, err = cli(*command, "-o", disk.path / "answers.csv")
    assert status == 1
    assert "answers.csv: No space left on device; free some space, then run" in err
    disk.resize(2000)
    assert cli(*command, "-o", disk.path / "answers.csv")[0] == 0
    assert (disk.path / "answers.csv").read_text() == wanted


def test_songs_stay_as_they_are_where_tags_have_no_room(cli, disk, bundle, songs, monkeypatch):
    pytest.importorskip("mutagen")
    monkeypatch.setenv("XDG_STATE_HOME", str(disk.path.parent / "state"))
    disk.resize(20_000)
    library = disk.path / "music"
    shutil.copytree(songs, library)
    before = tree(library)
    used = sum(len(content) for content in before.values()) // 1024
    command = ("tag", library, "--yes", "--min-confidence", "0", "--model", bundle)
    disk.resize(used + 40)
    status, _, err = cli(*command)
    assert status == 1
    assert "0 tagged" in err
    assert err.count("No space left on device") == len(before)
    assert tree(library) == before
    disk.resize(20_000)
    assert cli(*command)[0] == 0
    assert tree(library) != before
    (log,) = sorted((disk.path.parent / "state").rglob("*.jsonl"))[-1:]
    assert cli("tag", "--undo", log)[0] == 0
    assert tree(library) == before


def test_songs_stay_as_they_are_where_the_log_has_no_room(cli, disk, bundle, songs, tmp_path):
    pytest.importorskip("mutagen")
    library = tmp_path / "music"
    shutil.copytree(songs, library)
    before = tree(library)
    log = disk.path / "log.jsonl"
    command = ("tag", library, "--yes", "--min-confidence", "0", "--model", bundle, "--log", log)
    filler = disk.path / "filler"
    disk.resize(8)
    filler.write_bytes(b"x" * 4096)
    with contextlib.suppress(OSError):
        (disk.path / "more").write_bytes(b"x" * 4096)
    status, _, err = cli(*command)
    assert status == 1
    assert "No space left on device" in err
    assert "Traceback" not in err
    assert tree(library) == before
    disk.resize(2000)
    assert cli(*command)[0] == 0
    assert tree(library) != before
    assert cli("tag", "--undo", log)[0] == 0
    assert tree(library) == before


def test_scores_and_playlists_are_whole_or_not_there(cli, disk, bundle, songs, run):
    disk.resize(20_000)
    copy = disk.path / "run"
    shutil.copytree(run, copy)
    used = sum(len(content) for content in tree(copy).values()) // 1024
    disk.resize(used + 90)
    status, _, err = cli("evaluate", copy)
    assert (status, err.count("\n")) == (1, 1)
    assert err.endswith(
        "No space left on device; free some space, then run the same command again\n"
    )
    for path in copy.rglob("*.png"):
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    disk.resize(20_000)
    assert cli("evaluate", copy)[0] == 0
    assert (copy / "report.html").read_text().rstrip().endswith("</html>")
