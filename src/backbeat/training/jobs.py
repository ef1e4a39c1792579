"""Many trainings at once: each a job of plain values that a worker turns into a run of its own.

A kill costs at most the seconds since each running model's last checkpoint; the same jobs again go
on, and what is finished is kept.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from backbeat import splits
from backbeat.errors import BackbeatError, WorkerLostError, message_of
from backbeat.evaluation.calibration import MAX_ERROR
from backbeat.features.store import Examples, Features, InputKind, open_features
from backbeat.files.documents import read_json
from backbeat.training import train as training
from backbeat.training.fitting import StoppedError
from backbeat.transfer import embed, outline_of_embedding
from backbeat.zoo import Spec

_SECONDS_BETWEEN_LOOKS = 1.0
# An epoch's, roughly: for the time left and the order of work.
_COST = {"mlp": 1, "cnn": 3, "transfer": 10}


@dataclass(frozen=True)
class Job:
    """A `Training` in plain values, to be sent to another process."""

    features: str
    """Absolute path of the feature store."""
    spec: Spec
    protocol: str
    """As `splits.make_split` takes it; as `splits.make_folds` does where `fold` is not 0."""
    seed: int
    run: str
    """Absolute path of the run to make."""
    split_seed: int = 0
    test_share: float = 0.3
    valid_share: float | None = None
    fold: int = 0
    """Which of the folds, from 1; 0 where the protocol is one split."""
    folds: int | None = None
    """How many are drawn; None where they are published."""
    train_slices: int | None = None
    """To how many slices the training part is thinned out; None for all."""
    max_error: float = MAX_ERROR
    threads: int = 1
    tensorboard: str | None = None

    @property
    def name(self) -> str:
        """Name of the run."""
        return Path(self.run).name

    @property
    def work(self) -> int:
        """How much there is to do, in epochs of an MLP."""
        return self.spec.epochs * _COST[self.spec.family]


@dataclass(frozen=True)
class JobsProgress:
    """How far the jobs are."""

    done: int
    """Work done, in the unit of `Job.work`."""
    total: int
    finished: int
    jobs: int
    failed: int


def run_jobs(
    jobs: Sequence[Job],
    executor: Executor,
    on_progress: Callable[[JobsProgress], None] | None = None,
) -> dict[str, str]:
    """Train what is not trained yet; gives the names of the runs that failed, and why.

    Ctrl-C and SIGTERM raise a StoppedError.
    """
    failures: dict[str, str] = {}
    pending: dict[Future[str | None], Job] = {}
    finished: list[Job] = [job for job in jobs if _is_finished(job)]
    # The longest first, so that no worker is left alone with one at the end.
    for job in sorted(jobs, key=lambda job: -job.work):
        if job not in finished:
            begun = executor.submit(train_job, job)
            if begun.done() and isinstance(stopped := begun.exception(), StoppedError):
                raise stopped  # in this process: the next must not begin
            pending[begun] = job
    while True:
        if on_progress:
            on_progress(_progress(jobs, finished, pending.values(), len(failures)))
        if not pending:
            return failures
        done, _ = wait(pending, timeout=_SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED)
        for future in done:
            job = pending.pop(future)
            try:
                reason = future.result()
            except WorkerLostError as error:
                reason = str(error)
            if reason:
                failures[job.name] = reason
            finished.append(job)


def train_job(job: Job) -> str | None:
    """Train one model (in a worker); give the reason if it fails."""
    try:
        features, examples = _load(job.features, job.spec.input)
        training.train(
            features,
            job.spec,
            split_for(job, examples),
            examples,
            Path(job.run),
            seed=job.seed,
            max_error=job.max_error,
            threads=job.threads,
            resume=True,
            wait=True,  # for a worker of an earlier start of the same command
            tensorboard=Path(job.tensorboard) if job.tensorboard else None,
        )
    except StoppedError:
        raise
    except BackbeatError as error:
        return str(error)
    except OSError as error:
        return message_of(error)
    except Exception as error:  # noqa: BLE001 - one model's fault must not cost the others
        return " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return None


def split_for(job: Job, examples: Examples) -> splits.Split:
    """Make the split that a job trains on."""
    if job.fold:
        made = splits.make_folds(
            examples, job.protocol, job.folds, seed=job.split_seed, valid_share=job.valid_share
        )
        return made[job.fold - 1]
    drawn = splits.make_split(
        examples,
        job.protocol,
        seed=job.split_seed,
        test_share=job.test_share,
        valid_share=job.valid_share,
    )
    if job.train_slices is None:
        return drawn
    return splits.thinned(examples, drawn, job.train_slices, job.split_seed)


@lru_cache(maxsize=2)
def _load(path: str, kind: InputKind) -> tuple[Features, Examples]:
    """Load the features once a worker."""
    features = open_features(Path(path))
    return features, load_examples(features, kind)


def load_examples(
    features: Features,
    kind: InputKind,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Examples:
    """Load what a network of this kind trains on: for "musicnn", its features of each patch.

    `on_progress` is called with (tracks done, tracks) where these have to be computed.
    """
    if kind == "musicnn":
        return embed(features, on_progress=on_progress)
    return features.examples(kind)


def outline_examples(features: Features, kind: InputKind) -> Examples:
    """Give what `load_examples` gives at once, without features: enough to make a split."""
    return outline_of_embedding(features) if kind == "musicnn" else features.outline(kind)


def _is_finished(job: Job) -> bool:
    """Whether the run is there; a damaged one, or of other settings, `train` will refuse."""
    run = Path(job.run)
    if not (run / "model.backbeat").exists():
        return False
    try:
        environment = read_json(run / "environment.json")
        return bool(environment["spec"] == job.spec.model_dump(mode="json"))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _progress(
    jobs: Sequence[Job], finished: Sequence[Job], pending: Iterable[Job], failed: int
) -> JobsProgress:
    done = sum(job.work for job in finished)
    done += sum(_epochs_done(job) * _COST[job.spec.family] for job in pending)
    return JobsProgress(done, sum(job.work for job in jobs), len(finished), len(jobs), failed)


def _epochs_done(job: Job) -> int:
    """Count the epochs that a run under way has written down."""
    try:
        return max(0, len((Path(job.run) / "history.csv").read_text("utf-8").splitlines()) - 1)
    except OSError:  # not begun
        return 0
