"""The first lines of a report say the protocol, the leak, the interval and the clean split."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from backbeat import figures
from backbeat.evaluation.calibration import Calibration, Unsure, reliability
from backbeat.evaluation.comparison import genre_means
from backbeat.files.text import percent
from backbeat.runs.headlines import certainty_lines, first_lines, verdict
from backbeat.runs.reading import joined_songs, read_run, songs_of
from backbeat.runs.scoring import (
    evaluate_run,
    evaluation_json,
    measure_certainty,
    write_evaluation,
)
from made_features import made_mfcc, made_run, made_store, small_spec


def test_an_honest_run_says_so(run):
    evaluated = evaluate_run(run)
    lines = first_lines(evaluated)
    assert lines[0].startswith("Protocol: artists (whole artists; ")
    assert lines[1] == (
        "Not shared with training: song, artist, exact copy. "
        f"Unknown for all {evaluated.metrics.n_tracks} test songs: album."
    )
    assert lines[2].startswith("Songs are judged by the vote of their slices; ")
    assert f"by whole artists ({evaluated.groups})." in lines[2]
    # Of four artists there is none.
    assert evaluated.interval is None
    n = evaluated.metrics.n_tracks
    assert verdict(evaluated) == (
        f"{percent(evaluated.metrics.track_accuracy)} of {n} songs correct, "
        "no 95 % interval (fewer than 5 artists), artists kept apart"
    )
    assert lines[3].startswith(
        f"Balanced accuracy {percent(evaluated.by_genre.balanced_accuracy)}, "
    )
    assert evaluated.clean is None


def test_unknown_artists_are_counted(tmp_path):
    store = made_store(tmp_path, artists=None)
    evaluated = evaluate_run(made_run(store, tmp_path / "run", spec=small_spec(epochs=1)))
    lines = first_lines(evaluated)
    n = evaluated.metrics.n_tracks
    assert f"Unknown for all {n} test songs: artist, album." in lines[1]
    assert "artists are unknown" in lines[2]


def test_a_leaking_run_shows_the_clean_one_that_is_named(leaking, run, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "leaking")
    alone = first_lines(evaluate_run(copy))
    assert alone[1].startswith("LEAKING by song (")
    assert "train it with --split artists and name that run" in alone[-1]
    clean = shutil.copytree(run, tmp_path / "clean")
    evaluated = evaluate_run(copy, clean=clean)
    assert evaluated.clean.path == clean
    assert evaluated.clean.track_accuracy == evaluate_run(run).metrics.track_accuracy
    sentence = first_lines(evaluated)[-1]
    assert "On another split (artists; run clean) the same model gets" in sentence
    assert "Not shared with training: song, artist, exact copy." in sentence
    page = write_evaluation(copy, evaluated).read_text("utf-8")
    # In the first lines of the page, before any figure.
    for words in ("Protocol: slices", "LEAKING", "95 % interval", "(artists; run clean)"):
        assert words in page.split("<dl")[0]


def test_no_folder_is_looked_into_that_was_not_named(cli, leaking, run, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "leaking")
    shutil.copytree(run, tmp_path / "clean")
    (tmp_path / "strange" / "environment.json").mkdir(parents=True)
    (tmp_path / "strange" / "model.backbeat").symlink_to(tmp_path / "strange" / "model.backbeat")
    (tmp_path / "closed").mkdir(mode=0o000)
    status, out, err = cli("evaluate", copy)
    assert (status, err) == (0, "")
    assert "run clean" not in out


def test_what_is_no_clean_run_is_refused(cli, leaking, run, store, tmp_path):
    other = made_run(store, tmp_path / "other", spec=small_spec(name="other", epochs=1))
    songs = made_store(tmp_path, names=np.array([f"other {row}" for row in range(30)]))
    of_others = made_run(songs, tmp_path / "of-others", spec=small_spec(epochs=1))
    for clean, why in (
        (other, "has another model than"),
        (of_others, "is of other songs than"),
        (leaking, "its split leaks too: LEAKING by song"),
    ):
        status, _, err = cli("evaluate", leaking, "--clean", clean)
        assert status == 1 and f"--clean {clean}: {why}" in err
    assert cli("evaluate", run, "--on", store.path, "--clean", run)[0] == 1
    assert cli("evaluate", run, "--near-duplicates", store.path)[0] == 1


def test_the_headline_on_another_store_describes_that_store(run, tmp_path):
    x, y = made_mfcc(seed=5)
    kept = np.flatnonzero(y > 0)
    other = made_store(
        tmp_path,
        X=x[kept],
        y=y[kept] - 1,
        genres=np.array(["jazz", "rock"]),
        names=np.array([f"new {row}" for row in kept]),
        artists=None,
    )
    lines = first_lines(evaluate_run(run, on=other.path))
    assert lines[0] == "Tested on songs of features."
    assert not any("Protocol" in line for line in lines)
    assert lines[1] == (
        "0 of 20 songs are left out, as the model was trained or validated on them: 0 by name, "
        "0 by digest of the samples. Artists were not compared."
    )
    assert lines[2] == "No test song of: blues."


def test_what_could_not_be_calibrated_says_why(leaking, run, store, tmp_path):
    [line] = certainty_lines(evaluate_run(leaking))
    assert line.startswith("Probabilities are not calibrated: ")
    assert "there was no validation part" in line
    from backbeat.splits import make_split
    from backbeat.training.train import train

    examples = store.examples("mfcc")
    split = make_split(examples, "artists", seed=3, valid_share=0)
    train(store, small_spec(epochs=1), split, examples, tmp_path / "run")
    [line] = certainty_lines(evaluate_run(tmp_path / "run"))
    assert "there was no validation part" in line
    lines = certainty_lines(evaluate_run(run))
    assert "expected calibration error of test songs" in lines[0]
    assert lines[1].startswith("Fewer than 50 validation songs")
    assert lines[2].startswith('"Unsure" aims at 20 % wrong answers')


def test_a_rare_genre_is_not_hidden_by_the_accuracy(run):
    truth = ["pop"] * 78 + ["rock"] * 2
    answers = ["rock", *["pop"] * 77, "rock", "pop"]
    found = genre_means(truth, answers, [str(song) for song in range(80)])
    line = first_lines(replace(evaluate_run(run), by_genre=found))[3]
    low, high = (100 * end for end in (found.balanced_interval.low, found.balanced_interval.high))
    assert f"Balanced accuracy 74.4 %, 95 % interval {low:.1f} to {high:.1f} %; macro-F1 " in line
    assert line.endswith("Always answering pop, the most frequent genre, gets 97.5 % of songs.")


def test_three_artists_give_no_interval(run):
    few = replace(evaluate_run(run), interval=None, groups=3)
    few = replace(few, by_genre=replace(few.by_genre, balanced_interval=None, f1_interval=None))
    lines = first_lines(few)
    assert ", no 95 % interval (fewer than 5 artists), " in verdict(few)
    assert "intervals are by whole artists (3)." in lines[2]
    assert lines[3].count("no 95 % interval (fewer than 5 artists)") == 2
    content = evaluation_json(few)
    assert content["accuracy_track_interval"] is content["macro_f1_track_interval"] is None
    assert content["interval"]["groups"] == 3
    # Of many artists, but of one genre's one artist only.
    assert "(a genre has songs of one artist only)" in first_lines(replace(few, groups=9))[3]
    unknown = replace(few, groups=9, artists_known=0)
    assert "(a genre has one song only)" in first_lines(unknown)[3]


def test_songs_of_unknown_artists_are_not_counted_as_artists(run):
    evaluated = evaluate_run(run)
    songs = evaluated.metrics.n_tracks
    partly = replace(evaluated, groups=7, artists_known=songs - 2)
    assert "by whole artists (5) and songs of unknown artists (2)." in first_lines(partly)[2]
    unknown = replace(evaluated, groups=songs, artists_known=0)
    assert f"by songs ({songs}; artists are unknown)." in first_lines(unknown)[2]


def test_a_fit_at_its_limit_or_of_few_songs_says_so(run):
    evaluated = evaluate_run(run)
    measured = evaluated.certainty
    good = replace(measured, temperatures=(1.7, 2.0), validation_songs=60)
    lines = certainty_lines(replace(evaluated, certainty=good))
    assert "fitted on at least 60 validation songs" in lines[0] and len(lines) == 2
    for limit in (19.99, 0.0501):
        lines = certainty_lines(replace(evaluated, certainty=replace(good, temperatures=(limit,))))
        assert "fitted on 60 validation songs" in lines[0]
        assert "at the end of its search range" in lines[1]
    lines = certainty_lines(replace(evaluated, certainty=replace(good, validation_songs=49)))
    assert lines[1].startswith("Fewer than 50 validation songs")
    unchanged = replace(good, temperatures=(1.0,), before=good.after)
    [line, _] = certainty_lines(replace(evaluated, certainty=unchanged))
    assert line.endswith(f"of test songs {good.after.error:.3f}, as without it.")
    none = replace(good, coverage=0.0, error=None, answered=0)
    [_, line] = certainty_lines(replace(evaluated, certainty=none))
    assert line == '"Unsure" aims at 20 % wrong answers: it answers none of the test songs.'
    assert none.to_json()["unsure"]["error"] is None


def test_slices_of_a_leaking_split_are_not_calibrated_on(store, tmp_path):
    from backbeat.splits import make_split
    from backbeat.training.train import train

    examples = store.examples("mfcc")
    split = make_split(examples, "slices", seed=3, valid_share=0.3)
    run = train(store, small_spec(epochs=1), split, examples, tmp_path / "run")
    assert (run / "validation.csv").exists()
    [line] = certainty_lines(evaluate_run(run))
    assert "its validation songs are in training too" in line
    assert not read_run(run).description.calibration.fitted


def test_certainty_is_measured_on_the_test_songs_by_each_runs_own_threshold(run):
    read = read_run(run)
    songs = read.songs()
    strict = Calibration(
        temperature=2.0,
        songs=4,
        unsure=Unsure(threshold=1.0, max_error=0.2, coverage=0.0, error=None),
    )
    lax = strict.model_copy(
        update={"unsure": Unsure(threshold=0.0, max_error=0.2, coverage=1, error=0.1)}
    )
    soft = songs_of(read.predictions, 2.0, read.split["artists"])
    measured = measure_certainty([strict, lax], [soft, soft])
    assert (measured.coverage, measured.answered) == (0.5, len(songs))
    assert measured.error == pytest.approx(1 - songs.correct.mean())
    both = joined_songs([soft, soft])
    assert measured.after.error == pytest.approx(reliability(both.confidence, both.correct).error)
    assert measured.before.error == pytest.approx(
        reliability(both.raw.max(axis=1), both.correct).error
    )
    assert measure_certainty([strict, Calibration()], [soft, soft]) is None
    figure = figures.certainty(measured)
    assert len(figure.axes) == 3
    assert figures.to_png(figure).startswith(b"\x89PNG")
