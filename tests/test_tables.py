"""Tables fit the terminal, whatever is in them, and lose nothing where there is none."""

import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len

import backbeat.runs.effect  # noqa: F401 # imported later it would keep what replaces a function
from backbeat.classify import Answer
from backbeat.classify.answers import TableWriter
from backbeat.classify.classifier import Moment
from backbeat.cli import console
from backbeat.files import tables
from backbeat.files.tables import Column, Styled, bar_chart, lay_out, shortened, width_of
from bundles import make_bundle
from made_features import made_run, made_store, small_spec
from sounds import music, write

LONG = "abcdefghij" * 12
CHINESE = "音乐流派分类" * 20
ARABIC = "موسيقى كلاسيكية " * 8
NAMES = (LONG, CHINESE, ARABIC)
WIDTHS = (40, 80, 120)


@pytest.fixture(params=WIDTHS)
def terminal(request, monkeypatch):
    """Draw as on a terminal of some width, and note the lines of every table."""
    lines = []
    real = tables.Layout.line

    def noted(self, row):
        lines.append(real(self, row))
        return lines[-1]

    monkeypatch.setattr(console, "terminal_width", lambda stream=None: request.param)
    monkeypatch.setattr(tables.Layout, "line", noted)
    return request.param, lines


# --- Layout


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(width):
    columns = [
        *(Column("name", shorten="end"), Column("songs"), Column("why", optional=1)),
        Column("file", shorten="middle"),
    ]
    rows = [(name, "1,000", "some reason", f"{name}/{name}.wav") for name in NAMES]
    layout = lay_out(columns, rows, width)
    for line in (layout.header(), *map(layout.line, rows)):
        assert cell_len(line) <= width
    # All columns begin at one place.
    assert len({cell_len(layout.line(row).partition("1,000")[0]) for row in rows}) == 1
    assert all(".wav" in layout.line(row) for row in rows)


def test_without_a_terminal_nothing_is_cut_off():
    rows = [(name, name) for name in NAMES]
    layout = lay_out([Column("a", shorten="end"), Column("b", optional=1)], rows, None)
    assert [layout.line(row).split("  ")[0].strip() for row in rows][:2] == [LONG, CHINESE]
    assert layout.left_out == ()


def test_what_does_not_fit_is_left_out_by_its_number_and_named():
    columns = [Column("model"), Column("a" * 12, optional=1), Column("b" * 12, optional=2)]
    rows = [("mlp_base", "1", "2")]
    assert lay_out(columns, rows, 40).left_out == ()
    assert lay_out(columns, rows, 30).left_out == ("b" * 12,)
    assert lay_out(columns, rows, 20).left_out == ("a" * 12, "b" * 12)
    assert lay_out(columns, rows, 20).line(rows[0]) == "mlp_base"


def test_numbers_stand_to_the_right_and_words_to_the_left():
    rows = [("rock", "9.5 %", "–"), ("jazz", "100.0 %", "1,234")]
    layout = lay_out([Column("genre"), Column("recall"), Column("songs")], rows, None)
    assert [layout.header(), *map(layout.line, rows)] == [
        "genre   recall  songs",
        "rock     9.5 %      –",
        "jazz   100.0 %  1,234",
    ]


def test_a_text_is_shortened_in_the_middle_or_at_its_end():
    assert shortened("short.wav", 9) == "short.wav"
    assert shortened("music/rock/one song.wav", 14) == "musi…" + " song.wav"
    assert shortened("abcdefgh", 4, "end") == "abc…"
    for text in NAMES:
        for width in range(1, 60):
            for where in ("middle", "end"):
                short = shortened(text, width, where)
                assert cell_len(short) <= width and "…" in short
                after = short.partition("…")[2]
                assert not after or not unicodedata.combining(after[0])


def test_a_style_says_nothing_that_the_text_does_not():
    columns, rows = [Column("genre"), Column("n")], [(Styled("rock", "36"), "1")]
    plain = lay_out(columns, rows, None)
    assert plain.line(rows[0]) == "rock   1"
    assert lay_out(columns, rows, None, colour=True).line(rows[0]) == "\x1b[36mrock\x1b[0m   1"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_bar_chart_fits(width):
    lines = bar_chart({LONG: 40, CHINESE: 1, "unsure": 9, "none": 0}, last=("unsure",), width=width)
    assert len(lines) == 3 and lines[-1].startswith("unsure")
    assert all(cell_len(line) <= width and line.rstrip()[-1] in "█▏▎▍▌▋▊▉" for line in lines)


