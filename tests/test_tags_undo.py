"""What is written is logged first, survives kill -9, and can be taken back byte for byte."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import mutagen
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backbeat.classify import Failure
from backbeat.errors import BackbeatError
from backbeat.files import atomic
from backbeat.library.tags import formats
from backbeat.library.tags.log import LogWriter, alone, new_log, read_log, state_folder
from backbeat.library.tags.plan import Change, Present
from backbeat.library.tags.rewriting import TagError, changing, opened, refusal, state
from backbeat.library.tags.writing import Undone, Written, apply, undo
from tagged import SUFFIXES, copy_of, make_songs, sound


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A song in each format, with tags and cover art; not to be changed."""
    return make_songs(tmp_path_factory.mktemp("songs"), art_size=200)


@pytest.fixture
def log(tmp_path):
    return LogWriter(tmp_path / "log.jsonl", {"multi": False})


def change(path, *genres):
    return Change(path, formats.read(path), genres or ("Hip-Hop", "Rock"), 0.9)


def write_all(paths, log, *genres, **options):
    results = list(apply([change(path, *genres) for path in paths], log, **options))
    log.close()
    return results


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "log.jsonl"}


# --- There and back


def test_every_format_comes_back_byte_for_byte(songs, tmp_path, log):
    folder = tmp_path / "music"
    copies = [copy_of(song, folder) for song in songs.values()]
    before, times = files_of(folder), [path.stat().st_mtime_ns for path in copies]
    genres = ("Hip-Hop", "Rock")
    assert write_all(copies, log) == [Written(path, genres) for path in copies]
    assert all(formats.read(path).genres == genres for path in copies)
    written = files_of(folder)
    assert set(written) == set(before)
    assert all(written[name] != before[name] for name in before)
    # Cover art, which mutagen moves about, is not in the log.
    assert log.path.stat().st_size < 30_000 < len(before["mp3.mp3"])
    content = read_log(log.path)
    assert [(one.path, one.old, one.new) for one in content.entries] == [
        (path, (), genres) for path in copies
    ]
    assert list(undo(content)) == [Undone(path, "byte for byte") for path in reversed(copies)]
    assert files_of(folder) == before
    assert [path.stat().st_mtime_ns for path in copies] == times
    assert {one.how for one in undo(content)} == {"nothing to do"}
    assert files_of(folder) == before


def test_old_genres_are_logged_exactly(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path)
    formats.write(song, ("(17)", "Ska "))
    before = song.read_bytes()
    write_all([song], log, "Jazz")
    (entry,) = read_log(log.path).entries
    assert (entry.format, entry.old, entry.new) == ("ID3v2.4", ("(17)", "Ska "), ("Jazz",))
    with song.open("rb") as file:
        assert (entry.before.size, entry.after) == (len(before), state(file))
    list(undo(read_log(log.path)))
    assert song.read_bytes() == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tag_for_tag_where_another_tag_was_changed_since(songs, tmp_path, log, suffix):
    song = copy_of(songs[suffix], tmp_path)
    formats.write(song, ("Ska", "Dub"))
    write_all([song], log, "Jazz")
    file = mutagen.File(song)
    if suffix in ("mp3", "wav", "aiff"):
        file.tags["TIT2"].text = ["Other"]
    else:
        file[{"m4a": "\xa9nam", "wma": "Title"}.get(suffix, "title")] = ["Other"]
    file.save()
    before = sound(song)
    assert list(undo(read_log(log.path))) == [Undone(song, "tag for tag")]
    assert formats.read(song).values == ("Ska", "Dub")
    assert "Other" in str(mutagen.File(song).tags.pprint())
    assert sound(song) == before
    assert list(undo(read_log(log.path))) == [Undone(song, "nothing to do")]


def test_a_genre_that_someone_changed_since_is_left_alone(songs, tmp_path, log):
    paths = [copy_of(songs["mp3"], tmp_path, name) for name in ("a.mp3", "b.mp3", "c.mp3")]
    before = [path.read_bytes() for path in paths]
    write_all(paths, log)
    formats.write(paths[0], ("Polka",))
    theirs = paths[0].read_bytes()
    paths[2].unlink()
    assert list(undo(read_log(log.path))) == [
        Failure(paths[2], "is not there any more"),
        Undone(paths[1], "byte for byte"),
        Failure(paths[0], "left alone: its genre was changed since, to Polka"),
    ]
    assert (paths[0].read_bytes(), paths[1].read_bytes()) == (theirs, before[1])


