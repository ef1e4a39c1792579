import pytest

from backbeat.collections.genres import GTZAN_GENRES
from backbeat.reproduce import findings, paper
from backbeat.reproduce.results import read_results
from backbeat.reproduce.series import compared_steps, kinds_of_steps
from made_reproduction import made_all, made_run


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """All models with the paper's accuracies, to one slice of 200."""
    folder = tmp_path_factory.mktemp("all")
    recalls = {column.model: column.recalls for column in paper.RECALLS.values()}
    for name, row in paper.ROWS.items():
        own = None
        if name in recalls:
            shares = [share / 100 for share in recalls[name]]
            own = dict(zip(GTZAN_GENRES, shares, strict=True))
        made_run(folder, name, row.accuracy / 100, recalls=own)
    return read_results(folder)


def judged(results):
    return {finding.key: finding for finding in findings.judge(results)}


def results_of(folder, **accuracies):
    for name, accuracy in accuracies.items():
        made_run(folder, name.replace("__", "."), accuracy)
    return read_results(folder)


def test_papers_own_figures_give_its_order(everything):
    order = judged(everything)["order"]
    assert order.holds is True
    assert "Over 59 models ρ = 0.9" in order.evidence[0] or "ρ = 1.00" in order.evidence[0]
    assert judged(everything)["cnn-above-mlp"].holds is True
    assert judged(everything)["classical-metal"].holds is True


def test_rock_is_usually_among_the_worst_in_the_papers_own_recalls(everything):
    finding = judged(everything)["rock-worst"]
    assert finding.holds is True
    assert finding.evidence[0] == "So in 5 of 8 models."


def test_every_finding_has_evidence_and_a_key_of_its_own(everything):
    found = findings.judge(everything)
    assert len({finding.key for finding in found}) == len(found) == 16
    assert all(finding.evidence and finding.statement for finding in found)


@pytest.mark.parametrize(("relu", "holds"), [(0.4, True), (0.6, False), (0.5, None)])
def test_pair_is_judged_by_its_order(tmp_path, relu, holds):
    results = results_of(tmp_path, mlp_01=relu, mlp_02=0.5)
    finding = judged(results)["sigmoid-shallow-rmsprop"]
    assert finding.holds is holds
    sign = {0.4: "+10.0", 0.6: "−10.0", 0.5: "0.0"}[relu]
    assert f"mlp_01 → mlp_02: {100 * relu:.1f} → 50.0 %, {sign} points" in finding.evidence[0]
    assert "the paper's +2.8" in finding.evidence[0]


def test_chain_needs_every_step(tmp_path):
    names = {f"cnn_0{series}__{n}": 0.5 + 0.1 * n for series in (1, 3) for n in (2, 3, 4)}
    names |= {"cnn_02__2": 0.7, "cnn_02__3": 0.6, "cnn_02__5": 0.9}
    assert judged(results_of(tmp_path, **names))["sequences-help"].holds is False


def test_missing_models_leave_it_open_and_are_named(tmp_path):
    results = results_of(tmp_path, mlp_01=0.5)
    finding = judged(results)["sigmoid-shallow-rmsprop"]
    assert finding.holds is None and "Not trained: mlp_02." in finding.evidence
    assert all(f.holds is not True for f in findings.judge(results))


def test_small_differences_are_said_to_be_within_chance(tmp_path):
    results = results_of(tmp_path, mlp_13=0.55, mlp_14=0.5)
    finding = judged(results)["relu-shallow-adam"]
    assert finding.holds is None and finding.close and "(within chance)" in finding.evidence[0]


def test_great_differences_are_not(tmp_path):
    results = results_of(tmp_path, mlp_13=0.7, mlp_14=0.5)
    finding = judged(results)["relu-shallow-adam"]
    assert finding.holds is True and not finding.close and "chance" not in finding.evidence[0]


