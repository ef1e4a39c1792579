"""Intervals cover, tests are the textbooks', and nothing is called better that may be chance."""

import numpy as np
import pytest
from scipy import stats

from backbeat import figures
from backbeat.evaluation.comparison import (
    Contender,
    ResampledT,
    Trial,
    compare,
    corrected_resampled_t,
    holm,
    intervals,
    mcnemar,
    share_interval,
)
from backbeat.figures.comparison import alike
from backbeat.files.text import signed


def contender(name, right, *, groups=None, keys=("a",), tracks=None):
    """A model whose answers to each trial's songs are rows of `right`."""
    rows = np.atleast_2d(np.asarray(right, bool))
    made = []
    for place, (key, row) in enumerate(zip(keys, rows, strict=True)):
        own = tracks[place] if tracks else [f"song {number}" for number in range(len(row))]
        of = groups[place] if groups else [f"track {track}" for track in own]
        given = tuple(np.where(row, "pop", "rock").tolist())
        made.append(Trial(key, tuple(own), ("pop",) * len(row), given, tuple(of), 0.5))
    return Contender(name, tuple(made))


def test_the_interval_of_independent_songs_is_the_textbooks():
    values = (np.arange(400) < 240).astype(float)
    found = share_interval(values, [str(n) for n in range(400)])
    deviation = 1.96 * (0.6 * 0.4 / 400) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.6 - deviation, 0.6 + deviation), abs=0.006)
    assert found.groups == 400
    assert found == share_interval(values, [str(n) for n in range(400)])


def test_songs_of_one_artist_are_worth_one_song():
    random = np.random.default_rng(0)
    by_artist = (random.random(40) < 0.6).astype(float)
    values = np.repeat(by_artist, 10)
    artists = np.repeat([f"artist {n}" for n in range(40)], 10).tolist()
    together = share_interval(values, artists)
    apart = share_interval(values, [str(n) for n in range(400)])
    ratio = (together.high - together.low) / (apart.high - apart.low)
    assert ratio == pytest.approx(10**0.5, rel=0.1)
    assert together.groups == 40


def test_intervals_cover_the_truth_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(intervals, "_RESAMPLES", 500)
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        sizes = random.integers(1, 9, 60)
        skill = random.beta(3, 2, 60)  # 0.6 on average
        values = np.concatenate(
            [random.random(size) < p for size, p in zip(sizes, skill, strict=True)]
        )
        groups = np.repeat(np.arange(60), sizes).astype(str).tolist()
        covered += 0.6 in share_interval(values.astype(float), groups)
    assert 180 <= covered <= 199


def test_an_interval_holds_its_ends_and_says_its_level():
    values = np.arange(30) / 30
    found = share_interval(values, [str(n) for n in range(30)])
    assert found.level == 0.95
    assert found.low in found and found.high in found
    assert found.low - 1e-9 not in found and found.high + 1e-9 not in found


def test_an_interval_does_not_hang_on_how_many_are_drawn_at_once(monkeypatch):
    values, groups = np.arange(40) % 7 / 7, [str(n // 2) for n in range(40)]
    monkeypatch.setattr(intervals, "_RESAMPLES", 1_001)
    whole = share_interval(values, groups)
    monkeypatch.setattr(intervals, "_NUMBERS_AT_ONCE", 2_000)  # a hundred at once
    assert share_interval(values, groups) == whole


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_all_or_nothing_is_no_certainty(share):
    found = share_interval(np.full(30, share), [str(n) for n in range(30)])
    wilson = stats.binomtest(int(share * 30), 30).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high))
    assert found.high - found.low > 0.05
    assert (found.groups, found.level) == (30, 0.95)


def test_mcnemar_by_hand():
    first = np.array([True] * 9 + [False] * 1 + [True] * 50 + [False] * 5)
    second = np.array([False] * 9 + [True] * 1 + [True] * 50 + [False] * 5)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (9, 1)
    # Two-sided: 2 (C(10, 0) + C(10, 1)) / 2^10.
    assert found.p == pytest.approx(22 / 1024)
    assert mcnemar(first, first).p == 1.0


