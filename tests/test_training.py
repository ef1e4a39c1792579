"""Training learns, repeats itself exactly, and survives being stopped and killed."""

import functools
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from backbeat.bundle.archive import read_bundle
from backbeat.errors import BackbeatError
from backbeat.evaluation import Metrics, read_predictions
from backbeat.splits import make_split
from backbeat.training import checkpoint, fitting
from backbeat.training import train as training
from backbeat.training.fitting import DivergedError, StoppedError
from backbeat.training.history import read_history
from backbeat.zoo.build import load_keras
from backbeat.zoo.spec import read_spec
from made_features import GENRES, made_mfcc, made_run, made_store, small_spec

FILES = {
    "spec.yaml",
    "split.json",
    "environment.json",
    "history.csv",
    "model.keras",
    "validation.csv",
    "predictions.csv",
    "metrics.json",
    "SHA256SUMS",
    "model.backbeat",
}


def history_of(run):
    """A history without its times, which no two runs share."""
    return [
        (e.epoch, e.loss, e.accuracy, e.val_loss, e.val_accuracy)
        for e in read_history(run / "history.csv")
    ]


@functools.cache
def weights_of(run):
    return load_keras().saving.load_model(run / "model.keras").get_weights()


def assert_same_results(one, other):
    assert history_of(one) == history_of(other)
    for ours, theirs in zip(weights_of(one), weights_of(other), strict=True):
        assert np.array_equal(ours, theirs)
    for name in ("validation.csv", "predictions.csv", "metrics.json", "spec.yaml", "split.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_run_learns_and_leaves_all_its_files(run):
    assert {path.name for path in run.iterdir()} == FILES
    history = read_history(run / "history.csv")
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5]
    assert history[-1].val_accuracy > 0.9
    assert history[-1].loss < history[0].loss
    metrics = Metrics.from_json((run / "metrics.json").read_text())
    assert metrics.slice_accuracy > 0.9
    assert metrics.track_accuracy == 1.0
    predictions = read_predictions(run / "predictions.csv")
    split = json.loads((run / "split.json").read_text())
    assert sorted(set(predictions.tracks.tolist())) == split["parts"]["test"]
    assert np.abs(predictions.probabilities.sum(axis=1) - 1).max() < 1e-6
    assert read_spec(run / "spec.yaml") == small_spec()
    assert read_bundle(run).description.genres == GENRES
    environment = json.loads((run / "environment.json").read_text())
    assert environment["seed"] == 3
    assert environment["split"] == split["hash"]
    assert environment["packages"].keys() >= {"keras", "tensorflow", "numpy"}


def test_predictions_are_those_of_the_saved_network(run, store):
    examples = store.examples("mfcc")
    predictions = read_predictions(run / "predictions.csv")
    rows = np.isin([examples.names[track] for track in examples.track], predictions.tracks)
    own = load_keras().saving.load_model(run / "model.keras").predict(examples.x[rows], verbose=0)
    assert np.abs(own - predictions.probabilities).max() < 1e-5
    assert np.array_equal(examples.y[rows], predictions.truth)


def test_the_same_seed_gives_the_same_run(run, store, tmp_path):
    # To resume what was never begun is to begin.
    assert_same_results(made_run(store, tmp_path / "again", resume=True), run)


@pytest.mark.usefixtures("step_by_step")
def test_another_seed_gives_another_run_and_progress_is_reported(run, store, tmp_path):
    calls = []
    options = {"spec": small_spec(epochs=2), "seed": 4, "on_progress": calls.append}
    # In a thread, where there are no signals to be caught.
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(made_run, store, tmp_path / "other", **options).result()
    assert {path.name for path in other.iterdir()} == FILES
    assert history_of(other)[0] != history_of(run)[0]
    batches = calls[0].batches
    # Once more after each validation, which is shown with its own epoch.
    assert [(p.epoch, p.batch) for p in calls] == [
        (epoch, batch) for epoch in (1, 2) for batch in (*range(1, batches + 1), batches)
    ]
    assert {p.epochs for p in calls} == {2}
    assert [len(p.history) for p in calls] == [0] * batches + [1] * (batches + 1) + [2]


