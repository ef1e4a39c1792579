"""Runs are read as contenders, and only like is compared with like."""

import json
import shutil

import pytest

from backbeat.errors import BackbeatError
from backbeat.parallel.executors import InlineExecutor
from backbeat.runs.contenders import compare_runs, contenders_of
from backbeat.runs.reading import read_runs
from backbeat.splits import is_leaking
from backbeat.training.crossvalidation import cross_validate
from made_features import made_run, made_store, small_spec
from test_report import Page


@pytest.fixture(scope="module")
def weak(store, tmp_path_factory):
    """A worse model on the split of `run`."""
    out = tmp_path_factory.mktemp("weak") / "weak"
    return made_run(store, out, spec=small_spec(name="weak", epochs=1, learning_rate=1e-5))


@pytest.fixture(scope="module")
def folds(store, tmp_path_factory):
    """Two models on three folds by artists."""
    made = []
    for name, epochs in (("one", 5), ("two", 1)):
        out = tmp_path_factory.mktemp("folds") / name
        failures = cross_validate(
            store,
            small_spec(name=name, epochs=epochs),
            "artists",
            out,
            folds=3,
            seed=1,
            valid_share=0.3,
            executor=InlineExecutor(),
        )
        assert failures == {}
        made.append(out)
    return made


def test_two_runs_on_one_split(run, weak):
    compared, leaks, copies, _ = compare_runs([weak, run])
    assert [score.name for score in compared.scores] == ["small", "weak"]
    assert not is_leaking(leaks) and copies == ()
    test = json.loads((run / "split.json").read_text())
    assert compared.songs == len(test["parts"]["test"])
    # Two songs an artist in the made-up store.
    assert compared.groups == len({test["artists"][name] for name in test["parts"]["test"]})
    assert compared.groups < compared.songs


def test_crossvalidations_are_compared_over_all_songs(folds):
    compared, _, _, _ = compare_runs(folds)
    assert compared.songs == 30
    assert [len(score.trials) for score in compared.scores] == [3, 3]
    assert compared.pairs[0].resampled_t.trials == 3


def test_trials_stand_in_the_order_of_the_folds(folds):
    from backbeat.runs.scoring import evaluate_run

    compared, _, _, _ = compare_runs(folds)
    shown = {score.name: score.trials for score in compared.scores}
    assert shown["one"] == pytest.approx(evaluate_run(folds[0]).folds)


def test_seeds_of_one_model_are_its_trials(store, run, tmp_path):
    other = made_run(store, tmp_path / "other", seed=4)
    [contender] = contenders_of([*read_runs(run), *read_runs(other)])
    assert contender.name == "small"
    assert len(contender.trials) == 2


def test_a_song_tested_on_two_splits_is_not_shown_as_two_songs(cli, store, run, tmp_path):
    other = made_run(store, tmp_path / "other", seed=5)
    tested = [
        json.loads((path / "split.json").read_text())["parts"]["test"] for path in (run, other)
    ]
    tests, songs = sum(map(len, tested)), len(set().union(*tested))
    assert songs < tests
    out = cli("compare", run, other)[1]
    assert f"Unknown for all {tests} tests of {songs} songs: album." in out
    assert f"{songs} songs by " in out and f"{tests} test songs" not in out


def test_runs_on_two_kinds_of_split_are_no_trials_of_one_model(store, run, tmp_path):
    leaking = made_run(store, tmp_path / "leaking", protocol="slices")
    with pytest.raises(BackbeatError, match=r"tested on the split slices, but .* on artists"):
        compare_runs([run, leaking])


def test_artists_are_counted_only_where_they_are_known(cli, run, tmp_path):
    assert "6 songs by 3 artists\n" in cli("compare", run)[1]
    unknown = made_run(made_store(tmp_path, artists=None), tmp_path / "unknown")
    out = cli("compare", unknown)[1]
    assert "songs of unknown artists\n" in out and "artists (or" not in out


