"""Labelled folders and tables of every shape become tracks; errors say what to mend, and where."""

import json
import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.collections.check import check_collection, excluded
from backbeat.collections.collection import Tags, Track, read_collection, read_tags
from backbeat.collections.genres import (
    GTZAN_GENRES,
    find_genre,
    genre_key,
    gtzan_spelling,
    merge_spellings,
)
from backbeat.errors import BackbeatError
from backbeat.parallel.executors import InlineExecutor, open_executor
from sounds import GTZAN, cut, music, need_gtzan, write


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names(collection):
    return [track.name for track in collection.tracks]


def error_of(path):
    with pytest.raises(BackbeatError) as caught:
        read_collection(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["Hip-Hop", "hip hop", "Hip_Hop", "HIPHOP", " hiphop ", "hip\u2010hop"], "hiphop"),
        (["Trip Hop", "trip-hop", "TRIPHOP", "trip\u00a0hop"], "triphop"),
        (["Cafe\u0301", "caf\u00e9", "CAF\u00c9"], "caf\u00e9"),
        (["Drum & Bass", "drum&bass"], "drum&bass"),
        (["hip-hop/rap"], "hiphop/rap"),
        (["-"], "-"),
        (["- -"], "- -"),
    ],
)
def test_spellings_of_one_genre(names, key):
    assert {genre_key(name) for name in names} == {key}
    assert find_genre(names[0], ["other", *names[::-1]]) == len(names)
    assert find_genre(names[0], ["other", names[-1]]) == 1
    assert find_genre(names[0], ["other"]) is None


@given(st.lists(st.text(alphabet="aA- _Bé&", max_size=4)))
def test_merged_spellings(names):
    shown = merge_spellings(names)
    assert set(shown) == set(names)
    for name in names:
        alike = [other for other in names if genre_key(other) == genre_key(name)]
        assert shown[name] == max(alike, key=lambda one: (alike.count(one), -alike.index(one)))
        assert genre_key(genre_key(name)) == genre_key(name)


@pytest.mark.parametrize("genre", GTZAN_GENRES)
def test_gtzans_genres_in_its_spelling(genre):
    assert gtzan_spelling(genre.title()) == gtzan_spelling(f"{genre[:3]} {genre[3:]}") == genre
    assert gtzan_spelling(f"{genre.title()} Rock") == f"{genre.title()} Rock"


def test_folder(tmp_path):
    touch(tmp_path, "Hip-Hop/b.WAV", "Hip-Hop/a.Mp3", "Techno/x/y/z.flac", "Techno/cover.jpg")
    touch(tmp_path, "readme.txt", ".hidden/a.mp3", "Techno/._x.mp3", "Techno/.git/a.mp3")
    collection = read_collection(tmp_path)
    assert collection.kind == "folder"
    assert collection.root == tmp_path
    assert collection.genres == ("Hip-Hop", "Techno")
    assert collection.tracks == (
        Track("Hip-Hop/a.Mp3", tmp_path, "Hip-Hop"),
        Track("Hip-Hop/b.WAV", tmp_path, "Hip-Hop"),
        Track("Techno/x/y/z.flac", tmp_path, "Techno"),
    )
    assert collection.ignored == 2  # cover.jpg and readme.txt


def test_two_spellings_are_one_genre(tmp_path):
    touch(tmp_path, "Hip-Hop/a.mp3", "hiphop/a.mp3", "one/a.mp3")
    touch(tmp_path, "trip hop/a.mp3", "trip-hop/a.mp3", "trip-hop/b.mp3")
    collection = read_collection(tmp_path)
    assert [(track.name, track.genre) for track in collection.tracks] == [
        ("Hip-Hop/a.mp3", "Hip-Hop"),
        ("hiphop/a.mp3", "Hip-Hop"),
        ("one/a.mp3", "one"),
        ("trip hop/a.mp3", "trip-hop"),
        ("trip-hop/a.mp3", "trip-hop"),
        ("trip-hop/b.mp3", "trip-hop"),
    ]


def test_one_genre_is_a_collection(tmp_path):
    touch(tmp_path, "polka/a.mp3")
    assert read_collection(tmp_path).genres == ("polka",)