@pytest.mark.parametrize(("accuracy", "holds"), [(0.1, True), (0.5, False)])
def test_fall_of_the_base_model(tmp_path, accuracy, holds):
    results = results_of(tmp_path, mlp_base=0.6, mlp_base_100=accuracy)
    finding = findings.base_falls(results)
    assert finding.holds is holds and "the paper's 56.9 → 14.2 %" in finding.evidence[0]


def test_fall_is_open_without_the_extra_run(tmp_path):
    assert findings.base_falls(results_of(tmp_path, mlp_base=0.6)).holds is None


def test_best_is_false_as_soon_as_another_is_better(tmp_path):
    results = results_of(tmp_path, cnn_03__8=0.7, cnn_02__7=0.9)
    finding = judged(results)["best-cnn"]
    assert finding.holds is False
    assert "cnn_03.8 comes 2 of 2, 20.0 points behind" in finding.evidence[1]
    assert not finding.close


def test_best_is_open_while_models_are_missing(tmp_path):
    results = results_of(tmp_path, cnn_03__8=0.7, cnn_02__7=0.6)
    assert judged(results)["best-cnn"].holds is None


def test_worst_genre_must_be_there(tmp_path):
    made_run(tmp_path, "cnn_03.8", 0.7, genres=("Folk", "Rock"))
    finding = judged(read_results(tmp_path))["classical-metal"]
    assert finding.holds is None and "no classical, no metal" in finding.evidence[0]


def test_genres_in_another_spelling_are_the_papers(tmp_path):
    spelt = ("Blues", "Classical", "Country", "Disco", "Hip-Hop", *("Jazz", "METAL", "Pop"))
    made_run(tmp_path, "cnn_03.8", 0.7, genres=(*spelt, "Reggae", "rock"))
    results = read_results(tmp_path)
    assert results.papers_genres
    assert "collection has no" not in judged(results)["classical-metal"].evidence[0]
    made_run(tmp_path / "three", "cnn_03.8", 0.7, genres=("Classical", "METAL", "Folk"))
    results = read_results(tmp_path / "three")
    assert (results.papers_genres, results.genres) == (False, ("Classical", "METAL", "Folk"))
    assert "collection has no" not in judged(results)["classical-metal"].evidence[0]


def test_order_against_the_paper_does_not_hold_when_reversed(tmp_path):
    changed = {name: 1 - row.accuracy / 100 for name, row in paper.ROWS.items()}
    results = read_results(made_all(tmp_path, changed=changed))
    found = judged(results)
    assert found["order"].holds is False and "ρ = −" in found["order"].evidence[0]
    assert found["cnn-above-mlp"].holds is False
    assert found["best-cnn"].holds is False


def test_equal_accuracies_correlate_with_none(tmp_path):
    changed = dict.fromkeys(paper.ROWS, 0.5)
    results = read_results(made_all(tmp_path, changed=changed))
    assert findings.same_order(results).holds is False


def test_one_missing_model_of_many_leaves_the_order_judged(tmp_path):
    results = read_results(made_all(tmp_path, but=("mlp_03",)))
    assert findings.same_order(results).holds is True
    assert findings.cnns_above_mlps(results).holds is True


def test_steps_are_compared_with_the_papers(everything):
    steps = compared_steps(everything)
    (step,) = [
        one
        for one in steps["MLPs with RMSprop (Table 1)"]
        if (one.step.before, one.step.after) == ("mlp_12", "mlp_12.1")
    ]
    assert step.paper_change == pytest.approx(62.70 - 55.96)
    assert step.verdict in ("same", "chance") and step.our_change > 0
    (base, _) = steps["Saint-Félix's networks"]
    assert base.ours is None and base.paper == (56.86, 14.18) and base.verdict == ""


def test_steps_are_summed_up_by_kind(tmp_path):
    results = results_of(tmp_path, mlp_12=0.5, mlp_12__1=0.7, mlp_09=0.5, mlp_09__1=0.4)
    steps = [step for own in compared_steps(results).values() for step in own]
    (kind,) = kinds_of_steps(steps)
    assert (kind.steps, kind.raised, kind.paper_raised) == (2, 1, 2)
    assert kind.ours == pytest.approx(5)
