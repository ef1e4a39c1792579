"""The index answers what is known; playlists and neighbours come of its answers."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.classify import Answer, Failure, Moment, classify_all, find_songs, load
from backbeat.errors import BackbeatError
from backbeat.library import answer_all, open_index
from backbeat.library.index import default_path, settings_of
from backbeat.library.neighbours import cosine, nearest
from backbeat.library.playlists import by_label, entry_of, file_names, write_playlist
from backbeat.library.stamps import Stamp, stamp_of
from bundles import make_bundle
from sounds import music, write

STAMP = Stamp(7, 11, 13, 17)


def answer(path, genre="rock", probability=0.8, embedding=(1.0, 0.0), verdict="sure", **changes):
    known = Answer(
        path=Path(path),
        seconds=30.0,
        ranking=((genre, probability), ("blues", round(1 - probability, 6))),
        verdict=verdict,
        strangeness=0.25,
        agreement=0.5,
        timeline=(Moment(0.0, 3.0, genre, probability), Moment(3.0, 6.0, "blues", 0.5)),
        embedding=np.array(embedding, np.float32),
    )
    return replace(known, **changes)


@pytest.fixture
def index(tmp_path):
    with open_index(tmp_path / "index" / "answers.sqlite") as opened:
        yield opened


# --- The index


def test_what_is_kept_is_found_again(index):
    known = answer("a.mp3", tags=(("rock", 0.5), ("guitar", 0.25)))
    index.keep(known, STAMP, b"", "x")
    found = index.find(Path("a.mp3"), STAMP, "x")
    assert found == known
    assert np.array_equal(found.embedding, known.embedding)
    # By the place that a path leads to, under the name that it is asked by.
    absolute = index.find(Path("b/../a.mp3").absolute(), STAMP, "x")
    assert absolute == replace(known, path=Path("b/../a.mp3").absolute())


def test_what_has_changed_is_not_found(index):
    index.keep(answer("a.mp3"), STAMP, b"", "x")
    assert index.find(Path("a.mp3"), replace(STAMP, size=8), "x") is None
    assert index.find(Path("a.mp3"), replace(STAMP, changed=12), "x") is None
    assert index.find(Path("a.mp3"), STAMP, "another bundle") is None
    assert index.find(Path("b.mp3"), STAMP, "x") is None


def test_a_new_answer_takes_the_place_of_the_old(index):
    index.keep(answer("a.mp3"), STAMP, b"", "x")
    index.keep(answer("a.mp3", "jazz"), replace(STAMP, size=9), b"", "x")
    assert index.find(Path("a.mp3"), STAMP, "x") is None
    assert index.find(Path("a.mp3"), replace(STAMP, size=9), "x").genre == "jazz"


def test_a_file_that_was_only_tagged_is_still_known(index, tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(b"tagged")
    index.keep(answer(path), STAMP, b"", "x")
    index.changed(path, STAMP, stamp_of(path))
    assert index.find(path, stamp_of(path), "x") == answer(path)
    # Of a file that had changed before, or was changed since, nothing is known.
    for before, after in ((STAMP, replace(STAMP, size=20)), (stamp_of(path), STAMP)):
        index.changed(path, before, after)
        assert index.find(path, after, "x") is None


def test_only_files_below_the_folder_that_are_gone_are_forgotten(index, tmp_path):
    folder, beside = tmp_path / "a", tmp_path / "a-beside"
    there = [folder / "there.mp3", folder / "deep" / "link.mp3"]
    gone = [folder / "gone.mp3", folder / "there.mp3" / "file.mp3", folder / "no" / "such.mp3"]
    for parent in (folder / "deep", beside):
        parent.mkdir(parents=True)
    there[0].touch()
    there[1].symlink_to("nowhere")
    others = [beside / "gone.mp3", tmp_path / "a.mp3"]
    for path in [*there, *gone, *others]:
        for settings in ("x", "y"):
            index.keep(answer(path), STAMP, b"", settings)
    assert index.forget_gone(folder) == len(gone)
    assert not any(index.knows(path, STAMP, s) for path in gone for s in "xy")
    assert all(index.knows(path, STAMP, s) for path in [*there, *others] for s in "xy")
    assert index.forget_gone(folder) == 0
    assert index.forget_gone(tmp_path / "never classified") == 0
    with pytest.raises(BackbeatError, match=r"a-beside: none of the files known there is left"):
        index.forget_gone(beside)
    assert index.forget_gone(tmp_path) == len(others)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_names_that_are_no_text_are_found_again(index):
    path = Path(os.fsdecode(b"caf\xe9\n.mp3"))
    index.keep(answer(path), STAMP, b"", "x")
    assert index.find(path, STAMP, "x") == answer(path)


def test_what_is_no_index_is_refused(tmp_path):
    text = tmp_path / "text"
    text.write_text("not a data base " * 100)
    with (
        pytest.raises(BackbeatError, match=r"text: not an index, or damaged .*--index"),
        open_index(text),
    ):
        pass
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("create table mine (x)")
    before = other.read_bytes()
    with (
        pytest.raises(BackbeatError, match="sqlite: not an index; name another"),
        open_index(other),
    ):
        pass
    assert other.read_bytes() == before
    with pytest.raises(BackbeatError, match="is a folder; name a file"), open_index(tmp_path):
        pass


@pytest.mark.parametrize("damaged", [False, True])
def test_another_programs_database_is_refused_and_left(tmp_path, damaged):
    path = tmp_path / "music.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table answers (question text)")
        connection.execute("pragma user_version = 3")
    if damaged:
        content = bytearray(path.read_bytes())
        content[100:400] = bytes(300)
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(BackbeatError, match="db: not an index"), open_index(path):
        pass
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_index_lies_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "backbeat" / "answers.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_path() == Path.home() / ".cache" / "backbeat" / "answers.sqlite"


# --- All songs


def recorded(classifier, classified):
    """`classify_all`, which notes what it is asked for."""

    def classify(songs):
        asked = list(songs)
        classified.append([song.name for song in asked])
        yield from classify_all(classifier, asked, workers=1)

    return classify


def test_only_new_and_changed_files_are_classified_again(bundle, tmp_path, index):
    folder = tmp_path / "songs"
    for number in range(4):
        write(folder / f"{number}.wav", music(6.0, seed=number))
    (folder / "bad.wav").write_bytes(b"RIFF, but no more")
    songs = list(find_songs([folder]))
    classifier = load(bundle)
    classified = []
    answer_now = partial(answer_all, classifier, songs, index, recorded(classifier, classified))
    first = list(answer_now())
    assert [result.path for result in first] == songs
    assert isinstance(first[-1], Failure)
    assert classified == [["0.wav", "1.wav", "2.wav", "3.wav", "bad.wav"]]
    second = list(answer_now())
    assert second == first
    assert classified[1:] == [["bad.wav"]]  # what failed is tried again
    write(folder / "2.wav", music(6.0, seed=9))
    os.utime(folder / "3.wav", ns=(1, 1))
    third = list(answer_now())
    assert classified[2:] == [["2.wav", "3.wav", "bad.wav"]]
    assert third[2].ranking != first[2].ranking
    assert third[3] == first[3]
    assert list(answer_now(again=True)) == third
    assert len(classified[-1]) == 5


@pytest.mark.parametrize("put_back", ["before its answer", "after its answer"])
def test_a_song_that_is_replaced_while_it_is_analysed_is_not_kept(
    bundle, tmp_path, index, put_back
):
    song, other = (write(tmp_path / f"{n}.wav", music(6.0, seed=n)) for n in range(2))
    classifier = load(bundle)
    wanted = classifier.classify(song)

    def exchange():
        song.rename(tmp_path / "beside")
        other.rename(song)
        (tmp_path / "beside").rename(other)

    def while_exchanged(songs):
        exchange()
        results = list(classify_all(classifier, songs, workers=1))
        if put_back == "before its answer":
            exchange()
        yield from results

    (found,) = answer_all(classifier, [song], index, while_exchanged)
    assert found.ranking != wanted.ranking
    if put_back == "after its answer":
        exchange()
    classify = partial(classify_all, classifier, workers=1)
    assert list(answer_all(classifier, [song], index, classify)) == [wanted]


def test_equal_sizes_and_times_do_not_make_another_song_known(bundle, tmp_path, index):
    songs = [write(tmp_path / f"{n}.wav", music(6.0, seed=n)) for n in range(3)]
    for song in songs:
        os.utime(song, ns=(1, 1))
    classifier = load(bundle)
    classified = []
    answer_now = partial(answer_all, classifier, songs, index, recorded(classifier, classified))
    first = list(answer_now())
    songs[0].rename(tmp_path / "beside")
    songs[1].rename(songs[0])
    (tmp_path / "beside").rename(songs[1])
    songs[2].write_bytes(songs[0].read_bytes())
    os.utime(songs[2], ns=(1, 1))
    second = list(answer_now())
    assert [found.ranking for found in second] == [first[n].ranking for n in (1, 0, 1)]
    assert classified[1:] == [["0.wav", "1.wav", "2.wav"]]
    # A copy at the same place, as another mount may have it, and other rights change no sound.
    for song in songs:
        content = song.read_bytes()
        song.unlink()
        song.write_bytes(content)
        song.chmod(0o400)
        os.utime(song, ns=(1, 1))
    for _ in range(2):
        assert list(answer_now()) == second
    assert len(classified) == 2


def test_a_song_of_any_date_is_answered_and_known(bundle, tmp_path, index):
    years = (-(2**40), 2**34, 2**43)  # 1883 BC is what some file systems can hold, too
    songs = [write(tmp_path / f"{n}.wav", music(6.0, seed=n)) for n in range(len(years))]
    dated = 0
    for song, second in zip(songs, years, strict=True):
        with contextlib.suppress(OSError, OverflowError):
            os.utime(song, (second, second))
            dated += song.stat().st_mtime_ns not in range(-(2**63), 2**63)
    assert dated
    classifier = load(bundle)
    classified = []
    classify = recorded(classifier, classified)
    first = list(answer_all(classifier, songs, index, classify))
    assert list(answer_all(classifier, songs, index, classify)) == first
    assert classified == [["0.wav", "1.wav", "2.wav"]]
    index.keep(first[0], Stamp(2**70, 2**70, 2**64 - 1, -(2**70)), b"", "x")


def test_a_folder_above_a_link_is_that_of_what_it_leads_to(index, tmp_path):
    (tmp_path / "far" / "album").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "album")
    index.keep(answer(tmp_path / "s.wav"), STAMP, b"", "x")
    index.keep(answer(tmp_path / "far" / "s.wav", "jazz"), STAMP, b"", "x")
    assert index.find(tmp_path / "link" / ".." / "s.wav", STAMP, "x").genre == "jazz"
    assert index.find(tmp_path / "far" / ".." / "s.wav", STAMP, "x").genre == "rock"


def test_an_answer_of_another_analysis_is_not_taken(bundle, monkeypatch):
    classifier = load(bundle)
    before = settings_of(classifier)
    monkeypatch.setattr("backbeat.library.index.ANALYSIS_VERSION", 10**9)
    assert settings_of(classifier) != before


def test_another_bundle_or_number_of_windows_is_another_answer(bundle, songs, index, tmp_path):
    classifier = load(bundle)
    path = songs / "a.wav"
    known = classifier.classify(path)
    index.keep(known, stamp_of(path), b"", settings_of(classifier))
    for other in (
        replace(classifier, windows=4),
        load(make_bundle(tmp_path / "other.backbeat", genres=("blues", "pop"))),
    ):
        assert index.find(path, stamp_of(path), settings_of(other)) is None
    assert index.find(path, stamp_of(path), settings_of(load(bundle))) == known


def test_an_answer_that_is_gone_meanwhile_costs_no_other(bundle, tmp_path, index, monkeypatch):
    folder = tmp_path / "songs"
    for number in range(3):
        write(folder / f"{number}.wav", music(6.0, seed=number))
    songs = list(find_songs([folder]))
    classifier = load(bundle)
    classify = partial(classify_all, classifier, workers=1)
    settings = settings_of(classifier)
    known = classifier.classify(songs[1])
    index.keep(known, stamp_of(songs[1]), b"", settings)
    first = next(answers := answer_all(classifier, songs, index, classify))
    index.keep(known, STAMP, b"", settings)
    results = [first, *answers]
    assert [result.path for result in results] == songs
    assert results == list(classify(songs))


KILLED = """
import os, sys
from pathlib import Path
from backbeat.classify import classify_all, find_songs, load
from backbeat.library import answer_all, open_index
classifier = load(Path(sys.argv[1]))
songs = list(find_songs([Path(sys.argv[2])]))
with open_index(Path(sys.argv[3])) as index:
    answers = answer_all(classifier, songs, index, lambda s: classify_all(classifier, s, workers=1))
    for done, _ in enumerate(answers, start=1):
        if done == 3:
            os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_kill_loses_no_answer(bundle, tmp_path):
    folder = tmp_path / "songs"
    for number in range(6):
        write(folder / f"{number}.wav", music(6.0, seed=number))
    file = tmp_path / "index.sqlite"
    killed = subprocess.run([sys.executable, "-c", KILLED, bundle, folder, file], check=False)
    assert killed.returncode == -9
    classifier = load(bundle)
    songs = list(find_songs([folder]))
    classified = []
    with open_index(file) as index:
        list(answer_all(classifier, songs, index, recorded(classifier, classified)))
    assert classified == [["3.wav", "4.wav", "5.wav"]]


