"""What the page shows: answers as HTML and CSV, a song as pictures."""

import base64
import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backbeat.classify import Answer, Failure, Moment
from backbeat.web import pictures, view
from sounds import write


def an_answer(verdict="sure", name="a.wav", **changed):
    """An answer of three genres and four moments."""
    moments = (("rock", 0.9), ("jazz", 0.5), ("rock", 0.8), ("blues", 0.4))
    facts = {
        "path": Path(name),
        "seconds": 12.0,
        "ranking": (("rock", 0.62), ("jazz", 0.3), ("blues", 0.08)),
        "verdict": verdict,
        "strangeness": 0.5,
        "agreement": 0.5,
        "timeline": tuple(
            Moment(3.0 * i, 3.0 * i + 3, genre, p) for i, (genre, p) in enumerate(moments)
        ),
    }
    return Answer(**{**facts, **changed})


# --- What is shown


def test_a_sure_answer_is_named():
    html = view.answer_html(an_answer())
    assert 'class="bb-label">rock <span class="bb-probability">62 %' in html
    assert "50 % of slices agree" in html


@pytest.mark.parametrize("verdict", ["unsure", "out of genre"])
def test_an_answer_that_is_withheld_is_not_named_as_one(verdict):
    html = view.answer_html(an_answer(verdict))
    assert f'class="bb-label">{verdict}</h2>' in html
    assert "bb-probability" not in html
    assert "likeliest genre is rock (62 %)" in html


def test_what_could_not_be_read_is_shown():
    cut = an_answer(note="15 of 30 s could be read")
    assert "15 of 30 s could be read" in view.answer_html(cut)
    assert "15 of 30 s could be read" in view.table_html([cut], of=1)
    assert "could be read" not in view.answer_html(an_answer())


def test_a_name_cannot_bring_its_own_html():
    html = view.answer_html(an_answer(name="<img src=x onerror=alert(1)>.wav"))
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "<b>" not in view.refusal_html("<b>.wav: not audio")
    assert "<b>" not in view.table_html([Failure(Path("<b>"), "<b>")], of=1)


def test_lanes_hold_each_moment_once_below_its_genre():
    lanes = view.lanes(an_answer())
    assert list(lanes) == ["rock", "jazz", "blues"]
    assert lanes["rock"] == [(0.0, 0.25, 0.9), (0.5, 0.25, 0.8)]
    assert sum(map(len, lanes.values())) == 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3.0, ["0:00", "0:00.5", "0:01", "0:01.5", "0:02", "0:02.5", "0:03"]),
        (30.0, ["0:00", "0:05", "0:10", "0:15", "0:20", "0:25", "0:30"]),
        (185.0, ["0:00", "1:00", "2:00", "3:00"]),
    ],
)
def test_ticks(seconds, words):
    ticks = view.ticks(seconds)
    assert [word for _, word in ticks] == words
    assert all(0 <= place <= 1 for place, _ in ticks)


def test_the_table_is_csv_like_the_command_line_and_harmless_in_a_spreadsheet():
    results = [an_answer(name="=1+1.wav"), Failure(Path("b.txt"), "not audio")]
    rows = list(csv.DictReader(io.StringIO(view.results_csv(results))))
    assert [row["path"] for row in rows] == ["'=1+1.wav", "b.txt"]
    assert (rows[0]["answer"], rows[0]["probability"], rows[0]["genre_2"]) == (
        "rock",
        "0.6200",
        "jazz",
    )
    assert rows[1]["error"] == "not audio"


def test_csv_is_offered_only_when_all_are_there():
    assert "download=" not in view.table_html([an_answer()], of=2)
    assert "1 of 2 done" in view.table_html([an_answer()], of=2)
    whole = view.table_html([an_answer(), Failure(Path("b"), "bad")], of=2)
    content = base64.b64decode(whole.partition("base64,")[2].partition('"')[0])
    assert content.startswith("\ufeffpath,".encode())  # for Excel
    assert 'download="genres.csv"' in whole
    assert "1 answered, 1 failed" in whole
    skipped = Failure(Path("c"), "too short", "skipped")
    assert "1 answered, 1 skipped, 0 failed" in view.table_html([an_answer(), skipped], of=2)


# --- Pictures


def picture_of(uri):
    return np.asarray(
        Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")
    ).astype(int)


def test_a_tone_is_bright_at_its_own_frequency(tmp_path):
    rate = 22_050
    tone = np.sin(2 * np.pi * 1000 * np.arange(3 * rate) / rate)[:, None].astype(np.float32) * 0.5
    wave, spectrum, mfcc = pictures.draw(write(tmp_path / "tone.wav", tone, rate))
    image = picture_of(spectrum.png)
    brightest = image.sum(axis=(1, 2)).argmax()
    share = 1 - (brightest + 0.5) / len(image)  # from below
    at = {words: place for place, words in spectrum.labels}
    assert abs(share - (at["500"] + at["2k"]) / 2) < 0.02  # 1 kHz lies midway between its octaves
    assert len(wave.outlines) == 2
    heights = [float(point.split(",")[1]) for point in wave.outlines[0].split()]
    assert min(heights) == pytest.approx(0.5, abs=0.01)  # 1 less the peak
    assert picture_of(mfcc.png).shape[0] == 13


def test_silence_and_noise_are_drawn():
    assert pictures.waveplot(np.zeros(10), 1.0).outlines[1].split()[0].endswith(",1.0000")
    assert pictures.mfcc_map(np.zeros((13, 50)), 1.0).png.startswith("data:image/png;base64,")
