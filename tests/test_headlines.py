"""The first lines of a report say the protocol, the leak, the interval and the clean split."""

import shutil

import numpy as np
import pytest

from backbeat import figures
from backbeat.calibration import Calibration, Unsure, expected_calibration_error
from backbeat.certainty import measure_certainty
from backbeat.headlines import certainty_lines, first_lines
from backbeat.runs import joined_songs, read_run, songs_of
from backbeat.scoring import evaluate_run, write_evaluation
from made_features import made_mfcc, made_run, made_store, small_spec


def test_an_honest_run_says_so(run):
    evaluated = evaluate_run(run)
    lines = first_lines(evaluated)
    assert lines[0] == "Protocol: artists (no artist and no exact copy of a song on two sides)."
    assert lines[1] == "Nothing is known to leak."
    assert "songs are answered rightly" in lines[2]
    assert f"drawing whole artists ({evaluated.interval.groups})" in lines[2]
    assert evaluated.interval.low <= evaluated.metrics.track_accuracy <= evaluated.interval.high
    assert evaluated.clean is None


def test_unknown_artists_are_counted(tmp_path):
    store = made_store(tmp_path, artists=None)
    evaluated = evaluate_run(made_run(store, tmp_path / "run", spec=small_spec(epochs=1)))
    lines = first_lines(evaluated)
    n = evaluated.metrics.n_tracks
    assert f"the artists of {n} of {n} test songs are unknown: each stands for itself" in lines[1]
    assert "artists are unknown" in lines[2]


def test_a_leaking_run_tells_what_the_clean_one_beside_it_gets(leaking, run, store, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "leaking")
    alone = first_lines(evaluate_run(copy))
    assert alone[1].startswith("LEAKING: ") and alone[1].endswith("new songs fare worse.")
    assert "is not known: train it with --split artists" in alone[-1]
    shutil.copytree(run, tmp_path / "clean")
    (tmp_path / "notes").mkdir()
    evaluated = evaluate_run(copy)
    assert evaluated.clean.path.name == "clean"
    assert evaluated.clean.track_accuracy == evaluate_run(run).metrics.track_accuracy
    sentence = first_lines(evaluated)[-1]
    assert "does not leak (artists; run clean) the same model gets" in sentence
    page = write_evaluation(copy, evaluated).read_text("utf-8")
    # In the first lines of the page, before any figure.
    for words in (
        "Protocol: slices",
        "LEAKING",
        "95 % interval",
        "does not leak (artists; run clean)",
    ):
        assert words in page.split("<dl")[0]


def test_another_model_beside_is_not_the_clean_run(leaking, store, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "leaking")
    made_run(store, tmp_path / "other", spec=small_spec(name="other", epochs=1))
    assert evaluate_run(copy).clean is None


def test_the_same_model_of_other_songs_is_not_the_clean_run(leaking, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "leaking")
    other = made_store(tmp_path, names=np.array([f"other {row}" for row in range(30)]))
    made_run(other, tmp_path / "clean", spec=small_spec())
    assert evaluate_run(copy).clean is None


def test_songs_that_were_not_in_the_collection_are_told_apart(run, tmp_path):
    x, _ = made_mfcc(seed=5)
    other = made_store(tmp_path, X=x, names=np.array([f"new {row}" for row in range(30)]))
    lines = first_lines(evaluate_run(run, on=other.path))
    assert "Songs that the model was trained on are left out" in lines[1]


def test_what_could_not_be_calibrated_says_why(leaking, run, store, tmp_path):
    [line] = certainty_lines(evaluate_run(leaking))
    assert line.startswith("Probabilities are not calibrated: ")
    assert "heard in training" in line
    from backbeat.splits import make_split
    from backbeat.training import train

    examples = store.examples("mfcc")
    split = make_split(examples, "artists", seed=3, valid_share=0)
    train(store, small_spec(epochs=1), split, examples, tmp_path / "run")
    [line] = certainty_lines(evaluate_run(tmp_path / "run"))
    assert "there was no validation part" in line
    lines = certainty_lines(evaluate_run(run))
    assert "expected calibration error of test songs" in lines[0]
    assert lines[1].startswith('"Unsure" aims at 20% wrong answers')


def test_slices_of_a_leaking_split_are_not_calibrated_on(store, tmp_path):
    from backbeat.splits import make_split
    from backbeat.training import train

    examples = store.examples("mfcc")
    split = make_split(examples, "slices", seed=3, valid_share=0.3)
    run = train(store, small_spec(epochs=1), split, examples, tmp_path / "run")
    assert (run / "validation.csv").exists()
    assert not read_run(run).description.calibration.fitted


def test_certainty_is_measured_on_the_test_songs_by_each_runs_own_threshold(run):
    read = read_run(run)
    songs = read.songs()
    strict = Calibration(
        temperature=2.0,
        songs=4,
        unsure=Unsure(threshold=1.0, max_error=0.2, coverage=0.0, error=0.0),
    )
    lax = strict.model_copy(
        update={"unsure": Unsure(threshold=0.0, max_error=0.2, coverage=1, error=0.1)}
    )
    soft = songs_of(read.predictions, 2.0, read.split["artists"])
    measured = measure_certainty([strict, lax], [soft, soft])
    assert (measured.coverage, measured.answered) == (0.5, len(songs))
    assert measured.error == pytest.approx(1 - songs.right.mean())
    both = joined_songs([soft, soft])
    assert measured.after.error == pytest.approx(
        expected_calibration_error(both.confidence, both.right)
    )
    assert measured.before.error == pytest.approx(
        expected_calibration_error(both.raw.max(axis=1), both.right)
    )
    assert measure_certainty([strict, Calibration()], [soft, soft]) is None
    figure = figures.certainty(measured)
    assert len(figure.axes) == 3
    assert figures.to_png(figure).startswith(b"\x89PNG")
