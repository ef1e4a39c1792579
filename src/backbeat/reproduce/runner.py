"""Training all models of the paper: what is missing, each a unit of work of its own.

The folder holds ``reproduction.json`` (what all runs share), ``runs/<model>-seed<k>/`` (ordinary
run directories) and ``failures.json`` (run to reason). A kill costs at most the seconds since each
running model's last checkpoint; the same command goes on.
"""

import fnmatch
import json
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from backbeat import zoo
from backbeat.errors import BackbeatError
from backbeat.features.store import Features
from backbeat.files import atomic
from backbeat.files.claims import claim
from backbeat.files.locks import locked
from backbeat.reproduce.paper import BASE_AT_100
from backbeat.training.fitting import StoppedError
from backbeat.training.jobs import Job, JobsProgress, run_jobs
from backbeat.zoo import Spec


def paper_specs(only: str | None = None) -> tuple[Spec, ...]:
    """Give the paper's models whose names match a pattern, in the order of its tables.

    The pattern is such as ``cnn_03.*``, or several with commas between. All models by default, and
    `BASE_AT_100`, which only the text mentions.
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
    protocol: str = "slices",
    epochs_scale: float = 1.0,
    seeds: int = 1,
    executor: Executor,
    on_progress: Callable[[JobsProgress], None] | None = None,
) -> dict[str, str]:
    """Train every model that is not trained yet, `seeds` times, on one split drawn with seed 0.

    `epochs_scale` is a factor on every model's epochs, for a quick look. Returns the runs that
    failed and why; they do not stop the others. Refused if `out` holds a reproduction with other
    settings.
    """
    if epochs_scale <= 0 or seeds < 1:
        raise BackbeatError("--epochs-scale and --seeds must be positive")
    with locked(out):
        settings = {
            "paper": "sears2021",
            "features": str(features.path.absolute()),
            "frontend": features.frontend.model_dump(),
            "split": protocol,
            "epochs_scale": epochs_scale,
        }
        # A reproduction may have lost its description; its runs are checked by their own.
        shared = (out / "runs").is_dir()
        claim(out, "reproduction.json", settings, "reproduction", shared=shared)
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
        try:
            failures = run_jobs(jobs, executor, on_progress)
        except StoppedError as stopped:
            message = f"{out}: stopped; go on with the same command"
            raise StoppedError(message, stopped.status) from None
        atomic.write_text(out / "failures.json", json.dumps(failures, indent=1) + "\n")
        return failures
