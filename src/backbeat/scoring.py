"""Evaluating runs: from a run directory to its scores, figures and report."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backbeat import atomic, evaluation
from backbeat.bundle import read_bundle
from backbeat.errors import BackbeatError, needing
from backbeat.evaluation import Metrics, Predictions
from backbeat.features import Features, open_features
from backbeat.history import Epoch, read_history
from backbeat.splits import LEAKS, read_parts


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run, and what has to be said with them.

    Attributes
    ----------
    model : str
    metrics : Metrics
    leak : str
        What the split leaks, in words; empty where nothing is known to.
    facts : dict of str to str
        What was measured, for a table.
    history : tuple of Epoch
    monitored : str
        The part that the history's ``val_`` columns are of.
    """

    model: str
    metrics: Metrics
    leak: str
    facts: dict[str, str]
    history: tuple[Epoch, ...]
    monitored: str

    @property
    def training_seconds(self) -> float:
        """Processing time of all epochs, in seconds."""
        return sum(epoch.seconds for epoch in self.history)


def evaluate_run(run: Path, *, on: Path | None = None) -> Evaluation:
    """Score a run on its own test part, or on other features.

    Parameters
    ----------
    run : Path
        A finished run directory.
    on : Path, optional
        A feature store. Tracks that the model was trained or validated on are left out, and
        counted.

    Returns
    -------
    Evaluation

    Raises
    ------
    BackbeatError
        If the run is missing, unfinished or damaged, or does not fit the features.
    """
    if not (run / "environment.json").exists():
        raise BackbeatError(f"{run}: not a run; `backbeat train` makes one")
    if not (run / "model.backbeat").exists():
        raise BackbeatError(f"{run}: this run is unfinished; go on with `backbeat train --resume`")
    described = read_bundle(run).description
    parts = read_parts(run / "split.json")
    made = _read_environment(run / "environment.json")
    history = read_history(run / "history.csv")
    measured_on = described.split
    leak = measured_on.leak
    facts = {
        "Model": described.model,
        "Split": f"{measured_on.protocol}, seed {measured_on.seed}, hash {measured_on.hash}",
        "Trained on": f"{len(parts['parts']['train']):,} "
        + ("slices" if described.split.protocol == "slices" else "tracks"),
        "Front-end": f"{described.frontend.name}, network input {described.input}",
        "Epochs": str(len(history)),
        "Processing time": _duration(sum(epoch.seconds for epoch in history)),
        **made,
    }
    if on is None:
        predictions = evaluation.read_predictions(run / "predictions.csv")
    else:
        features = open_features(on)
        heard = _heard(parts)
        predictions, left_out = predict(run, features, leave_out=heard)
        facts["Evaluated on"] = f"{on}, {left_out} of its tracks left out as heard in training"
        leak = ""
    return Evaluation(
        model=described.model,
        metrics=evaluation.evaluate(predictions),
        leak=leak,
        facts=facts,
        history=history,
        monitored="validation" if parts["parts"]["valid"] else "test",
    )


def predict(
    run: Path, features: Features, *, leave_out: frozenset[str] = frozenset()
) -> tuple[Predictions, int]:
    """Answer the slices of a feature store with a run's bundle.

    Parameters
    ----------
    run : Path
        A run directory or a bundle.
    features : Features
    leave_out : frozenset of str
        Names of tracks not to answer.

    Returns
    -------
    predictions : Predictions
    left_out : int
        How many tracks were left out.

    Raises
    ------
    BackbeatError
        If the front-ends or the genres differ, or nothing is left.
    """
    bundle = read_bundle(run)
    described = bundle.description
    if features.frontend != described.frontend:
        raise BackbeatError(
            f"{features.path}: made with another front-end than {run} was trained on; prepare the "
            f"collection with --frontend {described.frontend.name}"
        )
    unknown = sorted(set(features.genres) - set(described.genres))
    if unknown:
        raise BackbeatError(
            f"{features.path}: genres that {run} does not know: {', '.join(unknown)}"
        )
    examples = features.examples(described.input)
    kept = np.array([name not in leave_out for name in examples.names], bool)
    rows = np.flatnonzero(kept[examples.track])
    if not len(rows):
        raise BackbeatError(f"{features.path}: {run} was trained on all of its tracks")
    network = bundle.open()
    renumbered = np.array([described.genres.index(genre) for genre in examples.genres])
    probabilities = network.in_batches(examples.x[rows]).probabilities.astype(np.float64)
    predictions = Predictions(
        tracks=np.array([examples.names[track] for track in examples.track[rows]], dtype=str),
        slices=examples.slice[rows],
        truth=renumbered[examples.y[rows]],
        probabilities=probabilities / probabilities.sum(axis=1, keepdims=True),
        genres=described.genres,
    )
    return predictions, int(np.count_nonzero(~kept))


