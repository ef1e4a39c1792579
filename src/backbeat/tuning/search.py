"""A general search with Optuna: its TPE sampler over `space`, and early ends for what is behind.

The study is kept in SQLite. What is suggested next depends on the seed and on the trials that are
finished, not on how often the search was stopped in between: the sampler is made anew for each. So
a study that is damaged, or was cut off while it was written, is made again from the judgements on
the disk, with the same result.
"""

import contextlib
import errno
import functools
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backbeat.errors import BackbeatError, needing, one_line
from backbeat.files.checksums import first_changed, write_sums
from backbeat.files.text import significant
from backbeat.training.history import Epoch
from backbeat.tuning.judge import Judge, PrunedError
from backbeat.tuning.log import NOTHING, Judgement, Log, Trial
from backbeat.tuning.moves import Family, scaled
from backbeat.tuning.space import describe, suggest
from backbeat.zoo.shapes import UnfitError
from backbeat.zoo.spec import Spec, parse

if TYPE_CHECKING:
    import optuna

_RANDOM_TRIALS = 10  # trials before the sampler has enough to go by
_WARM_UP_TRIALS = 5  # trials before a median says something
_WARM_UP_EPOCHS = 10  # epochs in which a slow learner may still be behind
_MAX_UNFIT = 200  # in a row: far more than happens unless nothing fits at all


def run_study(
    judge: Judge,
    storage: Path,
    family: Family,
    *,
    budget: int,
    seed: int,
    scale: float = 1.0,
    on_trial: Callable[[Log], None] = lambda log: None,
    log: Log = NOTHING,
) -> Log:
    """Search with Optuna's TPE sampler, ending early what is worse than the median.

    `storage` is the SQLite file of the study. The budget counts all trials, also those before a
    stop and those ended early. `on_trial` is called with the log (it begins as the empty `log`)
    after each trial, and at the start if there are trials already.

    Raises a BackbeatError if Optuna is not installed, the study is damaged, or nothing that is
    suggested fits.
    """
    optuna = _load_optuna()
    empty = log
    if first_changed(storage.parent) == storage.name:
        for part in (storage, storage.with_name(f"{storage.name}-journal")):
            part.unlink(missing_ok=True)
    study, log = _open(optuna, storage, scale, empty)
    state = optuna.trial.TrialState
    if log.trials:
        on_trial(log)
    shape = (judge.examples.x.shape[1], judge.examples.x.shape[2])
    unfit = 0
    while log.done < budget:
        # Trials that failed in between must not change what comes next.
        study.sampler = optuna.samplers.TPESampler(
            seed=seed * 1_000_003 + len(log.trials), n_startup_trials=_RANDOM_TRIALS
        )
        trial = study.ask()
        spec = suggest(trial, family, shape, scale)
        trial.set_user_attr("spec", spec.model_dump(mode="json"))
        try:
            judgement = judge(spec, _watcher(trial, spec.epochs))
        except UnfitError as error:
            trial.set_user_attr("skipped", str(error))
            study.tell(trial, state=state.PRUNED)
            unfit += 1
        else:
            trial.set_user_attr("judgement", asdict(judgement))
            if judgement.pruned:
                study.tell(trial, state=state.PRUNED)
            else:
                study.tell(trial, judgement.accuracy)
            unfit = 0
        finally:
            write_sums(storage.parent, (storage.name,))
        log = _log_of(study, optuna, empty)
        on_trial(log)
        if unfit >= _MAX_UNFIT:
            raise BackbeatError(f"{storage}: no network that is suggested fits these features")
    log = replace(log, ended=f"the budget of {budget} models is used up")
    on_trial(log)
    return log


@contextlib.contextmanager
def room_for(storage: Path) -> Iterator[None]:
    """Raise the OSError of a full disk where SQLite, SQLAlchemy or Optuna report one."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause and getattr(cause, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(storage)) from error


def _watcher(trial: "optuna.Trial", epochs: int) -> Callable[[tuple[Epoch, ...]], None]:
    """Report each epoch once, and end the trial where the pruner says so."""
    reported = 0

    def watch(history: tuple[Epoch, ...]) -> None:
        nonlocal reported
        for epoch in history[reported:]:
            reported += 1
            # As in history.csv, from which a trial that was judged before is reported again.
            trial.report(float(significant(epoch.val_accuracy)), epoch.epoch)
        if len(history) < epochs and trial.should_prune():
            raise PrunedError

    return watch


def _log_of(study: "optuna.Study", optuna: Any, empty: Log) -> Log:
    """Give the finished trials of a study as a log."""
    state = optuna.trial.TrialState
    log = empty
    finished = study.get_trials(deepcopy=False, states=(state.COMPLETE, state.PRUNED))
    for number, frozen in enumerate(finished, start=1):
        known = frozen.user_attrs
        spec: Spec = parse(known.get("spec"), f"trial {number} of the study")
        trial = Trial(number, None, describe(spec), spec, "not kept")
        if "skipped" in known:
            log = log.plus(replace(trial, outcome="skipped", reason=known["skipped"]))
        else:
            log = log.judged(trial, Judgement(**known["judgement"]))
    return log


def _open(optuna: Any, storage: Path, scale: float, empty: Log) -> "tuple[optuna.Study, Log]":
    """Open the study, or make it; give it with the log of its trials."""
    storage.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = _make(optuna, storage, scale)
        state = optuna.trial.TrialState
        for left in study.get_trials(deepcopy=False, states=(state.RUNNING,)):
            # Of a process that was killed. It is suggested again, and goes on from its checkpoint.
            study.tell(left.number, state=state.FAIL)
        return study, _log_of(study, optuna, empty)
    except Exception as error:  # SQLAlchemy and Optuna raise errors of many kinds on damage
        raise BackbeatError(
            f"{storage}: cannot be read as a study ({one_line(error)}); remove it"
        ) from error


def _make(optuna: Any, storage: Path, scale: float) -> "optuna.Study":
    return optuna.create_study(  # type: ignore[no-any-return]
        storage=optuna.storages.RDBStorage(
            # Not by the address: it cannot hold each name that a folder can have.
            "sqlite:///study.db",
            engine_kwargs={
                "creator": functools.partial(
                    sqlite3.connect, storage, timeout=60, check_same_thread=False
                )
            },
        ),
        study_name="backbeat",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=_WARM_UP_TRIALS, n_warmup_steps=scaled(_WARM_UP_EPOCHS, scale)
        ),
    )


def _load_optuna() -> Any:
    with needing("train", "--strategy tpe"):
        import optuna
    # One line a trial on standard error; the command line reports progress itself.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
