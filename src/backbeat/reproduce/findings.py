"""The paper's findings, each held against what we found.

Each function takes the `Results` and gives a `Finding`: whether it holds, with the numbers. None
stands where models are missing that it needs. A finding that does not hold is said plainly.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

import numpy as np
import scipy.stats

from backbeat.collections.genres import gtzan_spelling
from backbeat.files.text import number, percent, points, signed, significant
from backbeat.reproduce import paper
from backbeat.reproduce.results import Result, Results
from backbeat.reproduce.series import SERIES

_ENOUGH = 0.9
"""The share of a family's models that a finding about all of them needs."""

_ORDER_HOLDS = 0.7
"""Spearman's coefficient from which two orders are called alike; often called "strong"."""


@dataclass(frozen=True)
class Finding:
    """One of the paper's findings, and whether ours agrees."""

    key: str
    statement: str  # the paper's finding, in a sentence
    holds: bool | None  # None where it cannot be said
    evidence: tuple[str, ...]  # what it is judged by, with numbers
    close: bool = False  # whether all that it rests on is within chance


def all_findings(results: Results) -> tuple[Finding, ...]:
    """Judge all of the paper's findings, in the order of its text; none where it is scaled down."""
    found = judge(results)
    if not results.scaled_down:
        return found
    why = (f"Not judged: scaled down, {results.scaled_down}.",)
    return tuple(replace(one, holds=None, evidence=why, close=False) for one in found)


def judge(results: Results) -> tuple[Finding, ...]:
    """Judge each finding by what models there are; what may be chance neither holds nor fails."""
    found = (find(results) for find in _FINDINGS)
    return tuple(replace(one, holds=None) if one.close else one for one in found)


def layers_help(results: Results) -> Finding:
    """Judge whether steps that only add layers usually raise the accuracy."""
    steps = [
        (step.before, step.after)
        for series in SERIES
        for step in series.steps
        if step.kind in ("layers", "sequence")
    ]
    pairs = [p for p in steps if p[0] in results.results and p[1] in results.results]
    ours = sum(_accuracy(results, b) > _accuracy(results, a) for a, b in pairs)
    theirs = sum(paper.ROWS[b].accuracy > paper.ROWS[a].accuracy for a, b in steps)
    enough = len(pairs) >= _ENOUGH * len(steps)
    key, statement = "layers-help", "Building a deeper network usually raises the accuracy"
    if not pairs:
        return Finding(key, statement, None, ("Needs models that differ by added layers only.",))
    return Finding(
        key,
        statement,
        ours > len(pairs) / 2 if enough else None,
        (
            f"Of {len(pairs)} steps that only add layers {ours} raised it; in the paper "
            f"{theirs} of {len(steps)}.",
        ),
    )


def cnns_above_mlps(results: Results) -> Finding:
    """Judge whether CNNs are above MLPs, by the best and by the median."""
    families, enough = _families(results)
    key, statement = "cnn-above-mlp", "CNNs do better than MLPs overall (best and median)"
    if not families["mlp"] or not families["cnn"]:
        return Finding(key, statement, None, ("Needs models of both families.",))
    evidence, holds = [], True
    for name, measure in (("Best", max), ("Median", median)):
        cnn, mlp = (float(measure([one.accuracy for one in families[f]])) for f in ("cnn", "mlp"))
        printed = {family: float(measure(_printed(family))) / 100 for family in ("cnn", "mlp")}
        holds &= cnn > mlp
        evidence.append(
            f"{name}: CNN {percent(cnn)}, MLP {percent(mlp)} ({points(cnn - mlp)}); the paper's "
            f"{percent(printed['cnn'])} and {percent(printed['mlp'])}."
        )
    return Finding(key, statement, holds if enough else None, (*evidence, *_partly(results)))


def same_order(results: Results) -> Finding:
    """Judge whether the order of all models by accuracy is like the paper's."""
    found = results.found
    statement = (
        f"All models come in much the paper's order (Spearman's rank correlation ≥ {_ORDER_HOLDS})"
    )
    if len(found) < 3:
        return Finding("order", statement, None, ("Needs at least three of the models.",))
    rho, p = _spearman(found)
    evidence = [f"Over {len(found)} models ρ = {number(rho, 2)} (p = {significant(p, 1)})."]
    for family, name in (("mlp", "MLPs"), ("cnn", "CNNs")):
        own = [one for one in found if one.spec.family == family]
        if len(own) >= 3:
            evidence.append(f"Within the {len(own)} {name} ρ = {number(_spearman(own)[0], 2)}.")
    enough = len(found) >= _ENOUGH * len(paper.ROWS)
    return Finding(
        "order", statement, bool(rho >= _ORDER_HOLDS) if enough else None, tuple(evidence)
    )


