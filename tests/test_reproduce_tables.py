import csv
import io
import json

import pytest

from backbeat import zoo
from backbeat.errors import BackbeatError
from backbeat.evaluation import recall_variance
from backbeat.files.text import signed
from backbeat.reproduce import paper
from backbeat.reproduce.results import read_results
from backbeat.reproduce.series import SERIES
from backbeat.reproduce.tables import make_tables, markdown_table, to_csv, to_markdown
from made_reproduction import made_run

GENRES = ("Rock", "Folk")


def table(results, number):
    return next(table for table in make_tables(results) if table.printed.number == number)


def row(results, number, model):
    return next(row for row in table(results, number).rows if row.printed.model == model)


# The paper as data.


def test_paper_has_all_its_rows():
    assert {table.number: len(table.rows) for table in paper.TABLES} == {
        **{1: 15, 2: 16, 4: 10},
        **{5: 12, 6: 11},
    }
    assert len(paper.ROWS) == 59
    for printed in paper.TABLES:
        assert all(len(row.described) == len(printed.columns) for row in printed.rows)


def test_recall_tables_agree_with_themselves():
    for printed in paper.RECALL_TABLES:
        assert sum(printed.samples) == 2997
        for column in printed.rows:
            # By the paper's own recalls; the variance as evaluation defines it.
            shares = [recall / 100 for recall in column.recalls]
            assert 100 * recall_variance(shares) == pytest.approx(column.variance, abs=0.06)
            mean = sum(r * n for r, n in zip(column.recalls, printed.samples, strict=True)) / 2997
            assert mean == pytest.approx(column.accuracy, abs=1.2)
            in_its_row = paper.ROWS[column.model]
            assert (column.epochs, column.minutes) == (in_its_row.epochs, in_its_row.minutes)


def test_zoo_says_what_the_tables_say():
    specs = {name: spec for name, spec in zoo.specs().items() if spec.paper}
    if len(specs) < len(paper.ROWS):
        pytest.skip("the zoo does not hold the whole paper yet")
    for name, printed in paper.ROWS.items():
        spec = specs[name]
        assert (spec.epochs, spec.paper.minutes, spec.paper.accuracy) == (
            *(printed.epochs, printed.minutes),
            printed.accuracy,
        )
        tables = [t.number for t in paper.TABLES if any(row.model == name for row in t.rows)]
        assert list(spec.paper.tables) == tables
        assert str(spec.paper.hidden_layers) == printed.described[0]


def test_series_hold_every_model_and_lead_from_one_to_another():
    models = [model for series in SERIES for model in series.models]
    assert sorted(models) == sorted(paper.ROWS)
    for series in SERIES:
        known = {*series.models, paper.BASE_AT_100}
        reached = {name for step in series.steps for name in (step.before, step.after)}
        assert reached <= known and set(series.models) - reached <= {"mlp_base"}


# Reading runs.


def test_results_are_means_over_seeds(tmp_path):
    made_run(tmp_path, "mlp_01", 0.5, seed=0, seconds=20)
    made_run(tmp_path, "mlp_01", 0.6, seed=1, seconds=40)
    results = read_results(tmp_path)
    one = results.results["mlp_01"]
    assert one.accuracies == (0.5, 0.6)
    assert one.accuracy == pytest.approx(0.55)
    assert one.deviation == pytest.approx(0.1 / 2**0.5)
    assert one.minutes == pytest.approx((1 + 2) / 2)
    assert one.recalls["blues"] == pytest.approx(0.55)
    assert (one.epochs, results.seeds) == (3, (0, 1))
    assert (results.train, results.test, results.protocol) == (2, 1, "slices")


def test_one_seed_has_no_deviation(tmp_path):
    made_run(tmp_path, "mlp_01", 0.5)
    assert read_results(tmp_path).results["mlp_01"].deviation is None


def test_unfinished_and_failed_runs_are_reported(tmp_path):
    made_run(tmp_path, "mlp_01", 0.5)
    made_run(tmp_path, "mlp_02", 0.5, finished=False)
    failures = {"mlp_03-seed0": "MemoryError: no room", "mlp_01-seed0": "mended since"}
    (tmp_path / "failures.json").write_text(json.dumps(failures))
    results = read_results(tmp_path)
    assert results.unfinished == ("mlp_02-seed0",)
    assert results.failed == {"mlp_03-seed0": "MemoryError: no room"}
    assert "mlp_01" not in results.missing and len(results.missing) == 58
    assert row(results, 1, "mlp_02").missing == "not finished yet"
    assert row(results, 1, "mlp_03").missing == "failed: MemoryError: no room"
    assert row(results, 1, "mlp_04").missing == "not trained yet"


def test_models_come_in_the_papers_order_and_others_after(tmp_path):
    for model in ("cnn_own", "mlp_base_100", "cnn_01.0", "mlp_04", "mlp_03"):
        made_run(tmp_path, model, 0.5)
    results = read_results(tmp_path)
    assert list(results.results) == ["mlp_04", "mlp_03", "cnn_01.0", "cnn_own", "mlp_base_100"]
    assert results.extra == ("cnn_own", "mlp_base_100")