def test_names_of_every_kind(tmp_path):
    odd = ["a b/c d.mp3", "🎸/é 🎹.mp3", "new\nline/x\ny.mp3"]
    if sys.platform.startswith("linux"):
        odd.append(os.fsdecode(b"bytes/\xff.mp3"))
    touch(tmp_path, *odd)
    collection = read_collection(tmp_path)
    assert names(collection) == sorted(odd)
    assert all(track.path.is_file() for track in collection.tracks)
    report = check_collection(collection, min_seconds=1.0, executor=InlineExecutor())
    assert {one.reason for one in report.findings} == {"empty: the file has no bytes"}
    assert json.loads(json.dumps(report.to_json()))["unusable"] == len(odd)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links(tmp_path):
    touch(tmp_path / "songs", "rock/a.mp3", "pop/b.mp3")
    touch(tmp_path / "more", "c.mp3")
    rock = tmp_path / "songs/rock"
    (rock / "loop").symlink_to(rock)
    (rock / "up").symlink_to(tmp_path / "songs")
    (rock / "further up").symlink_to(tmp_path)
    (rock / "more").symlink_to(tmp_path / "more")
    (rock / "again").symlink_to(tmp_path / "more")
    (rock / "nowhere.mp3").symlink_to(tmp_path / "gone.mp3")
    found = names(read_collection(tmp_path / "songs"))
    # A folder linked twice is read once; a link to nothing is a track that the check reports.
    assert found == ["pop/b.mp3", "rock/a.mp3", "rock/again/c.mp3", "rock/nowhere.mp3"]


def test_errors_of_folders(tmp_path):
    assert error_of(tmp_path / "gone") == f"{tmp_path}/gone: no such folder or table"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert error_of(empty) == (
        f"{empty}: no sub-folders; put each genre's songs in a folder of its own, or give a CSV"
    )
    touch(tmp_path / "flat", "a.mp3", "b.mp3")
    assert "flat: 2 audio files lie outside genre folders (the first is a.mp3)" in error_of(
        tmp_path / "flat"
    )
    touch(tmp_path / "loose", "rock/a.mp3", "b.mp3")
    assert "put each genre's songs in a folder of its own" in error_of(tmp_path / "loose")


def test_many_files_are_not_opened(tmp_path, monkeypatch):
    touch(tmp_path, *(f"g{i % 3}/{i}.mp3" for i in range(300)))

    def fail(*args, **options):
        raise AssertionError("a scan opens no file")

    monkeypatch.setattr("builtins.open", fail)
    monkeypatch.setattr("io.open", fail)
    assert len(read_collection(tmp_path).tracks) == 300


# --- Tables


def table(tmp_path, text, *files, name="songs.csv", encoding="utf-8"):
    touch(tmp_path, *files)
    (tmp_path / name).write_bytes(text.encode(encoding))
    return tmp_path / name


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_table(tmp_path, delimiter, encoding, end):
    lines = ["Path,GENRE,Year,Artist,album", "b/x.mp3,Hip-Hop,1999,Ünal,  LP ", "", "a.wav,pop,,"]
    text = end.join(lines).replace(",", delimiter)
    path = table(tmp_path, text, "b/x.mp3", "a.wav", encoding=encoding)
    collection = read_collection(path)
    assert (collection.kind, collection.root) == ("csv", path)
    assert collection.tracks == (
        Track("a.wav", tmp_path, "pop"),
        Track("b/x.mp3", tmp_path, "Hip-Hop", "Ünal", "LP"),
    )


SEVERAL = """path,genre
a.wav,Synth-Pop
b.wav,rock;dance
c.wav,Synth Pop|synthpop
d.wav, ; Synth pop ;
e.wav,Dance | Rock
f.wav,"R&B/Soul"
g.wav,"Folk, World, & Country"
h.wav,Funk / Soul
i.wav,Synth Pop
"""
OTHERS = {"f.wav": "R&B/Soul", "g.wav": "Folk, World, & Country", "h.wav": "Funk / Soul"}


@pytest.mark.parametrize("several", [None, "first", "skip"])
def test_cells_with_several_genres(tmp_path, several):
    path = table(tmp_path, SEVERAL, *(f"{letter}.wav" for letter in "abcdefghi"))
    collection = read_collection(path, several=several)
    assert collection.several == 2
    shown = {"a.wav": "Synth Pop", "c.wav": "Synth Pop", "d.wav": "Synth Pop", "i.wav": "Synth Pop"}
    if several != "skip":
        shown |= {"b.wav": "rock", "e.wav": "Dance"}
    assert {track.name: track.genre for track in collection.tracks} == shown | OTHERS


