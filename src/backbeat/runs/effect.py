"""The effect of a leak on accuracy: one model trained on the leaking split and on a clean one."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from backbeat.errors import BackbeatError
from backbeat.features.store import Features
from backbeat.runs.evaluation import Evaluation
from backbeat.runs.scoring import evaluate_run, write_evaluation
from backbeat.splits import is_crossvalidation, is_leaking
from backbeat.training.jobs import Job, JobsProgress, run_jobs
from backbeat.zoo import Spec

CLEAN = "artists"


@dataclass(frozen=True)
class LeakEffect:
    """The same model on two splits of the same songs."""

    leaking: Evaluation
    clean: Evaluation

    @property
    def points(self) -> float:
        """By how much song accuracy is higher on the leaking split, as a share."""
        return self.leaking.metrics.track_accuracy - self.clean.metrics.track_accuracy


def measure_leak_effect(
    features: Features,
    spec: Spec,
    protocol: str,
    out: Path,
    *,
    seed: int = 0,
    test_share: float = 0.3,
    valid_share: float | None = None,
    executor: Executor,
    on_progress: Callable[[JobsProgress], None] | None = None,
) -> LeakEffect:
    """Train a model on a split and on one by artists with the same shares; resumes.

    The runs are ``as-split`` and ``clean`` in `out`. A cross-validation is refused.
    """
    if is_crossvalidation(protocol, None):
        raise BackbeatError(f"--split {protocol}: name one fold, such as {protocol}:1")
    job = Job(
        features=str(features.path.absolute()),
        spec=spec,
        protocol=protocol,
        seed=seed,
        split_seed=seed,
        test_share=test_share,
        valid_share=valid_share,
        run=str((out / "as-split").absolute()),
    )
    clean = replace(job, protocol=CLEAN, run=str((out / "clean").absolute()))
    failures = run_jobs([job, clean], executor, on_progress)
    for name, reason in failures.items():
        raise BackbeatError(f"{out / name}: {reason}")
    evaluated: dict[str, Evaluation] = {}
    for run in (out / "clean", out / "as-split"):
        clean_run = out / "clean" if run.name == "as-split" else None
        if clean_run and is_leaking(evaluated["clean"].leaks):
            clean_run = None  # it leaks too, which its own report says
        evaluated[run.name] = evaluate_run(run, clean=clean_run)
        write_evaluation(run, evaluated[run.name])
    return LeakEffect(evaluated["as-split"], evaluated["clean"])
