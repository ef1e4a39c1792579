"""Runs to contenders: runs of one model on several folds or with several seeds go together."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backbeat.errors import BackbeatError, needing
from backbeat.evaluation.comparison import Comparison, Contender, Trial, compare
from backbeat.files import atomic
from backbeat.files.text import percent
from backbeat.runs.headlines import comparison_verdict, ends
from backbeat.runs.reading import Run, collection_of, read_runs
from backbeat.splits import Leaks, is_leaking, joined_leaks, leak_sentence


def compare_runs(paths: Sequence[Path]) -> tuple[Comparison, Leaks, tuple[str, ...], str]:
    """Compare the models of runs that were tested on the same split.

    Parameters
    ----------
    paths : sequence of Path
        Runs and cross-validations. Those of one model and front-end are its trials; of those with
        the same predictions only the first is.

    Returns
    -------
    comparison : Comparison
    leaks : tuple of Leak
        What the splits were measured to leak, all together.
    copies : tuple of str
        A sentence about each run that was left out for its predictions.
    collection : str
        Whose songs they were tested on; says so where they are synthetic.

    Raises
    ------
    BackbeatError
        If a run is missing, unfinished, damaged or named twice, or they were not tested on the
        same songs.
    """
    runs, copies = _without_copies([run for path in paths for run in read_runs(path)])
    _refuse_other_protocols(runs)
    of_split = {run.split["hash"]: run.leaks for run in runs}
    songs = frozenset[str]().union(*(run.tracks() for run in runs))
    return (
        _compare(contenders_of(runs)),
        joined_leaks(list(of_split.values())),
        copies,
        collection_of(songs, Path(runs[0].environment.get("features", "")).name),
    )


def write_comparison(
    out: Path, compared: Comparison, leaks: Leaks, copies: Sequence[str], collection: str
) -> None:
    """Write the page of a comparison, with its figure in it; the rest is as `compare_runs` gives.

    Refuses a file that is not named as a page.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise BackbeatError(f"-o {out}: a comparison is a page; name it such as compare.html")
    with needing("train", "drawing"):
        from backbeat import figures
        from backbeat.figures.comparison import alike
        from backbeat.runs import report
    leak = leak_sentence(leaks, songs=compared.songs) if is_leaking(leaks) else ""
    found = (
        f"{score.name} {percent(score.accuracy)}{ends(score.interval)}" for score in compared.scores
    )
    bars = "; bars at the right join models without a significant difference"
    picture = report.Picture(
        f"Songs correct with the 95 % interval{bars if alike(compared) else ''}",
        f"{comparison_verdict(compared)}: {', '.join(found)}",
        figures.to_png(figures.comparison(compared, leak=leak)),
    )
    atomic.write_text(out, report.comparison_report(compared, leaks, copies, collection, picture))


def _refuse_other_protocols(runs: Sequence[Run]) -> None:
    """Refuse runs of one model on splits of two kinds: a mean of theirs says nothing of either."""
    first: dict[str, Run] = {}
    for run in runs:
        other = first.setdefault(_identity(run), run)
        if other.split["protocol"] != run.split["protocol"]:
            raise BackbeatError(
                f"{run.path}: tested on the split {run.split['protocol']}, but {other.path}, of "
                f"the same model, on {other.split['protocol']}; compare runs of one kind of split, "
                "or show both side by side with `backbeat evaluate --clean`"
            )


def _without_copies(runs: Sequence[Run]) -> tuple[list[Run], tuple[str, ...]]:
    """Leave out the runs of a model that predict exactly what another of its runs does."""
    kept: dict[tuple[str, str, bytes], Run] = {}
    copies = []
    for run in runs:
        given = run.predictions
        content = hashlib.sha256(given.probabilities.tobytes() + given.slices.tobytes())
        content.update(repr(given.tracks.tolist()).encode())
        key = (_identity(run), run.split["hash"], content.digest())
        first = kept.setdefault(key, run)
        if first is run:
            continue
        if first.path.resolve() == run.path.resolve():
            raise BackbeatError(f"{run.path}: named twice; name each run once")
        copies.append(
            f"{run.path} has exactly the predictions of {first.path}: it is not counted as "
            "another trial."
        )
    return list(kept.values()), tuple(copies)


def contenders_of(runs: Sequence[Run]) -> tuple[Contender, ...]:
    """Put runs of one spec and front-end together, and name them by their models."""
    by_model: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_model[_identity(run)].append(run)
    models = [own[0].description.model for own in by_model.values()]
    counts = Counter(models)
    names = [
        # Two models of one name are named with their paths.
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
    """Order the runs of one model by fold, split and seed."""
    trials = []
    times: Counter[str] = Counter()
    # In the order of the folds, as `evaluate` shows them.
    ordered = sorted(
        runs,
        key=lambda run: (
            run.split.get("fold", 0),
            run.description.split.hash,
            run.environment["seed"],
            str(run.path),
        ),
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
