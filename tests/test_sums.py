"""Checksums of a folder's files: what changed is named, what was never summed up is not checked."""

import shutil
import subprocess

import pytest

from backbeat.errors import BackbeatError
from backbeat.files.checksums import NAME, check_sums, first_changed, renew_sum, write_sums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "a.csv").write_text("1,2\n")
    (tmp_path / "part" / "b").write_bytes(b"\xff")
    write_sums(tmp_path, ["a.csv", "part/b", "not there"], {"coming.json": "ü\n"})
    return tmp_path


def test_what_is_as_it_was_passes(folder):
    check_sums(folder, ["a.csv", "part/b", "not there"], "sigh")
    assert first_changed(folder) == "coming.json"  # it has not come
    (folder / "coming.json").write_text("ü\n", "utf-8")
    assert first_changed(folder) is None


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_the_file_is_what_sha256sum_reads(folder):
    (folder / "coming.json").write_text("ü\n", "utf-8")
    subprocess.run(["sha256sum", "--check", "--strict", NAME], cwd=folder, check=True)


def test_what_has_changed_is_named(folder):
    (folder / "a.csv").write_text("1,3\n")
    check_sums(folder, ["part/b"], "sigh")
    with pytest.raises(BackbeatError, match=r"a.csv: damaged, or changed .*SHA256SUMS.*; sigh$"):
        check_sums(folder, ["part/b", "a.csv"], "sigh")
    assert first_changed(folder) == "a.csv"
    renew_sum(folder, "a.csv")
    check_sums(folder, ["part/b", "a.csv"], "sigh")


def test_what_is_not_listed_is_refused(folder):
    (folder / "new").write_text("")
    with pytest.raises(BackbeatError, match="new: damaged, or changed"):
        check_sums(folder, ["new"], "sigh")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"no sum\n"])
def test_a_damaged_list_vouches_for_nothing(folder, content):
    (folder / NAME).write_bytes(content)
    with pytest.raises(BackbeatError, match=r"a.csv: damaged, or changed"):
        check_sums(folder, ["a.csv"], "sigh")


def test_where_nothing_was_summed_up_nothing_is_checked(folder):
    (folder / NAME).unlink()
    (folder / "a.csv").write_text("1,3\n")
    check_sums(folder, ["a.csv"], "sigh")
    assert first_changed(folder) is None
    renew_sum(folder, "a.csv")
    assert not (folder / NAME).exists()
