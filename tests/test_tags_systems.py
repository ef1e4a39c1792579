"""Tags on network shares, which refuse calls, and on systems that lack them."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backbeat.classify import load
from backbeat.classify.windows import DEFAULT_WINDOWS
from backbeat.files import atomic
from backbeat.library.index import open_index, settings_of
from backbeat.library.stamps import stamp_of

pytest.importorskip("mutagen")
from backbeat.library.tags import writing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="calls of POSIX are refused or hidden")

CALLS = {
    "chmod": (("chmod", "fchmod"), errno.EPERM),
    "chmod, unknown": (("chmod", "fchmod"), errno.EOPNOTSUPP),
    "setxattr": (("setxattr",), 524),
    "utime": (("utime",), errno.EPERM),
    "chown": (("chown", "fchown"), errno.EOPNOTSUPP),
    "fsync": (("fsync",), errno.EINVAL),
}


def refusing(number):
    def call(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    return call


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def library(songs, tmp_path, monkeypatch):
    """Two songs of another owner's and mode, with an attribute where the system has them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(atomic, "_noted", set())
    folder = shutil.copytree(songs, tmp_path / "music")
    for path in contents(folder):
        path.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(path, 12345, 12345)
    return folder


@pytest.mark.parametrize("refused", CALLS)
def test_what_a_share_cannot_keep_costs_a_note_and_no_tag(
    cli, bundle, library, monkeypatch, caplog, refused
):
    names, number = CALLS[refused]
    call = refused.partition(",")[0]
    if call == "chown" and os.geteuid() != 0:
        pytest.skip("only root's files can have another owner here")
    if call == "setxattr":
        if not hasattr(os, "setxattr"):
            pytest.skip("there are no extended attributes here")
        monkeypatch.setattr(os, "listxattr", lambda *_: ["user.x"])
        monkeypatch.setattr(os, "getxattr", lambda *_: b"x")
    before = contents(library)
    for name in names:
        monkeypatch.setattr(os, name, refusing(number))
    options = ("--yes", "--min-confidence", "0", "--model", bundle)
    status, out, err = cli("tag", library, *options, "--json")
    assert status == 0, err
    assert "2 tagged" in err
    notes = [record.getMessage() for record in caplog.records]
    assert len(notes) == 1
    assert f": {call} is refused ({os.strerror(number)}): " in notes[0]
    assert all(path.read_bytes() != content for path, content in before.items())
    status, _, err = cli("tag", "--undo", json.loads(out)["log"])
    assert (status, contents(library)) == (0, before), err
    assert "2 put back (2 byte for byte)" in err


@pytest.mark.parametrize("replaced", [False, True])
def test_the_index_knows_the_file_that_was_written_and_no_other(
    cli, bundle, library, tmp_path, monkeypatch, replaced
):
    own = writing.apply

    def then_replaced(*arguments, **options):
        for result in own(*arguments, **options):
            if replaced:
                shutil.copy(result.path, tmp_path / "other")
                (tmp_path / "other").replace(result.path)
            yield result

    monkeypatch.setattr(writing, "apply", then_replaced)
    status, _, err = cli("tag", library, "--yes", "--min-confidence", "0", "--model", bundle)
    assert (status, "2 tagged" in err) == (0, True)
    settings = settings_of(load(bundle, windows=DEFAULT_WINDOWS))
    with open_index() as index:
        for path in contents(library):
            assert index.knows(path, stamp_of(path), settings) is not replaced


@pytest.mark.parametrize(("name", "call"), [("replace", "rename"), ("fsync", "fsync")])
def test_what_must_not_be_refused_is_named_and_no_undo_is_offered(
    cli, bundle, library, monkeypatch, name, call
):
    before = contents(library)
    number = errno.EIO if name == "fsync" else errno.EPERM
    own = getattr(os, name)

    def refuse(one, *arguments, **options):
        is_song = isinstance(one, str) and one.startswith(atomic.PREFIX)
        if name == "fsync" and isinstance(one, int):
            is_song = str(library) in str(Path(f"/proc/self/fd/{one}").readlink())
        return refusing(number)() if is_song else own(one, *arguments, **options)

    monkeypatch.setattr(os, name, refuse)
    status, out, err = cli(
        *("tag", library, "--yes", "--min-confidence", "0", "--model", bundle, "--json")
    )
    assert status == 1
    assert err.count(f"{os.strerror(number)} ({call} is refused)") == 2
    assert "0 tagged" in err
    assert "--undo" not in err
    assert json.loads(out)["log"] is None
    assert contents(library) == before


# What every Python process of a run finds first: a system with less, as Windows has.
LESS = """
import builtins, io, os, sys
sys.modules["fcntl"] = sys.modules["resource"] = None
own_open, own_os_open, own_replace, own_utime = io.open, os.open, os.replace, os.utime
own_listdir, own_readlink = os.listdir, os.readlink
for name in ("fork", "fchmod", "fchown", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "listxattr",
             "getxattr", "setxattr", "pread", "pwrite"):
    if hasattr(os, name):
        delattr(os, name)
os.supports_dir_fd, os.supports_fd = set(), set()

def no_proc(path, *arguments, **options):
    if str(path).startswith("/proc"):
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return own_open(path, *arguments, **options)

def os_open(path, flags, mode=0o777, *, dir_fd=None):
    if dir_fd is not None:
        raise NotImplementedError("dir_fd unavailable on this platform")
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", str(path))
    return own_os_open(path, flags, mode)

def utime(path, *arguments, **options):
    if isinstance(path, int):
        raise TypeError("utime: path should be string, bytes or os.PathLike, not int")
    return own_utime(path, *arguments, **options)

def replace(source, target, **options):
    if options:
        raise NotImplementedError("src_dir_fd and dst_dir_fd unavailable on this platform")
    for number in own_listdir("/proc/self/fd"):
        try:
            file = own_readlink("/proc/self/fd/" + number)
        except OSError:
            continue
        if file in (os.path.realpath(source), os.path.realpath(target)):
            raise PermissionError(13, "is used by another process", str(source), None, str(target))
    return own_replace(source, target)

builtins.open = io.open = no_proc
os.open, os.utime, os.replace = os_open, utime, replace
"""


def test_less_of_a_system_is_enough_to_classify_tag_and_undo(songs, bundle, tmp_path):
    less = tmp_path / "less"
    less.mkdir()
    (less / "sitecustomize.py").write_text(LESS)
    library = shutil.copytree(songs, tmp_path / "music")
    before = contents(library)
    homes = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("CACHE", "STATE")}

    def backbeat(*arguments):
        command = [sys.executable, "-m", "backbeat", *map(str, arguments)]
        environment = {**os.environ, **homes, "PYTHONPATH": str(less)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    script = "import os, fcntl"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(less)},
        capture_output=True,
    )
    assert b"fcntl" in done.stderr, "nothing was hidden"
    done = backbeat("classify", library, "--model", bundle, "--format", "csv")
    assert len(done.stdout.splitlines()) == 3
    options = ("--yes", "--min-confidence", "0", "--model", bundle)
    done = backbeat("tag", library, *options, "--json")
    assert "2 tagged" in done.stderr
    assert all(path.read_bytes() != content for path, content in before.items())
    assert len(contents(library)) == 2
    done = backbeat("tag", "--undo", json.loads(done.stdout)["log"])
    assert "2 put back (2 byte for byte)" in done.stderr
    assert contents(library) == before