def test_a_copy_of_a_run_is_no_second_trial(cli, run, weak, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    compared, _, copies, _ = compare_runs([run, copy, weak])
    assert [len(score.trials) for score in compared.scores] == [1, 1]
    assert copies == (
        f"{copy} has exactly the predictions of {run}: it is not counted as another trial.",
    )
    assert "it is not counted as another trial" in cli("compare", run, copy, weak)[1]


def test_other_splits_are_refused_in_one_line(run, weak, leaking, folds):
    with pytest.raises(BackbeatError, match=r"other splits .* same --split") as caught:
        compare_runs([weak, folds[0]])
    assert "\n" not in str(caught.value)
    with pytest.raises(BackbeatError, match="named twice"):
        compare_runs([run, run])
    with pytest.raises(BackbeatError, match="not a run"):
        compare_runs([run, run.parent / "nothing"])


def test_models_of_one_name_are_named_with_their_paths(store, run, tmp_path):
    other = made_run(store, tmp_path / "other", spec=small_spec(epochs=1))
    compared, _, _, _ = compare_runs([run, other])
    assert {score.name for score in compared.scores} == {f"small ({run})", f"small ({other})"}


def test_the_verb(cli, run, weak, leaking, tmp_path):
    page = tmp_path / "compared.html"
    status, out, err = cli("compare", run, weak, "-o", page)
    assert (status, err) == (0, "")
    assert "small" in out and "weak" in out
    out_of_table = out
    assert "is better than" in out or "do not differ significantly" in out
    text = Page(page.read_text("utf-8")).text
    assert "No significant difference between small and weak on 6 songs" in text
    assert "Measured on 6 songs by 3 artists, of the collection in features." in text
    assert "small and weak" in text and "p = " in text
    status, _, err = cli("compare", run, weak, "-o", tmp_path / "compared.png")
    assert status == 1 and "name it such as compare.html" in err
    status, out, _ = cli("compare", run, weak, "--json")
    content = json.loads(out)
    assert [leak["shared"] for leak in content["leaks"]] == [0, 0, None, 0]  # no album is known
    assert (content["copies"], len(content["pairs"])) == ([], 1)
    assert content["scores"][0]["interval"] is None  # four artists
    assert "Fewer than 5 artists: no 95 % interval can be given." in out_of_table
    assert "Always answering" in out_of_table
    assert 0 <= content["scores"][0]["by_genre"]["balanced_accuracy"] <= 1
    assert "LEAKING" in cli("compare", leaking)[1]
    status, _, err = cli("compare", run, tmp_path)
    assert status == 1
    assert err.startswith("backbeat: ") and err.count("\n") == 1


def test_a_crossvalidation_is_resumed_and_not_written_over(store, folds, tmp_path):
    options = {"folds": 3, "seed": 1, "valid_share": 0.3, "executor": InlineExecutor()}
    spec = small_spec(name="one")
    before = {path: path.stat().st_mtime_ns for path in folds[0].rglob("*") if path.is_file()}
    assert cross_validate(store, spec, "artists", folds[0], resume=True, **options) == {}
    assert {p: p.stat().st_mtime_ns for p in folds[0].rglob("*") if p.is_file()} == before
    with pytest.raises(BackbeatError, match="holds a cross-validation already; --resume"):
        cross_validate(store, spec, "artists", folds[0], **options)
    with pytest.raises(BackbeatError, match="begun with another spec"):
        cross_validate(store, small_spec(name="x"), "artists", folds[0], resume=True, **options)
    with pytest.raises(BackbeatError, match="not empty"):
        (tmp_path / "letter.txt").write_text("dear")
        cross_validate(store, spec, "artists", tmp_path, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_crossvalidation_is_evaluated_as_one(cli, folds):
    status, out, _ = cli("evaluate", folds[0], "--json")
    assert status == 0
    content = json.loads(out)
    assert content["n_tracks"] == 30
    assert len(content["folds"]) == 3
    assert content["protocol"] == "artists, 3 folds"
    low, high = content["accuracy_track_interval"]
    assert low <= content["accuracy_track"] <= high
    assert content["certainty"]["unsure"]["max_error"] == 0.2
    assert (folds[0] / "report.html").exists()
    assert (folds[0] / "figures" / "certainty.png").exists()


@pytest.mark.slow
def test_train_takes_folds(cli, store, tmp_path):
    spec = tmp_path / "spec.yaml"
    spec.write_text(small_spec(epochs=1).to_yaml())
    out = tmp_path / "cv"
    arguments = ("train", store.path, "--model", spec, "--split", "tracks", "--folds", 2, "-o", out)
    status, printed, err = cli(*arguments, "--workers", 1)
    assert (status, err) == (0, "")
    assert "Leaks by artist (" in printed
    assert printed.endswith(f"Report: {out}/report.html\nNext: backbeat compare {out} OTHER\n")
    assert sorted(path.name for path in out.glob("fold-*")) == ["fold-1", "fold-2"]
    status, _, err = cli(*arguments, "--workers", 1)
    assert status == 1 and "--resume" in err
