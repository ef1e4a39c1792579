"""Others may write to the songs' folder, or tag it at the same time: nothing of theirs is touched,
no link is followed, and each song is reported as what it is."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

from backbeat.classify import Failure
from backbeat.files import locks
from backbeat.library.tags import formats, rewriting, writing
from backbeat.library.tags.log import LogWriter, read_log
from backbeat.library.tags.plan import Change
from backbeat.library.tags.writing import Undone, Written, apply, undo
from tagged import copy_of, make_songs


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return make_songs(tmp_path_factory.mktemp("songs"), art_size=64)


@pytest.fixture
def song(songs, tmp_path):
    return copy_of(songs["mp3"], tmp_path / "music")


@pytest.fixture
def victim(tmp_path):
    """A file elsewhere, which nobody named."""
    path = tmp_path / "home" / "diary.txt"
    path.parent.mkdir()
    path.write_bytes(b"dear diary " * 1000)
    path.chmod(0o600)
    return path


@pytest.fixture
def log(tmp_path):
    return LogWriter(tmp_path / "log.jsonl", {})


def change(path):
    return Change(path, formats.read(path), ("Rock",), 0.9)


def state_of(path):
    status = path.lstat()
    return path.read_bytes(), status.st_mode, status.st_uid, status.st_gid, status.st_ino


def before(monkeypatch, module, name, act):
    """Have something happen right before a step, once."""
    own = getattr(module, name)

    def step(*arguments, **options):
        monkeypatch.setattr(module, name, own)
        act()
        return own(*arguments, **options)

    monkeypatch.setattr(module, name, step)


def copy_in(song):
    (copy,) = [path for path in song.parent.iterdir() if path.name.startswith(".")]
    return copy


def put_link(path, target):
    path.unlink()
    path.symlink_to(target)


def run(how, song, log):
    """Tag a song that has none, or put back one that is tagged."""
    if how == "tag":
        (result,) = apply([change(song)], log)
    else:
        (result,) = undo(read_log(log.path))
    return result


@pytest.fixture(params=["tag", "undo", "undo tag for tag"])
def how(request, song, log):
    if request.param != "tag":
        list(apply([change(song)], log))
        log.close()
    if request.param == "undo tag for tag":
        import mutagen

        file = mutagen.File(song)
        file.tags["TIT2"].text = ["Other"]
        file.save()
    return request.param.partition(" ")[0]


# --- The copy


@pytest.mark.parametrize("step", ["the song is copied", "its mode is kept"])
def test_a_link_in_place_of_the_copy_is_not_followed(how, step, song, victim, log, monkeypatch):
    def act():
        put_link(copy_in(song), victim)

    if step == "its mode is kept":
        before(monkeypatch, os, "fchmod", act)
    else:
        before(monkeypatch, rewriting.shutil, "copyfileobj", act)
    was, theirs = state_of(song), state_of(victim)
    result = run(how, song, log)
    assert result == Failure(song, "its copy was changed by another program meanwhile")
    assert state_of(victim) == theirs
    assert state_of(song) == was
    assert not song.is_symlink()
    assert list(song.parent.iterdir()) == [song]


def test_a_copy_replaced_at_the_last_moment_is_not_called_tagged(
    how, song, victim, log, monkeypatch
):
    theirs = state_of(victim)
    before(monkeypatch, os, "replace", lambda: put_link(copy_in(song), victim))
    assert run(how, song, log) == Failure(
        song, "was replaced by another program as soon as its genre was written"
    )
    assert state_of(victim) == theirs
    assert song.is_symlink()  # who may rename in a folder may do that at any time


def test_the_copy_has_a_name_that_cannot_be_guessed_and_is_nobody_elses(song, log, monkeypatch):
    seen = []

    def act():
        copy = copy_in(song)
        seen.append((copy.name, copy.lstat().st_mode & 0o777))

    for _ in range(2):
        before(monkeypatch, rewriting.shutil, "copyfileobj", act)
        list(apply([change(song)], log))
    assert len({name for name, _ in seen}) == 2
    assert {mode for _, mode in seen} == {0o600}


# --- The song


@pytest.mark.parametrize("kind", ["link", "file", "gone"])
def test_what_is_no_longer_the_song_that_was_read_is_not_replaced(
    how, kind, song, victim, log, monkeypatch
):
    def act():
        song.unlink()
        if kind == "link":
            song.symlink_to(victim)
        if kind == "file":
            song.write_bytes(b"theirs")

    theirs = state_of(victim)
    before(monkeypatch, os, "fchmod", act)
    assert run(how, song, log) == Failure(song, "was changed by another program meanwhile")
    assert state_of(victim) == theirs
    if kind == "link":
        assert song.readlink() == victim
    if kind == "file":
        assert song.read_bytes() == b"theirs"
    assert list(song.parent.glob(".*")) == []


@pytest.mark.parametrize("how_", ["tag", "undo"])
def test_a_link_put_in_place_of_a_song_is_left_alone(how_, songs, song, log, monkeypatch):
    other = copy_of(songs["mp3"], song.parents[1] / "elsewhere")
    if how_ == "undo":
        list(apply([change(song)], log))
        log.close()
        song.replace(other)  # so it is the file of the log, at another path
        song.symlink_to(other)
    else:
        before(monkeypatch, writing, "opened", lambda: put_link(song, other))
    theirs = state_of(other)
    assert run(how_, song, log) == Failure(song, "is a link now; it is left alone")
    assert state_of(other) == theirs
    assert song.is_symlink()


@pytest.mark.parametrize("kind", ["link", "file"])
def test_only_the_song_that_was_analysed_gets_its_genre(kind, songs, song, log):
    other = copy_of(songs["mp3"], song.parents[1] / "elsewhere", "other.mp3")
    planned = change(song)
    theirs = state_of(other)
    if kind == "link":
        put_link(song, other)
    else:
        other.rename(song)
        other = song
    assert list(apply([planned], log)) == [
        Failure(song, "was changed by another program meanwhile")
    ]
    assert state_of(other) == theirs
    assert not log.path.exists()


def test_a_folder_that_is_exchanged_meanwhile_leads_nowhere_else(songs, song, log, monkeypatch):
    elsewhere = song.parents[1] / "elsewhere"
    other = copy_of(songs["mp3"], elsewhere)
    theirs, moved = state_of(other), song.parent.with_name("moved")

    def act():
        song.parent.rename(moved)
        song.parent.symlink_to(elsewhere)

    before(monkeypatch, rewriting.shutil, "copyfileobj", act)
    (result,) = apply([change(song)], log)
    assert isinstance(result, Failure)
    assert state_of(other) == theirs
    assert [path.name for path in (*elsewhere.iterdir(), *moved.iterdir())] == ["mp3.mp3"] * 2


def test_links_that_lead_round_stop_no_others(songs, song, log):
    other = copy_of(songs["mp3"], song.parent, "other.mp3")
    planned = [change(song), change(other)]
    song.unlink()
    song.symlink_to(song)
    failed, done = apply(planned, log)
    assert failed == Failure(song, "is a link now; it is left alone")
    assert done == Written(other, ("Rock",))


def test_a_pipe_in_place_of_a_song_is_not_waited_for(song, log):
    list(apply([change(song)], log))
    log.close()
    song.unlink()
    os.mkfifo(song)
    assert list(undo(read_log(log.path))) == [Failure(song, "is not a file")]


def test_the_folder_is_synced_once_the_song_has_its_place(how, song, log, monkeypatch):
    done = []
    folder = song.parent.stat()
    for name in ("fsync", "replace"):
        own = getattr(os, name)

        def recorded(*arguments, own=own, name=name, **options):
            there = isinstance(arguments[0], int) and os.fstat(arguments[0])
            done.append((name, bool(there) and os.path.samestat(there, folder)))
            return own(*arguments, **options)

        monkeypatch.setattr(os, name, recorded)
    assert isinstance(run(how, song, log), Written | Undone)
    assert done[-3:] == [("fsync", False), ("replace", False), ("fsync", True)]


# --- Two at once


def test_a_song_that_another_program_has_locked_is_refused(how, song, log):
    was = song.read_bytes()
    with song.open("rb") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        assert run(how, song, log) == Failure(song, "is being changed by another program")
    assert song.read_bytes() == was
    log.close()
    assert isinstance(run(how, song, log), Written | Undone)


def test_a_song_is_locked_from_reading_until_it_is_verified(how, song, log, monkeypatch):
    free = []

    def try_it():
        with song.open("rb") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free.append(True)
            except BlockingIOError:
                free.append(False)

    before(monkeypatch, rewriting.shutil, "copyfileobj", try_it)
    before(monkeypatch, os, "replace", try_it)
    before(monkeypatch, rewriting, "_sync", try_it)  # by now it is the new file
    run(how, song, log)
    try_it()
    assert free == [False, False, False, True]


def test_a_song_replaced_before_it_was_locked_is_left_alone(songs, song, log, monkeypatch):
    other = copy_of(songs["mp3"], song.parents[1], "other.mp3")
    planned = change(song)
    before(monkeypatch, locks, "try_lock", lambda: other.replace(song))
    assert list(apply([planned], log)) == [
        Failure(song, "was changed by another program meanwhile")
    ]


def test_on_nfs_a_song_is_locked_by_a_descriptor_for_writing(song, log, monkeypatch):
    own = fcntl.flock

    def as_nfs(handle, how):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        return own(handle, how)

    with song.open("rb") as theirs:
        own(theirs, fcntl.LOCK_EX)
        monkeypatch.setattr(locks.fcntl, "flock", as_nfs)
        assert run("tag", song, log) == Failure(song, "is being changed by another program")
    assert run("tag", song, log) == Written(song, ("Rock",))


def test_where_there_are_no_locks_songs_are_tagged_with_a_word(
    songs, song, log, monkeypatch, caplog
):
    def no_locks(_handle, _how):
        raise OSError(95, "Operation not supported")

    rewriting._warn_of_no_locks.cache_clear()
    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    paths = [song, copy_of(songs["mp3"], song.parent, "other.mp3")]
    assert all(isinstance(one, Written) for one in apply(map(change, paths), log))
    (said,) = [one.getMessage() for one in caplog.records if "songs" in one.getMessage()]
    assert said == (
        f"{song.parent}: songs there cannot be locked (Operation not supported); let no "
        "other program tag them now"
    )


TAGGER = """
import json, sys
from pathlib import Path
from backbeat.library.tags import formats
from backbeat.library.tags.writing import Written, apply
from backbeat.library.tags.log import LogWriter, alone, read_log
from backbeat.library.tags.plan import Change
from backbeat.library.tags.writing import Undone, undo

