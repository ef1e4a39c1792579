"""A run is scored on songs outside its training set, and every score says what leaks."""

import json
import resource
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.evaluation import Predictions, evaluate, read_predictions
from backbeat.files.checksums import first_changed
from backbeat.runs import scoring
from backbeat.runs.headlines import result_warnings
from backbeat.runs.prediction import predict
from backbeat.runs.reading import songs_of
from backbeat.runs.scoring import evaluate_run, write_evaluation
from backbeat.splits import is_leaking
from made_features import GENRES, made_mfcc, made_store, small_spec


def test_a_run_is_scored_on_its_own_test_part(run):
    evaluated = evaluate_run(run)
    assert evaluated.metrics.to_json() == (run / "metrics.json").read_text()
    assert evaluated.model == "small"
    assert not is_leaking(evaluated.leaks)
    assert evaluated.monitored == "validation"
    assert len(evaluated.history) == 5
    assert evaluated.training_seconds == sum(epoch.seconds for epoch in evaluated.history)
    split = json.loads((run / "split.json").read_text())
    assert evaluated.facts["Split"] == f"artists, seed 3, hash {split['hash']}"
    assert evaluated.facts["Trained on"] == f"{len(split['parts']['train'])} tracks"
    assert evaluated.facts["Epochs"] == "5"
    assert evaluated.facts["Seed"] == "3"
    assert "tensorflow" in evaluated.facts["Software"]
    assert "Evaluated on" not in evaluated.facts


def test_songs_of_the_training_set_are_left_out(run, store):
    split = json.loads((run / "split.json").read_text())["parts"]
    evaluated = evaluate_run(run, on=store.path)
    own = read_predictions(run / "predictions.csv")
    used = {*split["train"], *split["valid"]}
    assert evaluated.facts["Evaluated on"].startswith(f"{store.path}: {len(used)} of 30 songs")
    assert evaluated.metrics.n_tracks == len(split["test"])
    predictions, strange = predict(run, store, leave_out=frozenset(used), strangeness_too=True)
    assert strange.shape == (len(split["test"]),)
    assert ((strange >= 0) & (strange <= 1)).all()
    assert set(predictions.tracks.tolist()) == set(split["test"])
    # By ONNX what Keras had answered.
    assert np.array_equal(predictions.tracks, own.tracks)
    assert np.array_equal(predictions.slices, own.slices)
    assert np.array_equal(predictions.truth, own.truth)
    assert np.abs(predictions.probabilities - own.probabilities).max() < 1e-4


def test_a_leak_is_said_with_the_score(leaking):
    evaluated = evaluate_run(leaking)
    assert evaluated.divides_tracks
    assert evaluated.monitored == "test"
    assert evaluated.facts["Trained on"] == "84 slices"


def test_one_slice_in_training_is_enough_to_be_left_out(leaking, store):
    split = json.loads((leaking / "split.json").read_text())["parts"]
    used = {name.rpartition("#")[0] for name in split["train"]}
    if len(used) == 30:
        with pytest.raises(BackbeatError, match="was trained or validated on all"):
            evaluate_run(leaking, on=store.path)
    else:
        assert evaluate_run(leaking, on=store.path).metrics.n_tracks == 30 - len(used)


def test_new_songs_are_all_scored_and_do_not_leak(leaking, tmp_path):
    x, y = made_mfcc(seed=5)
    names = np.array([f"new {row}" for row in range(30)])
    other = made_store(tmp_path, X=x, names=names)
    evaluated = evaluate_run(leaking, on=other.path)
    assert evaluated.metrics.n_tracks == 30
    assert evaluated.leaks == ()
    assert "0 of 30 songs are left out" in evaluated.facts["Evaluated on"]
    predictions, _ = predict(leaking, other)
    assert predictions.truth.tolist() == np.repeat(y, 4).tolist()