def test_a_log_that_was_added_to_is_undone_from_its_end(songs, tmp_path, log):
    song = copy_of(songs["flac"], tmp_path)
    before = song.read_bytes()
    write_all([song], log, "Jazz")
    write_all([song], LogWriter(log.path, {}), "Rock")
    content = read_log(log.path)
    assert [one.new for one in content.entries] == [("Jazz",), ("Rock",)]
    assert [one.how for one in undo(content)] == ["byte for byte"] * 2
    assert song.read_bytes() == before
    assert [one.how for one in undo(content)] == ["nothing to do"] * 2


def test_a_log_that_does_not_fit_breaks_nothing(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path)
    write_all([song], log)
    ours = song.read_bytes()
    (entry,) = read_log(log.path).entries
    for patch in ((b"something else",), ((0, 1 << 40),)):
        (failure,) = undo(replace(read_log(log.path), entries=(replace(entry, patch=patch),)))
        assert isinstance(failure, Failure)
        assert "the log does not fit it" in failure.reason
        assert song.read_bytes() == ours
    assert len(list(tmp_path.iterdir())) == 2


# --- What is kept, what is refused


def test_mode_times_and_attributes_are_kept(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path)
    song.chmod(0o640)
    os.utime(song, ns=(1_000_000_000, 1_234_567_890_123_456_789))
    try:
        os.setxattr(song, "user.rating", b"5")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    (done,) = write_all([song], log, keep_times=True)
    assert isinstance(done, Written)
    assert song.stat().st_mode & 0o7777 == 0o640
    assert song.stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert os.getxattr(song, "user.rating") == b"5"
    write_all([song], log, "Jazz")
    assert song.stat().st_mtime_ns > 1_700_000_000_000_000_000
    list(undo(read_log(log.path)))
    assert song.stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert os.getxattr(song, "user.rating") == b"5"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
def test_the_owner_is_kept(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path)
    os.chown(song, 1234, 4321)
    write_all([song], log)
    assert (song.stat().st_uid, song.stat().st_gid) == (1234, 4321)


def test_a_link_stays_one_and_what_it_leads_to_is_changed(songs, tmp_path, log):
    song = copy_of(songs["ogg"], tmp_path / "real")
    link = tmp_path / "link.ogg"
    link.symlink_to(song)
    assert write_all([link], log) == [Written(link, ("Hip-Hop", "Rock"))]
    assert link.is_symlink()
    assert formats.read(song).genres == ("Hip-Hop", "Rock")
    assert read_log(log.path).entries[0].path == song


def test_files_that_must_not_be_replaced_stay(songs, tmp_path, log):
    linked = copy_of(songs["mp3"], tmp_path / "music", "linked.mp3")
    (tmp_path / "music" / "second.mp3").hardlink_to(linked)
    locked = copy_of(songs["mp3"], tmp_path / "music", "locked.mp3")
    locked.chmod(0o444)
    good = copy_of(songs["mp3"], tmp_path / "music", "good.mp3")
    before = files_of(tmp_path / "music")
    results = write_all([linked, locked, good], log)
    assert results == [
        Failure(linked, "has 2 names (hard links), which writing would separate"),
        Failure(locked, "is read-only"),
        Written(good, ("Hip-Hop", "Rock")),
    ]
    after = files_of(tmp_path / "music")
    assert {name for name in before if before[name] != after[name]} == {"good.mp3"}
    assert refusal(tmp_path) == "is not a file"


def test_what_someone_else_changes_meanwhile_stays_theirs(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path)
    planned = change(song)
    formats.write(song, ("Polka",))
    assert list(apply([planned], log)) == [
        Failure(song, "its genre was changed by another program meanwhile")
    ]
    assert not log.path.exists()
    with (
        pytest.raises(BackbeatError, match="was changed by another program meanwhile"),
        opened(song) as open_song,
        changing(open_song) as copy,
    ):
        formats.write(song, ("Jazz",), copy.file)
        formats.write(song, ("Krautrock", "Ska"))
    assert formats.read(song).genres == ("Krautrock", "Ska")
    assert list(tmp_path.iterdir()) == [song]


