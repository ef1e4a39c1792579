"""Finishing a run: from a trained network to its answers, scores, calibration and bundle."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backbeat import evaluation
from backbeat.bundle import archive as bundle
from backbeat.bundle.network import Outputs, export_onnx, open_network
from backbeat.evaluation import calibration
from backbeat.evaluation.calibration.strangeness import MOST_KNOWN
from backbeat.features.store import Examples, Features
from backbeat.files import atomic
from backbeat.files import checksums as sums
from backbeat.splits import TRAIN, VALID, Split, shared_tracks
from backbeat.training import checkpoint
from backbeat.training.history import Epoch, write_history
from backbeat.zoo.spec import Spec

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
Answering = Callable[[npt.NDArray[np.float32]], Outputs]


def finish_run(
    network: Any,
    features: Features,
    spec: Spec,
    split: Split,
    examples: Examples,
    out: Path,
    history: tuple[Epoch, ...],
    max_error: float,
) -> None:
    """Write the results of a trained network; the bundle comes last and says that all is there.

    Parameters
    ----------
    network : keras.Model
    features, spec, split, examples, out, max_error
        As for `training.train`.
    history : tuple of Epoch
    """
    write_history(out / "history.csv", history)
    with atomic.replacing(out / "model.keras") as temporary:
        network.save(temporary)
    network_bytes = export_onnx(network, examples.x[split.rows("test")[:32]])
    # By the exported network, as users of the bundle will be answered.
    answer = open_network(network_bytes, threads=_threads()).in_batches
    write_results(out, answer, network_bytes, features, spec, split, examples, max_error)
    (out / checkpoint.NAME).unlink(missing_ok=True)


def _threads() -> int:
    """Give how many threads to answer with: one in a worker, beside others; else all (0)."""
    return int(os.environ.get("OMP_NUM_THREADS") or 0)


def write_results(
    out: Path,
    answer: Answering,
    network: bytes,
    features: Features,
    spec: Spec,
    split: Split,
    examples: Examples,
    max_error: float,
    *,
    space: Space = "logits",
) -> None:
    """Answer the test part, score it, calibrate, and write the bundle, which comes last.

    Parameters
    ----------
    out : Path
    answer : callable
        From slices of `examples`, shape (n, frames, bands), to `network.Outputs`.
    network : bytes
        ONNX, for the bundle.
    features, spec, split, examples, max_error
        As for `training.train`.
    space : {"logits", "embedding"}
        By which output of the network strange songs are told.
    """
    write_answers(out / "predictions.csv", answer, examples, split.rows("test"))
    # As they were written, rounding and all, so that `evaluate` finds the same to the last digit.
    metrics = evaluation.evaluate(evaluation.read_predictions(out / "predictions.csv"))
    atomic.write_text(out / "metrics.json", metrics.to_json())
    made = bundle.describe(
        spec=spec,
        frontend=features.frontend,
        genres=examples.genres,
        split=split,
        metrics=metrics,
        tracks=len(examples.names),
        calibration=calibrate(answer, split, examples, out, max_error, space=space),
    )
    sums.write_sums(out, _SUMMED)
    bundle.write_bundle(out / "model.backbeat", made, network)


def calibrate(
    answer: Answering,
    split: Split,
    examples: Examples,
    out: Path,
    max_error: float,
    *,
    space: Space = "logits",
) -> calibration.Calibration:
    """Fit the calibration on the validation part, where there is an honest one.

    Parameters
    ----------
    answer : callable
        From slices, shape (n, frames, bands), to `network.Outputs`.
    split, examples, out, max_error
        As for `finish_run`; ``validation.csv`` is left in `out`.
    space : {"logits", "embedding"}
        As for `write_results`.
    """
    rows = split.rows("valid")
    if not len(rows):
        return calibration.Calibration()
    given = write_answers(out / "validation.csv", answer, examples, rows)
    if shared_tracks(examples, split.part, TRAIN, VALID).size:
        # Other slices of the very songs were in training: validation would flatter.
        return calibration.Calibration()
    validation = evaluation.read_predictions(out / "validation.csv")
    known = _training_songs(answer, split, examples, space)
    vectors = getattr(given, space)
    return calibration.fit(validation, vectors, known, space=space, max_error=max_error)


def _training_songs(
    answer: Answering, split: Split, examples: Examples, space: Space
) -> npt.NDArray[np.float64]:
    """Give the network's outputs before the softmax for songs of the training part."""
    tracks = np.unique(examples.track[split.rows("train")])
    chosen = tracks[np.linspace(0, len(tracks) - 1, min(len(tracks), MOST_KNOWN)).astype(int)]
    rows = np.flatnonzero(np.isin(examples.track, chosen) & (split.part == TRAIN))
    given = answer(examples.x[rows])
    names = examples.track_names(rows)
    return evaluation.mean_by_track(names, getattr(given, space))


def write_answers(
    path: Path, answer: Answering, examples: Examples, rows: npt.NDArray[np.intp]
) -> Outputs:
    """Answer slices and write the predictions.

    Parameters
    ----------
    path : Path
    answer : callable
        From slices, shape (n, frames, bands), to `network.Outputs`.
    examples : Examples
    rows : ndarray of int, shape (m,)

    Returns
    -------
    Outputs
        All that was given for the m slices.
    """
    given = answer(examples.x[rows])
    predictions = evaluation.Predictions(
        tracks=examples.track_names(rows),
        slices=examples.slice[rows],
        truth=examples.y[rows],
        probabilities=_normalised(given.probabilities),
        genres=examples.genres,
    )
    evaluation.write_predictions(path, predictions)
    return given


def _normalised(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    return exact
