"""Answers on the command line: every format, whole files only, stopping at once."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backbeat import audio
from backbeat import classify as classifying
from backbeat.frontend import LogMel
from bundles import make_bundle
from clusters import until
from faults import faulty_environment, processes_of
from sounds import cut, music, write

GENRES = ("blues", "jazz", "rock")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_that_is_not_there_is_one_failure(cli, tmp_path, bundle, songs):
    # Unlike a mistake: the other songs are answered.
    status, out, err = cli("classify", tmp_path / "gone", songs, "--model", bundle)
    assert status == 1
    assert out.count("\n") == 3  # with the header
    assert err.splitlines() == ["2 answered, 1 failed", f"failed: {tmp_path}/gone: no such file"]


@pytest.fixture
def mixed(songs, tmp_path):
    """A folder of a song, a link to it, one too short, one silent, MIDI, and other kinds."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(songs / "a.wav", folder / "song.wav")
    (folder / "link.wav").symlink_to("song.wav")
    write(folder / "short.wav", music(0.5))
    write(folder / "silent.wav", np.zeros(6 * 22050, np.float32))
    for name in ("cover.jpg", "notes.mid", "film.mkv"):
        (folder / name).write_bytes(b"MThd\0\0\0\6")
    return folder


def test_whole_files_are_skipped_and_links_listed_with_exit_status_0(cli, mixed, bundle):
    status, out, err = cli("classify", mixed, "--model", bundle, "--format", "csv")
    assert status == 0
    assert [(Path(row["path"]).name, row["status"]) for row in rows(out)] == [
        ("short.wav", "skipped"),
        ("silent.wav", "skipped"),
        ("song.wav", "answered"),
        ("link.wav", "link"),
    ]
    assert err.splitlines() == [
        "1 answered, 1 link, 2 skipped, 0 failed",
        f"skipped: {mixed}/short.wav: too short: this model needs 2.9 s",
        f"skipped: {mixed}/silent.wav: silent: no sound above -80 dBFS",
        f"link: {mixed}/link.wav: leads to {mixed}/song.wav",
        "3 files of other kinds (1 .jpg, 1 .mid, 1 .mkv)",
    ]
    out = cli("classify", mixed, "--model", bundle, "--format", "jsonl")[1]
    shown = {Path(one["path"]).name: one for one in map(json.loads, out.splitlines())}
    assert shown["short.wav"]["status"] == "skipped"
    assert "error" not in shown["song.wav"]


def test_skipped_files_and_links_do_not_end_playlists_and_similar_with_1(
    cli, mixed, bundle, tmp_path
):
    status, _, err = cli("playlists", mixed, "--model", bundle, "-o", tmp_path / "lists")
    assert (status, err.count("skipped: "), err.count("link: ")) == (0, 2, 1)
    assert err.endswith("3 files of other kinds (1 .jpg, 1 .mid, 1 .mkv)\n")
    other = write(tmp_path / "other.wav", music(6.0, seed=3))
    status, out, err = cli("similar", other, "--in", mixed, "--model", bundle)
    assert (status, err.count("skipped: ")) == (0, 2)
    assert "link.wav" not in out


def test_midi_is_named(cli, mixed, bundle):
    status, _, err = cli("classify", mixed / "notes.mid", "--model", bundle)
    assert status == 1
    assert f"failed: {mixed}/notes.mid: MIDI: holds notes, not sound\n" in err