def test_genres_are_found_by_name_not_by_number(run, tmp_path):
    # The other collection knows only two of the genres, and so numbers them otherwise.
    x, y = made_mfcc(tracks=6, seed=5)
    rows = np.flatnonzero(y > 0)
    other = made_store(
        tmp_path,
        X=x[rows],
        y=y[rows] - 1,
        genres=np.array([name.title() for name in GENRES[1:]]),  # and spells them otherwise
        names=np.array([f"new {row}" for row in rows]),
        artists=None,
    )
    predictions, _ = predict(run, other)
    assert predictions.genres == GENRES
    assert predictions.truth.tolist() == np.repeat(y[rows], 4).tolist()
    assert np.mean(predictions.answers == predictions.truth) > 0.9


def test_a_genre_that_the_run_does_not_know_is_refused(run, tmp_path):
    other = made_store(tmp_path, genres=np.array(["blues", "jazz", "polka"]))
    with pytest.raises(BackbeatError, match="does not know: polka") as caught:
        evaluate_run(run, on=other.path)
    assert str(other.path) in str(caught.value)


def test_another_front_end_is_refused(run, tmp_path):
    x, _ = made_mfcc(slices=5)
    other = made_store(tmp_path, X=x)
    with pytest.raises(BackbeatError, match=r"another front-end .* --frontend mfcc"):
        evaluate_run(run, on=other.path)


def test_a_shipped_bundle_is_named_and_not_its_path(cli, store):
    status, _, err = cli("evaluate", "--model", "gtzan", "--on", store.path)
    assert status == 1 and "another front-end than gtzan was trained on" in err
    assert "shipped" not in err


def test_what_is_no_finished_run_is_refused(run, store, tmp_path):
    with pytest.raises(BackbeatError, match="not a run; `backbeat train` makes one"):
        evaluate_run(tmp_path / "nothing")
    with pytest.raises(BackbeatError, match="not a run"):
        evaluate_run(store.path)
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "model.backbeat").unlink()
    with pytest.raises(BackbeatError, match="unfinished; go on with `backbeat train --resume`"):
        evaluate_run(copy)
    with pytest.raises(BackbeatError, match="no such feature store"):
        evaluate_run(run, on=tmp_path / "nothing")


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"[]", b"{}", b"{"])
@pytest.mark.parametrize(
    "name", ["environment.json", "split.json", "predictions.csv", "history.csv"]
)
def test_damaged_files_of_a_run_are_reported_in_one_line(run, tmp_path, name, content):
    copy = shutil.copytree(run, tmp_path / "run")
    if content is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(content)
    with pytest.raises(BackbeatError) as caught:
        evaluate_run(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)


