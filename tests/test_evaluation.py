import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from backbeat.errors import BackbeatError
from backbeat.evaluation import (
    Metrics,
    Predictions,
    classification_report,
    confusion_matrix,
    evaluate,
    log_loss,
    mean_by_track,
    read_predictions,
    recall,
    recall_variance,
    slice_accuracy,
    track_accuracy,
    vote,
    vote_by_track,
    write_predictions,
)
from backbeat.evaluation.metrics import normalised_exponential

FIXTURE = Path(__file__).parent / "data" / "evaluation.json"

# The paper's Tables 3 and 7: recalls in %, in the order of the genres, and the printed variance.
PAPER = {
    "mlp_12.1": ([59, 90, 57, 50, 46, 76, 80, 79, 53, 42], 2.5),
    "mlp_27": ([79, 90, 64, 58, 57, 79, 88, 76, 56, 64], 1.5),
    "mlp_base": ([71, 86, 21, 41, 58, 57, 87, 73, 49, 33], 4.4),
    "cnn_01.7": ([51, 100, 57, 79, 51, 79, 88, 83, 54, 77], 2.7),
    "cnn_02.7": ([67, 97, 62, 69, 65, 77, 87, 78, 58, 76], 1.3),
    "cnn_03.8": ([81, 100, 74, 77, 81, 83, 94, 77, 74, 65], 0.9),
    "cnn_base_01": ([67, 92, 74, 79, 71, 76, 90, 94, 74, 59], 1.2),
    "cnn_base_02": ([80, 99, 80, 71, 75, 81, 88, 74, 81, 69], 0.7),
}


def small():
    """Two tracks of three genres; by hand: slices 3/5 right, tracks 1/2."""
    return Predictions(
        tracks=np.array(["a", "a", "b", "b", "b"]),
        slices=np.array([0, 1, 0, 1, 2]),
        truth=np.array([0, 0, 1, 1, 1]),
        probabilities=np.array(
            [
                [0.50, 0.25, 0.25],
                [0.50, 0.40, 0.10],
                [0.20, 0.70, 0.10],
                [0.40, 0.20, 0.40],
                [0.90, 0.05, 0.05],
            ]
        ),
        genres=("blues", "rock", "pop"),
    )


def made_up(n_tracks=40, n_slices=5, genres=("blues", "hip-hop", "rock", "pop"), seed=0):
    generator = np.random.default_rng(seed)
    truth = np.repeat(generator.integers(0, len(genres), n_tracks), n_slices)
    scores = generator.normal(size=(len(truth), len(genres)))
    scores[np.arange(len(truth)), truth] += 1
    powers = np.exp(scores)
    return Predictions(
        np.repeat([f"track {i:03}" for i in range(n_tracks)], n_slices),
        np.tile(np.arange(n_slices), n_tracks),
        truth,
        powers / powers.sum(axis=1, keepdims=True),
        genres,
    )


def changed(**parts):
    kept = small()
    names = ("tracks", "slices", "truth", "probabilities", "genres")
    return Predictions(**{name: parts.get(name, getattr(kept, name)) for name in names})


# --- known values -----------------------------------------------------------------------------


def test_accuracies_by_hand():
    # By hand: rows 0, 1 and 2 are right; b's vote (0.072, 0.007, 0.002)^(1/3) is for blues.
    assert slice_accuracy(small()) == pytest.approx(3 / 5)
    assert track_accuracy(small()) == pytest.approx(1 / 2)


def test_vote_is_the_normalised_geometric_mean():
    votes = vote_by_track(small())
    assert votes.tracks.tolist() == ["a", "b"]
    assert votes.truth.tolist() == [0, 1]
    a = np.sqrt([0.25, 0.10, 0.025])
    b = np.cbrt([0.072, 0.007, 0.002])
    np.testing.assert_allclose(votes.probabilities, [a / a.sum(), b / b.sum()], rtol=1e-12)


def test_a_certain_slice_does_not_decide_alone():
    # ln: -27.6 + 9 * ln 0.9 = -28.6 against 9 * ln 0.1 = -20.7: one zero outweighs nine of 0.9 ...
    assert vote(np.array([[0.0, 1.0]] + [[0.9, 0.1]] * 9)).argmax() == 1
    # ... but not nineteen (-29.6 against -43.7).
    assert vote(np.array([[0.0, 1.0]] + [[0.9, 0.1]] * 19)).argmax() == 0


