"""Judging: on the validation part alone, once a spec, and resumable."""

import json
import signal

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.splits import PARTS, make_split
from backbeat.training import checkpoint, fitting
from backbeat.training.fitting import StoppedError
from backbeat.training.history import read_history
from backbeat.tuning.judge import Judge, PrunedError, read_judgement, without_test
from backbeat.tuning.moves import fingerprint
from backbeat.zoo.build import load_keras
from backbeat.zoo.shapes import UnfitError
from backbeat.zoo.spec import read_spec
from made_features import small_spec

SPEC = small_spec(epochs=3)


@pytest.fixture
def judge(store, tmp_path):
    return make_judge(store, tmp_path / "trials")


def make_judge(store, folder, protocol="artists", **options):
    examples = store.examples("mfcc")
    split = make_split(examples, protocol, seed=3, valid_share=0.2)
    return Judge(store, *without_test(examples, split), folder, 3, **options)


def worth(judgement):
    return judgement.accuracy, judgement.loss, judgement.epochs, judgement.pruned


@pytest.mark.parametrize("protocol", ["slices", "tracks", "artists"])
def test_nothing_of_the_test_part_is_left(store, protocol):
    examples = store.examples("mfcc")
    split = make_split(examples, protocol, seed=3, valid_share=0.2)
    left, cut = without_test(examples, split)
    assert len(cut.rows("test")) == 0
    for part in ("train", "valid"):
        assert np.array_equal(left.x[cut.rows(part)], examples.x[split.rows(part)])
        assert np.array_equal(left.y[cut.rows(part)], examples.y[split.rows(part)])
        assert np.array_equal(left.track[cut.rows(part)], examples.track[split.rows(part)])
    assert cut.monitored == "valid"


def test_a_network_sees_training_rows_and_is_judged_on_validation_rows(
    store, tmp_path, monkeypatch
):
    examples = store.examples("mfcc")
    split = make_split(examples, "artists", seed=3, valid_share=0.2)
    part_of = {examples.x[row].tobytes(): PARTS[split.part[row]] for row in range(len(examples.x))}
    assert len(part_of) == len(examples.x)
    seen = {}

    def spied(name):
        own = getattr(load_keras().Model, name)

        def spy(self, x=None, *args, **options):
            batches = [x] if isinstance(x, np.ndarray) else [part for part, _ in x]
            rows = np.concatenate([np.asarray(batch) for batch in batches])
            seen.setdefault(name, []).extend(part_of[row.tobytes()] for row in rows)
            return own(self, x, *args, **options)

        return spy

    for name in ("fit", "evaluate", "predict", "train_on_batch", "predict_on_batch"):
        monkeypatch.setattr(load_keras().Model, name, spied(name))
    make_judge(store, tmp_path / "trials")(SPEC)
    assert set(seen) == {"fit", "evaluate"}
    assert set(seen["fit"]) == {"train"}
    assert set(seen["evaluate"]) == {"valid"}


def test_a_judgement_does_not_depend_on_the_test_part(store, tmp_path, judge):
    examples = store.examples("mfcc")
    split = make_split(examples, "artists", seed=3, valid_share=0.2)
    examples.x[split.rows("test")] = np.nan
    examples.y[split.rows("test")] = 0
    with_nan = Judge(store, *without_test(examples, split), tmp_path / "nan", 3)
    assert worth(with_nan(SPEC)) == worth(judge(SPEC))


def test_a_judgement_is_a_folder_of_its_own(judge):
    judgement = judge(SPEC)
    assert judgement.accuracy > 0.6
    assert judgement.epochs == 3
    assert not judgement.pruned
    place = judge.folder / fingerprint(SPEC)
    files = {"spec.yaml", "history.csv", "result.json", "SHA256SUMS"}
    assert {path.name for path in place.iterdir()} == files
    assert read_spec(place / "spec.yaml") == SPEC
    history = read_history(place / "history.csv")
    assert judgement.accuracy == pytest.approx(history[-1].val_accuracy, abs=1e-6)
    assert judgement.seconds == pytest.approx(sum(epoch.seconds for epoch in history), abs=0.01)
    assert read_judgement(place / "result.json") == judgement


def test_a_spec_is_judged_once(judge, monkeypatch):
    first = judge(SPEC)
    monkeypatch.setattr(fitting, "fit", None)
    watched = []
    assert judge(SPEC, watched.append) == first
    assert [len(history) for history in watched] == [3]


@pytest.mark.slow
@pytest.mark.usefixtures("step_by_step")
def test_a_stopped_judgement_goes_on(judge, store, tmp_path):
    def stop(progress):
        if (progress.epoch, progress.batch) == (2, 2):
            signal.raise_signal(signal.SIGTERM)

    folder = tmp_path / "stopped" / "trials"
    stopped = make_judge(store, folder, on_progress=stop)
    with pytest.raises(StoppedError, match=r"stopped: stopped; go on with the same command$"):
        stopped(SPEC)
    place = folder / fingerprint(SPEC)
    assert not (place / "result.json").exists()
    assert (place / checkpoint.NAME).exists()
    calls = []
    again = make_judge(store, folder, on_progress=calls.append)
    assert worth(again(SPEC)) == worth(judge(SPEC))
    assert calls[0].epoch == 2
    assert not (place / checkpoint.NAME).exists()


def test_a_spec_whose_loss_is_no_number_is_skipped(judge):
    spec = small_spec(optimizer="sgd", learning_rate=1e30)
    words = r"^small: epoch 1: the loss is no number; lower learning_rate \(1e\+30\)$"
    for _ in range(2):
        with pytest.raises(UnfitError, match=words):
            judge(spec)


def test_a_training_can_be_ended_early(judge):
    def watch(history):
        if len(history) == 2:
            raise PrunedError

    judgement = judge(SPEC, watch)
    assert judgement.pruned
    assert judgement.epochs == 2
    place = judge.folder / fingerprint(SPEC)
    assert len(read_history(place / "history.csv")) == 2
    assert not (place / checkpoint.NAME).exists()
    # What was ended stays ended.
    assert judge(SPEC, watch) == judgement


def test_what_does_not_fit_leaves_nothing(judge):
    sequence = [{"kind": "conv"}, {"kind": "pool"}]
    spec = small_spec(family="cnn", layers=[*sequence * 4, {"kind": "flatten"}])
    with pytest.raises(UnfitError, match="does not fit"):
        judge(spec)
    assert not judge.folder.exists()


@pytest.mark.parametrize("content", ["", "[]", '{"accuracy": "x"}', json.dumps({"accuracy": 1})])
def test_a_damaged_result_is_reported_in_one_line(tmp_path, content):
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(BackbeatError, match=r"result.json: cannot be read as a result.*remove"):
        read_judgement(path)


@pytest.mark.slow
@pytest.mark.usefixtures("step_by_step")
def test_another_optimiser_resumes_exactly(store, tmp_path):
    spec = small_spec(epochs=2, optimizer="nadam")
    whole = make_judge(store, tmp_path / "whole")(spec)

    def stop(progress):
        if (progress.epoch, progress.batch) == (2, 1):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(StoppedError):
        make_judge(store, tmp_path / "cut", on_progress=stop)(spec)
    assert worth(make_judge(store, tmp_path / "cut")(spec)) == worth(whole)
