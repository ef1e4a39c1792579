"""Names, tags, models and stores that mean no good: what backbeat makes of each."""

import ast
import contextlib
import csv
import io
import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape

import backbeat
from backbeat.classify import Answer, Failure, Moment
from backbeat.errors import BackbeatError
from backbeat.evaluation.calibration import Calibration
from backbeat.features import importing
from backbeat.features.store import open_features
from backbeat.files.cells import exactly, unescaped
from backbeat.library.playlists import file_names, write_playlist
from backbeat.web import Limits, connections, forms, intake, uploads, view
from backbeat.web.service import own_name, shown_name
from backbeat.zoo.spec import read_spec
from bundles import make_bundle, make_description
from sounds import music, write

# As files are called by those who want something of a spreadsheet, browser, terminal or player.
NAMES = (
    '=HYPERLINK("http:x")&A1.wav',
    "@SUM(1).wav",
    "+1+cmd|' C'!A0.wav",
    "-2+3.wav",
    "\t=1+1.wav",
    "'=1+1.wav",
    "<script>alert(1)<!script>.wav",
    '"><img src=x onerror=alert(1)>.wav',
    "{{7*7}}{% raw %}.wav",
    "[red]x[bold]\x1b]0;pwned\x07.wav",
    "[link=x]a[&link].wav",
    "two\nlines, #EXTINF:1,x.wav",
    "back\rto the beginning.wav",
    "right\u202eto left\u2066.wav",
    os.fsdecode(b"no \xff text \x9b31m.wav"),
    "#EXTM3U.wav",
    "http:x.wav",
    "$(touch pwned)`touch pwned`;touch pwned.wav",
    "a'; drop table answers; --.wav",
    "%s%n%x {0.__class__}.wav",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder of songs with these names; not to be changed."""
    folder = tmp_path_factory.mktemp("hostile")
    song = write(folder / "song.wav", music(6.0))
    for name in NAMES:
        shutil.copyfile(song, folder / name)
    song.unlink()
    (folder / "=broken().mp3").write_bytes(b"no song")
    return folder


@pytest.fixture
def here(hostile, monkeypatch):
    """Stand in the folder, so that a path begins as its file's name does."""
    monkeypatch.chdir(hostile)
    # Analysed once for all tests.
    monkeypatch.setenv("BACKBEAT_INDEX", str(hostile.with_name("hostile.sqlite")))
    yield Path()
    assert not Path("pwned").exists()


def printable(text):
    """Tell whether a text leaves a terminal as it is."""
    bad = [sign for sign in text if not (sign.isprintable() or sign == "\n")]
    assert bad == [], bad
    return True


# --- Terminal, tables, playlists


@pytest.mark.slow
def test_the_terminal_is_not_steered(cli, here, bundle):
    status, out, err = cli("classify", here, "--model", bundle, "--timeline")
    assert (status, printable(out), printable(err)) == (1, True, True)
    assert len(re.findall(r"^\w.* \d+ of \d+ ", out, flags=re.MULTILINE)) == len(NAMES)
    assert "failed: =broken().mp3: " in err
    status, out, err = cli("check", here.absolute().parent, "--yes")
    assert printable(out + err)


def test_brackets_are_no_styles(cli, here, bundle):
    status, out, err = cli("similar", "[link=x]a[&link].wav", "--in", here, "--model", bundle)
    assert (status, printable(out), printable(err)) == (1, True, True)
    assert "Like [link=x]a[&link].wav" in out
    assert "[red]x[bold]" in out


def test_no_cell_of_a_csv_is_a_formula_and_all_names_are_there(cli, here, bundle, tmp_path):
    table = tmp_path / "genres.csv"
    cli("classify", here, "--model", bundle, "--format", "csv", "-o", table)
    text = table.read_text("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r\n")] == []
    assert {exactly(row[0]) for row in rows[1:]} == {*NAMES, "=broken().mp3"}


def test_nor_of_a_plan_for_tags(cli, here, bundle, tmp_path):
    pytest.importorskip("mutagen")
    table = tmp_path / "plan.csv"
    cli("tag", here, "--model", bundle, "--min-confidence", 0, "--dry-run", "-o", table)
    text = table.read_text("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r\n")] == []
    assert {exactly(row[0]) for row in rows[1:]} == {*NAMES, "=broken().mp3"}


def test_json_lines_hold_every_name_exactly(cli, here, bundle, tmp_path):
    lines = tmp_path / "genres.jsonl"
    cli("classify", here, "--model", bundle, "--format", "jsonl", "-o", lines)
    text = lines.read_text("ascii")
    assert printable(text)
    paths = {unescaped(json.loads(line)["path"]) for line in text.splitlines()}
    assert paths == {*NAMES, "=broken().mp3"}