def test_tracks_keep_the_order_they_appear_in():
    given_order = changed(tracks=["z", "z", "b", "b", "b"])
    assert vote_by_track(given_order).tracks.tolist() == ["z", "b"]


def test_the_mean_of_each_track_is_in_the_order_of_the_vote():
    values = np.array([[1.0, 10], [3, 30], [0, 5], [1, 6], [5, 10]])
    means = mean_by_track(np.array(["z", "z", "b", "b", "b"]), values)
    assert means.tolist() == [[2, 20], [2, 7]]


def test_no_row_underflows_beside_another():
    rows = np.array([[0.0, -1.0], [-2000.0, -2001.0]])
    one = 1 / (1 + math.exp(-1))
    assert normalised_exponential(rows) == pytest.approx(np.array([[one, 1 - one]] * 2))


def test_confusion_and_recall_by_hand():
    assert confusion_matrix(small()).tolist() == [[2, 0, 0], [2, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(recall(small()), [1, 1 / 3, np.nan])


def test_on_a_tie_the_first_genre_is_answered():
    tied = changed(probabilities=np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]] * 2 + [[1 / 3] * 3]))
    assert tied.answers.tolist() == [0, 1, 0, 1, 0]


def test_log_loss_by_hand():
    expected = -sum(map(math.log, (0.5, 0.5, 0.7, 0.2, 0.05))) / 5
    assert log_loss(small()) == pytest.approx(expected)
    guesser = changed(probabilities=np.full((5, 3), 1 / 3))
    assert log_loss(guesser) == pytest.approx(math.log(3))


def test_log_loss_of_a_flat_mistake_is_finite():
    sure = changed(probabilities=np.array([[0, 0, 1.0]] * 5))
    assert log_loss(sure) == pytest.approx(-math.log(1e-12))


@pytest.mark.parametrize("model", PAPER)
def test_population_variance_reproduces_the_paper(model):
    recalls, printed = PAPER[model]
    fractions = np.array(recalls) / 100
    assert round(100 * recall_variance(fractions), 1) == printed
    assert round(100 * fractions.var(ddof=1), 1) != printed  # the sample variance does not


def test_recall_variance_leaves_out_genres_without_rows():
    assert recall_variance([0.5, np.nan, 1.0]) == pytest.approx(0.0625)


def test_report_equals_scikit_learn():
    from sklearn import metrics

    predictions = made_up()
    expected = metrics.classification_report(
        predictions.truth, predictions.answers, target_names=predictions.genres
    )
    assert classification_report(predictions).text() == expected


def test_genre_without_rows_has_no_scores_and_no_part_in_the_average():
    report = classification_report(small())
    assert report.scores[2].precision is None and report.scores[2].support == 0
    assert report.macro_avg.recall == pytest.approx((1 + 1 / 3) / 2)
    assert report.weighted_avg.recall == pytest.approx(3 / 5)
    assert [line.split() for line in report.text().splitlines() if "pop" in line] == [
        ["pop", "-", "-", "-", "0"]
    ]


def test_a_genre_of_one_row_counts_as_much_as_any_in_the_mean():
    report = classification_report(changed(tracks=["a", "a", "b", "b", "c"], truth=[0, 0, 1, 1, 2]))
    assert [scores.recall for scores in report.scores] == [1, 1 / 2, 0]
    assert report.macro_avg.recall == pytest.approx(1 / 2)
    assert report.weighted_avg.recall == pytest.approx(3 / 5)
    assert report.macro_avg.support == report.support == 5


def test_genre_never_answered_has_precision_zero():
    report = classification_report(changed(truth=[2, 2, 1, 1, 1]))
    assert report.scores[2].precision == 0


# --- all scores -------------------------------------------------------------------------------


def test_regression():
    """Scores of a fixed, made-up set, kept in a file; a change of convention shows here."""
    expected = json.loads(FIXTURE.read_text(encoding="utf-8"))
    actual = json.loads(evaluate(made_up()).to_json())
    assert actual.keys() == expected.keys()
    for name in expected.keys() - {"genres", "slices", "tracks"}:
        np.testing.assert_allclose(actual[name], expected[name], atol=1e-9, err_msg=name)
    for level in ("slices", "tracks"):
        for genre, scores in expected[level].items():
            assert actual[level][genre] == pytest.approx(scores, abs=1e-9)