def test_the_corrected_t_is_smaller_than_students():
    differences = np.array([0.05, 0.02, 0.06, 0.03, 0.04])
    plain = stats.ttest_1samp(differences, 0.0)
    assert corrected_resampled_t(differences, 0.0).p == pytest.approx(plain.pvalue)
    corrected = corrected_resampled_t(differences, 0.25)
    # Nadeau and Bengio: the variance's 1 / m becomes 1 / m + 1 / 4.
    assert corrected.t == pytest.approx(plain.statistic * (0.2 / 0.45) ** 0.5)
    assert corrected.p > plain.pvalue
    assert corrected_resampled_t(differences[:1], 0.25) is None
    assert corrected_resampled_t(np.zeros(3), 0.25).p == 1.0
    assert corrected_resampled_t(np.full(3, 0.5), 0.25) == ResampledT(3, 0.5, np.inf, 0.0)
    assert corrected_resampled_t(np.full(3, -0.5), 0.25) == ResampledT(3, -0.5, -np.inf, 0.0)
    assert corrected_resampled_t(np.zeros(2), 0.25) == ResampledT(2, 0.0, 0.0, 1.0)
    assert (corrected.trials, corrected.mean) == (5, pytest.approx(0.04))


def test_holm_by_hand():
    # Holm's own way: 4 x 0.005, 3 x 0.01, 2 x 0.03, and never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_clear_difference_is_called_better():
    right = np.arange(200) < 150
    compared = compare([contender("worse", right[::-1] & (np.arange(200) % 2 > 0)),
                        contender("good", right)])  # fmt: skip
    assert [score.name for score in compared.scores] == ["good", "worse"]
    [pair] = compared.pairs
    assert (pair.first, pair.second, pair.verdict) == ("good", "worse", "better")
    assert pair.sentence.startswith("good is better than worse, by 37.5 points (95 % interval +")
    assert pair.difference in pair.interval
    assert compared.differ("worse", "good")


def test_chance_is_called_chance():
    right = np.arange(60) < 40
    other = right.copy()
    other[[0, 1, 50]] ^= True
    [pair] = compare([contender("a", right), contender("b", other)]).pairs
    assert pair.verdict == "no significant difference"
    assert pair.sentence == (
        "a and b do not differ significantly on these 60 songs: by 1.7 points "
        f"(95 % interval {signed(100 * pair.interval.low)} to {signed(100 * pair.interval.high)}; "
        "McNemar p = 1.000)."
    )
    assert pair.interval.low < 0 < pair.interval.high


def test_two_artists_cannot_decide_what_two_hundred_songs_seem_to():
    first = np.repeat([True, True], 100)
    second = np.repeat([True, False], 100)
    groups = [["artist x"] * 100 + ["artist y"] * 100]
    [pair] = compare(
        [contender("a", first, groups=groups), contender("b", second, groups=groups)]
    ).pairs
    assert pair.mcnemar.p < 1e-20
    assert (pair.verdict, pair.interval) == ("no significant difference", None)
    assert "100.0" not in pair.sentence and "no interval with fewer than 5 artists" in pair.sentence
    [alone] = compare([contender("a", first), contender("b", second)]).pairs
    assert alone.verdict == "better"


