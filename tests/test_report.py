import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.evaluation import LEAKING, Predictions, evaluate
from backbeat.runs.report import run_report

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


def report(**changes):
    parts = {
        "title": "cnn_03.8",
        "facts": {"seed": "7", "split": "tracks"},
        "metrics": metrics(),
        "figures": {"Confusion of tracks": PNG},
        "leaks": False,
        "history": {"epoch": [1, 2], "accuracy": [0.25, 0.5], "loss": [2.0, 1.25]},
    }
    return run_report(**(parts | changes))


def test_page_holds_the_numbers():
    text = Page(report()).text
    for words in ("cnn_03.8", "60.0 %", "of 5 slices", "50.0 %", "of 2 tracks", "25.0 %", "1.250"):
        assert words in text
    assert "seed 7" in text
    assert "weakest at rock, of which it finds 0 %" in text


def test_genres_that_are_found_as_badly_are_all_named():
    parts = ["blues", "jazz", "pop", "rock", "ska"]
    for others, words in (
        (("blues",), "blues"),
        (("blues", "jazz"), "blues and jazz"),
        (("blues", "jazz", "pop", "rock"), "blues, jazz, pop and 1 more"),
        (parts, ""),
    ):
        truth = np.arange(5)
        answers = np.where(np.isin(parts, others), (truth + 1) % 5, truth)
        songs = [f"song {n}" for n in truth]
        rows = Predictions(songs, [0] * 5, truth, np.eye(5)[answers], parts)
        text = Page(report(metrics=evaluate(rows))).text
        assert ("weakest at" in text) == bool(words)
        assert f"weakest at {words}, of which it finds 0 %" in text or not words


def test_genre_without_rows_has_a_dash():
    assert re.search(r"pop – – 0", Page(report()).text)


def test_leak_is_reported_only_where_there_is_one():
    leaking = Page(report(leaks=True))
    assert LEAKING in leaking.text and "leaks" in leaking.attributes("main")[0]["class"]
    assert "LEAKING" not in report() and "No test song has slices in training" in report()


def test_names_are_escaped():
    evil = '<script>alert("x")</script>'
    page = report(
        title=evil,
        opening=[evil],
        certainty=[evil],
        metrics=metrics((evil, "R&B", "'; --")),
        facts={evil: evil},
        figures={evil + '" onload="': PNG},
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
    parsed = Page(report(leaks=True))
    assert parsed.attributes("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in parsed.attributes("meta"))
    assert [image["alt"] for image in parsed.attributes("img")] == ["Confusion of tracks"]
    assert all(head["scope"] in ("col", "row") for head in parsed.attributes("th"))
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
    parsed = Page(report(history=None, figures={}, facts={}))
    assert "First epoch" not in parsed.text and not parsed.attributes("figure")


def test_figure_from_a_file(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    assert Page(report(figures={"A": tmp_path / "a.png"})).attributes("img")


def test_bad_figures_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a")
    with pytest.raises(BackbeatError, match=r"a\.png: is no PNG"):
        report(figures={"A": tmp_path / "a.png"})
    with pytest.raises(BackbeatError, match=r"gone\.png: cannot be read"):
        report(figures={"A": tmp_path / "gone.png"})


def test_import_needs_no_jinja2():
    code = "import sys, backbeat.runs.report; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_jinja2_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(BackbeatError, match="jinja2: pip install"):
        report()
