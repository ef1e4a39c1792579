"""The demo goes through every step, and goes on where it was stopped."""

from pathlib import Path

import pytest

from backbeat.cli import demo
from test_report import Page


@pytest.mark.slow
def test_the_demo_makes_all_that_it_names_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "CLIPS_PER_GENRE", 8)
    monkeypatch.setattr(demo, "MODEL", "mlp_05")
    monkeypatch.setattr(demo, "EPOCHS", 1)
    monkeypatch.setattr(demo, "SONGS_TO_CLASSIFY", 3)

    demo.run_demo(tmp_path / "demo")
    shown = capsys.readouterr().out
    named = shown.split("Look at:\n")[1].split("\n\n")[0].splitlines()
    weights = tmp_path / "demo/run-artists/model.backbeat"
    trained = weights.read_bytes()
    demo.run_demo(tmp_path / "demo")

    assert len(named) == 5
    assert all(Path(line.strip()).stat().st_size for line in named)
    assert shown.count("unusable: ") >= 6
    assert shown.count(" taken for ") >= 3
    # Real songs are not sent to a model of synthetic ones.
    assert shown.endswith("comes with backbeat:\nbackbeat classify YOUR_SONGS\n")
    assert "they say nothing about real music" in shown
    assert "LEAKING: slices of the same songs are in training" in shown
    # The clean figure is known, and named beside the leaking one.
    page = Page((tmp_path / "demo/run-slices/report.html").read_text("utf-8")).text
    assert "On another split (artists; run run-artists) the same model gets" in page
    assert "of jam, which backbeat composes: synthetic songs" in page
    assert weights.read_bytes() == trained
    assert capsys.readouterr().out == shown
