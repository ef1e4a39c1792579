"""What check, prepare and classify make of each kind of odd and broken file."""

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from backbeat.classify import Answer, Failure, classify_all, find_songs, load
from backbeat.cli import main
from backbeat.collections.check import check_collection
from backbeat.collections.collection import read_collection
from backbeat.errors import printable
from backbeat.features.prepare import prepare
from backbeat.features.store import open_features
from backbeat.files.cells import exactly, unescaped
from backbeat.frontend import Mfcc
from backbeat.parallel.executors import InlineExecutor
from sounds import cut, music, silent_opus, write

RATE = 11_025  # quick to write, and resampled on the way


@dataclass(frozen=True)
class Fate:
    """What is to become of a file.

    `kind` and `reason` are those of check and prepare, empty for usable files; `failure` is what
    classify says, empty if it answers.
    """

    kind: str = ""
    reason: str = ""
    failure: str = ""


USABLE = Fate()
_WHY = "not audio that can be played (invalid data found when processing input)"
NOT_AUDIO = Fate("not-audio", _WHY, _WHY)
FATES = {
    # What is there of a cut song is music: classify answers it, training does without.
    "cut.wav": Fate("truncated", "truncated: the header declares 60.0 s, 30.0 s are there"),
    "empty.mp3": Fate("unreadable", "empty: the file has no bytes", "empty: the file has no bytes"),
    "text.mp3": NOT_AUDIO,
    "text\nof lines.mp3": NOT_AUDIO,
    "second.wav": Fate(
        "too-short", "1.00 s long, the front-end needs 29.0 s", "too short: this model needs 2.9 s"
    ),
    "silent.opus": Fate("silent", "silent: only zeros", "silent: no sound above -80 dBFS"),
    "96 kHz, 24 bits.flac": USABLE,
    "8 bits.wav": USABLE,
    "LOUD.WAV": USABLE,
    "with  spaces.wav": USABLE,
    "émoji 🎸.flac": USABLE,
    "new\nline.wav": USABLE,
    "carriage\rreturn.wav": USABLE,
    "quoted \"name\", 'comma'; and\ttab.wav": USABLE,
    "line\u2028separator.wav": USABLE,
}
if sys.platform.startswith("linux"):
    FATES[os.fsdecode(b"bytes\xff.wav")] = USABLE
if sys.platform == "win32":  # which knows no such names
    FATES = {name: fate for name, fate in FATES.items() if name.isprintable() and '"' not in name}