def test_a_line_of_a_playlist_is_a_song_or_a_comment(cli, here, bundle, tmp_path):
    _, out, err = cli("playlists", here, "--model", bundle, "-o", tmp_path / "lists")
    assert printable(out + err)
    assert "Path(" not in err
    assert r"left out: two\x0alines, #EXTINF:1,x.wav: its name cannot" in err
    named = set()
    for playlist in (tmp_path / "lists").iterdir():
        for line in playlist.read_bytes().decode("utf-8").split("\n"):
            if line and not line.startswith("#"):
                assert not line.startswith(("http:", "file:"))
                assert (playlist.parent / line).is_file()
                named.add(Path(line).name)
    left_out = {"two\nlines, #EXTINF:1,x.wav", "back\rto the beginning.wav"}
    assert named == {name for name in NAMES if "\udcff" not in name} - left_out


def test_a_title_and_a_genre_stay_on_their_lines(tmp_path):
    from backbeat.library.playlists import Entry

    song = tmp_path / "http:" / "a.wav"
    path = tmp_path / "a.m3u8"
    title = "x\nhttp://evil.example/\x1b[2J\x9b1m\u2028y"
    write_playlist(path, "jazz\nhttp://evil.example/", [Entry(song, 1.0, title)])
    lines = path.read_text("utf-8").split("\n")
    assert lines[2:] == [
        "#PLAYLIST:jazz http://evil.example/",
        "#EXTINF:1,x http://evil.example/ [2J 1m y",
        "./http:/a.wav",
        "",
    ]


