import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.evaluation import Predictions, evaluate
from backbeat.evaluation.comparison import genre_means
from backbeat.runs.evaluation import Evaluation
from backbeat.runs.report import Picture, run_report
from backbeat.splits import Leak
from backbeat.training.history import Epoch

PNG = b"\x89PNG\r\n\x1a\n rest of a picture"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collect tags, attributes and text; fail on tags that do not close in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def attributes(self, wanted):
        return [attributes for tag, attributes in self.tags if tag == wanted]


def metrics(genres=("blues", "rock", "pop")):
    """Two tracks: by hand, slices 3/5 right, tracks 1/2; nothing of the third genre."""
    rows = [[0.5, 0.25, 0.25], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0.4, 0.2, 0.4], [0.9, 0.05, 0.05]]
    return evaluate(
        Predictions(["a", "a", "b", "b", "b"], [0, 1, 0, 1, 2], [0, 0, 1, 1, 1], rows, genres)
    )


def evaluation(**changes):
    scores = changes.pop("metrics", metrics())
    by_genre = genre_means(["rock", "jazz", "pop"], ["rock"] * 3, ["x", "y", "z"])
    parts = {
        "model": "cnn_03.8",
        "protocol": "tracks",
        "metrics": scores,
        "interval": None,
        "groups": 2,
        "by_genre": by_genre,
        "ahead": None,
        "artists_known": 2,
        "collection": "GTZAN",
        "facts": {"seed": "7", "split": "tracks"},
        "leaks": (Leak("song", 2, 2, 0, 0, 0, 0), Leak("artist", 2, 2, 0, 0, 0, 0)),
        "history": (Epoch(1, 2.0, 0.25, 2.5, 0.125, 1), Epoch(2, 1.25, 0.5, 1.5, 0.375, 1)),
    }
    return Evaluation(**(parts | changes))


PICTURE = Picture("Confusion of tracks", "Most often confused: rock", PNG)


def report(pictures=None, **changes):
    return run_report(evaluation(**changes), pictures or {"confusion": PICTURE})


LEAKS = (Leak("song", 2, 2, 2, 0, 2, 0), Leak("artist", 2, 2, 2, 0, 2, 0))


def test_page_holds_the_numbers():
    page = Page(report())
    for words in ("Run of cnn_03.8", "60.0 %", "of 5", "50.0 %", "25.0 %", "1.250", "37.5 %"):
        assert words in page.text
    assert "seed 7" in page.text
    assert "lowest for rock: 0 % of songs are found" in page.text
    assert "variance" not in page.text.lower()


def test_the_result_is_the_title_and_what_was_measured_comes_next():
    page = report()
    title = "50.0 % of 2 songs correct, artists kept apart"
    assert f"<title>{title}</title>" in page.replace("\xa0", " ")
    assert f"{title} Measured on 2 songs by 2 artists, in 2 genres, of GTZAN." in Page(page).text
    # Songs before slices.
    text = Page(page).text
    assert text.index("Songs correct") < text.index("Slices correct")


def test_a_confusion_matrix_is_a_table_too_with_blank_zeros():
    rows = re.search(r'<table class="confusion">(.*?)</table>', report(), re.S)[1]
    assert "Confusion matrix" in rows
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows.split("<tr>")[2:]]
    assert cells == [["1", "", ""], ["1", "", ""], ["", "", ""]]


def test_no_part_is_empty():
    one = Page(report(history=(Epoch(1, 2.0, 0.25, 2.5, 0.125, 1),))).text
    assert "Training" not in one and "First epoch" not in one
    assert "Fold by fold" not in one
    folds = Page(report(folds=(0.25, 0.75))).text
    assert "Cross-validation of cnn_03.8" in folds and "Fold by fold" in folds


def test_genre_without_rows_has_a_dash():
    assert re.search(r"pop – – – 0 – – – 0", Page(report()).text)


def test_a_leak_is_reported_once_and_only_where_there_is_one():
    leaking = Page(report(leaks=LEAKS))
    assert leaking.text.count("LEAKING by song (2 of 2 test songs), artist (") == 1
    assert "This split cannot show the accuracy without the leak." in leaking.text
    assert "expect" not in leaking.text  # nothing of other songs was measured
    assert "LEAKING: slices of the same songs are in training" in leaking.text
    assert [p["role"] for p in leaking.attributes("p") if p.get("class") == "warning"] == ["note"]
    assert "LEAKING" not in report() and "Not shared with training: song" in Page(report()).text


def test_names_are_escaped():
    evil = '<script>alert("x")</script>'
    page = report(
        model=evil,
        collection=evil,
        metrics=metrics((evil, "R&B", "'; --")),
        facts={evil: evil},
        pictures={"confusion": Picture(evil, evil + '" onload="', PNG)},
    )
    parsed = Page(page)
    assert "<script" not in page
    assert not parsed.attributes("script")
    assert all("onload" not in attributes for attributes in parsed.attributes("img"))
    assert evil in parsed.text and "R&B" in parsed.text


def test_page_is_self_contained():
    page = report()
    assert "http://" not in page and "https://" not in page and "@import" not in page
    parsed = Page(page)
    for attributes in parsed.attributes("img"):
        assert attributes["src"].startswith("data:image/png;base64,")
    assert not parsed.attributes("script") and not parsed.attributes("link")


def test_page_is_accessible():
    parsed = Page(report(leaks=LEAKS))
    assert parsed.attributes("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in parsed.attributes("meta"))
    assert [image["alt"] for image in parsed.attributes("img")] == ["Most often confused: rock"]
    assert all(head["scope"] in ("col", "colgroup", "row") for head in parsed.attributes("th"))
    assert len(parsed.attributes("h1")) == 1
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labels = [section["aria-labelledby"] for section in parsed.attributes("section")]
    assert set(labels) == set(ids)


def _luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize(
    ("front", "back"),
    [
        ("ink", "page"),
        ("ink", "card"),
        ("quiet", "page"),
        ("quiet", "card"),
        ("warn-ink", "warn-page"),
    ],
)
def test_text_contrasts_in_light_and_dark(theme, front, back):
    block = re.findall(r":root \{(.*?)\}", report(), flags=re.S)[theme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    low, high = sorted(_luminance(colours[name]) for name in (front, back))
    assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2, level AA


def test_optional_parts_may_be_missing():
    parsed = Page(run_report(evaluation(history=(), facts={}), {}))
    assert "First epoch" not in parsed.text and not parsed.attributes("figure")


def test_figure_from_a_file(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    assert Page(report({"confusion": replace(PICTURE, png=tmp_path / "a.png")})).attributes("img")


def test_bad_figures_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    with pytest.raises(BackbeatError, match=r"a\.png: is no PNG"):
        report({"confusion": replace(PICTURE, png=tmp_path / "a.png")})
    with pytest.raises(BackbeatError, match=r"gone\.png: cannot be read"):
        report({"confusion": replace(PICTURE, png=tmp_path / "gone.png")})


def test_import_needs_no_jinja2():
    code = "import sys, backbeat.runs.report; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_jinja2_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(BackbeatError, match="jinja2: pip install"):
        report()
