"""Evaluating runs and cross-validations: to their scores, figures and reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backbeat import evaluation
from backbeat.bundle.archive import read_bundle
from backbeat.bundle.description import Description
from backbeat.errors import BackbeatError, needing
from backbeat.evaluation import Predictions
from backbeat.evaluation.calibration import Calibration, Certainty, reliability, risk_coverage
from backbeat.evaluation.comparison import (
    LEVEL,
    Interval,
    difference_interval,
    genre_means,
    share_interval,
)
from backbeat.features.store import open_features
from backbeat.files import atomic
from backbeat.files.checksums import renew_sum
from backbeat.files.text import number, percent
from backbeat.runs.evaluation import CleanRun, Evaluation
from backbeat.runs.headlines import confusion_line, result_warnings
from backbeat.runs.overlap import find_overlap
from backbeat.runs.prediction import OnProgress, predict
from backbeat.runs.reading import (
    Run,
    Songs,
    collection_of,
    facts_of,
    joined_songs,
    protocol_of,
    read_runs,
    songs_of,
)
from backbeat.splits import (
    is_leaking,
    joined_leaks,
    leak_sentence,
    leaks_to_json,
)
from backbeat.training.history import Epoch


def evaluate_run(
    path: Path,
    *,
    on: Path | None = None,
    clean: Path | None = None,
    near_duplicates: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Score a run on its own test part, or on other features; or all folds of a cross-validation.

    Parameters
    ----------
    path : Path
        A finished run directory, or the folder of a cross-validation.
    on : Path, optional
        A feature store. Tracks that the model was trained or validated on are left out, and
        counted.
    clean : Path, optional
        The same model on a split of the same songs that does not leak, to be shown beside.
    near_duplicates : Path, optional
        The store that the model was trained on, to find near duplicates of its songs in `on` too.
    on_progress : callable, optional
        As for `prediction.predict`.

    Returns
    -------
    Evaluation

    Raises
    ------
    BackbeatError
        If a run is missing, unfinished or damaged, or does not fit the features or the other run.
    """
    runs = read_runs(path)
    first = runs[0]
    facts = facts_of(runs)
    if on is not None:
        if len(runs) > 1:
            raise BackbeatError(f"{path}: is a cross-validation; name one of its folds with --on")
        facts["Trained by split"] = facts.pop("Split")
        facts["Trained on songs of"] = facts.pop("Collection")
        return _evaluate_on(path, on, first.description, near_duplicates, on_progress, facts=facts)
    songs = [run.songs() for run in runs]
    return Evaluation(
        model=first.description.model,
        protocol=protocol_of(runs),
        **_scores(_joined([run.predictions for run in runs]), joined_songs(songs)),
        leaks=joined_leaks([run.leaks for run in runs]),
        collection=facts["Collection"],
        facts=facts,
        history=first.history if len(runs) == 1 and first.in_epochs else (),
        monitored="validation" if first.split["parts"]["valid"] else "test",
        curves=tuple(
            f"Fold {number(fold)}: {line}" if len(runs) > 1 else line
            for fold, run in enumerate(runs, start=1)
            for line in run.curves
        ),
        training_seconds=sum(epoch.seconds for run in runs for epoch in run.history),
        folds=tuple(float(own.correct.mean()) for own in songs) if len(runs) > 1 else (),
        certainty=measure_certainty([run.description.calibration for run in runs], songs),
        clean=None if clean is None else _clean_run(clean, runs),
    )


