"""Stamps: what shows that a file is the one that was analysed."""

import os

import pytest

from backbeat.library.stamps import samples_of, stamp_of


@pytest.mark.parametrize(
    ("size", "places"), [(1, [0]), (100_000, [0, 50_000, 99_999]), (2**22, [0, 1_800_000, -1])]
)
def test_samples_are_of_all_parts_of_a_file(tmp_path, size, places):
    path = tmp_path / "song"
    digests = set()
    for place in (None, *places):
        content = bytearray(size)
        if place is not None:
            content[place] = 1
        path.write_bytes(content)
        digests.add(samples_of(path, stamp_of(path)))
    assert len(digests - {None}) == 1 + len(places)


def test_a_file_that_was_changed_or_is_gone_has_no_samples(tmp_path):
    path = tmp_path / "song"
    path.write_bytes(b"sound")
    stamp = stamp_of(path)
    os.utime(path, ns=(1, 1))
    assert samples_of(path, stamp) is None
    path.unlink()
    assert samples_of(path, stamp) is None
    assert stamp_of(path) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_only_a_file_has_a_stamp(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert stamp_of(tmp_path / "pipe") is None
    assert stamp_of(tmp_path) is None
    assert stamp_of(tmp_path / "nul\0") is None
