"""The same seed gives the same numbers, on one core and on two, with one worker and with two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backbeat.bundle.archive import read_bundle
from backbeat.errors import BackbeatError
from backbeat.parallel.worker import THREADS
from backbeat.training import train as training
from backbeat.transfer import embed
from backbeat.zoo import build
from made_features import made_run, small_spec
from test_transfer import store as maps  # noqa: F401 - a fixture

# The convolutions of this model give other last digits with another number of threads.
MODEL = "cnn_base_01"

EVERYWHERE = """
import os
import sys
from pathlib import Path
store, maps, out, cores, workers = sys.argv[1:]
allowed = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, allowed[:int(cores)])
from backbeat import api, zoo
from backbeat.features.store import open_features
from backbeat.parallel.executors import open_executor
from backbeat.reproduce.runner import run_all
from backbeat.splits import make_split
from backbeat.training.crossvalidation import cross_validate
from backbeat.training.train import train
from backbeat.transfer import embed
from backbeat.tuning import tune
store, maps, out = open_features(Path(store)), open_features(Path(maps)), Path(out)
spec = zoo.find("cnn_base_01").with_epochs(1)
with open_executor(int(workers)) as executor:
    assert not cross_validate(store, spec, "tracks", out / "folds", folds=2, executor=executor)
    assert not run_all(store, out / "reproduced", [spec], executor=executor)
tune(store, out / "tuned", family="cnn", budget=1, epochs_scale=0.03)
examples = embed(maps)
train(maps, zoo.TRANSFER, make_split(examples, "tracks"), examples, out / "head")
"""


def results(folder: Path) -> dict[str, object]:
    """What was learnt and predicted; not the times, the machine and the names of ONNX nodes."""
    names = ("predictions.csv", "validation.csv", "metrics.json")
    found: dict[str, object] = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.name in names
    }
    for run in folder.rglob("model.backbeat"):
        found[str(run.relative_to(folder))] = read_bundle(run).description.calibration
    trials = json.loads((folder / "tuned" / "tree.json").read_text())["trials"]
    return found | {"tuned": [(trial["accuracy"], trial["loss"]) for trial in trials]}


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs two cores, and Linux to choose one of them",
)
def test_cores_and_workers_change_no_number(store, maps, tmp_path):  # noqa: F811
    embed(maps)
    # As in the terminal of a user, not in that of these tests.
    environment = {name: value for name, value in os.environ.items() if name not in THREADS}
    found = {}
    for cores, workers in ((1, 1), (2, 1), (2, 2)):
        out = tmp_path / f"{cores}-{workers}"
        command = [sys.executable, "-c", EVERYWHERE, store.path, maps.path, out, cores, workers]
        subprocess.run([*map(str, command)], check=True, env=environment)
        found[cores, workers] = results(out)
    first, *others = found.values()
    # Two folds, a model of the paper without validation songs, a head, and the search.
    assert len(first) == 2 * 4 + 3 + 4 + 1
    assert others == [first, first]


def test_a_training_has_one_thread_and_records_another_number(run, store, tmp_path, monkeypatch):
    import tensorflow as tf

    config = tf.config.threading
    assert config.get_intra_op_parallelism_threads() == 1
    assert config.get_inter_op_parallelism_threads() == 1
    assert json.loads((run / "environment.json").read_text())["threads"] == 1
    used = []
    monkeypatch.setattr("backbeat.training.fitting.use_threads", used.append)
    other = made_run(store, tmp_path / "run", spec=small_spec(epochs=1), threads=3)
    assert used == [3]
    assert json.loads((other / "environment.json").read_text())["threads"] == 3
    with pytest.raises(BackbeatError, match=r"begun with another threads \(3\)"):
        made_run(store, other, spec=small_spec(epochs=1), resume=True)


def test_another_number_of_threads_needs_a_process_of_its_own(run):
    with pytest.raises(
        BackbeatError,
        match="computes with 1 thread in this process already; train with 4 threads in a new one",
    ):
        build.use_threads(4)
    build.use_threads(1)


def test_linear_algebra_has_one_thread_too(store, tmp_path, monkeypatch):
    from threadpoolctl import threadpool_info, threadpool_limits

    seen = []

    def fit(*_given):
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        raise BackbeatError("enough")

    monkeypatch.setattr(training, "fit", fit)
    with threadpool_limits(2), pytest.raises(BackbeatError, match="enough"):
        made_run(store, tmp_path / "run")
    assert set(seen) == {1}