def test_figures_and_a_report_are_written(leaking, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "run")
    evaluated = evaluate_run(copy)
    report = write_evaluation(copy, evaluated)
    assert report == copy / "report.html"
    drawn = {path.name for path in (copy / "figures").iterdir()}
    assert drawn >= {"metrics.png", "confusion_slices.png", "confusion_tracks.png", "recall.png"}
    for path in (copy / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
    page = report.read_text("utf-8")
    assert "LEAKING" in page
    assert 'src="data:image/png;base64,' in page
    for outside in ("http://", "https://", "<script src"):
        assert outside not in page, "the page must be whole by itself"
    assert (copy / "metrics.json").read_text() == evaluated.metrics.to_json()
    # Drawn again, it is the same, and what was damaged of it is mended.
    (copy / "metrics.json").write_text("{}")
    write_evaluation(copy, evaluate_run(copy))
    assert first_changed(copy) is None
    assert report.read_text("utf-8") == page


def test_a_genre_without_songs_is_not_drawn_as_never_found(run, tmp_path, monkeypatch):
    from backbeat import figures

    copy, drawn, draw = shutil.copytree(run, tmp_path / "run"), [], figures.recall_bars
    monkeypatch.setattr(
        figures,
        "recall_bars",
        lambda recalls, *a, **k: drawn.append(recalls) or draw(recalls, *a, **k),
    )
    evaluated = evaluate_run(copy)
    absent = replace(evaluated.metrics.slices[0], precision=None, recall=None, f1=None, support=0)
    slices = (absent, *evaluated.metrics.slices[1:])
    write_evaluation(copy, replace(evaluated, metrics=replace(evaluated.metrics, slices=slices)))
    assert np.isnan(drawn[0][0]) and not np.isnan(drawn[0][1:]).any()


def test_histories_go_to_figures_by_columns(run):
    history = evaluate_run(run).history
    columns = scoring.history_columns(history)
    assert columns["epoch"] == [1, 2, 3, 4, 5]
    assert columns["val_accuracy"] == [epoch.val_accuracy for epoch in history]


@pytest.mark.slow
def test_a_thousand_genres_take_bounded_time_and_memory(run, tmp_path):
    k = 1000
    genres = tuple(f"genre {number}" for number in range(k))
    truth = np.arange(k)
    rows = np.eye(k)[(truth + (truth % 3 == 0)) % k]
    predictions = Predictions([f"song {n}" for n in truth], [0] * k, truth, rows, genres)
    metrics = evaluate(predictions)
    evaluated = replace(evaluate_run(run), metrics=metrics)
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    page = write_evaluation(tmp_path, evaluated).read_text("utf-8")
    assert time.process_time() - begun < 60  # 10 GB and hours by the square of the genres
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 1e6  # a GB, in kB
    assert "the 30 most confused of 1,000 genres" in " ".join(page.split())


def test_a_model_of_one_answer_is_no_better_than_that_answer(cli, tmp_path):
    """Features that say nothing: what is learnt is the commonest genre alone."""
    x, _ = made_mfcc(tracks=40)
    y = np.array([number % 10 == 0 for number in range(40)], int)
    artists = np.array([f"artist {number}" for number in range(40)])
    names = np.array([f"song {number:02d}" for number in range(40)])
    alike = x[:1] + 1e-5 * x  # no exact copies
    store = made_store(tmp_path, X=alike, y=y, names=names, artists=artists, genres=["rock", "pop"])
    spec = tmp_path / "small.yaml"
    spec.write_text(small_spec(epochs=20).to_yaml())
    out = tmp_path / "run"
    command = ("train", store.path, "--model", spec, "--split", "tracks", "-o", out)
    status, said, _ = cli(*command)
    assert status == 0
    share = "91.7 %"  # 11 of 12 test songs
    line = f"The model is no better than always answering rock ({share})."
    assert line in said.splitlines()
    assert line.replace(" %", "\N{NO-BREAK SPACE}%") in (out / "report.html").read_text("utf-8")
    _, said, _ = cli("evaluate", out, "--json")
    found = json.loads(said)
    assert line in found["warnings"]
    low, high = found["commonest_genre"]["ahead_interval"]
    assert low <= 0 <= high


@pytest.mark.parametrize(
    ("correct", "said"),
    [
        # Of 40 songs, 20 of which are of one genre.
        (19, "The model is no better than always answering blues (50.0 %)."),
        (22, "The model is not shown to be better than always answering blues (50.0 %): the 95 % "
             "interval of the difference is "),
        (38, ""),
    ],
)  # fmt: skip
def test_a_model_is_better_than_one_answer_where_the_interval_shows_it(run, correct, said):
    truth = np.repeat([0, 1, 2], [20, 10, 10])
    answers = truth.copy()
    wrong = np.linspace(0, 39, 40 - correct).astype(int)
    answers[wrong] = (truth[wrong] + 1) % 3
    songs = tuple(f"song {number}" for number in range(40))
    predictions = Predictions(songs, [0] * 40, truth, np.eye(3)[answers], ("blues", "jazz", "pop"))
    scores = scoring._scores(predictions, songs_of(predictions, 1.0, {}))
    found = result_warnings(replace(scoring.evaluate_run(run), **scores, curves=("A curve.",)))
    assert found[-1] == "A curve."
    assert [line.startswith(said) for line in found[:-1]] == ([True] if said else [])
    difference = (correct - 20) / 40
    assert scores["ahead"].low < difference < scores["ahead"].high