def test_another_split_is_refused(tmp_path):
    made_run(tmp_path, "mlp_01", 0.5)
    made_run(tmp_path, "mlp_02", 0.5, songs="cd")
    with pytest.raises(BackbeatError, match="mlp_02-seed0: split otherwise than mlp_01-seed0") as e:
        read_results(tmp_path)
    assert "\n" not in str(e.value)


def test_nothing_finished_is_reported(tmp_path):
    with pytest.raises(BackbeatError, match="no run is finished"):
        read_results(tmp_path)
    made_run(tmp_path, "mlp_01", 0.5, finished=False)
    with pytest.raises(BackbeatError, match="no run is finished"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [("metrics.json", "{"), ("environment.json", "[]"), ("split.json", "{}"), ("history.csv", "")],
)
def test_damaged_run_is_named(tmp_path, file, content):
    (made_run(tmp_path, "mlp_01", 0.5) / file).write_text(content)
    with pytest.raises(BackbeatError, match="mlp_01-seed0") as error:
        read_results(tmp_path)
    assert "\n" not in str(error.value)


# The tables.


def test_ours_stands_beside_the_papers(tmp_path):
    made_run(tmp_path, "mlp_base", 0.6, epochs=50, seconds=6)
    results = read_results(tmp_path)
    for number in (1, 2):
        base = row(results, number, "mlp_base")
        assert base.printed.described == ("5", "512, 512, 256, 128, 64", "ReLU")
        assert base.accuracy.ours == pytest.approx(60)
        assert base.accuracy.compared == "+3.14"  # of 56.86
        assert base.minutes.compared == "×2.00"  # 5 of 2.50
        assert base.missing == ""
    assert [t.printed.number for t in make_tables(results)] == [1, 2, 3, 4, 5, 6, 7]


def test_recall_table_compares_genre_by_genre(tmp_path):
    made_run(tmp_path, "cnn_03.8", 0.8, recalls={"rock": 0.5})
    column = next(c for c in table(read_results(tmp_path), 7).rows if c.printed.model == "cnn_03.8")
    compared = [cell.compared for cell in column.recalls]
    assert (compared[0], compared[-1]) == ("−1", "−15")  # blues of 81, rock of 65
    assert column.accuracy.ours == pytest.approx(77)
    assert column.variance.paper == 0.9
    others = [
        c.missing for c in table(read_results(tmp_path), 7).rows if c.printed.model != "cnn_03.8"
    ]
    assert set(others) == {"not trained yet"}


def test_other_genres_have_our_figures_only(tmp_path):
    made_run(tmp_path, "cnn_03.8", 0.8, genres=GENRES)
    recalls = table(read_results(tmp_path), 7)
    assert recalls.genres == GENRES
    (column,) = (c for c in recalls.rows if c.printed.model == "cnn_03.8")
    assert [(cell.paper, cell.ours) for cell in column.recalls] == [(None, 80.0)] * 2
    assert [cell.paper for cell in recalls.samples] == [None, None]


def test_csv_is_tidy(tmp_path):
    made_run(tmp_path, "mlp_base", 0.6, seed=0, epochs=50)
    made_run(tmp_path, "mlp_base", 0.7, seed=1, epochs=50)
    rows = list(csv.DictReader(io.StringIO(to_csv(make_tables(read_results(tmp_path))))))
    key = ("1", "mlp_base", "accuracy (%)")
    (found,) = [r for r in rows if (r["table"], r["model"], r["column"]) == key]
    assert found["paper"] == "56.86" and float(found["ours"]) == pytest.approx(65)
    assert float(found["deviation"]) == pytest.approx(50**0.5, rel=1e-4)
    assert float(found["difference"]) == pytest.approx(65 - 56.86)
    assert found["ratio"] == ""
    (missing,) = [r for r in rows if r["model"] == "mlp_01" and r["column"] == "minutes"]
    assert (missing["paper"], missing["ours"], missing["ratio"]) == ("2.73", "", "")
    keys = [(r["table"], r["model"], r["column"]) for r in rows]
    assert len(keys) == len(set(keys))
    models = sum(3 * len(t.rows) for t in paper.TABLES)
    recalls = sum(10 + 14 * len(t.rows) for t in paper.RECALL_TABLES)
    assert len(rows) == models + recalls


def test_markdown_lines_align(tmp_path):
    made_run(tmp_path, "mlp_12.1", 0.6)
    text = to_markdown(make_tables(read_results(tmp_path)), note="A note.")
    assert "A note." in text and text.count("## Table") == 7
    blocks = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 7
    for block in blocks:
        assert len({len(line) for line in block.splitlines()}) == 1
    assert "3 (of 200)" in text  # epochs other than the paper's


def test_markdown_escapes_bars():
    assert r"a\|b" in markdown_table(["x"], [["a|b"]])


def test_signs():
    assert [signed(v, 1) for v in (1.25, -1.25, 0.04, -0.04)] == ["+1.2", "−1.2", "0.0", "0.0"]
