"""All models of the paper are there; what is trained stays, what is killed goes on."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import Future

import pytest

from backbeat import zoo
from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.parallel.executors import InlineExecutor
from backbeat.reproduce.runner import paper_specs, run_all
from backbeat.training import train as training
from backbeat.training.fitting import StoppedError
from made_features import small_spec


def test_the_paper_has_59_models():
    papers = [spec for spec in zoo.specs().values() if spec.paper]
    assert len(papers) == 59
    of_table = {
        table: [spec.name for spec in papers if table in spec.paper.tables] for table in range(1, 8)
    }
    assert {table: len(names) for table, names in of_table.items() if names} == {
        1: 15,
        2: 16,
        4: 10,
        5: 12,
        6: 11,
    }
    assert len(paper_specs()) == 60  # and mlp_base at 100 epochs, of which the text speaks


def test_models_are_chosen_by_pattern():
    names = [spec.name for spec in paper_specs("cnn_03.*, mlp_27")]
    assert names == ["mlp_27", *(f"cnn_03.{number}" for number in range(9))]
    with pytest.raises(BackbeatError, match="--only xyz: no model"):
        paper_specs("xyz")


@pytest.mark.slow
def test_trains_what_is_missing(store, tmp_path, monkeypatch):
    reports = []
    specs = (small_spec(name="a"), small_spec(name="b", epochs=2))
    options = {"executor": InlineExecutor(), "on_progress": reports.append}
    assert run_all(store, tmp_path / "out", specs, seeds=2, **options) == {}
    runs = tmp_path / "out" / "runs"
    assert sorted(run.name for run in runs.iterdir()) == [
        "a-seed0",
        "a-seed1",
        "b-seed0",
        "b-seed1",
    ]
    assert (reports[-1].done, reports[-1].finished) == (reports[-1].total, 4)
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    assert run_all(store, tmp_path / "out", specs, seeds=2, **options) == {}
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()} == before
    splits = {json.loads((run / "split.json").read_text())["hash"] for run in runs.iterdir()}
    assert len(splits) == 1
    seeds = [(runs / f"a-seed{seed}" / "predictions.csv").read_text() for seed in (0, 1)]
    assert seeds[0] != seeds[1]


def test_a_model_that_fails_is_listed_and_the_others_go_on(store, tmp_path):
    wide = {"kind": "conv", "kernel": 200}
    specs = (
        small_spec(name="bad", family="cnn", layers=[wide, {"kind": "flatten"}]),
        small_spec(name="good"),
    )
    failures = run_all(store, tmp_path / "out", specs, executor=InlineExecutor())
    assert list(failures) == ["bad-seed0"]
    assert "layer 1 (conv 200x200) does not fit" in failures["bad-seed0"]
    assert json.loads((tmp_path / "out" / "failures.json").read_text()) == failures
    assert (tmp_path / "out" / "runs" / "good-seed0" / "model.backbeat").exists()


class Losing(InlineExecutor):
    """Loses the process of one job, again and again."""

    def submit(self, fn, /, job):
        if job.name != "bad-seed0":
            return super().submit(fn, job)
        future = Future()
        future.set_exception(WorkerLostError("ended 3 processes"))
        return future


def test_a_model_that_ends_its_process_is_listed_and_the_others_go_on(store, tmp_path):
    specs = (small_spec(name="bad"), small_spec(name="good", epochs=1))
    failures = run_all(store, tmp_path / "out", specs, executor=Losing())
    assert failures == {"bad-seed0": "ended 3 processes"}
    assert (tmp_path / "out" / "runs" / "good-seed0" / "model.backbeat").exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"protocol": "tracks"}, "another split"), ({"epochs_scale": 0.5}, "another epochs_scale")],
)
def test_other_settings_are_refused(store, tmp_path, changed, words):
    run_all(store, tmp_path / "out", (), executor=InlineExecutor())
    with pytest.raises(BackbeatError, match=words):
        run_all(store, tmp_path / "out", (), executor=InlineExecutor(), **changed)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(BackbeatError, match="not empty and not a reproduction"):
        run_all(store, tmp_path / "other", (), executor=InlineExecutor())


def test_a_stop_in_this_process_begins_no_other_model(store, tmp_path, monkeypatch):
    begun = []

    def stopped(*given, **_options):
        begun.append(given)
        raise StoppedError("stopped after 0 of 1 epochs", 143)

    monkeypatch.setattr(training, "train", stopped)
    specs = paper_specs("mlp_1[34]")
    with pytest.raises(StoppedError, match=r"paper: stopped; go on with the same") as stopped:
        run_all(store, tmp_path / "paper", specs, epochs_scale=0.02, executor=InlineExecutor())
    assert (stopped.value.status, len(begun)) == (143, 1)


REPRODUCE = """
import sys
from pathlib import Path
from backbeat.parallel.executors import open_executor
from backbeat.features.store import open_features
from backbeat.reproduce.runner import paper_specs, run_all
if __name__ == "__main__":
    with open_executor(2) as executor:
        run_all(open_features(Path(sys.argv[1])), Path(sys.argv[2]), paper_specs("mlp_1[34]"),
                epochs_scale=0.2, executor=executor)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_killed_and_started_again_it_ends_the_same(store, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(REPRODUCE)
    command = [sys.executable, script, store.path]
    subprocess.run([*command, tmp_path / "whole"], check=True, timeout=300)
    process = subprocess.Popen([*command, tmp_path / "killed"])
    runs = tmp_path / "killed" / "runs"
    deadline = time.monotonic() + 200
    while not list(runs.glob("*/environment.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    time.sleep(1.0)  # its workers end with it
    subprocess.run([*command, tmp_path / "killed"], check=True, timeout=300)
    for run in (tmp_path / "whole" / "runs").iterdir():
        for name in ("predictions.csv", "metrics.json", "split.json"):
            assert (runs / run.name / name).read_text() == (run / name).read_text(), name
