"""The general search: what it suggests can be trained, and a stop changes nothing of its end."""

import random
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.training.history import Epoch
from backbeat.tuning.judge import PrunedError
from backbeat.tuning.log import Judgement
from backbeat.tuning.moves import fingerprint
from backbeat.tuning.search import run_study
from backbeat.tuning.space import describe, suggest
from backbeat.zoo.shapes import UnfitError, count_weights
from backbeat.zoo.spec import Dropout, Normalization, Pooling, parse


class Dice:
    """Suggests at random, as an `optuna.Trial` does."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def suggest_categorical(self, _name, choices):
        return self.random.choice(choices)

    def suggest_int(self, _name, low, high, step=1):
        return self.random.randrange(low, high + 1, step)

    def suggest_float(self, _name, low, high, step=None, log=False):
        return self.random.uniform(low, high)


@pytest.mark.parametrize("shape", [(125, 13), (37, 13), (387, 128), (9, 3)])
@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_all_that_is_suggested_fits(family, shape):
    for seed in range(100):
        spec = suggest(Dice(seed), family, shape, scale=0.1)
        assert spec.family == family
        assert count_weights(spec, shape, 10) > 0
        assert parse(spec.model_dump(), "suggested") == spec
        assert 1 <= spec.epochs <= 20
        assert describe(spec).count(";") == 1


def test_the_space_holds_what_the_paper_recommends():
    specs = [suggest(Dice(seed), "cnn", (125, 13)) for seed in range(400)]
    kinds = {tuple(layer.kind for layer in spec.layers) for spec in specs}
    for order in ("pool batch_norm dropout", "dropout pool batch_norm", "batch_norm dropout pool"):
        assert any(f"conv {order} " in " ".join(each) for each in kinds)
    assert {sum(kind == "conv" for kind in each) for each in kinds} >= {1, 2, 3}
    assert {sum(kind == "dense" for kind in each) for each in kinds} == {0, 1, 2}
    assert {spec.optimizer for spec in specs} >= {"adam", "rmsprop", "sgd", "nadam"}
    assert {spec.batch_size for spec in specs} == {16, 32, 64, 128}
    assert {spec.epochs for spec in specs} == set(range(10, 201, 10))
    rates = [layer.rate for spec in specs for layer in spec.layers if isinstance(layer, Dropout)]
    assert 0 < min(rates) <= max(rates) <= 0.5
    convolutions = [layer for spec in specs for layer in spec.layers if layer.kind == "conv"]
    assert {layer.kernel for layer in convolutions} == {2, 3}
    assert {layer.filters for layer in convolutions} == {16, 32, 64}
    mlps = [suggest(Dice(seed), "mlp", (125, 13)) for seed in range(100)]
    assert not any(isinstance(layer, Pooling) for spec in mlps for layer in spec.layers)
    assert any(isinstance(layer, Normalization) for spec in mlps for layer in spec.layers)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Do not wait for the disk after each of hundreds of writes."""
    own = sqlite3.connect

    def connect(*arguments, **options):
        connection = own(*arguments, **options)
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)


class MadeJudge:
    """Judges by a formula, epoch by epoch; stops, as by Ctrl-C, at given trials."""

    def __init__(self, stops=(), unfit=()):
        self.examples = SimpleNamespace(x=np.empty((1, 125, 13)))
        self.stops, self.unfit = list(stops), unfit
        self.asked = []
        self.known = {}

    def __call__(self, spec, watch):
        self.asked.append(fingerprint(spec))
        if self.stops and len(self.asked) == self.stops[0]:
            self.stops.pop(0)
            raise KeyboardInterrupt
        if len(self.asked) in self.unfit:
            raise UnfitError(f"{spec.name}: does not fit")
        number = int(fingerprint(spec), 16) % 97 / 97
        best = number * (0.5 + 0.5 * (spec.optimizer == "adam"))
        history = ()
        pruned = False
        try:
            for epoch in range(1, spec.epochs + 1):
                accuracy = best * epoch / spec.epochs
                history = (*history, Epoch(epoch, 1.0, 0.5, 1.0, accuracy, 0.1))
                watch(history)
        except PrunedError:
            pruned = True
        last = history[-1].val_accuracy
        return Judgement(last, 1.0, 0.1 * len(history), len(history), pruned)


def study(path, judge, budget=20, seed=5, **options):
    return run_study(judge, path, "mlp", budget=budget, seed=seed, scale=0.05, **options)


def test_a_study_finds_the_best_and_ends_what_is_behind(tmp_path):
    calls = []
    log = study(tmp_path / "study.db", MadeJudge(), on_trial=calls.append)
    assert log.done == 20
    assert log.ended == "the budget of 20 models is used up"
    assert {trial.outcome for trial in log.trials} == {"kept", "not kept", "pruned"}
    whole = [trial.accuracy for trial in log.trials if trial.outcome != "pruned"]
    assert log.best.accuracy == max(whole)
    kept = [trial.accuracy for trial in log.trials if trial.outcome == "kept"]
    assert kept == sorted(kept)
    assert [len(now.trials) for now in calls] == [*range(1, 21), 20]
    assert log.trials[0].change == describe(log.trials[0].spec)


@pytest.mark.slow
def test_a_study_that_was_stopped_comes_to_the_same_end(tmp_path):
    whole = study(tmp_path / "whole.db", MadeJudge())
    judge = MadeJudge(stops=[1, 4, 5, 18])
    for done in (0, 2, 2, 14):
        calls = []
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path / "cut.db", judge, on_trial=calls.append)
        assert (calls[-1].done if calls else 0) == done
    assert study(tmp_path / "cut.db", judge) == whole
    # Finished trials are kept: only those that were stopped are judged again.
    assert len(judge.asked) == 20 + 4


@pytest.mark.slow
def test_a_budget_can_be_raised(tmp_path):
    whole = study(tmp_path / "whole.db", MadeJudge())
    study(tmp_path / "small.db", MadeJudge(), budget=7)
    assert study(tmp_path / "small.db", MadeJudge()) == whole
    nothing = MadeJudge()
    assert study(tmp_path / "small.db", nothing, budget=3).trials == whole.trials
    assert nothing.asked == []


def test_another_seed_is_another_search(tmp_path):
    one, other = (study(tmp_path / f"{seed}.db", MadeJudge(), 3, seed) for seed in (1, 2))
    assert one.trials[0].spec != other.trials[0].spec


def test_what_does_not_fit_is_noted_and_not_counted(tmp_path):
    log = study(tmp_path / "study.db", MadeJudge(unfit=(2, 3)), budget=5)
    assert log.done == 5
    skipped = [trial for trial in log.trials if trial.outcome == "skipped"]
    assert [trial.number for trial in skipped] == [2, 3]
    assert all("does not fit" in trial.reason for trial in skipped)


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "what? 100%#1"
    study(folder / "study.db", MadeJudge(), budget=1)
    assert (folder / "study.db").exists()


def test_a_damaged_study_is_reported_in_one_line(tmp_path):
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(BackbeatError, match=r"study.db: cannot be read as a study.*remove it"):
        study(tmp_path / "study.db", MadeJudge())