def evaluate_bundle(
    path: Path,
    on: Path,
    *,
    near_duplicates: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Score a bundle alone, such as one that comes with backbeat, on a feature store `on`.

    The other arguments are as for `evaluate_run`.
    """
    described = read_bundle(path).description
    facts = {
        "Model": described.model,
        "Made by": described.made_by,
        "Front-end": described.front_end,
    }
    return _evaluate_on(path, on, described, near_duplicates, on_progress, facts=facts)


def _evaluate_on(
    path: Path,
    on: Path,
    described: Description,
    near_duplicates: Path | None,
    on_progress: OnProgress | None,
    *,
    facts: dict[str, str],
) -> Evaluation:
    """Score a model on a feature store, without the songs that it was trained or validated on."""
    features = open_features(on)
    overlap = find_overlap(described, features, near_duplicates)
    predictions, _ = predict(path, features, leave_out=overlap.names, on_progress=on_progress)
    artists = dict(zip(features.table.name, features.table.artist, strict=True))
    songs = songs_of(predictions, described.calibration.temperature, artists)
    return Evaluation(
        model=described.model,
        protocol=f"songs of {on.name}",
        **_scores(predictions, songs),
        overlap=overlap,
        collection=collection_of(artists, on.name),
        facts=facts | {"Evaluated on": f"{on}: {overlap.sentence}"},
        certainty=measure_certainty([described.calibration], [songs]),
    )


def _scores(predictions: Predictions, songs: Songs) -> dict[str, Any]:
    """Score predictions and their songs, as fields of an `Evaluation`."""
    names = np.array(predictions.genres)
    truth, answers = names[songs.truth].tolist(), names[songs.raw.argmax(axis=1)].tolist()
    by_genre = genre_means(truth, answers, songs.groups)
    by_commonest = names[songs.truth] == by_genre.commonest
    return {
        "metrics": evaluation.evaluate(predictions),
        "interval": _interval(songs),
        "groups": len(set(songs.groups)),
        "by_genre": by_genre,
        "ahead": difference_interval(songs.correct - by_commonest.astype(float), songs.groups),
        "artists_known": songs.artists_known,
    }


def measure_certainty(
    calibrations: Sequence[Calibration], songs: Sequence[Songs]
) -> Certainty | None:
    """Measure calibration and the threshold of "unsure" on each run's test songs.

    None where a run is not calibrated.
    """
    fitted = [calibration.unsure for calibration in calibrations if calibration.fitted]
    thresholds = [unsure.threshold for unsure in fitted if unsure]
    if len(thresholds) != len(calibrations):
        return None
    pooled = joined_songs(list(songs))
    answered = np.concatenate(
        [own.confidence >= threshold for own, threshold in zip(songs, thresholds, strict=True)]
    )
    wrong = ~pooled.correct
    return Certainty(
        temperatures=tuple(calibration.temperature for calibration in calibrations),
        validation_songs=min(calibration.songs for calibration in calibrations),
        before=reliability(pooled.raw.max(axis=1), pooled.correct),
        after=reliability(pooled.confidence, pooled.correct),
        curve=risk_coverage(pooled.confidence, pooled.correct),
        max_error=max(unsure.max_error for unsure in fitted if unsure),
        coverage=float(answered.mean()),
        error=float(wrong[answered].mean()) if answered.any() else None,
        answered=int(answered.sum()),
    )


def write_evaluation(path: Path, evaluated: Evaluation) -> Path:
    """Draw a run's figures and write its metrics and report.

    Parameters
    ----------
    path : Path
        Where ``metrics.json``, ``figures/`` and ``report.html`` go.
    evaluated : Evaluation

    Returns
    -------
    Path
        The report.
    """
    with needing("train", "drawing"):
        from backbeat import figures
        from backbeat.runs import report
    metrics, leaks = evaluated.metrics, evaluated.divides_tracks
    history, folder = history_columns(evaluated.history), path / "figures"
    drawn = {
        "confusion_slices": figures.confusion(
            metrics.slice_confusion, metrics.genres, title="Confusion matrix of slices, %"
        ),
        "confusion_tracks": figures.confusion(
            metrics.track_confusion, metrics.genres, title="Confusion matrix of songs, %"
        ),
        "recall": figures.recall_bars(
            [np.nan if one.recall is None else one.recall for one in metrics.slices],
            metrics.genres,
            title="Recall of each genre, slices",
        ),
    }
    pictures = {
        "confusion": report.Picture(
            "Confusion matrix of songs, each row in % of a genre's songs",
            f"Confusion matrix of songs. {confusion_line(metrics)}",
            folder / "confusion_tracks.png",
        )
    }
    if evaluated.history:
        drawn["metrics"] = figures.run_metrics(
            history,
            metrics,
            title=f"Metrics for model {evaluated.model}",
            monitored=evaluated.monitored,
            leaks=leaks,
        )
    if len(evaluated.history) > 1:
        drawn["curves"] = figures.learning_curves(history, monitored=evaluated.monitored)
        first, last = (percent(history["accuracy"][end]) for end in (0, -1))
        pictures["curves"] = report.Picture(
            "Accuracy and loss, epoch by epoch",
            f"Curves of accuracy and loss by epoch; accuracy in training goes from {first} to "
            f"{last}, in {evaluated.monitored} it ends at {percent(history['val_accuracy'][-1])}",
            folder / "curves.png",
        )
    if evaluated.certainty:
        certainty = evaluated.certainty
        drawn["certainty"] = figures.certainty(certainty)
        pictures["certainty"] = report.Picture(
            "Correct songs by confidence before and after scaling, and errors by songs answered",
            "Diagrams of the share of correct songs against confidence: calibration error "
            f"{number(certainty.before.error, 3)} before scaling, "
            f"{number(certainty.after.error, 3)} after; and of wrong answers against the share of "
            "songs answered, the most confident first",
            folder / "certainty.png",
        )
    for name, figure in drawn.items():
        figures.save(figure, folder / f"{name}.png")
    atomic.write_text(path / "metrics.json", metrics.to_json())
    renew_sum(path, "metrics.json")
    atomic.write_text(path / "report.html", report.run_report(evaluated, pictures))
    return path / "report.html"


def history_columns(history: tuple[Epoch, ...]) -> dict[str, list[float]]:
    """Give a history by columns, as the figures take it."""
    names = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
    return {name: [getattr(epoch, name) for epoch in history] for name in names}


def _interval(songs: Songs) -> Interval | None:
    return share_interval(songs.correct.astype(float), songs.groups)


def _joined(parts: list[Predictions]) -> Predictions:
    return Predictions(
        tracks=np.concatenate([part.tracks for part in parts]),
        slices=np.concatenate([part.slices for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        genres=parts[0].genres,
    )


def _clean_run(path: Path, leaking: tuple[Run, ...]) -> CleanRun:
    """Read the same model on a split that does not leak."""
    runs = read_runs(path)
    own, other = leaking[0].description, runs[0].description
    for name in ("model", "frontend", "genres"):
        if getattr(own, name) != getattr(other, name):
            raise BackbeatError(
                f"--clean {path}: has another {name} than {leaking[0].path}; name a run that "
                "differs in its split alone"
            )
    here = frozenset[str]().union(*(run.tracks() for run in leaking))
    there = frozenset[str]().union(*(run.tracks() for run in runs))
    # A published split leaves out some songs of the collection.
    if not (here <= there or there <= here):
        raise BackbeatError(f"--clean {path}: is of other songs than {leaking[0].path}")
    leaks = joined_leaks([run.leaks for run in runs])
    if is_leaking(leaks):
        raise BackbeatError(f"--clean {path}: its split leaks too: {leak_sentence(leaks)}")
    songs = joined_songs([run.songs() for run in runs])
    return CleanRun(
        path, protocol_of(runs), leaks, float(songs.correct.mean()), _interval(songs), len(songs)
    )


def evaluation_json(evaluated: Evaluation) -> dict[str, Any]:
    """Give an evaluation for a JSON file; shares, not percentages."""
    import json

    clean, by_genre = evaluated.clean, evaluated.by_genre
    return {
        "model": evaluated.model,
        "protocol": evaluated.protocol,
        "leaks": leaks_to_json(evaluated.leaks),
        "overlap": evaluated.overlap and evaluated.overlap.to_json(),
        "accuracy_track": evaluated.metrics.track_accuracy,
        "accuracy_track_interval": _ends(evaluated.interval),
        "balanced_accuracy_track": by_genre.balanced_accuracy,
        "balanced_accuracy_track_interval": _ends(by_genre.balanced_interval),
        "macro_f1_track": by_genre.macro_f1,
        "macro_f1_track_interval": _ends(by_genre.f1_interval),
        "commonest_genre": {
            "genre": by_genre.commonest,
            "accuracy_track": by_genre.commonest_share,
            "ahead_interval": _ends(evaluated.ahead),
        },
        "warnings": list(result_warnings(evaluated)),
        "interval": {
            "level": LEVEL,
            "groups": evaluated.groups,
            "artists_known": evaluated.artists_known,
        },
        "accuracy_slice": evaluated.metrics.slice_accuracy,
        "folds": list(evaluated.folds),
        "certainty": evaluated.certainty.to_json() if evaluated.certainty else None,
        "clean": clean
        and {
            "run": str(clean.path),
            "protocol": clean.protocol,
            "leaks": leaks_to_json(clean.leaks),
            "accuracy_track": clean.track_accuracy,
            "accuracy_track_interval": _ends(clean.interval),
        },
        "training_seconds": round(evaluated.training_seconds, 1),
        "facts": evaluated.facts,
        **json.loads(evaluated.metrics.to_json()),
    }


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]