BAD = {name for name, fate in FATES.items() if fate.kind}
FAILING = {name for name, fate in FATES.items() if fate.failure}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A collection of one file of each kind."""
    genre = tmp_path_factory.mktemp("songs") / "rock"
    special = {
        "cut.wav": lambda path: cut(write(path, music(60.0, RATE, seed=1), RATE)),
        "empty.mp3": lambda path: path.touch(),
        "text.mp3": lambda path: path.write_text("this is a text, not a song\n" * 500),
        "text\nof lines.mp3": lambda path: path.write_text("so is this\n" * 500),
        "second.wav": lambda path: write(path, music(1.0, RATE), RATE),
        "silent.opus": lambda path: silent_opus(path, 60.0),
        "96 kHz, 24 bits.flac": lambda path: write(
            path, music(30.0, 96_000, 2), 96_000, subtype="PCM_24"
        ),
        "8 bits.wav": lambda path: write(path, music(30.0, RATE), RATE, subtype="PCM_U8"),
    }
    genre.mkdir()
    for seed, name in enumerate(FATES):
        if name in special:
            special[name](genre / name)
        else:
            plain = write(genre / f"plain{Path(name).suffix}", music(30.0, RATE, seed=seed), RATE)
            plain.rename(genre / name)
    return genre.parent


@pytest.fixture(scope="module")
def checked(folder):
    front = Mfcc()
    return check_collection(
        read_collection(folder),
        min_seconds=front.min_samples / front.sample_rate,
        executor=InlineExecutor(),
    )


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("store") / "features"
    return prepare(read_collection(folder), out), open_features(out)


@pytest.fixture(scope="module")
def answered(folder, bundle):
    results = list(classify_all(load(bundle), find_songs([folder])))
    return {result.path.name: result for result in results}


@pytest.mark.parametrize("name", FATES, ids=printable)
def test_check(checked, name):
    fate = FATES[name]
    found = [one for one in checked.findings if one.track == f"rock/{name}"]
    expected = [("unusable", fate.kind, fate.reason)] if fate.kind else []
    assert [(one.level, one.kind, one.reason) for one in found] == expected


@pytest.mark.parametrize("name", FATES, ids=printable)
def test_prepare(prepared, name):
    summary, features = prepared
    fate = FATES[name]
    assert [what for track, what in summary.findings if track == f"rock/{name}"] == (
        [fate.reason] if fate.kind else []
    )
    # A store holds no undecodable bytes: it names such a file by their escapes.
    kept_as = os.fsencode(name).decode("utf-8", "backslashreplace")
    row = features.table.name.index(f"rock/{kept_as}")
    assert features.table.slices[row] == (0 if fate.kind else 10)
    assert np.isfinite(features.array[row]).all()
    assert bool(np.any(features.array[row])) == (not fate.kind)


@pytest.mark.parametrize("name", FATES, ids=printable)
def test_classify(answered, name):
    result = answered[name]
    fate = FATES[name]
    if fate.failure:
        status = "skipped" if fate.kind in ("too-short", "silent") else "failed"
        assert result == Failure(result.path, fate.failure, status)
        return
    assert isinstance(result, Answer)
    is_cut = name == "cut.wav"
    assert result.seconds == pytest.approx(60.0 if is_cut else 30.0, abs=0.01)
    assert result.seconds_read == pytest.approx(30.0, abs=0.01)
    assert result.note == (NOTE if is_cut else "")
    assert len(result.timeline) == 10
    assert sum(share for _, share in result.ranking) == pytest.approx(1)


def test_nothing_is_left_out(folder, checked, prepared, answered):
    expected = {f"rock/{name}" for name in FATES}
    assert {track.name for track in checked.collection.tracks} == expected
    assert checked.exit_status == 1
    [count] = checked.genres
    assert (count.tracks, count.unusable, count.suspicious) == (len(FATES), len(BAD), 0)
    assert (prepared[0].tracks, prepared[0].kept) == (len(FATES), len(FATES) - len(BAD))
    assert set(prepared[0].left_out) == {f"rock/{name}" for name in BAD}
    assert set(answered) == set(FATES)


# --- By the command line


@pytest.fixture
def printed(monkeypatch, capfd):
    """Run the command line in this process; gives exit status, bytes printed, and errors."""

    def printed(*arguments):
        monkeypatch.setattr(sys, "argv", ["backbeat", *map(str, arguments)])
        # Standard output as it is without pytest, which would take no undecodable name.
        output = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, output.buffer.getvalue(), capfd.readouterr().err

    return printed


def test_check_by_command(printed, folder):
    status, out, err = printed("check", folder, "--yes", "--workers", 1)
    assert (status, err) == (1, f"{len(FATES)} songs in 1 genre: rock {len(FATES)}\n")
    lines = out.decode("utf-8").splitlines()
    for name in BAD:
        [line] = [line for line in lines if f"rock/{printable(name)} " in line]
        assert line.split()[0] == "unusable"
        assert line.rstrip().endswith(FATES[name].reason)
    status, out, err = printed("check", folder, "--yes", "--json", "--workers", 1)
    assert (status, err.count("\n")) == (1, 1)
    report = json.loads(out)
    assert (report["tracks"], report["unusable"]) == (len(FATES), len(BAD))
    assert {unescaped(one["track"]) for one in report["findings"]} == {
        f"rock/{name}" for name in BAD
    }


def test_prepare_by_command(printed, folder, tmp_path):
    status, out, err = printed("prepare", folder, "-o", tmp_path / "features", "-y", "--workers", 1)
    assert status == 0
    kept = len(FATES) - len(BAD)
    assert out.decode().splitlines()[0] == f"{kept} of {len(FATES)} songs in 1 genre: rock {kept}."
    short = "1 song shorter than the 29.0 s that mfcc needs; no --seconds takes less than 3 s"
    left_out = [f"left out: rock/{printable(name)}: {FATES[name].reason}" for name in BAD]
    assert sorted(err.splitlines()[1:]) == sorted([short, *left_out])


NOTE = "30 of 60 s could be read"


def lines_of_failures(folder, *, notes=False):
    """What classify writes on standard error."""
    skipped = {name for name in FAILING if FATES[name].kind in ("too-short", "silent")}
    failed = len(FAILING) - len(skipped)
    lines = [f"{len(FATES) - len(FAILING)} answered, {len(skipped)} skipped, {failed} failed"]
    if notes:
        lines.append(f"note: {folder}/rock/cut.wav: {NOTE}")
    for name in sorted(FAILING):
        status = "skipped" if name in skipped else "failed"
        lines.append(f"{status}: {folder}/rock/{printable(name)}: {FATES[name].failure}")
    return lines


def test_table(printed, folder, bundle):
    status, out, err = printed("classify", folder, "--model", bundle)
    assert status == 1
    assert err.splitlines() == lines_of_failures(folder)
    _, *lines = out.decode("utf-8").removesuffix("\n").split("\n")
    lines.remove(f"    {NOTE}")
    good = sorted(set(FATES) - FAILING)
    assert len(lines) == len(good)
    for line, name in zip(lines, good, strict=True):
        assert line.isprintable()
        assert line.endswith(printable(f"  {folder}/rock/{name}"))


@pytest.mark.parametrize("to_file", [False, True])
def test_csv_reads_back(printed, folder, bundle, tmp_path, to_file):
    path = tmp_path / "answers.csv"
    arguments = ("classify", folder, "--model", bundle, "--format", "csv")
    status, out, err = printed(*arguments, *(("-o", path) if to_file else ()))
    assert (status, err.splitlines()) == (1, lines_of_failures(folder, notes=True))
    content = path.read_bytes() if to_file else out
    text = io.StringIO(content.decode("utf-8"), newline="")
    rows = list(csv.DictReader(text, strict=True))
    assert [exactly(row["path"]) for row in rows] == [
        f"{folder}/rock/{name}" for name in sorted(FATES)
    ]
    for row in rows:
        name = Path(exactly(row["path"])).name
        assert row["error"] == FATES[name].failure
        assert bool(row["genre"]) == (not row["error"])


def test_answers_are_a_collection(printed, folder, bundle, tmp_path):
    path = tmp_path / "answers.csv"
    good = [folder / "rock" / name for name in sorted(FATES) if name not in FAILING]
    printed("classify", *good, "--model", bundle, "--format", "csv", "-o", path)
    assert [track.path for track in read_collection(path).tracks] == good


def test_jsonl_reads_back(printed, folder, bundle):
    status, out, err = printed("classify", folder, "--model", bundle, "--format", "jsonl")
    assert (status, err.splitlines()) == (1, lines_of_failures(folder, notes=True))
    lines = out.decode("ascii").removesuffix("\n").split("\n")
    found = [json.loads(line) for line in lines]
    paths = [unescaped(one["path"]) for one in found]
    assert paths == [f"{folder}/rock/{name}" for name in sorted(FATES)]
    for one, path in zip(found, paths, strict=True):
        fate = FATES[Path(path).name]
        assert one.get("error", "") == fate.failure
        assert ("genre" in one) == (not fate.failure)


# --- Without permission

# Root reads what it likes by two capabilities, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH; another
# program loses them for good once they are dropped from the bounding set (PR_CAPBSET_DROP is 24).
WITHOUT_RIGHTS = """
import ctypes, os, sys
if os.geteuid() == 0 and sys.platform.startswith("linux"):
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def without_rights(*arguments):
    """Run Python as somebody who must keep to the files' permissions."""
    command = [sys.executable, "-c", WITHOUT_RIGHTS, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such permissions on this system")
def test_file_without_permission(tmp_path, bundle):
    folder = tmp_path / "songs"
    closed = write(folder / "rock" / "closed.wav", music(30.0, RATE), RATE)
    write(folder / "rock" / "open.wav", music(30.0, RATE, seed=1), RATE)
    closed.chmod(0)
    if without_rights("-c", "import sys; open(sys.argv[1])", closed).returncode == 0:
        pytest.skip("root may read all here")
    ended = {
        verb: without_rights("-m", "backbeat", verb, folder, *options)
        for verb, *options in (
            ("check", "--yes", "--workers", 1),
            ("prepare", "-o", tmp_path / "features", "--yes", "--workers", 1),
            ("classify", "--model", bundle),
        )
    }
    why = "no permission to read it"
    assert ended["check"].returncode == 1
    [line] = [line for line in ended["check"].stdout.splitlines() if "closed.wav" in line]
    assert line.split() == ["unusable", "rock/closed.wav", *why.split()]
    assert ended["prepare"].returncode == 0
    assert ended["prepare"].stdout.startswith("1 of 2 songs in 1 genre: rock 1.\n")
    assert ended["prepare"].stderr.endswith(f"\nleft out: rock/closed.wav: {why}\n")
    assert ended["classify"].returncode == 1
    assert ended["classify"].stdout.endswith(f"  {folder}/rock/open.wav\n")
    assert ended["classify"].stderr == (
        f"1 answered, 1 failed\nfailed: {folder}/rock/closed.wav: {why}\n"
    )


# --- Three hours

MEASURED = """
import resource, sys
import av, onnxruntime, soundfile, soxr, zarr
import backbeat.classify, backbeat.features.prepare
from backbeat.cli import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    main()
finally:
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print((after - before) // 1024)
"""


@pytest.fixture(scope="module")
def three_hours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long") / "songs"
    (folder / "rock").mkdir(parents=True)
    return silent_opus(folder / "rock" / "silent.opus", 3 * 3600)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's memory counts")
@pytest.mark.slow
@pytest.mark.parametrize("verb", ["prepare", "classify"])  # check: in test_integrity
def test_three_silent_hours(three_hours, bundle, tmp_path, verb):
    folder = three_hours.parents[1]
    options, status, message = {
        "prepare": (["-o", tmp_path / "features", "-y", "--workers", "1"], 1, "no track is usable"),
        "classify": (["--model", bundle], 0, f"skipped: {three_hours}: silent"),
    }[verb]
    command = [sys.executable, "-c", MEASURED, verb, folder, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == status
    assert message in done.stderr
    assert int(done.stdout) < 80  # MB; all samples at once are 950
