"""Training: a spec, features and a split to a run directory.

A finished run holds::

    spec.yaml         the model as trained
    split.json        names in each part, and their hash
    environment.json  settings, versions and machine
    history.csv       a row an epoch
    model.keras       the network, for Keras (not of a head on MusiCNN)
    validation.csv    predictions for the validation part, if there is one, a row a slice
    predictions.csv   the same for the test part
    metrics.json      their scores
    SHA256SUMS        checksums of all of these
    model.backbeat    the bundle that `classify` takes
"""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from backbeat import __version__
from backbeat.errors import BackbeatError, needing
from backbeat.evaluation.calibration import MAX_ERROR
from backbeat.features.store import Examples, Features
from backbeat.files import atomic
from backbeat.files.claims import claim
from backbeat.files.locks import locked
from backbeat.splits import Split, require_test, write_split
from backbeat.training import Training
from backbeat.training.finishing import finish_run, save_network
from backbeat.training.fitting import (
    DivergedError,
    OnProgress,
    enough_memory,
    fit,
    new_network,
)
from backbeat.training.tensorboard import logging_to, refuse_log_of_another
from backbeat.training.transfer import train_head
from backbeat.zoo import check_input
from backbeat.zoo.spec import Spec

_SETTINGS = "environment.json"


def train(
    features: Features,
    spec: Spec,
    split: Split,
    examples: Examples,
    out: Path,
    *,
    seed: int = 0,
    max_error: float = MAX_ERROR,
    threads: int = 1,
    resume: bool = False,
    wait: bool = False,
    on_progress: OnProgress | None = None,
    tensorboard: Path | None = None,
) -> Path:
    """Train a model and leave a finished run in `out`.

    Parameters
    ----------
    features : Features
        Where the examples come from; its front-end goes into the bundle.
    spec : Spec
    split : Split
        Of `examples`.
    examples : Examples
        ``features.examples(spec.input)``; for the model "transfer", ``transfer.embed(features)``.
    out : Path
        The run directory, which must not hold another run.
    seed : int
        Of the weights, the order of slices and dropout.
    max_error : float
        The share of wrong answers that the threshold of "unsure" is chosen for.
    threads : int
        That TensorFlow computes with, one process's whole life. Another number trains another
        network from the same seed.
    resume : bool
        Go on with the run that `out` holds, if it was begun with the same settings; a finished one
        is left as it is.
    wait : bool
        Where another process is at this run, wait for it rather than refuse.
    on_progress : callable, optional
        Called after every few batches, and after the last of an epoch.
    tensorboard : Path, optional
        Write each epoch's loss and accuracy to the folder of `out`'s name in here, for TensorBoard.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    StoppedError
        On Ctrl-C or SIGTERM: the last whole epoch is kept, for `resume`.
    DivergedError
        At the first loss that is no number: the best epoch before is in ``model.keras``.
    BackbeatError
        If `out` or the log for TensorBoard is of another run or in use, the spec does not fit the
        features, or TensorFlow computes with another number of threads in this process already.
    """
    if not 0 < max_error < 1:
        raise BackbeatError("--max-error must lie between 0 and 1")
    if tensorboard and spec.family == "transfer":
        raise BackbeatError("--tensorboard: the model transfer has no epochs to log")
    check_input(spec, features.frontend)
    require_test(split, "trained; `backbeat tune` needs none")
    training = Training(features, spec, split, examples, out, seed, max_error, threads)
    with needing("train", "training"):
        from threadpoolctl import threadpool_limits
    # NumPy's linear algebra in one thread, for the same reason as TensorFlow.
    with locked(out, wait=wait), atomic.scratch(), enough_memory(spec), threadpool_limits(1):
        log = tensorboard and tensorboard / out.resolve().name
        if log and not (out / _SETTINGS).exists():
            refuse_log_of_another(log)
        claim(out, _SETTINGS, _settings(training), "run", resume=resume, noted=_machine(features))
        if (out / "model.backbeat").exists():
            return out
        atomic.write_text(out / "spec.yaml", spec.to_yaml())
        write_split(out / "split.json", split)
        if spec.family == "transfer":
            train_head(training, on_progress)
            return out
        network = new_network(training)
        with logging_to(log) as on_epoch:
            try:
                history = fit(network, training, on_progress, on_epoch)
            except DivergedError as diverged:
                if diverged.kept:
                    save_network(network, out)
                raise
        finish_run(network, training, history)
        return out


def _settings(training: Training) -> dict[str, Any]:
    """Gather what must be the same for a run to be resumed."""
    return {
        "frontend": training.features.frontend.model_dump(),
        "spec": training.spec.model_dump(mode="json"),
        "split": training.split.hash,
        "seed": training.seed,
        "max_error": training.max_error,
        "threads": training.threads,
    }


def _machine(features: Features) -> dict[str, Any]:
    """Gather what may differ: where the features lie, versions and the machine."""
    packages = ("keras", "tensorflow", "numpy", "scipy", "onnxruntime")
    return {
        "features": str(features.path),
        "backbeat": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