def test_only_the_test_that_decides_is_shown_where_two_differ():
    # By songs significant, by twelve artists not: most of the difference is of one of them.
    first = np.repeat([True] * 12, 10)
    second = first.copy()
    second[:10] = False
    groups = [[f"artist {row // 10}" for row in range(120)]]
    [pair] = compare(
        [contender("a", first, groups=groups), contender("b", second, groups=groups)]
    ).pairs
    assert pair.p < 0.05 and pair.interval.low < 0
    assert pair.verdict == "no significant difference"
    assert "which decides, as songs of one artist are not independent" in pair.sentence
    assert "McNemar" not in pair.sentence
    # After Holm's correction over many pairs the other way round.
    names = [f"m{place}" for place in range(8)]
    right = np.tile(np.arange(60) < 40, 1)
    others = [right.copy() for _ in names]
    for place, other in enumerate(others):
        other[place * 7 : place * 7 + 6] = False
    compared = compare([contender(n, o) for n, o in zip(names, others, strict=True)])
    decided = [pair for pair in compared.pairs if pair.p >= 0.05 and pair.interval.low > 0]
    assert decided
    for pair in decided:
        assert "McNemar" in pair.sentence and "which decides)." in pair.sentence
        assert "interval" not in pair.sentence


def test_models_that_answer_alike_have_a_symmetric_interval():
    right = np.arange(20) < 15
    compared = compare([contender("a", right), contender("b", right)])
    [pair] = compared.pairs
    assert "by 0.0 points (95 % interval −16.1 to +16.1; McNemar p = 1.000)" in pair.sentence
    assert compared.scores[0].by_genre.commonest_share == 1.0


@pytest.mark.slow
def test_many_models_are_corrected_for():
    random = np.random.default_rng(0)
    models = [contender(f"m{n}", random.random(100) < 0.5) for n in range(12)]
    compared = compare(models)
    assert len(compared.pairs) == 66
    # Without the correction about three of 66 would pass.
    assert min(pair.mcnemar.p for pair in compared.pairs) < 0.05
    assert {pair.verdict for pair in compared.pairs} == {"no significant difference"}


def test_folds_are_put_together_and_seeds_are_averaged():
    tracks = [["a", "b"], ["c", "d"]]
    folds = {"keys": ("x", "y"), "tracks": tracks}
    one = contender("one", [[1, 1], [1, 0]], **folds)
    two = contender("two", [[0, 1], [1, 0]], **folds)
    compared = compare([one, two])
    assert (compared.songs, compared.scores[0].accuracy) == (4, 0.75)
    assert compared.scores[0].trials == (1.0, 0.5)
    [pair] = compared.pairs
    assert (pair.mcnemar.only_first, pair.mcnemar.only_second) == (1, 0)
    assert pair.resampled_t.trials == 2
    seeds = {"keys": ("x 0", "x 1"), "tracks": [["a", "b"], ["a", "b"]]}
    score = compare([contender("one", [[1, 1], [1, 0]], **seeds)]).scores[0]
    assert score.accuracy == 0.75
    # Of songs tested twice the first trial counts for McNemar.
    pair = compare(
        [contender("p", [[1, 0], [1, 1]], **seeds), contender("q", [[0, 0], [1, 1]], **seeds)]
    ).pairs[0]
    assert (pair.mcnemar.only_first, pair.mcnemar.only_second) == (1, 0)


def test_what_was_tested_otherwise_is_not_compared():
    right = [True, False]
    with pytest.raises(ValueError, match="tested on other splits than a"):
        compare([contender("a", right), contender("b", right, keys=("z",))])
    with pytest.raises(ValueError, match="tested on other songs than a"):
        compare([contender("a", right), contender("b", right, tracks=[["x", "y"]])])
    with pytest.raises(ValueError, match="different names"):
        compare([contender("a", right), contender("a", right)])


@pytest.mark.slow
def test_those_that_are_alike_are_joined():
    n = np.arange(300)
    compared = compare(
        [
            contender("best", n < 270),
            contender("near best", n < 268),
            contender("middle", n < 180),
            contender("near middle", n < 178),
            contender("last", n < 60),
        ]
    )
    assert alike(compared) == [(0, 1), (2, 3)]
    figure = figures.comparison(compared, leak="LEAKING")
    assert figures.to_png(figure).startswith(b"\x89PNG")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "no significant difference" in texts
    assert figure.axes[0].get_yticklabels()[0].get_text() == "best"
