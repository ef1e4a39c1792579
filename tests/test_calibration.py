"""Confidence is fitted to what comes true, on songs, and withheld where it is too small."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backbeat.evaluation import Predictions, vote_by_track
from backbeat.evaluation.calibration import (
    OutOfGenre,
    choose_threshold,
    fit,
    fit_out_of_genre,
    fit_temperature,
    reliability,
    risk_coverage,
    strangeness,
    with_temperature,
)


def overconfident(n=4_000, k=5, sharpness=3.0, seed=0):
    """Answers whose true probabilities are known, and the same made too sharp."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.2, (n, k))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(k, p=row) for row in true])
    return with_temperature(true, 1 / sharpness), truth, true


def test_the_temperature_that_made_answers_too_sharp_is_found():
    sharp, truth, true = overconfident()
    temperature = fit_temperature(sharp, truth)
    assert temperature == pytest.approx(3.0, rel=0.06)
    assert np.abs(with_temperature(sharp, temperature) - true).max() < 0.03


def test_scaling_mends_the_calibration_error_and_changes_no_answer():
    sharp, truth, _ = overconfident()
    scaled = with_temperature(sharp, fit_temperature(sharp, truth))
    right = sharp.argmax(axis=1) == truth
    assert np.array_equal(scaled.argmax(axis=1), sharp.argmax(axis=1))
    assert reliability(sharp.max(axis=1), right).error > 0.25
    assert reliability(scaled.max(axis=1), right).error < 0.03


def test_temperature_one_changes_nothing_and_zeros_are_survived():
    rows = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    assert np.abs(with_temperature(rows, 1.0) - rows).max() < 1e-11
    assert np.isfinite(with_temperature(rows, 20.0)).all()
    assert 0.05 <= fit_temperature(rows, np.array([1, 2])) <= 20.0


@settings(max_examples=50)
@given(st.floats(0.1, 10), st.integers(0, 1000))
def test_softer_is_less_sure(temperature, seed):
    rows = np.random.default_rng(seed).dirichlet(np.ones(4), 6)
    scaled = with_temperature(rows, temperature)
    assert np.allclose(scaled.sum(axis=1), 1)
    difference = scaled.max(axis=1) - rows.max(axis=1)
    assert (difference <= 1e-9).all() if temperature >= 1 else (difference >= -1e-9).all()


def test_reliability_by_hand():
    confidence = np.array([0.95, 0.91, 0.55, 0.51, 1.0])
    right = np.array([True, False, True, True, True])
    measured = reliability(confidence, right)
    assert measured.counts == (2, 3)
    assert measured.accuracy == pytest.approx((1.0, 2 / 3))
    assert measured.confidence == pytest.approx((0.53, 0.9533), abs=1e-4)
    assert measured.error == pytest.approx(0.4 * 0.47 + 0.6 * (0.95333 - 0.66667), abs=1e-4)


def test_risk_and_coverage_by_hand():
    curve = risk_coverage(np.array([0.9, 0.5, 0.7, 0.7]), np.array([True, False, False, True]))
    assert curve.threshold.tolist() == [0.9, 0.7, 0.5]
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx((0 + 1 / 3 + 1 / 3 + 1 / 2) / 4)


def test_the_area_under_risk_and_coverage_is_of_songs_not_of_confidences():
    # 98 equally sure songs, one of them wrong, and then two wrong ones.
    curve = risk_coverage(np.array([0.9] * 98 + [0.5, 0.4]), np.arange(100) % 98 > 1)
    assert curve.risk == pytest.approx([2 / 98, 3 / 99, 4 / 100])
    assert curve.area == pytest.approx((98 * 2 / 98 + 3 / 99 + 4 / 100) / 100)
    alike = risk_coverage(np.full(7, 0.8), np.arange(7) > 0)
    assert alike.area == pytest.approx(1 / 7)


def test_the_threshold_is_the_lowest_that_is_good_enough():
    confidence = np.array([0.95, 0.85, 0.75, 0.65, 0.55])
    right = np.array([True, True, False, True, False])
    # Expected wrong: 5, 10, 15, 20, 25 % as songs are added.
    chosen = choose_threshold(confidence, right, 0.16)
    assert chosen.threshold == pytest.approx(0.7)
    assert (chosen.coverage, chosen.error) == (pytest.approx(0.6), pytest.approx(1 / 3))
    assert choose_threshold(confidence, right, 0.3).coverage == 1.0
    assert choose_threshold(confidence, right, 0.3).threshold < 0.55


def test_where_no_threshold_is_good_enough_nothing_is_answered():
    chosen = choose_threshold(np.array([0.7, 0.6]), np.array([True, True]), 0.2)
    assert (chosen.threshold, chosen.coverage, chosen.error) == (1.0, 0.0, None)