def test_a_table_of_songs_with_several_genres_only(tmp_path):
    path = table(tmp_path, "path,genre\na.wav,x;y\n", "a.wav")
    with pytest.raises(BackbeatError, match=r"each song has several genres; --several first"):
        read_collection(path, several="skip")
    again = table(tmp_path, "path,genre\na.wav,x;y\na.wav,x\n", name="twice.csv")
    with pytest.raises(BackbeatError, match=r"line 3: a\.wav is on line 2 already"):
        read_collection(again, several="skip")
    assert "no row has a genre" in error_of(table(tmp_path, "path,genre\na.wav, ; \n"))


def test_several_needs_a_table(tmp_path):
    touch(tmp_path, "rock;dance/a.mp3")
    assert read_collection(tmp_path).genres == ("rock;dance",)
    with pytest.raises(BackbeatError, match="--several is for tables; in a folder each song has"):
        read_collection(tmp_path, several="skip")


@pytest.mark.parametrize("verb", ["check", "prepare"])
def test_verbs_print_how_many_songs_have_several_genres(tmp_path, cli, verb):
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.wav", music(3.5, seed=ord(name)))
    path = table(tmp_path, "path,genre\na.wav,rock;dance\nb.wav,Rock\nc.wav,dance\n")
    one = table(tmp_path, "path,genre\nb.wav,Rock\nc.wav,dance\n", name="one.csv")

    def printed(number, table, *several):
        more = () if verb == "check" else ("-o", tmp_path / number, "--frontend", "musicnn")
        return cli(verb, table, "--workers", 1, *more, *several)[2]

    assert "with several genres: 1 of 3 songs; they are left out\n" in printed(
        "1", path, "--several", "skip"
    )
    assert "with several genres: 1 of 3 songs; their first is used (--sev" in printed("2", path)
    assert "several" not in printed("3", one)


def test_absolute_and_quoted_paths(tmp_path):
    touch(tmp_path, "far/a, b.mp3")
    path = table(tmp_path, f'genre,path\npop,"{tmp_path}/far/a, b.mp3"\n', name="t.csv")
    (track,) = read_collection(path).tracks
    assert track.path == tmp_path / "far/a, b.mp3"
    assert track.name == f"{tmp_path}/far/a, b.mp3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "songs.csv: not a table: it is empty"),
        ("path,genre\n", "songs.csv: no rows below the first line"),
        ("path,label\na.wav,pop\n", "songs.csv, line 1: no column 'genre'"),
        ("a.wav,pop\n", "songs.csv, line 1: no column 'path'"),
        ("path,genre,path\na.wav,pop,b\n", "songs.csv, line 1: more than one column 'path'"),
        ("path,genre\na.wav,pop\n\n,rock\n", "songs.csv, line 4: no path"),
        ("path,genre\na.wav\n", "songs.csv: no row has a genre"),
        ("path,genre\na.wav,pop\na.wav,rock\n", "songs.csv, line 3: a.wav is on line 2 already"),
        ("path,genre\nx.wav,pop\ny.wav,pop\n", "songs.csv, line 2: no such file: x.wav, nor any"),
        ("path,genre\n" + "x" * 200_000 + ",pop\n", "songs.csv, line 2: field larger than"),
        ("path,genre\0\n", "songs.csv: not a table: binary data"),
    ],
)
def test_errors_of_tables(tmp_path, text, message):
    assert message in error_of(table(tmp_path, text, "a.wav"))


def test_table_in_another_encoding(tmp_path):
    path = table(tmp_path, "path,genre\n\x81.wav,pop\n", "a.wav", encoding="latin-1")
    assert "not a table in UTF-8" in error_of(path)


def test_a_single_missing_file_is_left_to_the_check(tmp_path):
    path = table(tmp_path, "path,genre\na.wav,pop\nb.wav,pop\n")
    write(tmp_path / "a.wav")
    report = check_collection(read_collection(path), min_seconds=1.0, executor=InlineExecutor())
    assert [(one.track, one.kind, one.reason) for one in report.findings] == [
        ("b.wav", "unreadable", "no such file")
    ]