@pytest.mark.parametrize(
    ("number", "epoch", "batch", "kept"),
    [(signal.SIGINT, 1, 1, 0), (signal.SIGTERM, 4, "last", 3)],
)
@pytest.mark.usefixtures("step_by_step")
def test_a_stopped_run_goes_on_as_if_it_had_not(run, store, tmp_path, number, epoch, batch, kept):
    def stop(progress):
        last = progress.batches if batch == "last" else batch
        if (progress.epoch, progress.batch) == (epoch, last):
            signal.raise_signal(number)

    before = signal.getsignal(number)
    out = tmp_path / "run"
    with pytest.raises(StoppedError, match=f"stopped after {kept} of 5 epochs.*--resume"):
        made_run(store, out, on_progress=stop)
    assert signal.getsignal(number) is before
    assert len(read_history(out / "history.csv")) == kept
    calls = []
    made_run(store, out, resume=True, on_progress=calls.append)
    assert calls[0].epoch == kept + 1
    assert_same_results(out, run)
    assert {path.name for path in out.iterdir()} == FILES


def test_a_stop_after_the_last_batch_is_respected(run, store, tmp_path, monkeypatch):
    """In a search or a reproduction, the next training would begin."""
    own, epochs = checkpoint.snapshot, []

    def snapshot(network):
        epochs.append(network)
        if len(epochs) == 1 + 5:
            signal.raise_signal(signal.SIGTERM)
        return own(network)

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "snapshot", snapshot)
        with pytest.raises(StoppedError, match="stopped after 5 of 5 epochs") as stopped:
            made_run(store, out)
    assert stopped.value.status == 143
    made_run(store, out, resume=True)
    assert_same_results(out, run)


# Stands still at a batch, so that the signal comes at just that moment.
KILLED = """
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from backbeat.training import fitting
from backbeat.features.store import open_features
from made_features import made_run
fitting._SECONDS_BETWEEN_CHECKPOINTS = -1.0
fitting._STEPS_AT_ONCE = 1
def stand_still(progress):
    if f"{progress.epoch} {progress.batch}" == sys.argv[4]:
        print("here", flush=True)
        sys.stdin.readline()
made_run(open_features(Path(sys.argv[1])), Path(sys.argv[2]), on_progress=stand_still)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_a_killed_process_goes_on_as_if_it_had_not_been(run, store, tmp_path):
    moments = {"3 1": signal.SIGKILL, "2 3": signal.SIGINT}
    here = Path(__file__).parent
    processes = {
        moment: subprocess.Popen(
            [sys.executable, "-c", KILLED, store.path, tmp_path / moment, here, moment],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for moment in moments
    }
    for moment, number in moments.items():
        process, out = processes[moment], tmp_path / moment
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        _, errors = process.communicate("\n", timeout=60)
        if number == signal.SIGKILL:
            assert process.returncode == -number, errors
        else:
            assert "StoppedError" in errors, errors
        assert not (out / "model.backbeat").exists()
        calls = []
        made_run(store, out, resume=True, on_progress=calls.append)
        # No more is lost than the epoch under way.
        assert calls[0].epoch == int(moment.split()[0])
        assert_same_results(out, run)


def test_resuming_a_finished_run_changes_nothing(run, store, tmp_path):
    out = shutil.copytree(run, tmp_path / "run")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
    calls = []
    made_run(store, out, resume=True, on_progress=calls.append)
    assert calls == []
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()} == before


def test_a_run_is_not_written_over(run, store):
    with pytest.raises(BackbeatError, match="holds a run already; --resume"):
        made_run(store, run)


def diverging(epoch):
    """A stand-in for the learning rate, which from the start of an epoch on is far too high."""

    def callbacks(network, spec, now, slices):
        if now + 1 >= epoch:
            network.optimizer.learning_rate = 1e30
        return []

    return callbacks


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "lowest"), [("artists", 2), ("slices", 3)])
def test_a_loss_that_is_no_number_ends_a_training(store, tmp_path, monkeypatch, protocol, lowest):
    monkeypatch.setattr(fitting, "schedule_callbacks", diverging(epoch=4))
    out = tmp_path / "run"
    monkeypatch.setattr(load_keras().Model, "evaluate", made_losses(0.5, 0.3, 0.4, 0.2))
    kept = out / "model.keras"
    message = (
        f"{out}: epoch 4: the loss is no number; lower learning_rate (0.01); epoch {lowest} is "
        f"kept in {kept}"
    )
    with pytest.raises(DivergedError) as ended:
        made_run(store, out, protocol=protocol)
    assert str(ended.value) == message
    history = read_history(out / "history.csv")
    assert [np.isnan(epoch.loss) for epoch in history] == [False, False, False, True]
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "schedule_callbacks", diverging(epoch=9))
        made_run(store, tmp_path / "short", spec=small_spec(epochs=lowest), protocol=protocol)
    weights = weights_of(tmp_path / "short")
    for ours, theirs in zip(
        load_keras().saving.load_model(kept).get_weights(), weights, strict=True
    ):
        assert np.array_equal(ours, theirs)
    kept.unlink()
    calls = []
    with pytest.raises(DivergedError, match=re.escape(message)):
        made_run(store, out, protocol=protocol, resume=True, on_progress=calls.append)
    assert calls == []
    assert kept.exists()


def made_losses(*losses):
    """A stand-in for Keras's evaluation: these losses, again and again."""
    given = itertools.cycle(losses)
    return lambda *_, **__: (next(given), 0.5)


