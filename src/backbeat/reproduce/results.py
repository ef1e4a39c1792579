"""The results of a reproduction: from run directories to values."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from backbeat.collections.genres import GTZAN_GENRES, gtzan_spelling
from backbeat.errors import BackbeatError, one_line
from backbeat.evaluation import Metrics, read_predictions
from backbeat.evaluation.comparison import Interval, share_interval
from backbeat.files.checksums import check_sums
from backbeat.files.documents import read_bytes, read_json
from backbeat.files.text import significant
from backbeat.reproduce import paper
from backbeat.runs.reading import collection_of
from backbeat.splits import (
    PARTS,
    Leaks,
    divides_songs,
    leak_sentence,
    leaks_from_json,
    read_parts,
    tracks_in,
)
from backbeat.splits.groups import known_artist
from backbeat.training.history import Epoch, read_history
from backbeat.zoo.spec import Spec, read_spec

FAILURES = "failures.json"
# What is read of each run.
_READ = ("environment.json", "split.json", "spec.yaml", "history.csv", "metrics.json")
_RUN_NAME = re.compile(r"(?P<model>.+)-seed(?P<seed>\d+)")


@dataclass(frozen=True)
class Run:
    """One finished run."""

    name: str  # ``<model>-seed<k>``
    seed: int  # of the weights; the split is the same for all
    metrics: Metrics
    history: tuple[Epoch, ...]

    @property
    def minutes(self) -> float:
        """Processing time of all epochs, in minutes."""
        return sum(epoch.seconds for epoch in self.history) / 60


@dataclass(frozen=True)
class Result:
    """The results of a model over its seeds. Accuracies and recalls are fractions."""

    name: str
    spec: Spec  # as trained
    runs: tuple[Run, ...]  # a run a seed, at least one, in the order of seeds

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Accuracy of slices, which is what the paper reports, by seed."""
        return tuple(run.metrics.slice_accuracy for run in self.runs)

    @property
    def accuracy(self) -> float:
        """Mean accuracy of slices."""
        return float(np.mean(self.accuracies))

    @property
    def deviation(self) -> float | None:
        """Sample deviation of the accuracy between seeds; None for a single seed."""
        return sample_deviation(self.accuracies)

    @property
    def minutes_by_seed(self) -> tuple[float, ...]:
        """Processing time in minutes, by seed."""
        return tuple(run.minutes for run in self.runs)

    @property
    def minutes(self) -> float:
        """Mean processing time, in minutes."""
        return float(np.mean(self.minutes_by_seed))

    @property
    def recalls_by_seed(self) -> tuple[tuple[float, ...], ...]:
        """Recall of each genre's slices, a tuple a seed; nan for a genre without slices."""
        return tuple(
            tuple(math.nan if s.recall is None else s.recall for s in run.metrics.slices)
            for run in self.runs
        )

    @property
    def recalls(self) -> dict[str, float]:
        """Mean recall of slices by genre; nan for a genre without slices."""
        means = np.mean(self.recalls_by_seed, axis=0)
        return dict(zip(self.runs[0].metrics.genres, means.tolist(), strict=True))

    @property
    def variances(self) -> tuple[float, ...]:
        """Variance of the genres' recalls, by seed, as the paper prints it."""
        return tuple(run.metrics.recall_variance for run in self.runs)

    @property
    def variance(self) -> float:
        """Mean variance of recall: of each seed's own, as the paper's is of one run."""
        return float(np.mean(self.variances))

    @property
    def epochs(self) -> int:
        """Epochs that were run."""
        return len(self.runs[0].history)


