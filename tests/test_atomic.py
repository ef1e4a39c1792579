"""A file is either the old one or the new one, whatever happens while it is written."""

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from backbeat.errors import BackbeatError, message_of
from backbeat.files import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_replaces_what_was_there(tmp_path):
    path = tmp_path / "deep" / "er" / "file.json"
    atomic.write_text(path, "ä old\n")
    assert path.read_bytes() == "ä old\n".encode()
    atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file.json"]


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file.bin"
    atomic.write_bytes(path, b"old")
    with pytest.raises(ZeroDivisionError), atomic.replacing(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".bin"
        temporary.write_bytes(b"half")
        assert path.read_bytes() == b"old"
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file.bin"]


def test_an_error_leaves_no_file_where_none_was(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic.replacing(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_file_has_the_rights_that_the_umask_gives(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        atomic.write_bytes(tmp_path / "file", b"")
        assert os.umask(mask) == mask  # and the umask is as it was
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    script = """
import os, signal, sys
from pathlib import Path
from backbeat.files import atomic
from backbeat.errors import BackbeatError
with atomic.replacing(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"new")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script, path]).returncode == -9
    assert path.read_bytes() == b"old"


WRITER = """
import sys
from pathlib import Path
from backbeat.files import atomic
from backbeat.errors import BackbeatError
with atomic.replacing(Path(sys.argv[1])) as temporary, atomic.replacing_folder(
    Path(sys.argv[2])
) as folder:
    temporary.write_bytes(b"half")
    (folder / "file").write_bytes(b"half")
    print("here", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_what_a_killed_writer_leaves_is_swept_away_and_what_others_write_is_not(tmp_path):
    command = [sys.executable, "-c", WRITER]
    killed, others = (
        subprocess.Popen(
            [*command, tmp_path / name, tmp_path / f"{name}-folder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("killed", "others")
    )
    assert killed.stdout.readline() == others.stdout.readline() == b"here\n"
    assert len(names(tmp_path)) == 4
    killed.kill()
    killed.communicate()
    assert len(names(tmp_path)) == 4
    # Of another machine, whose locks we may not see: left for a day.
    elsewhere = [tmp_path / f".writing-{name}" for name in ("00000000-new", "00000000-old")]
    for path in elsewhere:
        path.write_bytes(b"half")
    os.utime(elsewhere[1], (1, 1))
    script = "import sys; from pathlib import Path; from backbeat.files import atomic; " + (
        "atomic.write_text(Path(sys.argv[1]), 'new')"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "new"], check=True)
    left = names(tmp_path)
    assert len(left) == 4
    assert {"new", ".writing-00000000-new"} < set(left)
    others.communicate()  # whose files get their places
    assert names(tmp_path) == [".writing-00000000-new", "new", "others", "others-folder"]
    assert (tmp_path / "others-folder" / "file").read_bytes() == b"half"


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with atomic.replacing_folder(tmp_path / "made" / "folder") as beside:
        (beside / "file").write_text("all")
        assert not (tmp_path / "made" / "folder").exists()
    assert (tmp_path / "made" / "folder" / "file").read_text() == "all"
    with pytest.raises(ZeroDivisionError), atomic.replacing_folder(tmp_path / "broken") as beside:
        (beside / "file").write_text("half")
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["folder"]


def test_temporary_files_of_libraries_are_removed_when_the_last_block_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with contextlib.ExitStack() as first:
        first.enter_context(atomic.scratch())
        with contextlib.ExitStack() as second:
            second.enter_context(atomic.scratch())
            first.close()
            with tempfile.NamedTemporaryFile(delete=False) as left:
                pass
            assert Path(left.name).parent.parent == tmp_path
            assert Path(left.name).exists()
    assert tempfile.gettempdir() == str(tmp_path)
    assert names(tmp_path) == []


def test_temporary_files_of_a_killed_process_are_removed_by_the_next(tmp_path, monkeypatch):
    script = """
import os, signal, tempfile
from backbeat.files import atomic
with atomic.scratch():
    tempfile.mkstemp()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert len(names(left)) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with atomic.scratch():
        assert not left.exists()


def test_an_error_names_the_output_and_not_what_is_written_beside_it(tmp_path, monkeypatch):
    def refuse(path, *_arguments, **_options):
        if atomic.PREFIX in str(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))

    with (
        pytest.raises(OSError, match="out") as within,
        atomic.replacing_folder(tmp_path / "out") as beside,
    ):
        refuse(beside / "array" / "zarr.json")
    with pytest.raises(OSError, match="out") as in_folder, monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with atomic.replacing_folder(tmp_path / "out"):
            pass
    with pytest.raises(OSError, match="file") as in_file, monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        atomic.write_text(tmp_path / "file", "text")
    messages = [message_of(error.value) for error in (within, in_folder, in_file)]
    places = ("out/array/zarr.json", "out", "file")
    assert messages == [
        f"{tmp_path / place}: Read-only file system; choose a place that can be written to"
        for place in places
    ]


def test_threads_that_write_on_after_an_error_leave_nothing(tmp_path):
    """So do Zarr's: of several writes at once the first failure is raised, the others continue."""

    def write_on(folder):
        for number in range(20):
            (folder / "deep").mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # removed in between
                (folder / "deep" / str(number)).touch()
            time.sleep(0.01)

    with pytest.raises(ZeroDivisionError), atomic.replacing_folder(tmp_path / "out") as beside:
        writer = threading.Thread(target=write_on, args=(beside,))
        writer.start()
        raise ZeroDivisionError
    writer.join()
    assert names(tmp_path) == []


# --- In a folder that others may write to


@pytest.mark.skipif(os.name != "posix", reason="rights and pipes are POSIX's")
def test_a_link_put_in_place_of_what_is_written_is_not_followed(tmp_path):
    folder, victim = tmp_path / "shared", tmp_path / "diary"
    victim.write_bytes(b"dear diary")
    victim.chmod(0o600)
    refused = pytest.raises(BackbeatError, match="file: not written, as another program replaced")
    with refused, atomic.writing(folder / "file") as file:
        (temporary,) = folder.iterdir()
        temporary.unlink()
        temporary.symlink_to(victim)
        file.write(b"new")
    assert (victim.read_bytes(), victim.stat().st_mode & 0o777) == (b"dear diary", 0o600)
    refused = pytest.raises(BackbeatError, match="out: not written, as another program replaced")
    with refused, atomic.replacing_folder(folder / "out") as beside:
        beside.rename(tmp_path / "theirs")
        beside.symlink_to(victim)
    assert victim.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir() if not path.is_symlink()] == []


@pytest.mark.skipif(os.name != "posix", reason="rights and pipes are POSIX's")
def test_a_pipe_among_what_killed_writers_left_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / f"{atomic._prefix()}0")
    atomic.sweep(tmp_path)
    assert names(tmp_path) == []