def write_evaluation(run: Path, evaluated: Evaluation) -> Path:
    """Draw a run's figures and write its metrics and report.

    Parameters
    ----------
    run : Path
        Where ``metrics.json``, ``figures/`` and ``report.html`` go.
    evaluated : Evaluation

    Returns
    -------
    Path
        The report.
    """
    with needing("train", "drawing"):
        from backbeat import figures, report
    metrics, leaks = evaluated.metrics, evaluated.leak == LEAKS["slices"]
    history = history_columns(evaluated.history)
    drawn = {
        "curves": figures.learning_curves(history, monitored=evaluated.monitored),
        "confusion_slices": figures.confusion(
            metrics.slice_confusion, metrics.genres, title="Recall of slices, %"
        ),
        "confusion_tracks": figures.confusion(
            metrics.track_confusion, metrics.genres, title="Recall of tracks, %"
        ),
        "recall": figures.recall_bars(
            [scores.recall or 0.0 for scores in metrics.slices],
            metrics.genres,
            title="Recall of each genre, slices",
        ),
        "metrics": figures.run_metrics(
            history,
            metrics,
            title=f"Metrics for model {evaluated.model}",
            monitored=evaluated.monitored,
            leaks=leaks,
        ),
    }
    for name, figure in drawn.items():
        figures.save(figure, run / "figures" / f"{name}.png")
    atomic.write_text(run / "metrics.json", metrics.to_json())
    page = report.run_report(
        title=evaluated.model,
        facts=evaluated.facts,
        metrics=metrics,
        history=history,
        figures={
            "Accuracy and loss, epoch by epoch": run / "figures" / "curves.png",
            "Recall of slices": run / "figures" / "confusion_slices.png",
            "Recall of tracks": run / "figures" / "confusion_tracks.png",
        },
        leaks=leaks,
        summary=evaluated.leak,
    )
    atomic.write_text(run / "report.html", page)
    return run / "report.html"


def history_columns(history: tuple[Epoch, ...]) -> dict[str, list[float]]:
    """Give a history by columns, as the figures take it."""
    names = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")
    return {name: [getattr(epoch, name) for epoch in history] for name in names}


def _read_environment(path: Path) -> dict[str, str]:
    """Read how a run was made, in words."""
    try:
        there = json.loads(path.read_text("utf-8"))
        packages = (f"{name} {version}" for name, version in there["packages"].items())
        return {
            "Seed": str(there["seed"]),
            "Machine": f"{there['processors']} processors, {there['platform']}",
            "Software": f"backbeat {there['backbeat']}, {', '.join(packages)}",
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackbeatError(f"{path}: damaged ({error!r}); train again") from error


def _heard(split: dict[str, Any]) -> frozenset[str]:
    """Give the tracks of which any slice was in the training or validation part."""
    names = [name for part in ("train", "valid") for name in split["parts"][part]]
    if split["protocol"] == "slices":
        return frozenset(name.rpartition("#")[0] for name in names)
    return frozenset(names)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.2f} min" if seconds >= 60 else f"{seconds:.1f} s"
