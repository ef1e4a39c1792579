"""Cross-validation: one model trained on every fold of a split, each song tested once.

The folder holds ``crossvalidation.json`` (the settings) and an ordinary run directory a fold,
``fold-1``, ``fold-2``, ...
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from backbeat.errors import BackbeatError, one_line, printable
from backbeat.evaluation.calibration import MAX_ERROR
from backbeat.features.store import Features
from backbeat.files.claims import claim
from backbeat.files.documents import read_json
from backbeat.files.locks import locked
from backbeat.splits import Split, make_folds
from backbeat.training.fitting import StoppedError
from backbeat.training.jobs import Job, JobsProgress, outline_examples, run_jobs
from backbeat.zoo import Spec, check_input

_SETTINGS = "crossvalidation.json"
_FORMAT = "backbeat-crossvalidation"
_VERSION = 1


def cross_validate(
    features: Features,
    spec: Spec,
    protocol: str,
    out: Path,
    *,
    folds: int | None = None,
    seed: int = 0,
    valid_share: float | None = None,
    max_error: float = MAX_ERROR,
    threads: int = 1,
    resume: bool = False,
    tensorboard: Path | None = None,
    executor: Executor,
    on_progress: Callable[[JobsProgress], None] | None = None,
) -> dict[str, str]:
    """Train a model on every fold of a split; each fold is a run in `out`.

    Parameters
    ----------
    features : Features
    spec : Spec
    protocol : {"slices", "tracks", "artists", "gtzan-folds"}
    out : Path
        The folder to make.
    folds : int, optional
        How many; the published folds are three.
    seed : int
        Of the folds, and of each training.
    valid_share : float, optional
        See `splits.make_folds`.
    max_error, threads
        See `training.train`.
    resume : bool
        Go on with what `out` holds, if it was begun with the same settings.
    tensorboard : Path, optional
        Write each fold's log for TensorBoard to ``NAME/fold-N`` in here, NAME being `out`'s.
    executor : Executor
    on_progress : callable, optional

    Returns
    -------
    dict of str to str
        Folds that failed, and why.

    Raises
    ------
    StoppedError
        On Ctrl-C or SIGTERM.
    BackbeatError
        If the folds cannot be made, or `out` holds something else or is in use.
    """
    check_input(spec, features.frontend)
    # Made here too, so that a mistake is reported before anything is begun.
    made = make_folds(
        outline_examples(features, spec.input), protocol, folds, seed=seed, valid_share=valid_share
    )
    logs = None if tensorboard is None else str((tensorboard / out.resolve().name).absolute())
    with locked(out):
        settings = _settings(features, spec, made, seed) | {"threads": threads}
        claim(out, _SETTINGS, settings, "cross-validation", resume=resume)
        jobs = [
            Job(
                features=str(features.path.absolute()),
                spec=spec,
                protocol=protocol,
                seed=seed,
                split_seed=seed,
                valid_share=valid_share,
                fold=split.fold,
                folds=folds,
                max_error=max_error,
                threads=threads,
                tensorboard=logs,
                run=str((out / f"fold-{split.fold}").absolute()),
            )
            for split in made
        ]
        try:
            return run_jobs(jobs, executor, on_progress)
        except StoppedError as stopped:
            message = f"{out}: stopped; go on with the same command and --resume"
            raise StoppedError(message, stopped.status) from None


def is_crossvalidation(folder: Path) -> bool:
    """Whether `cross_validate` made a folder."""
    return (folder / _SETTINGS).exists()


def fold_runs(folder: Path) -> dict[Path, str]:
    """Give the runs of a cross-validation with their splits' hashes, in the order of the folds.

    Raises a BackbeatError if the folder is damaged, or of another format version.
    """
    path = folder / _SETTINGS
    try:
        content = read_json(path)
        version, hashes = content["version"], content["splits"]
        if content["format"] != _FORMAT or not isinstance(hashes, list):
            raise ValueError("no cross-validation")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackbeatError(f"{path}: damaged ({one_line(error)}); train again") from error
    if version != _VERSION:
        shown = printable(str(version))[:20]
        raise BackbeatError(
            f"{path}: written in format version {shown}, this backbeat reads {_VERSION}; update "
            "backbeat or train again"
        )
    return {folder / f"fold-{number}": hash_of for number, hash_of in enumerate(hashes, start=1)}


def _settings(features: Features, spec: Spec, made: Sequence[Split], seed: int) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "protocol": made[0].protocol,
        "frontend": features.frontend.model_dump(),
        "spec": spec.model_dump(mode="json"),
        "seed": seed,
        "splits": [split.hash for split in made],
    }
