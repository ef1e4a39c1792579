"""Training a head, and leaving a run like that of any other model."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError
from backbeat.evaluation import mean_by_track
from backbeat.evaluation.calibration.fitting import MAX_ERROR
from backbeat.evaluation.predictions import track_rows
from backbeat.features.store import Examples, Features
from backbeat.files import atomic
from backbeat.files.locks import locked
from backbeat.splits import Split, write_split
from backbeat.training.finishing import write_results
from backbeat.training.history import Epoch, write_history
from backbeat.training.train import begin_run
from backbeat.transfer.head import Head, bundle_frontend, fit_head, joined_network
from backbeat.zoo.spec import Flatten, Spec

NAME = "transfer"
SPEC = Spec(name=NAME, family="transfer", input="musicnn", layers=(Flatten(),), epochs=1)


def train_transfer(
    features: Features,
    split: Split,
    examples: Examples,
    out: Path,
    *,
    seed: int = 0,
    max_error: float = MAX_ERROR,
    resume: bool = False,
    wait: bool = False,
) -> Path:
    """Train a head on MusiCNN's features and leave a finished run in `out`.

    Parameters
    ----------
    features : Features
    split : Split
        Of `examples`.
    examples : Examples
        From `embed`.
    out : Path
    seed, max_error, resume, wait
        As for `training.train`; nothing is left to chance here but the split.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    BackbeatError
        As `training.train`.
    """
    if not split.names["test"]:
        raise BackbeatError(
            f"{features.path}: holds no song of the test part of --split {split.protocol}"
        )
    with locked(out, wait=wait):
        begin_run(out, features, SPEC, split, seed=seed, max_error=max_error, resume=resume)
        if (out / "model.backbeat").exists():
            return out
        start = time.perf_counter()
        head = fit_head(*_songs(examples, split, "train"), len(examples.genres))
        seconds = round(time.perf_counter() - start, 3)
        atomic.write_text(out / "spec.yaml", SPEC.to_yaml())
        write_split(out / "split.json", split)
        write_history(out / "history.csv", (_epoch(head, examples, split, seconds),))
        write_results(
            out,
            head.outputs,
            joined_network(head),
            replace(features, frontend=bundle_frontend(features.frontend)),
            SPEC,
            split,
            examples,
            max_error,
            space="embedding",
        )
        return out


def _songs(
    examples: Examples, split: Split, part: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Give the mean features and the genre of each song of a part."""
    rows = split.rows(part)
    names = examples.track_names(rows)
    first, _ = track_rows(names)
    means = mean_by_track(names, examples.x[rows].reshape(len(rows), -1))
    return means, examples.y[rows][first]


def _epoch(head: Head, examples: Examples, split: Split, seconds: float) -> Epoch:
    """Tell loss and accuracy of songs, as an epoch of which there is only one."""
    scores = {}
    for part in ("train", split.monitored):
        songs, labels = _songs(examples, split, part)
        given = head.outputs(songs.astype(np.float32)[:, np.newaxis]).probabilities
        of_truth = np.maximum(given[np.arange(len(labels)), labels], 1e-12)
        right = given.argmax(axis=1) == labels
        scores[part] = float(-np.log(of_truth).mean()), float(right.mean())
    (loss, accuracy), (val_loss, val_accuracy) = scores["train"], scores[split.monitored]
    return Epoch(1, loss, accuracy, val_loss, val_accuracy, seconds)
