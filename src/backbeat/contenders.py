"""Runs to contenders: runs of one model on several folds or with several seeds go together."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backbeat.comparison import Comparison, Contender, Trial, compare
from backbeat.errors import BackbeatError
from backbeat.runs import Run, read_runs


def compare_runs(paths: Sequence[Path]) -> tuple[Comparison, tuple[str, ...]]:
    """Compare the models of runs that were tested on the same split.

    Parameters
    ----------
    paths : sequence of Path
        Runs and cross-validations. Those of one model and front-end are its trials.

    Returns
    -------
    comparison : Comparison
    leaks : tuple of str
        What the splits leak, in words; empty where nothing is known to.

    Raises
    ------
    BackbeatError
        If a run is missing, unfinished or damaged, or they were not tested on the same songs.
    """
    runs = [run for path in paths for run in read_runs(path)]
    return (
        _compare(contenders_of(runs)),
        tuple(dict.fromkeys(run.leak for run in runs if run.leak)),
    )


def contenders_of(runs: Sequence[Run]) -> tuple[Contender, ...]:
    """Put runs of one spec and front-end together, and name them by their models.

    Raises
    ------
    BackbeatError
        If a run is there twice.
    """
    by_model: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if any(run.path.resolve() == other.path.resolve() for other in by_model[_identity(run)]):
            raise BackbeatError(f"{run.path}: is there twice; name each run once")
        by_model[_identity(run)].append(run)
    models = [own[0].description.model for own in by_model.values()]
    counts = Counter(models)
    names = [
        # Two models of one name are told apart by where they lie.
        model if counts[model] == 1 else f"{model} ({own[0].path})"
        for model, own in zip(models, by_model.values(), strict=True)
    ]
    return tuple(
        Contender(name, _trials(own)) for name, own in zip(names, by_model.values(), strict=True)
    )


def _identity(run: Run) -> str:
    described = run.description
    return repr((described.model, described.spec, described.frontend))


def _trials(runs: Sequence[Run]) -> tuple[Trial, ...]:
    """Order the runs of one model by split and seed."""
    trials = []
    times: Counter[str] = Counter()
    ordered = sorted(
        runs, key=lambda run: (run.description.split.hash, run.environment["seed"], str(run.path))
    )
    for run in ordered:
        split = run.description.split.hash
        songs, genres = run.songs(), np.array(run.predictions.genres)
        parts = run.split["parts"]
        trials.append(
            Trial(
                key=f"{split}, trial {times[split]}",
                tracks=songs.tracks,
                truth=tuple(genres[songs.truth].tolist()),
                answers=tuple(genres[songs.raw.argmax(axis=1)].tolist()),
                groups=songs.groups,
                test_to_train=len(parts["test"]) / max(1, len(parts["train"])),
            )
        )
        times[split] += 1
    return tuple(trials)


def _compare(contenders: Sequence[Contender]) -> Comparison:
    try:
        return compare(contenders)
    except ValueError as error:
        raise BackbeatError(
            f"{error}; only models on the same splits and as many seeds can be compared: train "
            "them with the same --split, --folds, --seed and shares"
        ) from error
