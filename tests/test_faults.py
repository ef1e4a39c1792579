"""Faults of the disk: each reported in one line with its remedy, and nothing lost that was done."""

import contextlib
import errno
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from backbeat import audio
from backbeat.bundle.archive import read_bundle
from backbeat.classify import find_songs, load
from backbeat.collections.collection import Track, read_collection
from backbeat.collections.jam.compose import compose
from backbeat.evaluation import read_predictions
from backbeat.features.prepare import extract_track
from backbeat.features.store import open_features
from backbeat.frontend import Mfcc
from backbeat.training import train as training
from made_features import small_spec
from sounds import cut, music, write

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
    messages = []
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
        messages.append(lines[0])
    assert not status, err
    assert len(messages) > 1, "the disk was too large"
    return messages


# --- A full disk


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collection")
    for number, genre in enumerate(("blues", "jazz", "rock", "rock")):
        write(folder / genre / f"{number}.wav", music(29.5, seed=number))
    return folder


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_prepare_goes_on_as_space_is_freed(cli, disk, collection, tmp_path, workers):
    out = disk.path / "features"
    command = ("prepare", collection, "--workers", workers, "-o")
    sizes = (8, 60, 180, 300, 2000) if workers == "1" else (8, 180, 2000)
    finished(cli, disk, *command, out, sizes=sizes)
    cli("prepare", collection, "--workers", "1", "-o", tmp_path / "whole")
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.slow
def test_training_goes_on_as_space_is_freed(cli, disk, store, run, tmp_path):
    spec = tmp_path / "small.yaml"
    spec.write_text(small_spec().to_yaml())
    out = disk.path / "run"
    command = ("train", store.path, "--model", spec, "--split", "artists", "--seed", "3", "-o", out)
    whole = sum(path.stat().st_size for path in run.iterdir() if path.is_file()) // 1024
    sizes = (4, whole * 0.4, whole * 0.9, 20_000)
    finished(cli, disk, *command, "--resume", sizes=[int(size) for size in sizes])
    ours, others = (read_predictions(path / "predictions.csv") for path in (out, run))
    assert np.array_equal(ours.probabilities, others.probabilities)
    assert read_bundle(out).description.measured == read_bundle(run).description.measured


@pytest.mark.slow
def test_searching_goes_on_as_space_is_freed(cli, disk, store):
    out = disk.path / "search"
    command = ("tune", store.path, "--family", "mlp", "--strategy", "tpe", "--budget", "1")
    options = ("--epochs-scale", "0.02", "--split", "tracks", "-o", out)
    finished(cli, disk, *command, *options, sizes=(4, 60, 20_000))
    assert (out / "best.yaml").exists()


def test_a_reproduction_tells_what_had_no_room(cli, store, tmp_path, monkeypatch):
    def full(*given, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(given[4]))

    monkeypatch.setattr(training, "train", full)
    command = ("reproduce", "sears2021", store.path, "--only", "mlp_1[34]", "--workers", "1")
    status, _, err = cli(*command, "-o", tmp_path / "paper")
    assert status == 1
    assert err.count("No space left on device; free some space, then run the same command") == 2
    assert err.splitlines()[-1].endswith("no run is finished; `backbeat reproduce` makes them")


@pytest.mark.slow
def test_answers_are_given_where_the_index_has_no_room(
    cli, disk, bundle, tmp_path, monkeypatch, caplog
):
    for number in range(12):
        write(tmp_path / "songs" / f"{number:02}.wav", music(3.0, seed=number))
    command = ("classify", tmp_path / "songs", "--model", bundle, "--format", "csv")
    _, wanted, _ = cli(*command, "--index", tmp_path / "other.sqlite")
    index = disk.path / "backbeat" / "answers.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk.path))
    for named in (("--index", index), ()):
        status, out, err = cli(*command, *named)
        assert (status, out) == (0, wanted)
        assert re.match(rf"{index}: the index cannot be used \(.*\); name another", err)
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
    # Not the last by name: both may be of the same second.
    logs = (disk.path.parent / "state").rglob("*.jsonl")
    log = max(logs, key=lambda path: path.stat().st_mtime_ns)
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


# --- A read-only folder


def test_a_read_only_folder_is_told_in_a_line(
    cli, read_only, collection, bundle, songs, run, store, tmp_path, monkeypatch
):
    folder, make_read_only = read_only
    shutil.copytree(run, folder / "run")
    shutil.copytree(songs, folder / "music")
    before = tree(folder)
    make_read_only()
    if not ROOT:
        for inner in [*folder.rglob("*"), folder]:
            inner.chmod(0o555 if inner.is_dir() else 0o444)
    npz = store.path.parent / "features.npz"
    refused = r"backbeat: .*: (Read-only file system|Permission denied); .*\n"
    for command in (
        ("data", "jam", "--per-genre", "1", "--workers", "1", "-o", folder / "jam"),
        ("prepare", collection, "--workers", "1", "-o", folder / "features"),
        (*("import-features", npz, "--frontend", "mfcc", "-o"), folder / "imported"),
        ("tune", store.path, "--family", "mlp", "--budget", "1", "-o", folder / "search"),
        ("reproduce", "sears2021", store.path, "--only", "mlp_13", "-o", folder / "paper"),
        ("evaluate", folder / "run"),
        ("classify", songs, "--model", bundle, "-o", folder / "answers.txt"),
        ("playlists", songs, "--model", bundle, "-o", folder / "lists"),
    ):
        status, _, err = cli(*command)
        assert status == 1, command
        assert re.fullmatch(f"(\\d+ songs in .*\n)?{refused}", err), (command, err)
        assert str(folder) in err
        assert ".writing-" not in err
    train = ("train", store.path, "--model", "mlp_base", "--split", "tracks")
    status, _, err = cli(*train, "-o", folder / "new")
    assert status == 1
    assert re.fullmatch(refused, err.splitlines(keepends=True)[-1])
    # What only reads works: the answers are there, though they cannot be kept.
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    for named in ((), ("--index", folder / "index.sqlite")):
        status, out, err = cli("classify", folder / "music", "--model", folder / "run", *named)
        assert (status, out.count("\n")) == (0, 1 + len(tree(songs)))
        assert "answers are not kept this time" in err
    pytest.importorskip("mutagen")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    tag = ("tag", folder / "music", "--yes", "--min-confidence", "0", "--model", bundle)
    status, _, err = cli(*tag, "--index", tmp_path / "index.sqlite")
    assert status == 1
    assert err.count("is read-only") == len(tree(songs))
    assert tree(folder) == before