def base_falls(results: Results) -> Finding:
    """Judge whether mlp_base plummets at 100 epochs."""
    key = "base-falls"
    statement = "At 100 epochs instead of 50, mlp_base falls to the accuracy of a guesser"
    names = ("mlp_base", paper.BASE_AT_100)
    if missing := [name for name in names if name not in results.results]:
        return Finding(key, statement, None, (_not_trained(missing),))
    before, after = (_accuracy(results, name) for name in names)
    # The paper's fell to a quarter: less than half is a fall that no chance explains.
    return Finding(
        key,
        statement,
        after < before / 2,
        (
            f"{percent(before)} → {percent(after)} ({points(after - before)}); the paper's "
            f"{number(paper.ROWS['mlp_base'].accuracy, 1)} → "
            f"{number(paper.BASE_AT_100_ACCURACY, 1)} %.",
        ),
    )


def _rising(
    key: str,
    statement: str,
    chains: Sequence[tuple[str, ...]],
    results: Results,
    *,
    note: str = "",
) -> Finding:
    """Judge whether the accuracy rises along each chain of models."""
    names = dict.fromkeys(name for chain in chains for name in chain)
    missing = [name for name in names if name not in results.results]
    evidence = [_steps(chain, results) for chain in chains if not set(chain) & set(missing)]
    if missing:
        return Finding(key, statement, None, (*evidence, _not_trained(missing)))
    steps = [
        _accuracy(results, after) - _accuracy(results, before)
        for chain in chains
        for before, after in itertools.pairwise(chain)
    ]
    return Finding(
        key,
        statement,
        all(step > 0 for step in steps),
        (*evidence, *([note] if note else [])),
        close=all(abs(step) < results.chance for step in steps),
    )


def _steps(chain: tuple[str, ...], results: Results) -> str:
    """Give a chain's accuracies, the change at each step, and the paper's."""
    ours = [_accuracy(results, name) for name in chain]
    steps = [after - before for before, after in itertools.pairwise(ours)]
    printed = [paper.ROWS[name].accuracy for name in chain]
    theirs = [after - before for before, after in itertools.pairwise(printed)]
    small = [abs(step) < results.chance for step in steps]
    chance = (
        "" if not any(small) else " (within chance)" if all(small) else " (partly within chance)"
    )
    return (
        f"{' → '.join(chain)}: {' → '.join(number(100 * value, 1) for value in ours)} %, "
        f"{', '.join(signed(100 * step) for step in steps)} points{chance}; the paper's "
        f"{', '.join(signed(step) for step in theirs)}."
    )


def _best(family: str, name: str, results: Results) -> Finding:
    families, enough = _families(results)
    key = f"best-{family}"
    statement = f"The best {family.upper()} is {name}"
    ranked = sorted(families[family], key=lambda one: -one.accuracy)
    if name not in results.results:
        return Finding(key, statement, None, (_not_trained([name]),))
    place = [one.name for one in ranked].index(name)
    first = ", ".join(f"{one.name} {percent(one.accuracy)}" for one in ranked[:3])
    evidence = [f"Ours in order: {first}."]
    other = ranked[1 if place == 0 else 0] if len(ranked) > 1 else ranked[0]
    gap = abs(other.accuracy - ranked[place].accuracy)
    close = gap < results.chance and len(ranked) > 1
    if place:
        chance = " (within chance)" if close else ""
        evidence.append(
            f"{name} comes {place + 1} of {len(ranked)}, {number(100 * gap, 1)} points "
            f"behind{chance}."
        )
    # Once another is better, those still missing cannot mend it.
    holds = False if place else (True if enough else None)
    return Finding(key, statement, holds, tuple(evidence), close=close)


def _ranked(
    key: str, statement: str, genres: tuple[str, ...], results: Results, *, from_worst: bool
) -> Finding:
    """Judge whether genres are among three at one end of the recalls, in most of the models."""
    there = set(map(gtzan_spelling, results.genres))
    if lacking := [genre for genre in genres if genre not in there]:
        return Finding(key, statement, None, (f"The collection has no {', no '.join(lacking)}.",))
    # The best are those built; "the better" of which the text speaks of rock are the bases too.
    names = [n for n in paper.RECALLS if from_worst or "base" not in n]
    if missing := [name for name in names if name not in results.results]:
        return Finding(key, statement, None, (_not_trained(missing),))
    agreeing, evidence = 0, []
    for name in names:
        recalls = results.results[name].recalls
        order = sorted(recalls, key=lambda genre: recalls[genre], reverse=not from_worst)
        agreeing += set(genres) <= set(map(gtzan_spelling, order[:3]))
        three = ", ".join(f"{genre} {percent(recalls[genre], 0)}" for genre in order[:3])
        evidence.append(f"{name}, {'worst' if from_worst else 'best'}: {three}.")
    first = f"So in {agreeing} of {len(names)} models."
    return Finding(key, statement, agreeing > len(names) / 2, (first, *evidence))


