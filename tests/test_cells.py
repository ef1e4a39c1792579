"""Text for CSV and JSON: UTF-8, nothing is a formula, and all is read as it was written."""

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backbeat.collections.collection import read_collection
from backbeat.files.cells import escaped, escaped_in, exactly, harmless, unescaped

FORMULAS = ('=HYPERLINK("http://x")&.mp3', "+1", "-2+3", "@SUM(1)", "＝1")


@given(st.text())
@example("'=1")
@example("''=1")
@example("'")
@example("")
@example("\t=1")
def test_what_is_written_is_read(text):
    cell = harmless(text)
    assert exactly(cell) == text
    assert not cell or cell[0] not in "=+-@\t\r\n＝＋－＠"


PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text("utf-8")


PARTS = (b"\\", b"x", b"c2", b"5c", b"\xff", b"\x1b", b"\xc2", b"\x85", b"\n", b"a")


@given(st.binary(max_size=30) | st.lists(st.sampled_from(PARTS)).map(b"".join))
def test_the_bytes_of_every_path_come_back_from_csv_and_json(name):
    path = os.fsdecode(name)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow([harmless(path), 1])
    written = text.getvalue().encode("utf-8")  # strict: valid UTF-8
    assert re.search(rb"[\0-\x09\x0b-\x1f\x7f]", written) is None
    assert written.count(b"\n") == 1
    [[cell, _]] = csv.reader(io.StringIO(written.decode("utf-8"), newline=""))
    assert os.fsencode(exactly(cell)) == name
    written = json.loads(json.dumps(escaped_in({"path": path}), ensure_ascii=False).encode("utf-8"))
    assert os.fsencode(unescaped(written["path"])) == name
    documented = re.search(r"^(re\.sub\(.*)$", PAGE, re.MULTILINE)[1]
    assert eval(documented, {"re": re, "path": written["path"]}) == name


@pytest.mark.parametrize("name", ["Sigur Rós 🎵", r"C:\Music\x.mp3", "曲\u3000名", "\u200fא"])
def test_what_is_text_is_not_escaped(name):
    assert escaped(name) == name


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        (os.fsdecode(b"a\xff\n.mp3"), r"a\xff\x0a.mp3"),
        (r"a\xff", r"a\x5cxff"),
        ("\u202egnp.exe", r"\xe2\x80\xaegnp.exe"),
        ("\x9b", r"\xc2\x9b"),
    ],
)
def test_what_is_no_text_is_its_bytes(name, cell):
    assert escaped(name) == cell
    assert unescaped(cell) == name


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_gets_an_apostrophe(name):
    assert harmless(name) == f"'{name}"


@pytest.mark.parametrize("name", ["a.mp3", "'a.mp3", "music/=1.mp3", " =1.mp3", "1-2.mp3", "'"])
def test_nothing_else_is_changed(name):
    assert harmless(name) == exactly(name) == name


def test_the_documented_way_of_pandas_is_the_same():
    pattern = re.search(r'str\.replace\(r"(.*?)", ""', PAGE)[1]
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