# --- Files that vanish or change


@pytest.mark.parametrize("workers", ["1", "2"])
def test_files_that_vanish_or_change_after_they_were_listed(
    cli, collection, tmp_path, monkeypatch, workers
):
    """Each is listed; the others are done; and the same command does not take it for the same."""
    import backbeat.features.prepare

    songs = tmp_path / "songs"
    shutil.copytree(collection, songs)
    own = backbeat.features.prepare.fingerprint

    def and_then_they_change(read, *more):
        made = own(read, *more)
        (songs / "rock" / "2.wav").unlink()
        cut(songs / "jazz" / "1.wav")
        return made

    with monkeypatch.context() as patch:
        patch.setattr(backbeat.features.prepare, "fingerprint", and_then_they_change)
        command = ("prepare", songs, "--workers", workers, "-o", tmp_path / "features")
        status, out, err = cli(*command)
    assert status == 0
    assert "2 of 4 songs in 2 genres: " in out
    messages = [line.partition(".wav: ")[0] for line in err.splitlines()[1:]]
    assert messages == ["left out: jazz/1", "left out: rock/2"]
    assert "Traceback" not in err
    features = open_features(tmp_path / "features")
    assert features.table.slices.tolist() == [10, 0, 0, 10]
    status, _, err = cli(*command)
    assert (status, err.count("\n")) == (1, 2)
    assert "another collection, or its files have changed since; remove it or choose" in err


@pytest.fixture(params=["grows", "shrinks", "another"])
def changing(songs, tmp_path, monkeypatch, request):
    """A song that is changed just after it was opened, the first time."""
    victim = write(tmp_path / "music" / "a.wav", music(30.0, seed=1))
    own = audio.mono_blocks

    def and_then_it_changes(blocks, info, rate):
        monkeypatch.setattr(audio, "mono_blocks", own)
        if request.param == "grows":
            with victim.open("ab") as file:
                file.write(bytes(1000))
        elif request.param == "shrinks":
            cut(victim)
        else:
            write(tmp_path / "other.wav", music(30.0, seed=9)).replace(victim)
        yield from own(blocks, info, rate)

    monkeypatch.setattr(audio, "mono_blocks", and_then_it_changes)
    return victim


CHANGED = "was changed while it was read; try again when nothing writes to it"


def test_a_song_that_changes_while_it_is_heard_gets_no_answer(bundle, changing):
    with pytest.raises(audio.AudioError, match=CHANGED):
        load(bundle).classify(changing)
    assert changing.exists()


def test_a_track_that_changes_while_it_is_read_has_no_features(changing):
    track = Track("a.wav", changing.parent, "rock")
    features, outcome = extract_track(track, Mfcc(), 1)
    assert (len(features), outcome.slices) == (0, 0)
    assert CHANGED in outcome.findings or outcome.findings[0].startswith("truncated: ")
    again, _ = extract_track(track, Mfcc(), 1)
    assert len(again) in (0, 10)  # what it is now: half a file is too short


def test_songs_that_vanish_are_listed(cli, bundle, songs, tmp_path, monkeypatch):
    library = tmp_path / "music"
    shutil.copytree(songs, library)
    found = list(find_songs([library]))
    found[0].unlink()
    status, out, err = cli("classify", *found, "--model", bundle)
    assert status == 1
    assert out.count("\n") == len(found)  # one of them the header
    assert f"failed: {found[0]}: no such file" in err


# --- Folders that loop by links


@pytest.fixture
def looping(collection, tmp_path):
    """A collection with links to itself, to what is above, and to each other."""
    folder = tmp_path / "looping"
    shutil.copytree(collection, folder)
    (folder / "blues" / "up").symlink_to(folder)
    (folder / "blues" / "itself").symlink_to("itself")
    (folder / "jazz" / "here").symlink_to(".")
    for one, other in (("one", "other"), ("other", "one")):
        (folder / "rock" / one).mkdir()
        (folder / "rock" / one / "link").symlink_to(f"../{other}")
    write(folder / "rock" / "one" / "deep.wav", music(1.0))
    return folder


def test_looping_folders_end_and_hold_each_song(cli, looping, bundle):
    wanted = {"blues/0.wav", "jazz/1.wav", "rock/2.wav", "rock/3.wav"}
    names = {track.name for track in read_collection(looping).tracks}
    assert wanted < names
    assert {name for name in names - wanted if not name.endswith("deep.wav")} == set()
    assert {track.path.resolve() for track in read_collection(looping).tracks} == {
        path.resolve() for path in looping.rglob("*.wav")
    }
    found = list(find_songs([looping]))
    assert {path.resolve() for path in found} == {path.resolve() for path in looping.rglob("*.wav")}
    assert len(found) == len({path.resolve() for path in found})
    status, out, _ = cli("check", looping, "--yes", "--workers", "1")
    assert status == 0  # deep.wav is too short, but whole
    assert "6 tracks" in out or "5 tracks" in out