def test_a_failure_leaves_no_copy(songs, tmp_path, log, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    song = copy_of(songs["mp3"], tmp_path / "music")
    before = files_of(tmp_path / "music")
    planned = change(song)
    monkeypatch.setattr("shutil.copyfileobj", full)
    assert list(apply([planned], log)) == [Failure(song, "No space left on device")]
    assert files_of(tmp_path / "music") == before


def test_other_sound_is_never_put_in_place(songs, tmp_path, log, monkeypatch):
    song = copy_of(songs["mp3"], tmp_path / "music")
    before = files_of(tmp_path / "music")
    planned = change(song)

    def careless(_path, genres, copy):
        copy.seek(-200, 2)
        (value,) = copy.read(1)
        copy.seek(-200, 2)
        copy.write(bytes([value ^ 1]))
        copy.flush()
        return tuple(genres)

    monkeypatch.setattr(formats, "write", careless)
    assert list(apply([planned], log)) == [
        Failure(song, "cannot make sure that its sound stays as it is")
    ]
    assert files_of(tmp_path / "music") == before
    log.close()
    assert read_log(log.path).entries == ()


# --- The log


def test_logs_have_a_place_and_a_name_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "backbeat" / "tags"
    first = new_log()
    assert first.parent == state_folder()
    first.parent.mkdir(parents=True)
    first.touch()
    assert new_log() != first
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert state_folder() == tmp_path / "me" / ".local" / "state" / "backbeat" / "tags"


def test_the_lines_of_a_log(songs, tmp_path, log):
    name = os.fsdecode(b"\xff\xe9 \n.mp3")
    song = copy_of(songs["mp3"], tmp_path, name)
    write_all([song], log)
    lines = [json.loads(line) for line in log.path.read_text("ascii").splitlines()]
    assert [line["event"] for line in lines] == ["run", "begin", "change", "end"]
    assert (lines[0]["log"], lines[0]["version"]) == ("backbeat tag", 2)
    assert lines[0]["options"] == {"multi": False}
    assert Path(lines[2]["path"]) == song
    assert list(undo(read_log(log.path))) == [Undone(song, "byte for byte")]


def test_half_a_last_line_is_passed_over_and_not_added_to(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path)
    write_all([song], log)
    whole = log.path.read_text()
    log.path.write_text(whole + '{"event": "change", "path": "/x')
    assert len(read_log(log.path).entries) == 1
    other = copy_of(songs["flac"], tmp_path)
    write_all([other], LogWriter(log.path, {}))
    assert log.path.read_text().startswith(whole + '{"event": "run"')
    assert [one.path for one in read_log(log.path).entries] == [song, other]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a song\n", "line 1: is not of a log of `backbeat tag`"),
        (b'{"log": "other"}\n', "line 1: is not of a log"),
        (b"[]\n", "line 1: is not of a log"),
        (b"\xff\n", "line 1: is not of a log"),
        (
            b'{"log": "backbeat tag", "event": "run", "version": 3}\n',
            "line 1: has format version 3, this backbeat reads 2; undo it with the backbeat",
        ),
        (
            b'{"event": "run", "log": "backbeat tag", "version": 1}\n',
            "line 1: has format version 1, this backbeat reads 2",
        ),
    ],
)
def test_other_files_are_no_logs_and_not_added_to(tmp_path, songs, content, words):
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    with pytest.raises(BackbeatError, match=words):
        read_log(path)
    with pytest.raises(BackbeatError, match=words):
        LogWriter(path, {}).begin(tmp_path)
    assert path.read_bytes() == content


def test_a_log_that_is_missing_is_named(tmp_path):
    with pytest.raises(BackbeatError, match=r"gone: no such log"):
        read_log(tmp_path / "gone")


def test_one_process_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    refused = pytest.raises(BackbeatError, match="another backbeat is writing tags")
    with alone(), refused, alone():
        pass
    with alone():
        pass


# --- kill -9