def test_evaluate_agrees_with_its_parts():
    predictions = made_up()
    metrics = evaluate(predictions)
    assert (metrics.n_slices, metrics.n_tracks) == (200, 40)
    assert metrics.slice_accuracy == slice_accuracy(predictions)
    assert metrics.track_accuracy == track_accuracy(predictions)
    assert np.trace(metrics.slice_confusion) / 200 == pytest.approx(metrics.slice_accuracy)
    assert metrics.slice_report.text() == classification_report(predictions).text()
    assert metrics.track_report.support == 40


@pytest.mark.parametrize("predictions", [small(), made_up()])
def test_metrics_json_round_trip(predictions):
    metrics = evaluate(predictions)
    text = metrics.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert Metrics.from_json(text) == metrics


def test_undefined_scores_are_null():
    values = json.loads(evaluate(small()).to_json())
    assert values["slices"]["pop"] == {"precision": None, "recall": None, "f1": None, "support": 0}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"genres": ["a"]}', '{"genres": 3}'])
def test_bad_metrics_are_refused(text):
    with pytest.raises(ValueError, match="no metrics as backbeat writes them" if text else None):
        Metrics.from_json(text)


# --- validation -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"tracks": [], "slices": [], "truth": [], "probabilities": []}, "no predictions"),
        ({"truth": [0, 0, 1]}, r"truth has shape \(3,\)"),
        ({"genres": ("blues", "rock")}, "probabilities has shape"),
        ({"genres": ("blues", "rock", "rock")}, "distinct"),
        ({"truth": [0, 0, 1, 1, 3]}, "row 4.*none of the genres"),
        ({"truth": [0, 0, 1, 1, -1]}, "row 4.*none of the genres"),
        ({"truth": [0, 0, 1, 1, 0.5]}, "^truth must be whole numbers, not float64$"),
        ({"slices": [0, 1, 0, 1, 2.0]}, "^slices must be whole numbers, not float64$"),
        ({"truth": [0, 1, 1, 1, 1]}, "slice 1 of track 'a': its track has another true genre"),
        ({"slices": [0, 0, 0, 1, 2]}, "slice 0 of track 'a' is there twice"),
        ({"slices": [0, 1, 0, 1, -2]}, "negative"),
        ({"probabilities": np.full((5, 3), np.nan)}, "row 0.*not a finite number"),
        ({"probabilities": np.full((5, 3), np.inf)}, "row 0.*not a finite number"),
        ({"probabilities": [[np.inf, -np.inf, 1]] * 5}, "row 0.*not a finite number"),
        ({"probabilities": [[1.5, 0, 0]] * 5}, "not in 0 to 1"),
        ({"probabilities": [[1, 0, 0]] * 4 + [[1, 1, 0]]}, "row 4: slice 2 of track 'b': the prob"),
        ({"probabilities": [[0.5, 0.6, -0.1]] * 5}, "not in 0 to 1"),
        ({"probabilities": [[0.5, 0.3, 0.1]] * 5}, "do not sum to 1"),
    ],
)
def test_what_cannot_be_scored_is_refused(parts, words):
    with pytest.raises(ValueError, match=words):
        changed(**parts)


def test_names_and_numbers_of_any_kind_become_text_and_floats():
    given = changed(tracks=np.array([1, 1, 2, 2, 2]), slices=np.arange(5, dtype=np.uint8))
    assert given.tracks.tolist() == ["1", "1", "2", "2", "2"]
    assert (given.slices.dtype, given.probabilities.dtype) == (np.int64, np.float64)


def test_half_precision_probabilities_pass():
    changed(probabilities=small().probabilities.astype(np.float16))


# --- files ------------------------------------------------------------------------------------


def assert_equal(actual, expected):
    assert actual.genres == expected.genres
    assert actual.tracks.tolist() == expected.tracks.tolist()
    assert actual.slices.tolist() == expected.slices.tolist()
    assert actual.truth.tolist() == expected.truth.tolist()
    np.testing.assert_allclose(actual.probabilities, expected.probabilities, rtol=1e-5, atol=0)


def test_file_is_a_plain_table(tmp_path):
    write_predictions(tmp_path / "predictions.csv", small())
    lines = (tmp_path / "predictions.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == '"track","slice","truth","blues","rock","pop"'
    assert lines[1] == '"a",0,"blues",0.5,0.25,0.25'
    assert_equal(read_predictions(tmp_path / "predictions.csv"), small())


# A trailing NUL is what numpy pads strings with; no file name holds one.
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@st.composite
def any_predictions(draw):
    genres = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)))
    tracks = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    counts = [draw(st.integers(1, 3)) for _ in tracks]
    truth = [draw(st.integers(0, len(genres) - 1)) for _ in tracks]
    n = sum(counts)
    weights = draw(
        st.lists(
            st.lists(st.floats(1e-9, 1), min_size=len(genres), max_size=len(genres)),
            min_size=n,
            max_size=n,
        )
    )
    rows = np.array(weights)
    return Predictions(
        np.repeat(tracks, counts),
        np.concatenate([np.arange(count) for count in counts]),
        np.repeat(truth, counts),
        rows / rows.sum(axis=1, keepdims=True),
        genres,
    )


