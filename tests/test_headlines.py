"""The first lines of a report say the protocol, the leak, the interval and the clean split."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from backbeat import figures
from backbeat.evaluation import Predictions, evaluate
from backbeat.evaluation.calibration import Calibration, Unsure, reliability
from backbeat.evaluation.comparison import Interval, genre_means
from backbeat.runs.headlines import (
    certainty_lines,
    confusion_line,
    first_lines,
    genre_lines,
    kept_apart,
    measured,
    spread_line,
    verdict,
)
from backbeat.runs.reading import joined_songs, read_run, songs_of
from backbeat.runs.scoring import (
    evaluate_run,
    evaluation_json,
    measure_certainty,
    write_evaluation,
)
from backbeat.splits import Leak
from made_features import made_mfcc, made_run, made_store, small_spec
from test_report import Page


def test_an_honest_run_says_so(run):
    evaluated = evaluate_run(run)
    lines = first_lines(evaluated)
    assert lines[0].startswith("Protocol: artists (whole artists; ")
    assert lines[1] == (
        "Not shared with training: song, artist, exact copy. "
        f"Unknown for all {evaluated.metrics.n_tracks} test songs: album."
    )
    # Of four artists there is none.
    assert evaluated.interval is None
    assert lines[2] == (
        "The answer for a song is the vote of its slices. No 95 % interval: fewer than 5 artists."
    )
    balanced = 100 * evaluated.by_genre.balanced_accuracy
    assert genre_lines(evaluated)[0].startswith(f"Balanced accuracy {balanced:.1f} %, ")
    assert evaluated.clean is None


def test_unknown_artists_are_counted(tmp_path):
    store = made_store(tmp_path, artists=None)
    evaluated = evaluate_run(made_run(store, tmp_path / "run", spec=small_spec(epochs=1)))
    lines = first_lines(evaluated)
    n = evaluated.metrics.n_tracks
    assert f"Unknown for all {n} test songs: artist, album." in lines[1]
    assert f"by songs ({n}; artists are unknown)." in lines[2]
    assert verdict(evaluated).endswith(", songs kept apart, artists unknown")
    assert measured(evaluated).startswith(f"Measured on {n} songs by unknown artists, in 3 genres")


def test_a_leaking_run_shows_the_clean_one_that_is_named(leaking, run, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "leaking")
    alone = first_lines(evaluate_run(copy))
    assert alone[1].startswith("LEAKING by song (")
    assert "train it with `--split artists` and name that run" in alone[-1]
    clean = shutil.copytree(run, tmp_path / "clean")
    evaluated = evaluate_run(copy, clean=clean)
    assert evaluated.clean.path == clean
    assert evaluated.clean.track_accuracy == evaluate_run(run).metrics.track_accuracy
    sentence = first_lines(evaluated)[-1]
    assert "On another split (artists; run clean) the same model gets" in sentence
    assert "Not shared with training: song, artist, exact copy." in sentence
    text = Page(write_evaluation(copy, evaluated).read_text("utf-8")).text
    # Before any figure.
    for words in ("Protocol: slices", "LEAKING", "95 % interval", "(artists; run clean)"):
        assert words in text.split("Which genres it confuses")[0]
    assert text.count("LEAKING by song (") == 1  # one warning is enough


def test_no_folder_is_looked_into_that_was_not_named(cli, leaking, run, tmp_path):
    copy = shutil.copytree(leaking, tmp_path / "leaking")
    shutil.copytree(run, tmp_path / "clean")
    (tmp_path / "strange" / "environment.json").mkdir(parents=True)
    (tmp_path / "strange" / "model.backbeat").symlink_to(tmp_path / "strange" / "model.backbeat")
    (tmp_path / "closed").mkdir(mode=0o000)
    status, out, err = cli("evaluate", copy)
    assert (status, err) == (0, "")
    assert "run clean" not in out


@pytest.mark.slow
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
    line = genre_lines(replace(evaluate_run(run), by_genre=found))[0]
    low, high = (100 * end for end in (found.balanced_interval.low, found.balanced_interval.high))
    assert f"Balanced accuracy 74.4 %, 95 % interval {low:.1f} to {high:.1f} %; macro-F1 " in line
    assert line.endswith("Always answering pop, the most frequent genre, gets 97.5 % of songs.")


def test_three_artists_give_no_interval(run):
    few = replace(evaluate_run(run), interval=None, groups=3)
    few = replace(few, by_genre=replace(few.by_genre, balanced_interval=None, f1_interval=None))
    assert first_lines(few)[2].endswith("No 95 % interval: fewer than 5 artists.")
    assert genre_lines(few)[0].count("no 95 % interval (fewer than 5 artists)") == 2
    assert verdict(few) == "100.0 % of 6 songs correct, artists kept apart"
    content = evaluation_json(few)
    assert content["accuracy_track_interval"] is content["macro_f1_track_interval"] is None
    assert content["interval"]["groups"] == 3
    # Of many artists, but of one genre's one artist only.
    assert "(a genre has songs of one artist only)" in genre_lines(replace(few, groups=9))[0]
    unknown = replace(few, groups=9, artists_known=0)
    assert "(a genre has one song only)" in genre_lines(unknown)[0]


def test_songs_of_unknown_artists_are_not_counted_as_artists(run):
    evaluated = evaluate_run(run)
    songs = evaluated.metrics.n_tracks
    partly = replace(evaluated, groups=7, artists_known=songs - 2)
    partly = replace(partly, interval=Interval(0.5, 0.9, 7, 0.95))
    assert "by whole artists (5) and songs of unknown artists (2)." in first_lines(partly)[2]
    assert measured(partly).startswith(f"Measured on {songs} songs by 5 artists and 2 by unknown")
    unknown = replace(partly, groups=songs, artists_known=0)
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


def leaks(song=0, artist=0, copy=0, known=40, elsewhere=0):
    return (
        Leak("song", 40, 40, song, 0, song, 0),
        Leak("artist", 40, known, artist, 0, artist, elsewhere),
        Leak("exact copy", 40, 40, copy, 0, copy, 0),
    )


def test_the_verdict_says_what_was_measured_to_be_kept_apart():
    assert kept_apart(leaks()) == "artists kept apart"
    assert kept_apart(leaks(known=39)) == "known artists kept apart"
    assert kept_apart(leaks(elsewhere=1)) == "known artists kept apart"
    assert kept_apart(leaks(known=0)) == "songs kept apart, artists unknown"
    assert kept_apart(leaks(artist=3)) == "leaking: artists are in training too"
    both = kept_apart(leaks(artist=3, copy=1))
    assert both == "leaking: artists and exact copies are in training too"
    slices = kept_apart(leaks(song=40, artist=40))
    assert slices == "LEAKING: slices of the same songs are in training"


def test_the_verdict_has_the_songs_and_their_interval(run):
    found = Interval(0.662, 0.794, 80, 0.95)
    evaluated = replace(evaluate_run(run), interval=found, leaks=leaks())
    metrics = replace(evaluated.metrics, track_accuracy=0.729, n_tracks=1639)
    line = verdict(replace(evaluated, metrics=metrics))
    assert line == "72.9 % of 1,639 songs correct (66.2 to 79.4), artists kept apart"


def scored(genres, answers):
    """Metrics of a song a genre and answer."""
    truth = [genres.index(genre) for genre, _ in answers]
    rows = np.eye(len(genres))[[genres.index(answer) for _, answer in answers]]
    names = [f"song {number}" for number in range(len(truth))]
    return evaluate(Predictions(names, [0] * len(truth), truth, rows, genres))


def test_the_three_worst_confusions_are_named():
    genres = ("blues", "jazz", "pop", "rock")
    answers = [("rock", "pop")] * 3 + [("pop", "rock")] * 2 + [("jazz", "blues")]
    metrics = scored(genres, [*answers, ("blues", "rock"), *[("rock", "rock")] * 4])
    assert confusion_line(metrics) == (
        "Most often confused: rock taken for pop (3 of 7 songs), pop taken for rock "
        "(2 of 2 songs), blues taken for rock (1 of 1 song); 1 other pair as often as the last."
    )
    assert confusion_line(scored(genres, [("rock", "rock")])) == "No song was confused."


def test_the_spread_of_recall_is_in_points_by_songs_and_names_no_tie_of_many():
    genres = ("blues", "jazz", "pop", "rock", "ska")
    right = [(genre, genre) for genre in genres]
    for low, words in (
        (1, "; it is lowest for blues: 0 % of songs are found."),
        (3, "; it is lowest for blues, jazz and pop: 0 % of songs are found."),
        (4, "."),
        (5, "."),
    ):
        wrong = [(genres[n], genres[(n + 1) % 5]) for n in range(low)]
        line = spread_line(scored(genres, [*wrong, *right[low:]]))
        assert line.endswith(f" points, by songs{words}"), line
    # Of recalls 0 and 1: half a point of share each way.
    assert spread_line(scored(("a", "b"), [("a", "b"), ("b", "b")])).startswith(
        "The standard deviation of the genres' recall is 50.0 points, by songs"
    )
    assert spread_line(scored(("a", "b"), [("a", "a")])) == ""