# --- Playlists


def test_answers_are_sorted_into_lists():
    lists = by_label(
        [
            answer("b", probability=0.7),
            answer("a", probability=0.7),
            answer("c", probability=0.9),
            answer("d", "jazz"),
            answer("e", verdict="unsure"),
        ]
    )
    assert {label: [str(a.path) for a in lists[label]] for label in lists} == {
        "jazz": ["d"],
        "rock": ["c", "a", "b"],
        "unsure": ["e"],
    }
    assert list(lists) == sorted(lists)


def test_a_playlist_names_songs_relative_to_itself(tmp_path):
    song = tmp_path / "music" / "#1 hit.wav"
    write(song, music(1.0))
    entry = entry_of(answer(song))
    assert entry.title == "#1 hit"
    left_out = write_playlist(tmp_path / "lists" / "rock.m3u8", "rock", [entry])
    assert left_out == ()
    lines = (tmp_path / "lists" / "rock.m3u8").read_text("utf-8").splitlines()
    assert lines == [
        "#EXTM3U",
        "#EXTENC:UTF-8",
        "#PLAYLIST:rock",
        "#EXTINF:30,#1 hit",
        "../music/#1 hit.wav",
    ]
    write_playlist(tmp_path / "music" / "rock.m3u8", "rock", [entry])
    assert (tmp_path / "music" / "rock.m3u8").read_text().splitlines()[-1] == "./#1 hit.wav"


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), max_size=5))
def test_every_line_of_a_playlist_is_found_again(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("lists")
    entries = [replace(entry_of(answer(folder / "x")), path=folder / f"{n}.mp3") for n in names]
    left_out = write_playlist(folder / "all.m3u8", "all", entries)
    text = (folder / "all.m3u8").read_bytes().decode("utf-8")
    named = [line for line in text.split("\n") if line and not line.startswith("#")]
    kept = [entry.path for entry in entries if entry.path not in left_out]
    assert [Path(os.path.normpath(folder / line)) for line in named] == [
        Path(os.path.normpath(path)) for path in kept
    ]


# --- Neighbours


def test_the_nearest_songs_come_first_and_the_song_itself_is_left_out():
    song = answer("song", embedding=(2.0, 1.0))
    library = [
        answer("far", embedding=(-3.0, 0.0)),
        song,
        answer("near", embedding=(3.0, 2.0)),
        answer("between", embedding=(1.0, 0.0)),
        replace(answer("unknown"), embedding=None),
    ]
    found = nearest(song, library)
    assert [str(n.answer.path) for n in found] == ["near", "between", "far"]
    similarities = [n.similarity for n in found]
    assert similarities == sorted(similarities, reverse=True)
    assert all(-1 <= s <= 1 for s in similarities)
    assert len(nearest(song, library, top=1)) == 1
    assert nearest(song, [song]) == ()


def test_what_is_the_same_in_all_songs_of_a_library_tells_nothing():
    library = [answer(str(n), embedding=(5.0, float(n))) for n in range(3)]
    found = nearest(answer("song", embedding=(99.0, 2.1)), library)
    assert [str(n.answer.path) for n in found] == ["2", "1", "0"]
    # Scaling one number for all changes nothing.
    grown = [replace(a, embedding=a.embedding * np.float32([1, 10])) for a in library]
    again = nearest(answer("song", embedding=(99.0, 21.0)), grown)
    assert np.allclose([n.similarity for n in again], [n.similarity for n in found])


def test_cosines_are_those_of_the_formula():
    a, b = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
    wanted = [[u @ v / np.sqrt(u @ u) / np.sqrt(v @ v) for v in b] for u in a]
    assert np.allclose(cosine(a, b), wanted, atol=1e-6)
    assert (cosine(np.zeros((1, 3), np.float32), b) == 0).all()


def test_no_two_genres_have_one_playlist():
    long = "x" * 70
    labels = ["A/B", "A_B", "a:b", "Caf\u00e9", "cafe\u0301", long, long + "y", "Rock"]
    names = file_names(labels)
    assert list(names) == labels
    assert names["A/B"] == "A_B.m3u8"
    assert names["A_B"] == "A_B (2).m3u8"
    assert names["a:b"] == "a_b (3).m3u8"
    assert names["Rock"] == "Rock.m3u8"
    assert len({normalize("NFC", name).casefold() for name in names.values()}) == len(labels)