# Every file that Python opens, renames or removes is an "audit event" of its own: a child is killed
# at the first of them, the next one at the second, and so on to the last.
KILLS = """
import os, signal, sys
from pathlib import Path
from backbeat.library.tags import formats
from backbeat.library.tags.writing import apply
from backbeat.library.tags.log import LogWriter, read_log
from backbeat.library.tags.plan import Change
from backbeat.library.tags.writing import undo

what, song, log = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
before = song.read_bytes()
list(apply([Change(song, formats.read(song), ("Rock", "Pop"), 0.9)], LogWriter(log, {})))
after = song.read_bytes()
logged = read_log(log)
assert before != after
events = 0
watched = ("open", "os.", "shutil.")

def killing(last):
    count = 0
    def hook(event, _):
        nonlocal count
        if event.startswith(watched):
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
    return hook

for last in range(1, 500):
    song.write_bytes(before if what == "write" else after)
    log.unlink() if what == "write" else None
    child = os.fork()
    if not child:
        sys.addaudithook(killing(last))
        if what == "write":
            change = Change(song, formats.read(song), ("Rock", "Pop"), 0.9)
            done = list(apply([change], LogWriter(log, {})))
        else:
            done = list(undo(logged))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    content = song.read_bytes()
    assert content in (before, after), last
    if what == "undo" or log.exists() and log.stat().st_size:
        list(undo(read_log(log)))
    else:
        assert content == before
    assert song.read_bytes() == before, last
    left = [path.name for path in song.parent.iterdir() if path != song]
    assert not left, (last, left)
    if not status:
        print(last - 1)
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    log.touch()
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["write", "undo"])
@pytest.mark.parametrize("suffix", ["mp3", "m4a"])
def test_killed_at_any_moment_nothing_is_lost(songs, tmp_path, what, suffix):
    song = copy_of(songs[suffix], tmp_path / "music")
    command = [sys.executable, "-c", KILLS, what, song, tmp_path / "log.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10  # so many kills


def left_copy(folder):
    """What a killed process leaves beside a song."""
    return folder / f"{atomic._prefix()}0123456789abcdef.mp3"


def test_a_copy_that_a_killed_process_left_is_removed(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path / "music")
    left_copy(song.parent).write_bytes(b"half a so")
    write_all([song], log)
    assert list(song.parent.iterdir()) == [song]
    assert formats.read(song).genres == ("Hip-Hop", "Rock")


def test_undoing_removes_the_copies_of_killed_processes(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path / "music")
    log.begin(song)
    log.close()
    left_copy(song.parent).write_bytes(b"half a so")
    assert list(undo(read_log(log.path))) == []
    assert list(song.parent.iterdir()) == [song]


def test_a_present_genre_is_compared_exactly(songs, tmp_path, log):
    song = copy_of(songs["mp3"], tmp_path)
    planned = Change(song, Present("ID3v2.4", ("Ska",), ("Ska",)), ("Rock",), 0.9)
    assert list(apply([planned], log)) == [
        Failure(song, "its genre was changed by another program meanwhile")
    ]


# --- Broken files


@pytest.mark.slow
@settings(max_examples=100)
@given(
    st.sampled_from(SUFFIXES),
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=8),
    st.one_of(st.none(), st.integers(0, 30_000)),
)
@example("aiff", [(39, 0)], None)  # mutagen writes, and does not find it again
def test_a_damaged_file_is_refused_or_comes_back(songs, suffix, damage, length):
    with tempfile.TemporaryDirectory() as folder:
        damaged_there_and_back(copy_of(songs[suffix], Path(folder) / "music"), damage, length)


def damaged_there_and_back(song, damage, length):
    content = bytearray(song.read_bytes()[:length])
    # Most of the tags stand at the beginning; those of WAV, AIFF and M4A at the end.
    for place, value in damage:
        if place < len(content):
            content[place if place % 2 else -place - 1] = value
    song.write_bytes(content)
    log = LogWriter(song.parents[1] / "log.jsonl", {})
    try:
        planned = change(song)
    except TagError as error:
        assert "\n" not in str(error)
        return
    (result,) = apply([planned], log)
    log.close()
    assert list(song.parent.iterdir()) == [song]
    if isinstance(result, Failure):
        assert song.read_bytes() == content
        assert result.reason
    else:
        assert formats.read(song).values
        assert list(undo(read_log(log.path))) == [Undone(song, "byte for byte")]
        assert song.read_bytes() == content