@dataclass(frozen=True)
class Results:
    """All that was run."""

    # Models with a finished run by name: the paper's in its order, then others
    results: Mapping[str, Result]
    # Why a run failed, by the run's name; without those that were finished since
    failed: Mapping[str, str]
    unfinished: tuple[str, ...]  # names of runs that were begun only
    # Of the one split of all runs
    protocol: str
    split_hash: str
    leaks: Leaks  # what it was measured to leak
    unit: str  # what its parts are counted in
    split_seed: int
    # How many names (slices, or tracks) are in the parts
    train: int
    valid: int
    test: int
    genres: tuple[str, ...]
    songs: frozenset[str]  # all tracks of the split
    environment: Mapping[str, Any]  # of the first run

    @property
    def leak(self) -> str:
        """What the split was measured to leak, in words."""
        return leak_sentence(self.leaks)

    @property
    def divides_songs(self) -> bool:
        """Whether slices of any test song are in training or validation."""
        return divides_songs(self.leaks)

    @property
    def missing(self) -> tuple[str, ...]:
        """The paper's models of which no run is finished."""
        return tuple(name for name in paper.ROWS if name not in self.results)

    @property
    def extra(self) -> tuple[str, ...]:
        """Models that the paper's tables have not."""
        return tuple(name for name in self.results if name not in paper.ROWS)

    @property
    def found(self) -> tuple[Result, ...]:
        """The results of the paper's models, in its order."""
        return tuple(self.results[name] for name in paper.ROWS if name in self.results)

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds that any model was run with."""
        return tuple(sorted({run.seed for one in self.results.values() for run in one.runs}))

    @property
    def n_slices(self) -> int:
        """How many slices were tested on."""
        return next(iter(self.results.values())).runs[0].metrics.n_slices

    @property
    def papers_songs(self) -> bool:
        """Whether most songs are GTZAN's, by their names."""
        return self.collection == "GTZAN"

    @property
    def papers_genres(self) -> bool:
        """Whether the genres are the paper's ten."""
        return set(self.genres) == set(GTZAN_GENRES)

    @property
    def chance(self) -> float:
        """The difference of two accuracies that chance alone makes of one pair in twenty.

        1.96 standard errors of the difference of two shares of this many slices. Both models answer
        the same slices, which makes it less; training from another seed makes it more. It is a
        measure of how seriously to take a difference, not a test.
        """
        accuracy = float(np.mean([one.accuracy for one in self.results.values()]))
        return 1.96 * math.sqrt(2 * accuracy * (1 - accuracy) / self.n_slices)

    @property
    def epochs_scale(self) -> str:
        """The share of the paper's epochs that were run, such as ``2 to 3 %``; empty for all."""
        ratios = [one.epochs / paper.ROWS[one.name].epochs for one in self.found] or [1.0]
        if min(ratios) == max(ratios) == 1:
            return ""
        low, high = min(ratios), max(ratios)
        first = "" if low == high else f"{significant(100 * low, 2)} to "
        return f"{first}{significant(100 * high, 2)} %"

    @property
    def scaled_down(self) -> str:
        """What of the paper was left out on purpose, in words; empty for nothing.

        Models that failed were not.
        """
        failed = {name.rpartition("-seed")[0] for name in self.failed}
        parts = []
        if set(self.missing) - failed:
            parts.append(f"{len(self.found)} of the paper's {len(paper.ROWS)} models")
        if self.epochs_scale:
            parts.append(
                f"trained for {self.epochs_scale} of its epochs, so that accuracies are not those "
                "of the paper's models"
            )
        return ", ".join(parts)

    @property
    def collection(self) -> str:
        """Whose songs these are; says so where they are synthetic."""
        return collection_of(self.songs, Path(self.environment.get("features", "")).name)