def test_stopping(cli, bundle, songs, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(classifying, "classify_all", stop)
    out = tmp_path / "out.csv"
    out.write_text("as it was\n")
    arguments = ("classify", songs, "--model", bundle, "--format", "csv", "-o", out)
    assert cli(*arguments) == (130, "", "backbeat: stopped\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert out.read_text() == "as it was\n"


@pytest.mark.skipif(os.name != "posix", reason="the clock is POSIX's")
def test_stopping_waits_for_no_long_song(bundle, songs, tmp_path, monkeypatch):
    for name, value in faulty_environment(tmp_path / "faults", seconds=600).items():
        monkeypatch.setenv(name, value)
    hanging = Path(shutil.copy(songs / "a.wav", tmp_path / "hang.wav"))
    paths = [songs / "a.wav", hanging, *[songs / "a.wav"] * 8]
    answers = classifying.classify_all(classifying.load(bundle), paths, workers=2)
    assert next(answers).path == paths[0]
    stopped_at_once(answers)
    until(lambda: processes_of(tmp_path / "faults") == [])


def test_stopping_waits_for_no_copy_of_this_process(bundle, songs, monkeypatch):
    original = audio.open_source

    def sleepy(path):
        if path.name == "hang.wav":
            time.sleep(600)
        return original(path)

    monkeypatch.setattr(audio, "open_source", sleepy)
    paths = [songs / "a.wav", songs / "hang.wav"]
    answers = classifying.classify_all(classifying.load(bundle), paths, workers=2)
    assert next(answers).path == paths[0]
    stopped_at_once(answers)


def stopped_at_once(answers):
    start = time.monotonic()
    answers.close()
    assert time.monotonic() - start < 20


def test_table(cli, bundle, songs):
    status, out, err = cli("classify", songs, "--model", bundle)
    assert (status, err) == (0, "2 answered, 0 failed\n")
    header, *lines = out.splitlines()
    assert header.split() == ["genre", "sure", "segments", "agree", "others", "file"]
    assert [line.split("  ")[-1] for line in lines] == [f"{songs}/a.wav", f"{songs}/b/b.flac"]
    for line in lines:
        assert line.split()[0] in GENRES
        assert all(genre in line for genre in GENRES)
        assert re.search(r" (1 of 1|[12] of 2|[123] of 3) ", line)


def test_csv(cli, bundle, songs):
    _, out, _ = cli("classify", songs, "--model", bundle, "--format", "csv")
    answers = rows(out)
    columns = "path,answer,genre,guess,probability,agreement,seconds,seconds_asked,seconds_read"
    columns += ",strangeness,genre_2,probability_2,genre_3,probability_3,tags,note,status,error"
    assert out.splitlines()[0] == columns
    for answer, path in zip(answers, (songs / "a.wav", songs / "b" / "b.flac"), strict=True):
        assert answer["path"] == str(path)
        assert answer["answer"] == answer["genre"] == answer["guess"]
        assert (answer["strangeness"], answer["note"]) == ("", "")
        assert (answer["seconds_asked"], answer["seconds_read"]) == ("6.000", "6.000")
        assert {answer["genre"], answer["genre_2"], answer["genre_3"]} == set(GENRES)
        shares = [float(answer[f"probability{end}"]) for end in ("", "_2", "_3")]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1, abs=2e-4)
        assert (answer["seconds"], answer["status"], answer["error"]) == ("6.000", "answered", "")


@pytest.mark.parametrize("to_file", [True, False])
def test_a_table_for_excel_begins_with_a_byte_order_mark(cli, bundle, songs, tmp_path, to_file):
    arguments = ("classify", songs, "--model", bundle, "--format", "csv")
    plain = cli(*arguments)[1]
    out = ("-o", tmp_path / "out.csv") if to_file else ()
    printed = cli(*arguments, "--bom", *out)[1]
    content = (tmp_path / "out.csv").read_bytes() if to_file else printed.encode()
    assert content == b"\xef\xbb\xbf" + plain.encode()
    if to_file:
        from backbeat.collections.collection import read_collection

        read = read_collection(tmp_path / "out.csv")  # the mark is no part of a column's name
        assert [Path(track.name) for track in read.tracks] == [
            *(songs / "a.wav", songs / "b" / "b.flac")
        ]


def test_jsonl_is_the_function_s_answer(cli, bundle, songs):
    _, out, _ = cli("classify", songs, "--model", bundle, "--format", "jsonl", "--timeline")
    found = [json.loads(line) for line in out.splitlines()]
    classifier = classifying.load(bundle)
    for shown, path in zip(found, (songs / "a.wav", songs / "b" / "b.flac"), strict=True):
        answer = classifier.classify(path)
        assert shown == {
            "path": str(path),
            "status": "answered",
            "answer": answer.genre,
            "verdict": "not calibrated",
            "genre": answer.genre,
            "probability": round(answer.probability, 6),
            "agreement": answer.agreement,
            "seconds": answer.seconds,
            "seconds_asked": 6.0,
            "seconds_read": 6.0,
            "note": "",
            "strangeness": None,
            "ranking": [{"genre": g, "probability": round(p, 6)} for g, p in answer.ranking],
            "timeline": [
                {
                    "start": m.start,
                    "end": m.end,
                    "genre": m.genre,
                    "probability": round(m.probability, 6),
                }
                for m in answer.timeline
            ],
        }
        assert [(m.start, m.end) for m in answer.timeline] == [(0.0, 2.9), (2.9, 5.8)]


@pytest.mark.parametrize("top", [1, 2, 3, 99])
def test_top(cli, bundle, songs, top):
    shown = min(top, len(GENRES))
    arguments = ("classify", songs / "a.wav", "--model", bundle, "--top", top, "--format")
    ranking = json.loads(cli(*arguments, "jsonl")[1])["ranking"]
    assert len(ranking) == shown
    [answer] = rows(cli(*arguments, "csv")[1])
    assert sum(column.startswith("genre") for column in answer) == shown
    assert answer["genre"] == answer["guess"] == ranking[0]["genre"]
    line = cli(*arguments, "table")[1].replace(str(songs), "")
    assert [genre in line for genre in (one["genre"] for one in ranking)] == [True] * shown
    assert sum(genre in line for genre in GENRES) == shown


def test_what_could_not_be_read_is_said_in_every_format(cli, bundle, tmp_path):
    path = cut(write(tmp_path / "songs" / "cut.wav", music(12.0)))
    note = "6 of 12 s could be read"
    arguments = ("classify", path, "--model", bundle)
    status, out, _ = cli(*arguments)
    assert (status, out.splitlines()[-1]) == (0, f"    {note}")
    assert cli(*arguments)[1] == out  # as the index has it
    for more in ((), ("--timeline",)):
        _, out, err = cli(*arguments, "--format", "csv", *more)
        assert {row["note"] for row in rows(out)} == {note}
        assert f"note: {path}: {note}" in err.splitlines()
    [row] = rows(cli(*arguments, "--format", "csv")[1])
    assert (row["seconds"], row["seconds_asked"], row["seconds_read"]) == (
        *("12.000", "12.000", "6.000"),
    )
    shown = json.loads(cli(*arguments, "--format", "jsonl")[1])
    assert (shown["seconds_read"], shown["seconds_asked"], shown["note"]) == (6.0, 12.0, note)


def test_silent_is_said_only_of_what_was_analysed(cli, tmp_path):
    bundle = make_bundle(tmp_path / "b.backbeat", genres=GENRES, frontend=LogMel(), input="logmel")
    samples = np.zeros((200 * 4_000, 1), np.float32)
    samples[35 * 4_000 : 55 * 4_000] = music(20.0, 4_000)
    path = write(tmp_path / "songs" / "long.wav", samples, 4_000)
    arguments = ("classify", path, "--model", bundle)
    status, _, err = cli(*arguments)
    assert status == 0
    words = "silent in the 4 stretches analysed; --windows all analyses the whole song"
    assert f"skipped: {path}: {words}" in err.splitlines()
    assert "1 answered" in cli(*arguments, "--windows", "all")[2]
    write(path, np.zeros((40 * 4_000, 1), np.float32), 4_000)
    assert f"skipped: {path}: silent: no sound above -80 dBFS" in cli(*arguments)[2].splitlines()
    cut(path)
    status, _, err = cli(*arguments)
    words = "silent as far as it could be read: 20 of 40 s could be read"
    assert (status, err.splitlines()[1]) == (1, f"failed: {path}: {words}")


def test_a_timeline_has_no_overlap_where_the_last_window_moves_back(tmp_path):
    bundle = make_bundle(tmp_path / "b.backbeat", genres=GENRES, frontend=LogMel())
    path = write(tmp_path / "song.wav", music(45.0))
    answer = classifying.load(bundle).classify(path)
    spans = [(moment.start, moment.end) for moment in answer.timeline]
    assert spans == [(start, start + 3) for start in range(0, 45, 3)]
    assert (answer.seconds, answer.seconds_read, answer.note) == (45.0, 45.0, "")
    agreeing = sum(moment.genre == answer.genre for moment in answer.timeline)
    assert answer.agreement == agreeing / 15


def test_timeline(cli, bundle, songs):
    arguments = ("classify", songs, "--model", bundle, "--timeline")
    lines = cli(*arguments)[1].splitlines()
    assert len(lines) == 1 + 2 + 4
    assert lines[2].startswith("      0:00.0 to 0:02.9   ")
    moments = rows(cli(*arguments, "--format", "csv")[1])
    assert list(moments[0]) == [
        *("path", "start", "end", "genre", "probability", "note", "status", "error")
    ]
    assert [(one["start"], one["end"]) for one in moments] == [
        ("0.000", "2.900"),
        ("2.900", "5.800"),
    ] * 2
    assert {one["genre"] for one in moments} <= set(GENRES)


@pytest.mark.parametrize("timeline", [(), ("--timeline",)])
def test_csv_without_answers_has_its_header(cli, tmp_path, bundle, timeline):
    (tmp_path / "notes.txt").write_text("no song")
    arguments = ("classify", tmp_path, "--model", bundle, "--format", "csv", *timeline)
    status, out, err = cli(*arguments)
    assert status == 1
    assert out.count("\n") == 1
    assert out.startswith("path,")
    assert err.splitlines() == [
        "0 answered, 0 failed",
        "1 file of other kinds (1 .txt)",
        "no audio files there",
    ]
    cli(*arguments, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == out


@pytest.mark.parametrize("form", ["table", "csv", "jsonl"])
def test_a_file_holds_what_is_printed(cli, tmp_path, bundle, songs, form):
    arguments = ("classify", songs, "--model", bundle, "--format", form)
    printed = cli(*arguments)[1]
    out = tmp_path / "new" / "out.txt"
    assert cli(*arguments, "-o", out)[:2] == (0, "")
    assert out.read_text("utf-8") == printed
    assert [path.name for path in out.parent.iterdir()] == ["out.txt"]


def test_a_file_is_there_only_when_it_is_whole(cli, tmp_path, bundle, songs, monkeypatch):
    out = tmp_path / "out.jsonl"
    out.write_text("as it was\n")
    seen = []

    def die(classifier, paths, **_):
        yield classifier.classify(next(iter(paths)))
        seen.extend(sorted(path.name for path in tmp_path.iterdir()))
        raise OSError(28, "No space left on device", str(out))

    monkeypatch.setattr(classifying, "classify_all", die)
    status, _, err = cli("classify", songs, "--model", bundle, "--format", "jsonl", "-o", out)
    assert status == 1
    assert err.startswith(f"backbeat: {out}: No space left on device; free some space")
    assert len(seen) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert out.read_text() == "as it was\n"


def test_the_number_of_threads_changes_nothing(cli, bundle, songs):
    one, three = (
        cli("classify", songs, "--model", bundle, "--format", "jsonl", "--workers", threads)
        for threads in (1, 3)
    )
    assert one == three


def test_model_from_the_environment(cli, bundle, songs, monkeypatch):
    monkeypatch.setenv("BACKBEAT_MODEL", str(bundle))
    assert cli("classify", songs)[0] == 0


def test_stdout_of_another_encoding(bundle, tmp_path):
    write(tmp_path / "émoji 🎸.wav", music(3.0))
    command = [sys.executable, "-m", "backbeat", "classify", str(tmp_path), "--model", str(bundle)]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    for form in ("table", "csv"):
        done = subprocess.run([*command, "--format", form], capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr
        assert "émoji 🎸.wav" in done.stdout.decode("utf-8")


def test_what_is_withheld_is_told_in_every_format(cli, tmp_path, songs):
    from backbeat.evaluation.calibration import Calibration, Unsure

    unsure = Unsure(threshold=1.0, max_error=0.2, coverage=0.0, error=0.0)
    bundle = make_bundle(
        tmp_path / "b.backbeat", genres=GENRES, calibration=Calibration(songs=9, unsure=unsure)
    )
    status, out, err = cli("classify", songs, "--model", bundle)
    assert (status, err) == (0, "2 answered (2 of them unsure or out of genre), 0 failed\n")
    for line in out.splitlines()[1:]:
        assert line.startswith("unsure ")
        assert all(genre in line for genre in GENRES)
    for answer in rows(cli("classify", songs, "--model", bundle, "--format", "csv")[1]):
        assert (answer["answer"], answer["genre"]) == ("unsure", "")
        assert answer["guess"] in GENRES
    _, out, _ = cli("classify", songs, "--model", bundle, "--format", "jsonl")
    for shown in map(json.loads, out.splitlines()):
        assert (shown["answer"], shown["verdict"]) == ("unsure", "unsure")
        assert shown["genre"] in GENRES


def test_tags_stand_beside_the_genre(cli, bundle, songs):
    from backbeat.frontend.musicnn.autotags import MSD

    arguments = ("classify", songs / "a.wav", "--model", bundle, "--tags", "--format")
    shown = json.loads(cli(*arguments, "jsonl")[1])
    assert {one["tag"] for one in shown["tags"]} == set(MSD)
    fits = [one["fit"] for one in shown["tags"]]
    assert fits == sorted(fits, reverse=True)
    assert 0 <= fits[-1] <= fits[0] <= 1
    best = shown["tags"][0]
    [row] = rows(cli(*arguments, "csv")[1])
    assert row["tags"].startswith(f"{best['tag']} {best['fit']:.2f}; ")
    assert row["tags"].count("; ") == 4
    assert f"tags: {best['tag']} " in cli(*arguments, "table")[1]
    assert "tags" not in json.loads(cli(*arguments[:4], "--format", "jsonl")[1])


def test_tags_of_a_long_song_are_the_mean_over_its_half_minutes(tmp_path):
    from backbeat.classify.autotags import load_tagger

    tagger = load_tagger()
    write(tmp_path / "one.wav", music(30.0, seed=1))
    write(tmp_path / "two.wav", np.concatenate([music(30.0, seed=1)] * 2))
    write(tmp_path / "short.wav", music(0.5, seed=1))
    one, two = (dict(tagger.tag(tmp_path / f"{name}.wav")[0]) for name in ("one", "two"))
    assert max(abs(one[tag] - two[tag]) for tag in one) < 0.02
    assert tagger.tag(tmp_path / "short.wav") == ((), "")
    damaged = cut(write(tmp_path / "cut.wv", music(4.0, 44_100)))
    tags, note = tagger.tag(damaged)
    assert (len(tags), note[:14]) == (50, "damaged after ")