def test_a_loss_that_is_no_number_at_once_leaves_no_network(store, tmp_path, cli):
    spec = tmp_path / "sgd.yaml"
    spec.write_text(small_spec(optimizer="sgd", learning_rate=1e30).to_yaml())
    run = tmp_path / "run"
    command = ("train", store.path, "--model", spec, "--split", "artists", "-o", run)
    for more in ((), ("--resume",)):
        status, out, err = cli(*command, *more)
        assert (status, out) == (1, "")
        last = err.splitlines()[-1]
        assert last == (
            f"backbeat: {run}: epoch 1: the loss is no number; lower learning_rate (1e+30)"
        )
    assert not (run / "model.keras").exists()


def test_validation_may_find_first_that_the_loss_is_no_number(store, tmp_path, monkeypatch):
    monkeypatch.setattr(load_keras().Model, "evaluate", made_losses(0.5, float("nan")))
    # In a thread, where there are no signals to be caught.
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(made_run, store, tmp_path / "run").exception()
    assert isinstance(ended, DivergedError)
    assert "epoch 2: the loss is no number" in str(ended)


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("spec", {"spec": small_spec(learning_rate=0.02)}),
        ("spec", {"spec": small_spec(epochs=6)}),
        ("split", {"protocol": "tracks"}),
        ("split", {"seed": 4}),
        ("max_error", {"max_error": 0.1}),
    ],
)
def test_a_run_is_not_resumed_with_other_settings(run, store, what, options):
    with pytest.raises(BackbeatError, match=f"begun with another {what}"):
        made_run(store, run, resume=True, **options)


def test_a_run_is_not_resumed_with_another_seed_or_front_end(run, store, tmp_path):
    examples = store.examples("mfcc")
    split = make_split(examples, "artists", seed=3)
    with pytest.raises(BackbeatError, match="begun with another seed"):
        training.train(store, small_spec(), split, examples, run, seed=9, resume=True)
    x, _ = made_mfcc(slices=5)
    other = made_store(tmp_path, X=x)
    with pytest.raises(BackbeatError, match="begun with another frontend"):
        made_run(other, run, resume=True)


def test_a_folder_with_other_things_is_left_alone(store, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    for resume in (False, True):
        with pytest.raises(BackbeatError, match="not empty and not a run"):
            made_run(store, tmp_path, resume=resume)
    with pytest.raises(BackbeatError, match="is a file"):
        made_run(store, tmp_path / "letter.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_training_leaves_no_temporary_files(store, tmp_path, monkeypatch):
    """TensorFlow's are there until its process ends, and for ever if that is killed."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    made_run(store, tmp_path / "run", spec=small_spec(epochs=1))
    assert list(temporary.iterdir()) == []
