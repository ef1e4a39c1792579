"""Cells of CSV: nothing is a formula, and all is read as it was written."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backbeat.cells import exactly, harmless
from backbeat.collection import read_collection

FORMULAS = ('=HYPERLINK("http://x")&.mp3', "+1", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1")


@given(st.text())
@example("'=1")
@example("''=1")
@example("'")
@example("")
def test_what_is_written_is_read(text):
    cell = harmless(text)
    assert exactly(cell) == text
    assert not cell or cell[0] not in "=+-@\t\r\n＝＋－＠"


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_gets_an_apostrophe(name):
    assert harmless(name) == f"'{name}"


@pytest.mark.parametrize("name", ["a.mp3", "'a.mp3", "music/=1.mp3", " =1.mp3", "1-2.mp3", "'"])
def test_nothing_else_is_changed(name):
    assert harmless(name) == exactly(name) == name


def test_the_documented_way_of_pandas_is_the_same():
    page = (Path(__file__).parents[1] / "docs" / "formats.md").read_text("utf-8")
    pattern = re.search(r'str\.replace\(r"(.*?)", ""', page)[1]
    for name in (*FORMULAS, "'=1", "''=1", "a.mp3", "'a"):
        assert re.sub(pattern, "", harmless(name)) == name


def test_a_collections_table_may_be_one_that_backbeat_wrote(tmp_path):
    for name in ("=a.wav", "'=b.wav", "'-c.wav"):
        (tmp_path / name).touch()
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "genre"])
    rows.writerows([[harmless("=a.wav"), harmless("=rock")], ["''=b.wav", "rock"]])
    rows.writerow(["'-c.wav", "rock"])  # written by hand: the file is called so
    (tmp_path / "songs.csv").write_text(text.getvalue())
    tracks = read_collection(tmp_path / "songs.csv").tracks
    assert [track.name for track in tracks] == ["'-c.wav", "'=b.wav", "=a.wav"]
    assert tracks[2].genre == "=rock"