@given(st.text(alphabet=st.sampled_from('path,genre\n";\t\r\0aé'), max_size=60))
def test_tables_of_nonsense(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "nonsense.csv"
    path.write_text(f"path,genre\n{text}", encoding="utf-8", newline="")
    with pytest.raises(BackbeatError):
        read_collection(path)


# --- GTZAN


@pytest.mark.parametrize("layout", ["", "genres", "genres_original", "Data/genres_original"])
def test_layouts_of_gtzan(tmp_path, layout):
    inner = tmp_path / layout
    touch(inner, *(f"{genre}/{genre}.0000{i}.wav" for genre in GTZAN_GENRES for i in range(3)))
    if layout:  # what else Kaggle's copy holds
        beside = inner.parent
        touch(beside, "images_original/blues/blues00000.png", "features_30_sec.csv")
    collection = read_collection(tmp_path)
    assert collection.kind == "gtzan"
    assert collection.root == inner
    assert collection.genres == GTZAN_GENRES
    assert len(collection.tracks) == 30
    first = collection.tracks[0]
    assert (first.name, first.artist) == ("blues/blues.00000.wav", "John Lee Hooker")
    assert first.title == "One Bourbon, One Scotch And One Beer"


def test_gtzan_with_another_spelling(tmp_path):
    touch(tmp_path, "Hip-Hop/hiphop.00003.flac", "jazz/jazz.00054.flac", "jazz/jazz.00001.flac")
    collection = read_collection(tmp_path)
    assert (collection.kind, collection.genres) == ("gtzan", ("hiphop", "jazz"))


def test_own_songs_under_gtzans_genres_are_no_gtzan(tmp_path):
    touch(tmp_path, "rock/a.mp3", "rock/rock.00001.mp3", "jazz/c.mp3")
    touch(tmp_path, "jazz/blues.00001.mp3")
    collection = read_collection(tmp_path)
    assert collection.kind == "folder"
    assert [excluded(collection, track) for track in collection.tracks] == [None] * 4


def test_jazz_54_is_always_unusable(tmp_path):
    for number in (53, 54):
        write(tmp_path / f"jazz/jazz.000{number}.wav", music(seed=number))
    write(tmp_path / "pop/pop.00001.wav", music(seed=3))
    collection = read_collection(tmp_path)
    report = check_collection(collection, min_seconds=1.0, executor=InlineExecutor())
    (finding,) = report.findings
    assert (finding.track, finding.level, finding.kind) == (
        "jazz/jazz.00054.wav",
        "unusable",
        "excluded",
    )
    assert "jazz.00054 cannot be read in the common copies" in finding.reason
    assert report.exit_status == 1


def test_real_clips():
    need_gtzan()
    collection = read_collection(GTZAN / "clips")
    assert (collection.kind, len(collection.tracks)) == ("gtzan", 50)
    assert collection.genres == GTZAN_GENRES
    assert sum(bool(track.artist) for track in collection.tracks) == 48


# --- The check


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    root = tmp_path_factory.mktemp("mixed")
    # Integers: libsndfile rounds floats in a WAV and in a FLAC differently.
    same = (music(2.0, seed=1) * 32_000).astype(np.int16)
    write(root / "rock/a.wav", same)
    write(root / "rock/b.flac", music(2.0, seed=2))
    write(root / "rock/copy.flac", same)
    write(root / "pop/copy.wav", same)
    write(root / "pop/loud.wav", np.clip(music(2.0, seed=3) * 5, -1, 1))
    write(root / "pop/silent.wav", np.zeros((44_100, 1), np.float32))
    write(root / "pop/silent too.wav", np.zeros((44_100, 1), np.float32))
    cut(write(root / "pop/cut.mp3", music(4.0, seed=4)))
    (root / "pop/text.mp3").write_text("words " * 400)
    touch(root, "pop/cover.jpg")
    return read_collection(root)


def test_check(mixed):
    progress = []
    report = check_collection(
        mixed,
        min_seconds=1.5,
        executor=InlineExecutor(),
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert progress == [(done, 9) for done in range(1, 10)]
    assert [(one.track, one.level, one.kind) for one in report.findings] == [
        ("pop/cut.mp3", "unusable", "truncated"),
        ("pop/loud.wav", "suspicious", "clipped"),
        ("pop/silent too.wav", "unusable", "silent"),
        ("pop/silent.wav", "unusable", "silent"),
        ("pop/text.mp3", "unusable", "not-audio"),
        ("rock/a.wav", "suspicious", "duplicate"),
        ("rock/copy.flac", "suspicious", "duplicate"),
    ]
    assert report.findings[5].reason == "same samples as pop/copy.wav, which is labelled pop"
    assert report.exit_status == 1
    content = report.to_json()
    assert {key: content[key] for key in ("tracks", "usable", "unusable", "suspicious")} == {
        "tracks": 9,
        "usable": 5,
        "unusable": 4,
        "suspicious": 3,
    }
    assert content["genres"][0] == {
        "genre": "pop",
        "tracks": 6,
        "usable": 2,
        "unusable": 4,
        "suspicious": 1,
        "seconds": 4.0,
    }
    assert content["artists"] == {"known": 0, "unknown": 9, "different": 0}
    assert (content["kind"], content["ignored"], content["seconds"]) == ("folder", 1, 10.0)
    assert content["findings"][0]["reason"].startswith("truncated: the header declares 4.")
    json.dumps(content)


def test_check_in_parallel_is_the_same(mixed):
    one = check_collection(mixed, min_seconds=1.5, executor=InlineExecutor())
    with open_executor(2) as executor:
        two = check_collection(mixed, min_seconds=1.5, executor=executor)
    assert one == two


def test_a_copy_of_the_same_label_names_no_label(tmp_path):
    for name in ("a.wav", "b.wav"):
        write(tmp_path / "pop" / name, music(2.0))
    report = check_collection(read_collection(tmp_path), min_seconds=1.0, executor=InlineExecutor())
    assert [one.reason for one in report.findings] == ["same samples as pop/a.wav"]
    assert report.exit_status == 0


def test_tags(tmp_path):
    mutagen = pytest.importorskip("mutagen")
    path = write(tmp_path / "pop/song.flac", music(2.0))
    assert read_tags(path) == Tags()
    tagged = mutagen.File(path)
    tagged["albumartist"] = "Various"
    tagged["album"] = " The\nAlbum "
    tagged.save()
    assert read_tags(path) == Tags("Various", "The Album")
    tagged["artist"] = "Cafe\u0301"
    tagged["title"] = "Song"
    tagged.save()
    assert read_tags(path) == Tags("Caf\u00e9", "The Album", "Song")
    report = check_collection(read_collection(tmp_path), min_seconds=1.0, executor=InlineExecutor())
    assert report.collection.tracks[0].artist == "Caf\u00e9"
    assert report.to_json()["artists"] == {"known": 1, "unknown": 0, "different": 1}


def test_tags_of_nonsense(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"ID3\x04\0\0\0\0\x7f\x7f" + bytes(range(256)))
    (tmp_path / "b.flac").write_bytes(b"fLaC\x84\xff\xff\xff" + bytes(100))
    for name in ("a.mp3", "b.flac", "gone.ogg"):
        assert read_tags(tmp_path / name) == Tags()


def test_a_tables_artist_wins_over_tags(tmp_path):
    mutagen = pytest.importorskip("mutagen")
    path = write(tmp_path / "song.flac", music(2.0))
    tagged = mutagen.File(path)
    tagged["artist"], tagged["album"] = "Tag", "Tag's album"
    tagged.save()
    listed = table(tmp_path, "path,genre,artist\nsong.flac,pop,Table\n")
    report = check_collection(read_collection(listed), min_seconds=1.0, executor=InlineExecutor())
    assert report.collection.tracks[0].artist == "Table"
    assert report.collection.tracks[0].album == "Tag's album"


def test_songs_are_in_the_order_in_which_people_count(tmp_path):
    wanted = ["pop/CD 2/1.mp3", "pop/CD 10/1.mp3", "rock/2.mp3", "rock/10.mp3", "rock/a09.mp3"]
    touch(tmp_path / "songs", *reversed(wanted))
    assert names(read_collection(tmp_path / "songs")) == wanted
    table = tmp_path / "songs" / "table.csv"
    table.write_text("path,genre\n" + "".join(f"{name},x\n" for name in reversed(wanted)))
    assert names(read_collection(table)) == wanted