@given(any_predictions())
def test_csv_round_trip(tmp_path_factory, predictions):
    path = tmp_path_factory.mktemp("csv") / "predictions.csv"
    write_predictions(path, predictions)
    assert_equal(read_predictions(path), predictions)


def test_a_busy_machine_fails_no_example():
    @settings(max_examples=1, phases=[Phase.generate], database=None)
    @given(st.none())
    def slow(_):
        time.sleep(0.25)  # more than the 0.2 s that an example may last by default

    slow()


@pytest.mark.parametrize("name", ["a,b", "a\nb", "a\rb", 'a"b', "🎷", " a ", "", "na\udcefve"])
def test_odd_names_survive(tmp_path, name):
    odd = changed(tracks=[name, name, "b", "b", "b"], genres=(name + "1", "rock", "pop"))
    write_predictions(tmp_path / "predictions.csv", odd)
    assert_equal(read_predictions(tmp_path / "predictions.csv"), odd)


@given(any_predictions())
def test_vote_properties(predictions):
    votes = vote_by_track(predictions)
    assert len(set(votes.tracks.tolist())) == len(votes)
    np.testing.assert_allclose(votes.probabilities.sum(axis=1), 1)
    for row, track in enumerate(votes.tracks):
        slices = predictions.probabilities[predictions.tracks == track]
        np.testing.assert_allclose(votes.probabilities[row], vote(slices), atol=1e-12)
        np.testing.assert_allclose(vote(slices[::-1]), vote(slices), atol=1e-9)
        np.testing.assert_allclose(vote(slices[:1]), slices[0], atol=1e-9)


HEADER = "track,slice,truth,blues,rock\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: no file of predictions"),
        ("track,slice,truth\n", "line 1: no file of predictions"),
        ("name,slice,truth,blues\n", "line 1: no file of predictions"),
        (HEADER, "no predictions"),
        (HEADER + "a,0,blues,0.5,0.5\na,1,blues,0.5\n", "line 3: 4 cells, but the header has 5"),
        (HEADER + "a,0,jazz,0.5,0.5\n", "line 2: the truth 'jazz'"),
        (HEADER + "a,zero,blues,0.5,0.5\n", "line 2: .*zero"),
        (HEADER + "a,0,blues,half,0.5\n", "line 2: .*half"),
        (HEADER + '"a\nb",0,blues,0.5,0.5\n\nc,1,blues,nan,0.5\n', "line 5: .*finite"),
        (HEADER + "a,0,blues,0.5,0.4\n", "line 2: .*sum to 1"),
        (HEADER + "a,0,blues,0.5,0.5\na,1,rock,0.5,0.5\n", "line 3: .*another true genre"),
        (HEADER + "a,0,blues,0.5,0.5\na,0,blues,0.5,0.5\n", "line 3: .*twice"),
        (HEADER + 'a,0,blues,0.5,0.5\n"a,1,blues,0.5,0.5\n', "line 3: "),
        ("track,slice,truth,rock,rock\na,0,rock,0.5,0.5\n", "distinct"),
    ],
)
def test_bad_files_name_file_and_line(tmp_path, text, words):
    path = tmp_path / "predictions.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BackbeatError, match=rf"predictions\.csv.*{words}") as caught:
        read_predictions(path)
    assert "\n" not in str(caught.value)


def test_missing_file_is_reported(tmp_path):
    with pytest.raises(BackbeatError, match=r"gone\.csv: cannot be read"):
        read_predictions(tmp_path / "gone.csv")


def test_file_from_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "predictions.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.replace("\n", "\r\n").encode() + b"a,0,blues,1,0\r\n")
    assert read_predictions(path).tracks.tolist() == ["a"]


def test_import_stays_light():
    heavy = "{'matplotlib', 'sklearn', 'scipy', 'jinja2', 'keras'}"
    code = f"import sys, backbeat.evaluation; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_missing_scikit_learn_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(BackbeatError, match=r"scoring needs sklearn: pip install"):
        classification_report(small())
