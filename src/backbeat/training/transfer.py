"""Training a linear head on MusiCNN's features, or any, to a run like that of any other model."""

import time
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from backbeat.evaluation import mean_by_track
from backbeat.evaluation.predictions import track_rows
from backbeat.training import Training
from backbeat.training.finishing import Space, write_results
from backbeat.training.fitting import OnProgress, Progress
from backbeat.training.history import Epoch, write_history
from backbeat.transfer import (
    Head,
    bundle_frontend,
    fit_head,
    fit_vector_head,
    joined_network,
    vector_network,
)


def train_head(training: Training, on_progress: OnProgress | None = None) -> None:
    """Fit a head on the songs of the training part, without randomness, and write its results."""
    start = time.perf_counter()
    head: Head
    space: Space
    if training.spec.input == "vectors":
        head = fit_vector_head(*_songs(training, "train"), len(training.examples.genres))
        network, space = vector_network(head), "logits"
    else:
        head = fit_head(*_songs(training, "train"), len(training.examples.genres))
        network, space = joined_network(head), "embedding"
    epoch = _epoch(head, training, round(time.perf_counter() - start, 3))
    write_history(training.out / "history.csv", (epoch,))
    if on_progress:
        on_progress(Progress(1, 1, 1, 1, epoch.loss, epoch.accuracy, (epoch,)))
    features = training.features
    bundled = replace(features, frontend=bundle_frontend(features.frontend))
    write_results(replace(training, features=bundled), head.outputs, network, space=space)


def _songs(training: Training, part: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Give the mean features and the genre of each song of a part."""
    examples, rows = training.examples, training.split.rows(part)
    names = examples.track_names(rows)
    first, _ = track_rows(names)
    means = mean_by_track(names, examples.x[rows].reshape(len(rows), -1))
    return means, examples.y[rows][first]


def _epoch(head: Head, training: Training, seconds: float) -> Epoch:
    """Give loss and accuracy of songs, as the only epoch."""
    scores = {}
    for part in ("train", training.split.monitored):
        songs, labels = _songs(training, part)
        given = head.outputs(songs.astype(np.float32)[:, np.newaxis]).probabilities
        of_truth = np.maximum(given[np.arange(len(labels)), labels], 1e-12)
        correct = given.argmax(axis=1) == labels
        scores[part] = float(-np.log(of_truth).mean()), float(correct.mean())
    (loss, accuracy), (val_loss, val_accuracy) = scores["train"], scores[training.split.monitored]
    return Epoch(1, loss, accuracy, val_loss, val_accuracy, seconds)
