"""Comparing contenders: their accuracies with intervals, and each pair's verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from backbeat.evaluation.comparison.intervals import (
    MIN_GROUPS,
    GenreMeans,
    Interval,
    difference_interval,
    genre_means,
    share_interval,
)
from backbeat.evaluation.comparison.significance import (
    McNemar,
    ResampledT,
    corrected_resampled_t,
    holm,
    mcnemar,
)
from backbeat.files.text import number, p_value, signed

SIGNIFICANT = 0.05
NO_DIFFERENCE: Final = "no significant difference"

Verdict = Literal["better", "no significant difference"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """How a model did on one test part."""

    key: str  # names the test part (the split's hash) and, of several trials on it, which
    # length n: names of the songs, their genres, and the genres that the model answers with
    tracks: tuple[str, ...]
    truth: tuple[str, ...]
    answers: tuple[str, ...]
    groups: tuple[str, ...]  # length n: artists, or the tracks themselves
    test_to_train: float  # size of the test part over that of the training part

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each answer is correct, shape (n,)."""
        return np.asarray(np.array(self.truth) == np.array(self.answers))

    @property
    def accuracy(self) -> float:
        """Share of its songs that are correct."""
        return float(self.correct.mean())


@dataclass(frozen=True)
class Contender:
    """A model and its trials, in the order of their keys."""

    name: str
    trials: tuple[Trial, ...]

    def pooled(self, field: str) -> npt.NDArray[Any]:
        """Give a field of all trials, one after another: shape (songs of all trials,)."""
        return np.concatenate([getattr(trial, field) for trial in self.trials])


@dataclass(frozen=True)
class Score:
    """The accuracy of one contender over all songs, of each of its trials, and by genres."""

    name: str
    accuracy: float
    interval: Interval | None
    trials: tuple[float, ...]
    by_genre: GenreMeans


@dataclass(frozen=True)
class Pair:
    """Two contenders, the more accurate first."""

    first: str
    second: str
    difference: float  # of their accuracies; not negative
    interval: Interval | None  # of the difference, by artists; None for fewer than five
    mcnemar: McNemar
    p: float  # McNemar's, after Holm's correction over all pairs
    resampled_t: ResampledT | None  # where there are several trials
    verdict: Verdict  # of the first
    sentence: str  # the same in plain words


@dataclass(frozen=True)
class Comparison:
    """All contenders, the most accurate first, and all pairs of them."""

    scores: tuple[Score, ...]
    pairs: tuple[Pair, ...]
    songs: int
    groups: int

    def differ(self, first: str, second: str) -> bool:
        """Whether two contenders differ significantly."""
        names = {first, second}
        return any({p.first, p.second} == names and p.verdict == "better" for p in self.pairs)


def compare(contenders: Sequence[Contender]) -> Comparison:
    """Compare models of different names that were tested on the same songs, under the same keys.

    Raises ValueError if they were not.
    """
    _validate(contenders)
    by_song = {contender.name: _by_song(contender) for contender in contenders}
    tracks, groups = _songs(contenders[0])
    scores = [
        Score(
            contender.name,
            float(by_song[contender.name].mean()),
            share_interval(by_song[contender.name], groups),
            tuple(trial.accuracy for trial in contender.trials),
            genre_means(*(contender.pooled(n).tolist() for n in ("truth", "answers", "groups"))),
        )
        for contender in contenders
    ]
    scores.sort(key=lambda score: -score.accuracy)
    of_name = {contender.name: contender for contender in contenders}
    couples = [
        (of_name[first.name], of_name[second.name]) for first, second in combinations(scores, 2)
    ]
    tests = [mcnemar(_first_answers(first), _first_answers(second)) for first, second in couples]
    corrected = holm([test.p for test in tests])
    pairs = [
        _pair(
            first, second, by_song[first.name] - by_song[second.name], groups, test, p, len(tests)
        )
        for (first, second), test, p in zip(couples, tests, corrected, strict=True)
    ]
    return Comparison(tuple(scores), tuple(pairs), len(tracks), len(set(groups)))


def _pair(
    first: Contender,
    second: Contender,
    differences: Floats,
    groups: Sequence[str],
    test: McNemar,
    p: float,
    pairs: int,
) -> Pair:
    interval = difference_interval(differences, groups)
    by_trial = [a.accuracy - b.accuracy for a, b in zip(first.trials, second.trials, strict=True)]
    ratio = float(np.mean([trial.test_to_train for trial in first.trials]))
    better = interval is not None and p < SIGNIFICANT and interval.low > 0
    difference, songs = float(differences.mean()), len(differences)
    corrected = f" after Holm's correction over {pairs} pairs" if pairs > 1 else ""
    tested = f"McNemar {p_value(p)}{corrected}"
    ends = f"no interval with fewer than {MIN_GROUPS} artists"
    if interval:
        ends = f"95 % interval {signed(100 * interval.low)} to {signed(100 * interval.high)}"
    by = f"by {number(100 * difference, 1)} points"
    if better:
        sentence = f"{first.name} is better than {second.name}, {by} ({ends}; {tested}; "
        sentence += f"{number(songs)} songs)."
    else:
        # Where the two say different things, only the one that decides.
        if p < SIGNIFICANT:
            why = f"{ends}, which decides, as songs of one artist are not independent"
        elif interval and interval.low > 0:
            why = f"{tested}, which decides"
        else:
            why = f"{ends}; {tested}"
        sentence = f"{first.name} and {second.name} do not differ significantly on these "
        sentence += f"{number(songs)} songs: {by} ({why})."
    return Pair(
        first=first.name,
        second=second.name,
        difference=difference,
        interval=interval,
        mcnemar=test,
        p=p,
        resampled_t=corrected_resampled_t(np.array(by_trial), ratio),
        verdict="better" if better else NO_DIFFERENCE,
        sentence=sentence,
    )


def _by_song(contender: Contender) -> Floats:
    """Give the share of trials in which each song was correct, in the order of `_songs`."""
    _, song = np.unique(contender.pooled("tracks"), return_inverse=True)
    correct = contender.pooled("correct")
    return np.asarray(np.bincount(song, weights=correct) / np.bincount(song), np.float64)


def _first_answers(contender: Contender) -> npt.NDArray[np.bool_]:
    """Give whether each song was correct when it was first tested, in the order of `_songs`."""
    _, first = np.unique(contender.pooled("tracks"), return_index=True)
    return np.asarray(contender.pooled("correct")[first])


def _songs(contender: Contender) -> tuple[list[str], list[str]]:
    """Give the songs in order of names, each once, and their groups."""
    names, first = np.unique(contender.pooled("tracks"), return_index=True)
    return names.tolist(), contender.pooled("groups")[first].tolist()


def _validate(contenders: Sequence[Contender]) -> None:
    names = [contender.name for contender in contenders]
    if not contenders or len(set(names)) != len(names):
        raise ValueError(f"contenders must be at least one, and of different names: {names}")
    ours = {trial.key: set(trial.tracks) for trial in contenders[0].trials}
    for contender in contenders[1:]:
        theirs = {trial.key: set(trial.tracks) for trial in contender.trials}
        if [t.key for t in contender.trials] != [t.key for t in contenders[0].trials]:
            raise ValueError(f"{contender.name} was tested on other splits than {names[0]}")
        if theirs != ours:
            raise ValueError(f"{contender.name} was tested on other songs than {names[0]}")