def test_a_bar_chart_shows_counts_and_shares():
    counts = {"rock": 10, "unsure": 20, "jazz": 40, "failed": 1, "pop": 0}
    lines = bar_chart(counts, last=("unsure", "out of genre", "failed"))
    assert [line.rstrip("█▏▎▍▌▋▊▉ ") for line in lines] == [
        *("jazz    40  56 %", "rock    10  14 %", "unsure  20  28 %", "failed   1   1 %"),
    ]
    assert [line.count("█") for line in lines] == [40, 10, 20, 1]
    assert bar_chart({}) == []


# --- The verbs' tables


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A store with genres and songs of such names, and a run on it."""
    folder = tmp_path_factory.mktemp("odd")
    songs = np.array([f"{NAMES[row % 3]}/{row:02d}.wav" for row in range(30)])
    store = made_store(folder, genres=np.array(NAMES), names=songs)
    return store, made_run(store, folder / "run", spec=small_spec(epochs=1))


@pytest.mark.parametrize(
    "arguments",
    [
        *(("models",), ("evaluate", "{run}"), ("compare", "{run}"), ("suspects", "{store}")),
        ("audit", "{store}", "--split", "slices", "--no-near"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_table_fits(cli, odd, terminal, arguments, monkeypatch):
    monkeypatch.setattr("backbeat.runs.scoring.write_evaluation", lambda *_: "report.html")
    width, lines = terminal
    store, run = odd
    named = {"run": run, "store": store.path}
    status, out, err = cli(*(argument.format(**named) for argument in arguments))
    assert status == 0, err
    assert len(lines) > 1
    assert max(map(cell_len, lines)) <= width
    assert all(line in out for line in lines)
    assert width_of(lines[0]) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_answers_fit_and_are_told_apart_without_colour(width):
    genres = ("rock", *NAMES)
    moments = tuple(Moment(0.0, 3.0, genre, 0.9) for genre in (LONG, LONG, "rock"))
    ranking = ((LONG, 0.997), ("rock", 0.002), (CHINESE, 0.0005), (ARABIC, 0.0005))
    shown = {}
    for verdict, path in (("sure", CHINESE), ("unsure", ARABIC), ("out of genre", LONG)):
        answer = Answer(Path("music") / f"{path}.wav", 9.0, ranking, verdict, None, 2 / 3, moments)
        for colour in (False, True):
            file = io.StringIO()
            options = {"genres": genres, "top": 3, "timeline": False}
            TableWriter(file, **options, width=width, colour=colour).answer(answer)
            shown[verdict, colour] = file.getvalue().splitlines()
    for (verdict, colour), lines in shown.items():
        plain = [re.sub(r"\x1b\[\d*m", "", line) for line in lines]
        assert max(map(cell_len, plain)) <= width
        assert plain[1].endswith(".wav") and " 2 of 3 " in plain[1]
        assert plain == shown[verdict, False]  # colour says nothing more
        assert (plain != lines) == colour
    assert shown["sure", False][1].split()[1] == ">99" and "…" in shown["sure", False][1]
    if width > 40:
        assert "nearest: abc" in shown["out of genre", False][1]
        assert "\x1b[2mnearest: abc" in shown["out of genre", True][1]
    assert "100 %" not in str(shown)


def test_a_file_of_answers_has_whole_names_and_no_colour():
    file = io.StringIO()
    answer = Answer(Path(f"{LONG}.wav"), 9.0, ((LONG, 0.6), ("rock", 0.4)), "sure", None, 1, ())
    TableWriter(file, genres=("rock", LONG), top=2, timeline=False).answer(answer)
    header, line = file.getvalue().splitlines()
    assert header.startswith("genre ") and header.endswith("  file")
    assert line.startswith(LONG) and line.endswith(f"{LONG}.wav") and "\x1b" not in line


def test_the_tables_of_a_check_and_of_similar_songs_fit(cli, terminal, tmp_path):
    width, lines = terminal
    bundle = make_bundle(tmp_path / "made.backbeat", genres=NAMES)
    # A file system takes names of 255 bytes, which are 85 of these characters.
    folders = [tmp_path / "songs" / name[:80].strip() for name in NAMES]
    for seed, folder in enumerate(folders):
        write(folder / f"{folder.name[:70]}.wav", music(30.0, 4_000, seed=seed), 4_000)
    (folders[0] / "broken.wav").write_bytes(b"")
    paths = {"songs": tmp_path / "songs", "song": next(folders[1].glob("*.wav"))}
    for arguments in (
        ("check", "{songs}", "-w", 1),
        (
            "similar",
            "{song}",
            "--in",
            "{songs}",
            "-w",
            1,
            "--model",
            bundle,
            "--index",
            tmp_path / "i",
        ),
    ):
        lines.clear()
        _, out, err = cli(*(str(argument).format(**paths) for argument in arguments))
        assert len(lines) > 2, err
        assert max(map(cell_len, lines)) <= width
        assert all(line in out for line in lines)
