"""Preparing: the store equals direct extraction, with any number of workers, some of them dead."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from backbeat import audio, frontend
from backbeat.collections.collection import Track, read_collection
from backbeat.errors import BackbeatError
from backbeat.features.blocks import tabulate
from backbeat.features.prepare import prepare
from backbeat.features.store import open_features
from backbeat.frontend import LogMel, Mfcc
from backbeat.parallel.executors import open_executor
from faults import faulty_environment
from processes import exists

RATE = 22_050
GENRES = ("blues", "jazz", "rock")


def write(path, seconds=29.5, seed=0):
    random = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = random.standard_normal(round(seconds * RATE)) * 0.1 * (1 + seed % 5)
    soundfile.write(path, samples.clip(-1, 1), RATE)
    return path


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Twelve songs in three genres; not to be changed."""
    root = tmp_path_factory.mktemp("songs")
    for number in range(12):
        write(root / GENRES[number % 3] / f"{number:02d}.wav", seed=number)
    return root


@pytest.fixture(scope="module")
def unbroken(songs, tmp_path_factory):
    """Their store, made in one go by one worker; not to be changed."""
    out = tmp_path_factory.mktemp("unbroken") / "features"
    summary = prepare(read_collection(songs), out)
    assert (summary.tracks, summary.kept, summary.findings, summary.left_out) == (12, 12, (), ())
    return out


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_the_store_holds_what_the_front_end_gives(songs, unbroken):
    features = open_features(unbroken)
    assert features.frontend == Mfcc()
    assert features.genres == GENRES
    examples = features.examples("mfcc")
    assert len(examples.x) == 120
    assert list(examples.names) == sorted(examples.names)
    assert set(examples.names) == {f"{GENRES[n % 3]}/{n:02d}.wav" for n in range(12)}
    for row, name in enumerate(examples.names):
        wanted = frontend.mfcc(audio.read(songs / name, sample_rate=RATE))
        assert np.array_equal(examples.x[10 * row : 10 * row + 10], wanted)
        assert {GENRES[y] for y in examples.y[examples.track == row]} == {name.split("/")[0]}
    assert np.allclose(features.table.seconds, 29.5)
    assert len(set(features.table.digest)) == 12
    assert not (unbroken / "progress").exists()


def test_two_workers_write_the_same_bytes(songs, unbroken, tmp_path, monkeypatch):
    progress, ended = [], []

    def tabulate_alone(*given):
        ended.append(not exists(worker))
        return tabulate(*given)

    monkeypatch.setattr("backbeat.features.prepare.tabulate", tabulate_alone)
    with open_executor(2) as executor:
        worker = executor.submit(os.getpid).result()
        assert exists(worker)
        prepare(
            read_collection(songs),
            tmp_path / "features",
            executor=executor,
            on_progress=lambda *done: progress.append(done),
        )
    assert progress == [(done, 12) for done in range(13)]
    assert tree(tmp_path / "features") == tree(unbroken)
    assert ended == [True]  # their memory is free for the table of a large collection


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from backbeat.collections.collection import Track, read_collection
from backbeat.parallel.executors import open_executor
from backbeat.features.prepare import prepare
if __name__ == "__main__":
    workers, after, wait = int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
    began = []
    def report(done, total):
        began.append(done)
        if done >= began[0] + after:
            time.sleep(wait)
            os.kill(os.getpid(), signal.SIGKILL)
    with open_executor(workers) as executor:
        prepare(
            read_collection(Path(sys.argv[1])), Path(sys.argv[2]), executor=executor,
            on_progress=report,
        )
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
@pytest.mark.parametrize(
    ("workers", "kills"),
    # After how many more tracks, and how many seconds later (while others are under way).
    [(1, [(0, 0), (1, 0), (3, 0)]), (2, [(1, 0.01), (6, 0.03)])],
)
def test_a_killed_store_is_filled_as_if_it_had_not_been(songs, unbroken, tmp_path, workers, kills):
    (tmp_path / "killed.py").write_text(KILLED)
    out = tmp_path / "features"
    for after, wait in kills:
        run = [sys.executable, tmp_path / "killed.py", songs, out]
        command = [*map(str, run), str(workers), str(after), str(wait)]
        killed = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        with pytest.raises(BackbeatError, match="unfinished"):
            open_features(out)
    time.sleep(0.5 if workers > 1 else 0)  # workers notice that their parent is gone
    progress = []
    prepare(read_collection(songs), out, on_progress=lambda done, _: progress.append(done))
    assert progress[0] >= sum(after for after, _ in kills)  # what was done is not done again
    assert progress[-1] == 12
    assert tree(out) == tree(unbroken)