@pytest.mark.parametrize("genre", ["../../x", "/etc/x", "..", "a\0b", "x" * 300, "c:\\x", "\n"])
def test_a_playlist_lies_in_its_folder_whatever_a_model_calls_its_genres(genre, tmp_path):
    path = tmp_path / file_names([genre])[genre]
    write_playlist(path, genre, [])
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
def test_a_bundles_genres_do_not_steer_the_terminal(cli, songs, tmp_path):
    genres = ("\x1b[31mred\n", "=1+1", "[red]")
    path = make_bundle(tmp_path / "model.backbeat", genres=genres)
    _, out, err = cli("classify", songs, "--model", path, "--timeline")
    assert printable(out + err)
    _, out, _ = cli("classify", songs, "--model", path, "--format", "csv")
    rows = list(csv.reader(io.StringIO(out, newline="")))
    assert [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r\n")] == []


# --- The page


@pytest.mark.parametrize("name", NAMES)
def test_the_page_shows_names_as_text(name):
    shown = shown_name(name)
    assert printable(shown)
    genre = "<b>rock</b>"
    moments = (Moment(0.0, 3.0, genre, 1.0),)
    answer = Answer(Path(own_name(name)), 6.0, ((genre, 1.0),), "sure", None, 1.0, moments)
    for html in (
        view.answer_html(answer),
        view.refusal_html(f"{shown}: no audio"),
        view.table_html([answer, Failure(Path(shown), f"{shown}: no audio")], of=2),
    ):
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "<b>" not in html
        assert printable(html)
        assert escape(shown) in html
        assert "49" not in html or "{{7*7}}" not in shown


# --- What may run code


def test_a_spec_names_no_python(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text("name: !!python/object/apply:os.system ['touch pwned']\n")
    with pytest.raises(BackbeatError, match=r"model\.yaml"):
        read_spec(path)
    assert not Path("pwned").exists()


class Evil:
    """An object that, when it is unpickled, makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_an_npz_holds_no_objects(tmp_path):
    source, mark = tmp_path / "evil.npz", tmp_path / "mark"
    evil = np.array([Evil(mark)] * 2, dtype=object)
    np.savez(source, X=evil, names=evil, y=[0, 1], genres=["a", "b"])
    with pytest.raises(BackbeatError, match=r"evil\.npz"):
        importing.import_features(source, tmp_path / "out", frontend="mfcc")
    assert not mark.exists()


def test_a_store_of_an_older_zarr_is_not_opened(tmp_path, monkeypatch):
    """Zarr 2 may name pickle as a codec, which runs code with numcodecs before 0.17."""
    numcodecs = pytest.importorskip("numcodecs")
    with contextlib.suppress(AttributeError):
        monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True)
    store, mark = tmp_path / "store", tmp_path / "mark"
    for group in (store, store / "tracks"):
        group.mkdir()
        (group / ".zgroup").write_text('{"zarr_format": 2}')
    attributes = {"format": "backbeat-features", "version": 1, "complete": True}
    attributes |= {"frontend": {"name": "mfcc"}, "genres": ["a", "b"]}
    (store / ".zattrs").write_text(json.dumps(attributes))
    column = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C"}
    column |= {"fill_value": "", "filters": [{"id": "vlen-utf8"}]}
    column |= {"compressor": {"id": "pickle", "protocol": 2}}
    for name in ("name", "genre", "artist", "album", "digest", "finding"):
        (store / "tracks" / name).mkdir()
        (store / "tracks" / name / ".zarray").write_text(json.dumps(column))
        (store / "tracks" / name / "0").write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(BackbeatError, match="not a feature store"):
        open_features(store)
    assert not mark.exists()


def test_a_card_is_made_of_what_was_checked():
    """A bundle's description takes no field that it does not know."""
    described = make_description(calibration=Calibration()).model_dump(mode="json")
    with pytest.raises(ValueError, match="code"):
        type(make_description()).model_validate(described | {"code": "import os"})


_PICKLE = "parallel/"  # with its own child processes, and with Dask


def calls():
    """Every call in the package: (file, what is called, with which keywords)."""
    package = Path(backbeat.__file__).parent
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                named = {word.arg: ast.unparse(word.value) for word in node.keywords}
                yield path.relative_to(package).as_posix(), ast.unparse(node.func), named


def test_nothing_runs_code_that_was_read():
    package = Path(backbeat.__file__).parent
    text = "".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    assert re.findall(r"yaml\.(?!SafeLoader)\w*Loader", text) == []
    for path, called, named in calls():
        assert named.get("shell", "False") == "False", path
        last = called.rpartition(".")[2]
        if called in ("eval", "exec", "compile", "__import__") or last in (
            *("load_weights", "extractall", "system", "popen"),
            *("joblib", "register_custom_ops_library"),
        ):
            raise AssertionError(f"{path}: {called}")
        # A .keras file is written, for Keras, and never read.
        assert not called.endswith(("models.load_model", "saving.load_model")), path
        if called.startswith(("pickle.", "cloudpickle.", "marshal.", "shelve.", "dill.")):
            assert path.startswith(_PICKLE), f"{path}: {called}"
        if called in ("np.load", "numpy.load"):
            assert named.get("allow_pickle") == "False", path
        if last == "import_module":
            assert path == "zoo/build.py", path  # of Keras by its constant name
        if called.startswith("yaml."):
            assert last in ("safe_load", "safe_dump", "ComposerError"), f"{path}: {called}"
        if last == "Environment":
            assert named["autoescape"] == "True", path
        if called == "zarr.open_group":
            assert named["zarr_format"] == "3", path


# --- What SECURITY.md says


def test_every_promise_names_tests_that_are_there():
    here = Path(__file__).parent
    page = (here.parent / "SECURITY.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| **")]
    assert len(rows) > 8
    for row in rows:
        named = re.findall(r"`(test_\w+)`", row.split("|")[2])
        assert named, row
        for name in named:
            assert (here / f"{name}.py").is_file(), name
    for place, anchor in re.findall(r"\]\((docs/[^)#]+)#([^)]+)\)", page):
        headings = re.findall(r"^#+ (.+)$", (here.parent / place).read_text("utf-8"), re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}


def test_the_limits_are_those_of_the_page():
    page = (Path(__file__).parents[1] / "SECURITY.md").read_text("utf-8")
    limits = Limits()
    for words in (
        f"| one file | {limits.megabytes} MB |",
        f"| a song | {limits.minutes} minutes |",
        f"| files of one request | {limits.files} (",
        f"be answered | {limits.seconds} s |",
        f"| {limits.grace_seconds:.0f} s, and a second for each {intake._MIN_RATE // 1024} KiB",
        f"| {limits.at_once} and {limits.waiting} |",
        f"| requests with files at once | {intake._MAX_REQUESTS} |",
        f"| connections | {connections._MAX_CONNECTIONS}, or half of the files",
        f"{forms._FIELDS} other fields of {forms._FIELD_BYTES // 1024} KiB",
        f"never the last {uploads._SPARE // 2**20} MB of the disk",
        f"| a request without files | {intake._OTHER_BYTES // 2**20} MB; its head 16 KiB |",
        f"a piece | {intake._SEND_SECONDS:.0f} s |",
    ):
        assert words in page, words
    assert limits.request_bytes == 10 * limits.bytes
    assert limits.stored_bytes == 40 * limits.bytes