def _families(results: Results) -> tuple[dict[str, list[Result]], bool]:
    """Give the paper's models by family, and whether enough of each are there."""
    families: dict[str, list[Result]] = {"mlp": [], "cnn": []}
    for one in results.found:
        families[one.name.partition("_")[0]].append(one)
    enough = all(len(families[f]) >= _ENOUGH * len(_printed(f)) for f in families)
    return families, enough


def _printed(family: str) -> list[float]:
    return [row.accuracy for row in paper.ROWS.values() if row.model.startswith(family)]


def _partly(results: Results) -> tuple[str, ...]:
    missing = len(results.missing)
    return (f"{missing} of the {len(paper.ROWS)} models are missing.",) if missing else ()


def _spearman(found: Sequence[Result]) -> tuple[float, float]:
    """Give Spearman's coefficient between the paper's accuracies and ours, and its p-value."""
    ours, printed = [one.accuracy for one in found], [paper.ROWS[o.name].accuracy for o in found]
    if np.ptp(ours) == 0 or np.ptp(printed) == 0:  # ranks that are all equal correlate with none
        return 0.0, 1.0
    answer = scipy.stats.spearmanr(printed, ours)
    return float(answer.statistic), float(answer.pvalue)


def _accuracy(results: Results, name: str) -> float:
    return results.results[name].accuracy


def _not_trained(names: Sequence[str]) -> str:
    return f"Not trained: {', '.join(names)}."


_FINDINGS: tuple[Callable[[Results], Finding], ...] = (
    partial(
        _rising,
        "sigmoid-shallow-rmsprop",
        "With one hidden layer and RMSprop, sigmoid does better than ReLU",
        (("mlp_01", "mlp_02"),),
    ),
    partial(
        _rising,
        "relu-shallow-adam",
        "With one hidden layer and Adam, ReLU does better than sigmoid",
        (("mlp_14", "mlp_13"),),
    ),
    partial(
        _rising,
        "relu-deep-mlp",
        "In deep MLPs (four layers and more) ReLU does better than sigmoid",
        (("mlp_10", "mlp_base"), ("mlp_08", "mlp_20"), ("mlp_10", "mlp_22")),
        note="The first pair shares its optimiser; in the others it changes from RMSprop to Adam "
        "too.",
    ),
    partial(
        _rising,
        "relu-deep-cnn",
        "In deep CNNs (two sequences and more) ReLU does better than sigmoid",
        (
            *(("cnn_02.3", "cnn_03.3"), ("cnn_02.5", "cnn_03.4")),
            *(("cnn_01.3", "cnn_03.3"), ("cnn_01.4", "cnn_03.4")),
        ),
        note="The first two pairs share their optimiser; in the others it changes from RMSprop to "
        "Adam.",
    ),
    layers_help,
    partial(
        _rising,
        "sequences-help",
        "Each added convolution sequence makes the CNN better",
        (
            ("cnn_01.2", "cnn_01.3", "cnn_01.4"),
            ("cnn_02.2", "cnn_02.3", "cnn_02.5"),
            ("cnn_03.2", "cnn_03.3", "cnn_03.4"),
        ),
        note="cnn_03.2 has 50 epochs, all others 30.",
    ),
    partial(
        _rising,
        "epochs-deep-mlp",
        "More epochs make deep MLPs better",
        (("mlp_12", "mlp_12.1"), ("mlp_09", "mlp_09.1"), ("mlp_25", "mlp_27")),
    ),
    partial(
        _rising,
        "dropout-epochs",
        "With dropout in every sequence, CNNs gain from more epochs",
        (("cnn_03.5", "cnn_03.6", "cnn_03.7", "cnn_03.8"),),
        note="cnn_03.6 also has a dense layer of 128 nodes more than cnn_03.5.",
    ),
    base_falls,
    cnns_above_mlps,
    partial(_best, "mlp", "mlp_27"),
    partial(_best, "cnn", "cnn_03.8"),
    partial(
        _rising,
        "above-base",
        "The best MLPs and the best CNN do better than Saint-Félix's networks",
        (
            *(("mlp_base", "mlp_12.1"), ("mlp_base", "mlp_27")),
            *(("cnn_base_01", "cnn_03.8"), ("cnn_base_02", "cnn_03.8")),
        ),
    ),
    partial(
        _ranked,
        "classical-metal",
        "The best models find classical and metal best (both among the best three of ten)",
        ("classical", "metal"),
        from_worst=False,
    ),
    partial(
        _ranked,
        "rock-worst",
        "The better models find rock worst (usually among the worst three of ten)",
        ("rock",),
        from_worst=True,
    ),
    same_order,
)