@pytest.mark.parametrize("moment", ["write_table", "_tidy"])
def test_a_kill_at_the_end_does_no_harm(songs, unbroken, tmp_path, monkeypatch, moment):
    import backbeat.features.prepare as module

    def killed(*_args, **_kwargs):
        raise KeyboardInterrupt

    out = tmp_path / "features"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, moment, killed)
        prepare(read_collection(songs), out)
    if moment == "_tidy":  # killed while tidying up: a part of it is gone
        (out / "progress" / "zarr.json").unlink()
        (out / "tracks" / ".zarr.json.abc.partial").write_bytes(b"half")
    prepare(read_collection(songs), out)
    assert tree(out) == tree(unbroken)


def test_a_finished_store_is_left_as_it_is(songs, unbroken):
    before = {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")}
    progress = []
    summary = prepare(read_collection(songs), unbroken, on_progress=lambda *p: progress.append(p))
    assert summary.kept == 12
    assert progress == [(12, 12)]
    assert {path: path.stat().st_mtime_ns for path in unbroken.rglob("*")} == before


def refused(songs, out, match, **options):
    before = tree(out)
    with pytest.raises(BackbeatError, match=match) as caught:
        prepare(read_collection(songs), out, **options)
    assert str(out) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree(out) == before


def test_a_store_of_something_else_is_refused(songs, unbroken, tmp_path):
    refused(songs, unbroken, "another front-end", frontend=LogMel())
    refused(songs, unbroken, "another front-end", frontend=Mfcc(n_mfcc=20))
    refused(songs, unbroken, "another choice about duplicates", drop_duplicates=True)
    write(tmp_path / "other" / "blues" / "a.wav")
    write(tmp_path / "other" / "rock" / "b.wav", seed=1)
    refused(tmp_path / "other", unbroken, "other genres")
    for number, genre in enumerate(GENRES):
        write(tmp_path / "like" / genre / "a.wav", 1.0, seed=number)
    refused(tmp_path / "like", unbroken, "another collection")


def test_a_collection_that_has_changed_is_refused(tmp_path):
    for number, genre in enumerate(GENRES):
        write(tmp_path / "songs" / genre / "a.wav", seed=number)
    out = tmp_path / "features"
    prepare(read_collection(tmp_path / "songs"), out)
    write(tmp_path / "songs" / "rock" / "a.wav", 29.6, seed=7)
    refused(tmp_path / "songs", out, "files have changed")
    write(tmp_path / "songs" / "rock" / "a.wav", seed=2)
    write(tmp_path / "songs" / "rock" / "b.wav", seed=8)
    refused(tmp_path / "songs", out, "another collection")


def test_a_folder_of_other_things_is_refused(songs, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    refused(songs, tmp_path, "not a feature store")
    with pytest.raises(BackbeatError, match=r"letter\.txt"):
        prepare(read_collection(songs), tmp_path / "letter.txt")


def test_an_empty_folder_is_taken(songs, unbroken, tmp_path):
    prepare(read_collection(songs), tmp_path)
    assert tree(tmp_path) == tree(unbroken)


def test_unusable_files_are_skipped_and_listed(tmp_path):
    root = tmp_path / "songs"
    for number in range(4):
        write(root / GENRES[number % 2] / f"{number}.wav", seed=number)
    write(root / "blues" / "short.wav", 5.0)
    (root / "jazz" / "empty.wav").write_bytes(b"")
    (root / "jazz" / "text.wav").write_text("not a song at all")
    cut = write(root / "jazz" / "cut.wav", seed=9)
    cut.write_bytes(cut.read_bytes()[:400_000])
    out = tmp_path / "features"
    summary = prepare(read_collection(root), out)
    assert (summary.tracks, summary.kept) == (8, 4)
    assert summary.left_out == (
        "blues/short.wav",
        "jazz/cut.wav",
        "jazz/empty.wav",
        "jazz/text.wav",
    )
    reasons = dict(summary.findings)
    assert set(reasons) == set(summary.left_out)
    assert "the front-end needs 29.0 s" in reasons["blues/short.wav"]
    assert "truncated" in reasons["jazz/cut.wav"]
    assert all("\n" not in reason for reason in reasons.values())
    examples = open_features(out).examples("mfcc")
    assert set(examples.names) == {"blues/0.wav", "jazz/1.wav", "blues/2.wav", "jazz/3.wav"}
    # And what was usable is what it is without them.
    wanted = frontend.mfcc(audio.read(root / "jazz" / "3.wav", sample_rate=RATE))
    row = examples.names.index("jazz/3.wav")
    assert np.array_equal(examples.x[examples.track == row], wanted)


def test_not_one_usable_file_is_an_error_and_leaves_nothing(tmp_path):
    for genre in GENRES:
        write(tmp_path / "songs" / genre / "a.wav", 2.0)
    with pytest.raises(BackbeatError, match="no track is usable"):
        prepare(read_collection(tmp_path / "songs"), tmp_path / "features")
    assert [path.name for path in tmp_path.iterdir()] == ["songs"]


@pytest.mark.parametrize("drop", [False, True])
def test_duplicates_are_told_and_dropped_if_wanted(tmp_path, drop):
    root = tmp_path / "songs"
    for number, genre in enumerate(GENRES):
        write(root / genre / "own.wav", seed=number)
    write(root / "rock" / "twin.wav", seed=0)  # of blues/own
    samples, _ = soundfile.read(root / "blues" / "own.wav", dtype="int16")
    soundfile.write(root / "blues" / "twin.flac", samples, RATE)  # in another coding
    out = tmp_path / "features"
    summary = prepare(read_collection(root), out, drop_duplicates=drop)
    findings = dict(summary.findings)
    assert set(findings) == {"blues/twin.flac", "rock/twin.wav"}
    assert "blues/own.wav" in findings["rock/twin.wav"]
    names = set(open_features(out).examples("mfcc").names)
    whole = {"blues/own.wav", "jazz/own.wav", "rock/own.wav", "blues/twin.flac", "rock/twin.wav"}
    assert names == (whole - {"blues/twin.flac", "rock/twin.wav"} if drop else whole)
    assert summary.left_out == (("blues/twin.flac", "rock/twin.wav") if drop else ())


def test_maps_of_songs_of_several_lengths(tmp_path):
    root = tmp_path / "songs"
    lengths = {
        "blues/half.wav": 29.5,
        "blues/two.wav": 61.0,
        "rock/long.wav": 305.0,
        "rock/short.wav": 20.0,
    }
    for number, (name, seconds) in enumerate(lengths.items()):
        write(root / name, seconds, seed=number)
    out = tmp_path / "features"
    summary = prepare(read_collection(root), out, frontend=LogMel(), windows=3)
    assert summary.left_out == ("rock/short.wav",)
    features = open_features(out)
    assert dict(zip(features.table.name, features.table.slices.tolist(), strict=True)) == {
        "blues/half.wav": 1,
        "blues/two.wav": 2,
        "rock/long.wav": 3,
        "rock/short.wav": 0,
    }
    # Of ten windows, three that are spread evenly.
    long = audio.read(root / "rock" / "long.wav", sample_rate=RATE)
    row = features.table.name.index("rock/long.wav")
    stored = np.asarray(features.array[row])
    for number, window in enumerate((1, 5, 8)):
        wanted = frontend.logmel(long[window * 661_500 : (window + 1) * 661_500])
        assert np.abs(stored[number].astype(np.float32) - wanted).max() <= 1 / 32  # half precision
    assert open_features(out).examples("logmel").x.shape == (6, 387, 128)
    refused(root, out, "another number of windows", frontend=LogMel(), windows=2)


def test_a_length_that_is_far_too_long_costs_no_song(tmp_path, monkeypatch):
    # As FFmpeg estimates it from the bit rate where a raw MP3 begins quietly.
    import backbeat.features.prepare as module

    path = write(tmp_path / "song.wav", 65.0)
    monkeypatch.setattr(module.frontends, "spread", lambda *_: (5, 15))
    features, outcome = module.extract_track(Track(path.name, path.parent, "rock"), LogMel(), 2)
    assert outcome.slices == 1
    samples = audio.read(path, sample_rate=RATE)[-661_500:]  # the last window
    assert np.array_equal(features[0], frontend.logmel(samples))


def test_the_store_tells_what_it_was_made_of(songs, unbroken):
    attributes = json.loads((unbroken / "zarr.json").read_text())["attributes"]
    assert attributes["format"] == "backbeat-features"
    assert attributes["version"] == 1
    assert attributes["complete"] is True
    assert attributes["frontend"] == Mfcc().model_dump()
    # Nothing of this machine, and no time, is in it.
    content = b"".join(data for data in tree(unbroken).values() if data)
    assert str(songs).encode() not in content
    assert str(Path.home()).encode() + b"/" not in content


LISTED = {
    "rock/05-crash.wav": "its process crashed (SIGSEGV)",
    "rock/11-hang.wav": "took longer than 2 s",
}


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    """Twenty songs, one of which crashes the decoder and one hangs it; not to be changed."""
    root = tmp_path_factory.mktemp("strange")
    for number in range(20):
        name = {5: "05-crash", 11: "11-hang"}.get(number, f"{number:02d}")
        write(root / GENRES[number % 3] / f"{name}.wav", seed=number)
    return root


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_what_crashes_or_hangs_is_listed_and_the_rest_of_its_block_done(
    strange, tmp_path, monkeypatch, cli
):
    monkeypatch.setattr("backbeat.features.prepare._MIN_BLOCKS", 3)  # of six tracks
    with monkeypatch.context() as patched:
        for name, value in faulty_environment(tmp_path / "faults").items():
            patched.setenv(name, value)
        status, _, err = cli("prepare", strange, "-o", tmp_path / "out", "--workers", "1")
        checked = cli("check", strange, "--workers", "2", "--json")
    assert status == 0
    assert err.splitlines()[1:] == [f"left out: {name}: {why}" for name, why in LISTED.items()]
    # The others are as they are without them.
    prepare(read_collection(strange), tmp_path / "whole")
    kept, whole = (open_features(tmp_path / name) for name in ("out", "whole"))
    assert [n for n, s in zip(kept.table.name, kept.table.slices, strict=True) if not s] == list(
        LISTED
    )
    mine, all_of_them = kept.examples("mfcc"), whole.examples("mfcc")
    others = [row for row, name in enumerate(whole.table.name) if name not in LISTED]
    assert np.array_equal(mine.x, all_of_them.x[np.isin(all_of_them.track, others)])
    # `check` lists the same.
    report = json.loads(checked[1])
    assert (checked[0], report["usable"], report["unusable"]) == (1, 18, 2)
    assert {one["track"]: one["reason"] for one in report["findings"]} == LISTED