what, log, *paths = sys.argv[1:]
changes = [Change(path, formats.read(path), (what,), 0.9) for path in map(Path, paths)]
content = read_log(Path(log)) if what == "undo" else None
print("ready", flush=True)
sys.stdin.readline()
with alone():
    if what == "undo":
        results = list(undo(content))
    else:
        writer = LogWriter(Path(log), {})
        results = list(apply(changes, writer))
        writer.close()
print(json.dumps([[str(one.path), getattr(one, "reason", "")] for one in results]))
"""


def at_once(folder, *commands):
    """Run commands as different users would, let go together; give what each says of each song."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", TAGGER, *map(str, command)],
            env={**os.environ, "XDG_STATE_HOME": str(folder / f"user{number}")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, command in enumerate(commands)
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=300)[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    return [dict(json.loads(answer)) for answer in answers]


REFUSALS = ("is being changed by", "meanwhile", "left alone: its genre was changed since")


@pytest.mark.slow
@pytest.mark.parametrize("second", ["Jazz", "undo"])
def test_two_users_who_tag_one_folder_at_once_can_both_put_it_back(songs, tmp_path, second):
    paths = [
        copy_of(songs[suffix], tmp_path / "music", f"{number:02}.{suffix}")
        for number in range(24)
        for suffix in ("mp3", "flac", "m4a")
    ]
    was = {path: path.read_bytes() for path in paths}
    logs = [tmp_path / name for name in ("first.jsonl", "second.jsonl")]
    if second == "undo":
        at_once(tmp_path, ("Jazz", logs[1], *paths))
    results = at_once(tmp_path, ("Rock", logs[0], *paths), (second, logs[1], *paths))
    for path in paths:
        reasons = [one[str(path)] for one in results]
        assert "" in reasons, reasons
        assert all(any(words in why for words in REFUSALS) for why in reasons if why), reasons
    assert set((tmp_path / "music").iterdir()) == set(paths)
    for log in (*logs, *logs):
        if log.exists():
            list(undo(read_log(log)))
    assert [path.name for path in paths if path.read_bytes() != was[path]] == []
