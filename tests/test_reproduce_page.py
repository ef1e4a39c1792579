import json
import re

import pytest

from backbeat.errors import BackbeatError
from backbeat.evaluation import LEAKING
from backbeat.figures import to_png
from backbeat.figures.reproduction import Point, agreement, recall_panels, time_against_accuracy
from backbeat.reproduce import page as report
from backbeat.reproduce import paper
from backbeat.reproduce.drawing import find_songs
from made_reproduction import made_all, made_run
from sounds import music, write
from test_report import Page


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All of the paper's models, written."""
    folder = made_all(tmp_path_factory.mktemp("whole"))
    return folder, report.write(folder)


@pytest.fixture(scope="module")
def page(whole):
    return Page((whole[0] / "report.html").read_text("utf-8"))


def test_all_is_written(whole):
    folder, written = whole
    assert all(path.stat().st_size for path in written)
    names = {path.relative_to(folder).as_posix() for path in written}
    assert {"report.html", "tables.md", "tables.csv", "findings.json"} <= names
    for number, model in paper.METRIC_FIGURES.items():
        assert f"figures/figure_{number:02}_{model}.png" in names
    assert "figures/figure_04_mel_filters.png" in names
    assert not list(folder.rglob(".writing-*"))


def test_findings_are_plain_values(whole):
    found = json.loads((whole[0] / "findings.json").read_text("utf-8"))
    assert {"key", "statement", "holds", "evidence", "close"} == set(found[0])
    by_key = {finding["key"]: finding["holds"] for finding in found}
    assert by_key["order"] is True and by_key["base-falls"] is None


def test_page_holds_tables_findings_and_figures(page):
    for number in range(1, 8):
        assert f"Table {number}." in page.text
    for number in range(1, 12):
        assert f"Figure {number}." in page.text
    assert "59 of the paper's 59 models were trained." in page.text
    assert page.text.count("not trained yet") == 0
    assert "cnn_03.7 → cnn_03.8" in page.text and "80 → 100 epochs" in page.text


def test_page_says_how_to_get_the_songs(page):
    assert "rock.00028" in page.text and "--songs FOLDER" in page.text


def test_page_warns_of_the_leak(page):
    assert LEAKING in page.text


def test_page_without_slices_on_both_sides_has_no_such_warning(tmp_path):
    made_run(tmp_path, "mlp_01", 0.5, protocol="artists")
    report.write(tmp_path)
    text = Page((tmp_path / "report.html").read_text("utf-8")).text
    assert "LEAKING" not in text and "ours are of a split by artists" in text
    # 3 epochs, not 50: that comes first, and the split alone is not blamed for the gap.
    assert "1 of the paper's 59 models was trained." in text
    summary = text[text.index("The models were trained for 0.06 of the paper's epochs") :]
    assert "how much of a difference comes from the split cannot be said" in summary
    assert text.index("The best is mlp_01") > text.index("0.06 of the paper's epochs")
    assert "0 of 0" not in text and "Findings that hold" not in text


@pytest.mark.parametrize("protocol", ["slices", "artists"])
def test_the_papers_genres_alone_are_not_its_songs(tmp_path, protocol):
    # As the built-in collection, whose genres are named as GTZAN's.
    songs = ("blues/jam-blues-000.wav", "rock/jam-rock-001.wav")
    made_run(tmp_path, "mlp_01", 0.5, epochs=50, protocol=protocol, songs=songs)
    report.write(tmp_path)
    text = Page((tmp_path / "report.html").read_text("utf-8")).text
    assert "The paper's figures are of other songs" in text
    assert "The paper's figures are of other songs" in (tmp_path / "tables.md").read_text("utf-8")
    assert "are therefore to be expected" not in text
    assert ("Ours are also of other songs" in text) == (protocol == "artists")


def test_a_gap_to_the_papers_songs_is_explained_by_the_split(tmp_path):
    made_run(tmp_path, "mlp_01", 0.5, epochs=50, protocol="artists")
    report.write(tmp_path)
    text = Page((tmp_path / "report.html").read_text("utf-8")).text
    assert "Figures below the paper's are therefore to be expected." in text
    assert "of other songs" not in text


def test_page_is_self_contained_and_accessible(whole, page):
    source = (whole[0] / "report.html").read_text("utf-8")
    assert "http://" not in source and "https://" not in source and "@import" not in source
    assert not page.attributes("script") and not page.attributes("link")
    for attributes in page.attributes("img"):
        assert attributes["src"].startswith("data:image/png;base64,") and attributes["alt"]
    assert all(head["scope"] in ("col", "row", "colgroup") for head in page.attributes("th"))
    assert len(page.attributes("h1")) == 1
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in page.attributes("a"):
        assert link["href"].removeprefix("#") in ids