def sample_deviation(values: tuple[float, ...]) -> float | None:
    """Give the sample deviation (divisor n - 1); None for fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def read_results(folder: Path) -> Results:
    """Read finished runs from a folder's ``runs/<model>-seed<k>/``, and its ``failures.json``.

    Refused if nothing is finished yet, a run is damaged, or runs were split differently.
    """
    folders = sorted(path for path in (folder / "runs").glob("*-seed*") if path.is_dir())
    finished = [path for path in folders if (path / "model.backbeat").exists()]
    if not finished:
        raise BackbeatError(f"{folder}: no run is finished; `backbeat reproduce` makes them")
    for path in finished:
        check_sums(path, _READ, f"remove {path}, and it is trained again")
    split = read_parts(finished[0] / "split.json")
    environments = [_read_json(path / "environment.json") for path in finished]
    for path, environment in zip(finished, environments, strict=True):
        if environment.get("split") != split["hash"]:
            raise BackbeatError(
                f"{path}: split otherwise than {finished[0].name}, so that both cannot be "
                "compared; remove one of the two"
            )
        named = _RUN_NAME.fullmatch(path.name)
        if named and environment.get("seed") != int(named["seed"]):
            # A copy under another name would count as another seed.
            raise BackbeatError(
                f"{path}: was trained with seed {environment.get('seed')}, not that of its name; "
                "rename or remove it"
            )
    runs: dict[str, list[Run]] = defaultdict(list)
    for path in finished:
        model, run = _read_run(path)
        runs[model].append(run)
    results = {}
    for model in [
        *(name for name in paper.ROWS if name in runs),
        *sorted(set(runs) - {*paper.ROWS}),
    ]:
        ordered = tuple(sorted(runs[model], key=lambda run: run.seed))
        spec = read_spec(folder / "runs" / ordered[0].name / "spec.yaml")
        results[model] = Result(model, spec, ordered)
    first = next(iter(results.values())).runs[0].metrics
    return Results(
        results=results,
        failed=_read_failures(folder / FAILURES, {path.name for path in finished}),
        unfinished=tuple(path.name for path in folders if path not in finished),
        protocol=split["protocol"],
        split_hash=split["hash"],
        leaks=leaks_from_json(split["leaks"]),
        unit=split["unit"],
        split_seed=split["seed"],
        train=len(split["parts"]["train"]),
        valid=len(split["parts"]["valid"]),
        test=len(split["parts"]["test"]),
        genres=first.genres,
        songs=tracks_in(split["parts"], split["unit"], *PARTS),
        environment=environments[0],
    )


def accuracy_interval(folder: Path, one: Result) -> Interval | None:
    """Give the interval of a model's accuracy of slices, by whole artists; reads its runs."""
    correct, groups = [], []
    for run in one.runs:
        path = folder / "runs" / run.name
        check_sums(path, ("predictions.csv",), f"remove {path}, and it is trained again")
        artists = read_parts(path / "split.json")["artists"]
        predictions = read_predictions(path / "predictions.csv")
        correct.append(predictions.answers == predictions.truth)
        tracks = predictions.tracks.tolist()
        groups += [known_artist(artists.get(track, "")) or f"track {track}" for track in tracks]
    return share_interval(np.concatenate(correct).astype(float), groups)


def _read_run(path: Path) -> tuple[str, Run]:
    """Read one finished run, and of which model it is."""
    named = _RUN_NAME.fullmatch(path.name)
    if not named:
        raise BackbeatError(f"{path}: not named <model>-seed<number>; rename or remove it")
    try:
        metrics = Metrics.from_json(read_bytes(path / "metrics.json").decode("utf-8"))
    except (OSError, ValueError) as error:
        raise BackbeatError(
            f"{path}: its metrics cannot be read ({one_line(error)}); remove it"
        ) from error
    history = read_history(path / "history.csv")
    if not history:
        raise BackbeatError(f"{path / 'history.csv'}: holds no epoch; remove {path}")
    spelt = tuple(map(gtzan_spelling, metrics.genres))
    if set(spelt) == set(GTZAN_GENRES):
        metrics = replace(metrics, genres=spelt)  # as the paper's tables name them
    return named["model"], Run(path.name, int(named["seed"]), metrics, history)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise BackbeatError(
            f"{path}: cannot be read ({one_line(error)}); remove {path.parent}"
        ) from error
    if not isinstance(content, dict):
        raise BackbeatError(f"{path}: damaged; remove {path.parent}")
    return content


def _read_failures(path: Path, finished: set[str]) -> dict[str, str]:
    if not path.exists():
        return {}
    return {name: str(reason) for name, reason in _read_json(path).items() if name not in finished}
