"""The paper's procedure: it climbs, turns back where nothing is gained, and can be replayed."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.tuning import moves
from backbeat.tuning.log import NOTHING, Judgement, Log
from backbeat.tuning.moves import fingerprint
from backbeat.tuning.tree import trial_tree
from backbeat.tuning.trial_and_error import NO_IMPROVEMENT, search
from backbeat.zoo.shapes import UnfitError
from backbeat.zoo.spec import Dense, parse


def judged(accuracy):
    return Judgement(accuracy, loss=1.0, seconds=2.0, epochs=1)


def scored(scores, other=0.1):
    """An `evaluate` that knows models by their widths and epochs."""

    def evaluate(spec):
        dense = [layer for layer in spec.layers if isinstance(layer, Dense)]
        key = (dense[0].activation, *(layer.units for layer in dense), spec.epochs)
        score = scores.get(key, other)
        if isinstance(score, Exception):
            raise score
        return judged(score)

    return evaluate


# As in the paper's Table 2: more epochs do not help at first, another layer does.
PAPER = {
    ("relu", 512, 50): 0.4695,
    ("sigmoid", 512, 50): 0.4248,
    ("relu", 512, 100): 0.4458,
    ("relu", 512, 256, 50): 0.5863,
    ("relu", 512, 256, 100): 0.5682,
    ("relu", 512, 256, 128, 50): 0.6129,
    ("relu", 512, 256, 128, 100): 0.6243,
    ("relu", 512, 256, 128, 64, 50): 0.5966,
    ("relu", 512, 256, 128, 64, 100): 0.6236,
}


def climb(evaluate, budget=100, **options):
    return search(moves.start("mlp"), moves.changes, evaluate, budget=budget, **options)


def test_it_goes_the_papers_way():
    log = climb(scored(PAPER))
    kept = [trial for trial in log.trials if trial.outcome == "kept"]
    assert [trial.change for trial in kept] == [
        "dense 512, relu, 50 epochs",
        "+ dense 256",
        "+ dense 128",
        "100 epochs",
    ]
    assert log.best == kept[-1]
    assert log.best.accuracy == 0.6243
    assert log.ended == NO_IMPROVEMENT
    # Each model kept was made from the one kept before.
    assert [trial.parent for trial in kept] == [None, *(trial.number for trial in kept[:-1])]


def test_the_better_of_the_simple_models_is_gone_on_from():
    log = climb(scored({("sigmoid", 512, 50): 0.5, ("relu", 512, 50): 0.4}))
    assert [trial.outcome for trial in log.trials[:2]] == ["not kept", "kept"]
    assert {trial.parent for trial in log.trials[2:]} == {2}
    assert len(log.trials) == 2 + len(moves.changes(log.trials[1].spec))
    assert log.best.number == 2


def test_as_good_is_no_improvement():
    log = climb(scored({}, other=0.3))
    assert log.best.number == 1
    assert [trial.number for trial in log.trials if trial.outcome == "kept"] == [1]


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 9])
def test_no_more_models_are_tried_than_the_budget(budget):
    whole = climb(scored(PAPER))
    log = climb(scored(PAPER), budget)
    assert log.done == len(log.trials) == budget
    assert log.ended == f"the budget of {budget} models is used up"
    if budget > 1:
        assert log.trials == whole.trials[:budget]


def test_what_does_not_fit_is_noted_and_passed_over():
    unfit = UnfitError("name: does not fit: at all")
    log = climb(scored(PAPER | {("relu", 512, 256, 50): unfit}), budget=4)
    skipped = log.trials[2]
    assert (skipped.outcome, skipped.accuracy) == ("skipped", None)
    assert skipped.reason == "does not fit: at all"
    assert log.done == 4
    assert len(log.trials) == 5
    assert "(does not fit: at all)" in log.to_text()


def test_it_goes_on_from_the_other_where_one_simple_model_does_not_fit():
    log = climb(scored({("relu", 512, 50): UnfitError("a: b")}), budget=3)
    assert log.best.number == 2
    none = climb(scored({}, other=UnfitError("a: b")))
    assert none.best is None
    assert none.ended == "no model could be tried"
    assert [trial.outcome for trial in none.trials] == ["skipped", "skipped"]


def test_each_trial_is_reported():
    calls = []
    log = climb(scored(PAPER), on_trial=calls.append)
    assert [len(now.trials) for now in calls[:-1]] == list(range(1, len(log.trials) + 1))
    assert calls[-1] == log


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from(["mlp", "cnn"]))
def test_whatever_the_accuracies_are(seed, budget, family):
    asked = []

    def evaluate(spec):
        key = fingerprint(spec)
        asked.append(key)
        number = int(key, 16) ^ seed * 7919
        if number % 11 == 0:
            raise UnfitError("no: fit")
        return judged(number % 1009 / 1009)

    def go():
        return search(moves.start(family), moves.changes, evaluate, budget=budget)

    log = go()
    assert len(set(asked)) == len(asked) == len(log.trials)
    assert log.done <= budget
    scores = [trial.accuracy for trial in log.trials if trial.accuracy is not None]
    if scores:
        assert log.best.accuracy == max(scores)
    kept = [trial.accuracy for trial in log.trials if trial.outcome == "kept"]
    assert kept == sorted(set(kept))
    # Replayed from the same judgements it comes to the same end.
    assert go() == log
    assert len(list(log.tree())) == len(log.trials)


def test_the_log_reads_as_a_tree():
    text = climb(scored(PAPER), budget=5).to_text()
    assert text.splitlines() == [
        "46.9 %  kept      1. dense 512, relu, 50 epochs",
        "58.6 %  kept          3. + dense 256",
        "61.3 %  kept              4. + dense 128",
        "59.7 %  not kept              5. + dense 64",
        "42.5 %  not kept  2. dense 512, sigmoid, 50 epochs",
        "",
        f"Best: 4, 61.3 % {climb(scored(PAPER), budget=5).best.spec.name}",
        "Ended: the budget of 5 models is used up",
    ]


def test_the_log_is_data():
    log = climb(scored(PAPER), budget=5, log=Log(heading=("mlp, artists.",)))
    content = json.loads(log.to_json())
    assert content["heading"] == ["mlp, artists."]
    assert content["best"] == 4
    assert [row["parent"] for row in content["trials"]] == [None, None, 1, 3, 4]
    assert [row["accuracy"] for row in content["trials"]][:2] == [0.4695, 0.4248]
    specs = [parse(row["spec"], "log") for row in content["trials"]]
    assert specs == [trial.spec for trial in log.trials]
    page = log.to_markdown()
    assert page.startswith("# Models tried\n\nmlp, artists.\n\n```\n")
    assert log.to_text() in page


def test_the_log_is_drawn():
    log = climb(scored(PAPER | {("relu", 512, 512, 50): UnfitError("a: b")}), budget=7)
    figure = trial_tree(log)
    figure.canvas.draw()
    found = {text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))}
    for trial in log.trials:
        assert any(text.startswith(f"{trial.number}. {trial.change}") for text in found)
        if trial.accuracy is not None:
            assert f"{100 * trial.accuracy:.1f}" in found
    assert trial_tree(NOTHING).axes