def test_differences_are_shown_without_colour(whole, page):
    # Greater ones have a sign and, by the style, an arrow before it.
    assert re.search(r"\.above::before \{ content: \"▲", (whole[0] / "report.html").read_text())
    assert re.search(r"[+−]\d+\.\d\d", page.text)


def test_rows_of_a_table_have_its_columns(page):
    """Every row of a table spans as many columns as the others, so that nothing is shifted."""
    rows, width = {}, {}
    current = number = None
    for tag, attributes in page.tags:
        if tag == "table":
            number = len(rows)
            rows[number], width[number] = [], attributes.get("class")
        elif tag == "tr":
            current = []
            rows[number].append(current)
        elif tag in ("td", "th"):
            current.append(int(attributes.get("colspan", 1)))
    for number, lines in rows.items():
        if width[number] in ("models", "recalls"):
            lines.pop(1)  # the second line of the head, under cells of two rows
        assert len({sum(line) for line in lines}) == 1, width[number]


def test_one_model_is_enough(tmp_path):
    made_run(tmp_path, "mlp_27", 0.7)
    made_run(tmp_path, "mlp_26", 0.7, finished=False)
    (tmp_path / "failures.json").write_text(json.dumps({"mlp_25-seed0": "<b>no room</b>"}))
    report.write(tmp_path)
    source = (tmp_path / "report.html").read_text("utf-8")
    text = Page(source).text
    assert "not trained yet" in text and "Begun only: mlp_26-seed0" in text
    assert "<b>no room</b>" in text and "<b>no room" not in source


def test_extra_model_alone_and_other_genres(tmp_path):
    made_run(tmp_path, "mlp_own", 0.7, genres=("Folk", "R&B"))
    report.write(tmp_path)
    text = Page((tmp_path / "report.html").read_text("utf-8")).text
    assert "R&B" in text and "Also run mlp_own" in text


def test_seeds_show_their_deviation(tmp_path):
    for seed, accuracy in enumerate((0.6, 0.7)):
        made_run(tmp_path, "mlp_27", accuracy, seed=seed)
    report.write(tmp_path)
    assert "65.00 ± 7.07" in Page((tmp_path / "report.html").read_text("utf-8")).text
    assert "65.00 ± 7.07" in (tmp_path / "tables.md").read_text("utf-8")


def test_songs_are_found_and_drawn(tmp_path):
    songs = tmp_path / "songs"
    write(songs / "genres" / "rock" / "rock.00028.wav", music(2.0, seed=1))
    write(songs / "rock.00029.wav", music(2.0, seed=1))
    (songs / "pop.00028.wav").write_bytes(b"no sound at all")
    assert set(find_songs(songs)) == {"rock.00028", "pop.00028"}
    made_run(tmp_path, "mlp_27", 0.7)
    written = report.write(tmp_path, songs=songs)
    drawn = [path.name for path in written if path.name.startswith("figure_0")]
    # The damaged one costs its picture only.
    assert "figure_01_rock.00028.png" in drawn and len([d for d in drawn if "pop" in d]) == 0


def test_songs_must_be_a_folder(tmp_path):
    made_run(tmp_path, "mlp_27", 0.7)
    with pytest.raises(BackbeatError, match="no such folder"):
        report.write(tmp_path, songs=tmp_path / "gone")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_writing_again_gives_the_same(tmp_path):
    made_run(tmp_path, "mlp_27", 0.7)
    first = {path: path.read_bytes() for path in report.write(tmp_path)}
    assert {path: path.read_bytes() for path in report.write(tmp_path)} == first


def test_names_of_points_do_not_overlap():
    points = [Point(f"model_{i}", "s", 1 + 0.01 * i, 0.5 + 0.002 * i, 2, 0.5) for i in range(6)]
    figure = time_against_accuracy(points, named=[point.name for point in points])
    figure.canvas.draw()
    left = figure.axes[0]
    boxes = [text.get_window_extent() for text in left.texts]
    assert len(boxes) == 6
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_figures_with_a_single_point_or_an_empty_genre():
    one = [Point("a", "s", 1.0, 0.5, 2.0, 0.6)]
    for figure in (
        agreement(one),
        recall_panels({"a": [0.5, float("nan")]}, ("x", "y")),
    ):
        assert to_png(figure).startswith(b"\x89PNG")