def test_a_threshold_holds_on_other_songs_where_probabilities_are_calibrated():
    random = np.random.default_rng(0)
    errors = []
    for _ in range(40):
        confidence = random.beta(2, 2, 60)
        chosen = choose_threshold(confidence, random.random(60) < confidence, 0.2)
        others = random.beta(2, 2, 2_000)
        answered = others >= chosen.threshold
        errors.append(np.mean(random.random(answered.sum()) > others[answered]))
    assert np.mean(errors) == pytest.approx(0.2, abs=0.01)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.floats(0.05, 0.6))
def test_a_threshold_is_as_good_as_it_says(seed, most):
    random = np.random.default_rng(seed)
    confidence = random.choice([0.3, 0.5, 0.6, 0.9], 30) if seed % 2 else random.random(30)
    right = random.random(30) < confidence
    chosen = choose_threshold(confidence, right, most)
    answered = confidence >= chosen.threshold
    assert chosen.coverage == pytest.approx(answered.mean())
    if chosen.coverage:
        assert (~right[answered]).mean() == pytest.approx(chosen.error)


def ring(n=200, k=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(0, 1, (n, k)) * [1.0, 10.0, 0.1][:k] + [5.0, 0.0, -2.0][:k]


def test_what_lies_far_from_known_songs_is_strange():
    fitted = fit_out_of_genre(ring(), ring(seed=1))
    familiar, far, between = strangeness(
        np.array([[5.0, 0, -2], [5.0, 0, 4], [5.0, 20, -2]]), fitted
    )
    assert familiar < between < far
    assert fitted.score(familiar) < 0.5
    assert fitted.score(far) == 1.0
    # Each output counts by its own spread: 60 of its deviations are strange, 2 are not.
    assert far > 20 > 4 > between


def test_five_nearest_by_hand():
    known = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [100.0]])
    fitted = fit_out_of_genre(known, known)
    value = strangeness(np.array([[0.0]]), fitted)[0]
    assert value == pytest.approx(2.0 / known.std(), rel=3e-3)
    one = fit_out_of_genre(known[:1], known)
    assert strangeness(np.array([[0.0]]), one)[0] == 0


def test_few_of_many_songs_travel_with_the_bundle():
    fitted = fit_out_of_genre(ring(n=5_000), ring(seed=1))
    assert len(fitted.known) == 1_000
    share = np.mean([fitted.score(s) > 0.95 for s in strangeness(ring(seed=2), fitted)])
    assert share == pytest.approx(0.05, abs=0.04)


def test_strangeness_is_a_share_of_familiar_songs():
    parts = {"mean": (0.0,), "deviation": (1.0,), "known": ((0.0,),)}
    known = OutOfGenre(**parts, quantiles=(1.0, 3.0, 5.0))
    assert [known.score(value) for value in (0.0, 1.0, 2.0, 4.0, 5.0, 9.0)] == [
        0.0,
        0.0,
        0.25,
        0.75,
        1.0,
        1.0,
    ]
    with pytest.raises(ValidationError, match="must not fall"):
        OutOfGenre(**parts, quantiles=(1.0, 0.0))
    with pytest.raises(ValidationError, match="as many numbers"):
        OutOfGenre(**(parts | {"known": ((0.0, 1.0),)}), quantiles=(0.0, 1.0))


def test_all_is_fitted_at_the_level_of_songs():
    random = np.random.default_rng(1)
    songs, slices, k = 80, 6, 3
    truth = np.repeat(random.integers(0, k, songs), slices)
    logits = random.normal(0, 2, (songs * slices, k)) + 2.5 * np.eye(k)[truth]
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    predictions = Predictions(
        np.repeat([f"song {n}" for n in range(songs)], slices),
        np.tile(np.arange(slices), songs),
        truth,
        rows,
        ("a", "b", "c"),
    )
    fitted = fit(predictions, logits, random.normal(0, 2, (40, k)), max_error=0.1)
    assert fitted.songs == songs
    votes = vote_by_track(predictions)
    assert fitted.temperature == pytest.approx(
        fit_temperature(votes.probabilities, votes.truth), abs=1e-5
    )
    assert fitted.slice_temperature == pytest.approx(fit_temperature(rows, truth), abs=1e-5)
    assert fitted.slice_temperature != pytest.approx(fitted.temperature, rel=0.2)
    assert fitted.unsure.max_error == 0.1
    assert 0 < fitted.unsure.threshold < 1
    means = logits.reshape(songs, slices, k).mean(axis=1)
    distances = strangeness(means, fitted.out_of_genre)
    assert fitted.out_of_genre.quantiles[0] == pytest.approx(distances.min(), abs=1e-4)
    assert fitted.out_of_genre.quantiles[-1] == pytest.approx(distances.max(), abs=1e-4)
