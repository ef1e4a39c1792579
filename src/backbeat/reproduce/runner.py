"""Training all models of the paper: what is missing, each a unit of work of its own.

The folder holds ``reproduction.json`` (what all runs share), ``runs/<model>-seed<k>/`` (ordinary
run directories) and ``failures.json`` (run to reason). A kill costs at most the seconds since each
running model's last checkpoint; the same command goes on.
"""

import fnmatch
import json
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from backbeat import atomic, splits, training, zoo
from backbeat.errors import BackbeatError
from backbeat.features import Examples, Features, InputKind, open_features
from backbeat.reproduce.paper import BASE_AT_100
from backbeat.splits import Protocol
from backbeat.zoo import Spec

_SECONDS_BETWEEN_LOOKS = 1.0
_COST = {"mlp": 1, "cnn": 3}  # an epoch's, roughly: for the time left and the order of work


@dataclass(frozen=True)
class Job:
    """One model to train: plain values only, as it is sent to another process."""

    features: str
    spec: Spec
    protocol: Protocol
    seed: int
    run: str

    @property
    def name(self) -> str:
        """Name of the run: the model and its seed."""
        return Path(self.run).name

    @property
    def work(self) -> int:
        """How much there is to do, in epochs of an MLP."""
        return self.spec.epochs * _COST[self.spec.family]


@dataclass(frozen=True)
class Progress:
    """How far a reproduction is."""

    done: int
    """Work done, in the unit of `Job.work`."""
    total: int
    models_done: int
    models: int
    failed: int


def paper_specs(only: str | None = None) -> tuple[Spec, ...]:
    """Give the paper's models whose names match a pattern, in the order of its tables.

    Parameters
    ----------
    only : str, optional
        A pattern such as ``cnn_03.*``, or several with commas between; all models by default, and
        `BASE_AT_100`, of which only the text speaks.

    Raises
    ------
    BackbeatError
        If nothing matches.
    """
    known = zoo.specs()
    longer = known["mlp_base"].model_copy(
        update={"name": BASE_AT_100, "epochs": 100, "paper": None}
    )
    specs = [spec for spec in known.values() if spec.paper is not None] + [longer]
    patterns = [pattern.strip() for pattern in (only or "*").split(",")]
    chosen = [s for s in specs if any(fnmatch.fnmatchcase(s.name, p) for p in patterns)]
    if not chosen:
        raise BackbeatError(f"--only {only}: no model of the paper matches; see `backbeat models`")
    return tuple(chosen)


def run_all(
    features: Features,
    out: Path,
    specs: Sequence[Spec],
    *,
    protocol: Protocol = "slices",
    epochs_scale: float = 1.0,
    seeds: int = 1,
    executor: Executor,
    on_progress: Callable[[Progress], None] | None = None,
) -> dict[str, str]:
    """Train every model that is not trained yet, on one split for all.

    Parameters
    ----------
    features : Features
    out : Path
        The reproduction's folder.
    specs : sequence of Spec
    protocol : str
        The split, drawn with seed 0.
    epochs_scale : float
        Factor on every model's epochs, for a quick look.
    seeds : int
        Runs a model, which differ in weights, order of slices and dropout.
    executor : Executor
    on_progress : callable, optional

    Returns
    -------
    dict of str to str
        Runs that failed, and why; the others were not kept from going on.

    Raises
    ------
    BackbeatError
        If `out` holds a reproduction with other settings.
    """
    if epochs_scale <= 0 or seeds < 1:
        raise BackbeatError("--epochs-scale and --seeds must be positive")
    _claim(out, features, protocol, epochs_scale)
    jobs = [
        Job(
            features=str(features.path.absolute()),
            spec=spec.with_epochs(max(1, round(spec.epochs * epochs_scale))),
            protocol=protocol,
            seed=seed,
            run=str((out / "runs" / f"{spec.name}-seed{seed}").absolute()),
        )
        for seed in range(seeds)
        for spec in specs
    ]
    # The longest first, so that no worker is left alone with one at the end.
    waiting = sorted(jobs, key=lambda job: -job.work)
    failures: dict[str, str] = {}
    pending: dict[Future[str | None], Job] = {}
    finished: list[Job] = [job for job in jobs if _is_finished(job)]
    for job in waiting:
        if job not in finished:
            pending[executor.submit(_train, job)] = job
    while True:
        if on_progress:
            on_progress(_progress(jobs, finished, pending.values(), len(failures)))
        if not pending:
            break
        done, _ = wait(pending, timeout=_SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
        for future in done:
            job = pending.pop(future)
            reason = future.result()
            if reason:
                failures[job.name] = reason
            finished.append(job)
    atomic.write_text(out / "failures.json", json.dumps(failures, indent=1) + "\n")
    return failures


def _train(job: Job) -> str | None:
    """Train one model (in a worker); give the reason if it fails."""
    try:
        features, examples = _load(job.features, job.spec.input)
        split = splits.make_split(examples, job.protocol, seed=0)
        training.train(
            features, job.spec, split, examples, Path(job.run), seed=job.seed, resume=True
        )
    except training.StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - one model's fault must not cost the others
        return " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return None


@lru_cache(maxsize=2)
def _load(path: str, kind: InputKind) -> tuple[Features, Examples]:
    """Load the features once a worker."""
    features = open_features(Path(path))
    return features, features.examples(kind)


def _is_finished(job: Job) -> bool:
    """Whether the run is there; one with other settings is left to `train` to refuse."""
    run = Path(job.run)
    if not (run / "model.backbeat").exists():
        return False
    environment = json.loads((run / "environment.json").read_text("utf-8"))
    return bool(environment.get("spec") == job.spec.model_dump(mode="json"))


def _progress(jobs: Sequence[Job], finished: Sequence[Job], pending: Any, failed: int) -> Progress:
    done = sum(job.work for job in finished)
    done += sum(_epochs_done(job) * _COST[job.spec.family] for job in pending)
    return Progress(done, sum(job.work for job in jobs), len(finished), len(jobs), failed)


def _epochs_done(job: Job) -> int:
    """Count the epochs that a run under way has written down."""
    try:
        return max(0, len((Path(job.run) / "history.csv").read_text("utf-8").splitlines()) - 1)
    except OSError:  # not begun
        return 0


def _claim(out: Path, features: Features, protocol: str, epochs_scale: float) -> None:
    """Make sure that all runs in `out` share their features, split and scale."""
    wanted = {
        "paper": "sears2021",
        "features": str(features.path.absolute()),
        "frontend": features.frontend.model_dump(),
        "split": protocol,
        "epochs_scale": epochs_scale,
    }
    described = out / "reproduction.json"
    if described.exists():
        before = json.loads(described.read_text("utf-8"))
        for key, value in wanted.items():
            if before.get(key) != value:
                raise BackbeatError(
                    f"{out}: was begun with another {key} ({before.get(key)}); choose another -o"
                )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BackbeatError(f"{out}: not empty and not a reproduction; choose another -o")
    else:
        atomic.write_text(described, json.dumps(wanted, indent=1) + "\n")
