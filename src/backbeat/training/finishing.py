"""Finishing a run: from a trained network to its predictions, scores, calibration and bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backbeat import evaluation
from backbeat.bundle import archive as bundle
from backbeat.bundle.network import Outputs, export_onnx, open_network
from backbeat.evaluation import calibration
from backbeat.evaluation.calibration import MAX_KNOWN
from backbeat.features.store import Examples
from backbeat.files import atomic
from backbeat.files import checksums as sums
from backbeat.splits import TRAIN, VALID, shared_tracks
from backbeat.training import Training, checkpoint
from backbeat.training.history import Epoch, write_history

# What a run's checksums are of; the bundle, which comes after them, has its own.
_SUMMED = (
    "environment.json",
    "spec.yaml",
    "split.json",
    "history.csv",
    "model.keras",
    "validation.csv",
    "predictions.csv",
    "metrics.json",
)

Space = Literal["logits", "embedding"]
Predict = Callable[[npt.NDArray[np.float32]], Outputs]
"""From slices of examples, shape (n, frames, bands), to a network's outputs."""


def finish_run(network: Any, training: Training, history: tuple[Epoch, ...]) -> None:
    """Write the results of a trained ``keras.Model``."""
    out = training.out
    write_history(out / "history.csv", history)
    save_network(network, out)
    onnx = export_onnx(network, training.examples.x[training.split.rows("test")[:32]])
    # By the exported network, which users of the bundle will run.
    write_results(training, open_network(onnx).in_batches, onnx)
    (out / checkpoint.NAME).unlink(missing_ok=True)


def save_network(network: Any, out: Path) -> None:
    """Write a ``keras.Model`` as ``model.keras``."""
    with atomic.replacing(out / "model.keras") as temporary:
        network.save(temporary)


def write_results(
    training: Training, predict: Predict, network: bytes, *, space: Space = "logits"
) -> None:
    """Predict the test part, score it, calibrate, and write the bundle of an ONNX network.

    The bundle comes last: where it is, all is. `predict` takes slices of shape (n, frames, bands);
    `space` is the output of the network in which strange songs are recognised.
    """
    out, examples, split = training.out, training.examples, training.split
    _write_predictions(out / "predictions.csv", predict, examples, split.rows("test"))
    # As they were written, rounding and all, so that `evaluate` finds the same to the last digit.
    metrics = evaluation.evaluate(evaluation.read_predictions(out / "predictions.csv"))
    atomic.write_text(out / "metrics.json", metrics.to_json())
    description = bundle.describe(
        spec=training.spec,
        frontend=training.features.frontend,
        genres=examples.genres,
        split=split,
        metrics=metrics,
        tracks=len(examples.names),
        calibration=_calibrate(training, predict, space),
        caution=training.features.caution,
    )
    sums.write_sums(out, _SUMMED)
    bundle.write_bundle(out / "model.backbeat", description, network)


def _calibrate(training: Training, predict: Predict, space: Space) -> calibration.Calibration:
    """Fit the calibration on the validation part, if there is one of songs not trained on."""
    examples, split = training.examples, training.split
    rows = split.rows("valid")
    if not len(rows):
        return calibration.Calibration()
    path = training.out / "validation.csv"
    outputs = _write_predictions(path, predict, examples, rows)
    if shared_tracks(examples, split.part, TRAIN, VALID).size:
        # Other slices of the very songs were in training: validation would flatter.
        return calibration.Calibration()
    return calibration.fit(
        evaluation.read_predictions(path),
        getattr(outputs, space),
        _training_songs(training, predict, space),
        space=space,
        max_error=training.max_error,
    )


def _training_songs(training: Training, predict: Predict, space: Space) -> npt.NDArray[np.float64]:
    """Give the network's mean outputs for songs of the training part, shape (songs, d)."""
    examples, split = training.examples, training.split
    tracks = np.unique(examples.track[split.rows("train")])
    chosen = tracks[np.linspace(0, len(tracks) - 1, min(len(tracks), MAX_KNOWN)).astype(int)]
    rows = np.flatnonzero(np.isin(examples.track, chosen) & (split.part == TRAIN))
    outputs = predict(examples.x[rows])
    return evaluation.mean_by_track(examples.track_names(rows), getattr(outputs, space))


def _write_predictions(
    path: Path, predict: Predict, examples: Examples, rows: npt.NDArray[np.intp]
) -> Outputs:
    """Predict m slices, write the predictions, and give all outputs."""
    outputs = predict(examples.x[rows])
    exact = outputs.probabilities.astype(np.float64)
    predictions = evaluation.Predictions(
        tracks=examples.track_names(rows),
        slices=examples.slice[rows],
        truth=examples.y[rows],
        probabilities=exact / exact.sum(axis=1, keepdims=True),
        genres=examples.genres,
    )
    evaluation.write_predictions(path, predictions)
    return outputs
