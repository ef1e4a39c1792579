"""The effect of a leak on accuracy: one model trained on the leaking split and on a clean one."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

from backbeat.errors import BackbeatError
from backbeat.evaluation.comparison import Interval, difference_interval
from backbeat.features.store import Features
from backbeat.runs.evaluation import Evaluation
from backbeat.runs.reading import Run, Songs, read_run, songs_of
from backbeat.runs.scoring import evaluate_run, write_evaluation
from backbeat.splits import is_crossvalidation, is_leaking
from backbeat.training.jobs import Job, JobsProgress, outline_examples, run_jobs, split_for
from backbeat.zoo import Spec, check_input

CLEAN = "artists"


@dataclass(frozen=True)
class LeakEffect:
    """The same model on two splits of the same songs, trained on as many slices."""

    leaking: Evaluation
    clean: Evaluation
    train_slices: int  # of each
    # What both test, by which they are compared
    songs: int
    slices: int
    points: float | None
    """By how much song accuracy is higher on the leaking split, as a share; None for no songs."""
    interval: Interval | None  # of the points, by artists; not of other trainings


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

    The larger training part is thinned out to the size of the other. The models are compared by the
    slices that both test. The runs are ``as-split`` and ``clean`` in `out`. A cross-validation is
    refused.
    """
    if is_crossvalidation(protocol, None):
        raise BackbeatError(f"--split {protocol}: name one fold, such as {protocol}:1")
    check_input(spec, features.frontend)
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
    outline = outline_examples(features, spec.input)
    sizes = [len(split_for(one, outline).rows("train")) for one in (job, clean)]
    job, clean = (replace(one, train_slices=min(sizes)) for one in (job, clean))
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
    return LeakEffect(
        evaluated["as-split"],
        evaluated["clean"],
        min(sizes),
        *_compared(read_run(out / "as-split"), read_run(out / "clean")),
    )


def _compared(leaking: Run, clean: Run) -> tuple[int, int, float | None, Interval | None]:
    """Compare two runs by what both test: songs, slices, difference of accuracy, its interval."""
    keys = [
        list(zip(run.predictions.tracks.tolist(), run.predictions.slices.tolist(), strict=True))
        for run in (leaking, clean)
    ]
    both = set(keys[0]) & set(keys[1])
    if not both:
        return 0, 0, None, None
    ours, theirs = (
        _songs_of_rows(run, [key in both for key in own], clean.split["artists"])
        for run, own in zip((leaking, clean), keys, strict=True)
    )
    place = {track: row for row, track in enumerate(theirs.tracks)}
    other = theirs.correct[[place[track] for track in ours.tracks]]
    differences = ours.correct.astype(float) - other
    interval = difference_interval(differences, ours.groups)
    return len(ours), len(both), float(differences.mean()), interval


def _songs_of_rows(run: Run, rows: list[bool], artists: dict[str, str]) -> Songs:
    """Let some rows of a run's predictions vote."""
    all_rows = run.predictions
    some = replace(
        all_rows,
        tracks=all_rows.tracks[rows],
        slices=all_rows.slices[rows],
        truth=all_rows.truth[rows],
        probabilities=all_rows.probabilities[rows],
    )
    return songs_of(some, run.description.calibration.temperature, artists)
