"""A whole search, from a feature store to the best spec, in a folder that the same call resumes.

::

    tuning.json   the settings
    split.json    names in each part
    trials/       a folder for each spec; see `judge`
    study.db      Optuna's study (tpe alone)
    tree.json     the log: each trial, what it changed of which, its validation accuracy
    tree.md       the same, to be read
    tree.png      the same, drawn, once the search has ended
    best.yaml     the best spec so far, as `backbeat train --model` takes it
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from backbeat.errors import BackbeatError
from backbeat.features.store import Examples, Features
from backbeat.files import atomic
from backbeat.files.claims import claim
from backbeat.files.locks import locked
from backbeat.files.text import number
from backbeat.splits import (
    PARTS,
    VALID,
    Split,
    leak_sentence,
    make_split,
    measure_leaks,
    write_split,
)
from backbeat.training.fitting import Progress
from backbeat.tuning import moves, trial_and_error
from backbeat.tuning.judge import Judge, without_test
from backbeat.tuning.log import Log
from backbeat.tuning.moves import Family
from backbeat.tuning.search import room_for, run_study

Strategy = Literal["trial-and-error", "tpe"]

_SETTINGS = "tuning.json"


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is: models done and to do, the best so far, and the training under way."""

    log: Log
    budget: int
    training: Progress | None = None


def tune(
    features: Features,
    out: Path,
    *,
    family: Family,
    strategy: Strategy = "trial-and-error",
    budget: int = 30,
    protocol: str = "artists",
    seed: int = 0,
    epochs_scale: float = 1.0,
    test_share: float = 0.3,
    valid_share: float = 0.2,
    threads: int = 1,
    on_progress: Callable[[SearchProgress], None] | None = None,
) -> Log:
    """Search for a good model, judging by a validation part and never by the test part.

    The same call resumes a search that was stopped or killed, and gives the result of one that was
    not; with a larger budget, it resumes one that has ended.

    Parameters
    ----------
    features : Features
    out : Path
        The folder of the search.
    family : {"mlp", "cnn"}
    strategy : {"trial-and-error", "tpe"}
        The paper's procedure (see `trial_and_error`), or a general search (see `search`).
    budget : int
        Models to train at most.
    protocol : {"slices", "tracks", "artists"}
        See `splits`.
    seed : int
        Of the split, the weights and the order of slices, and of the general search.
    epochs_scale : float
        Factor on all numbers of epochs, for a quick look.
    test_share : float
        Share that is kept aside, for the best model's own test.
    valid_share : float
        Share of the rest to judge by.
    threads : int
        See `training.train`.
    on_progress : callable, optional
        Called after every batch and every trial.

    Returns
    -------
    Log

    Raises
    ------
    StoppedError
        On Ctrl-C or SIGTERM.
    BackbeatError
        If `out` holds something else, or a search with other settings, or is in use.
    """
    _check(family, strategy, budget, epochs_scale, valid_share)
    examples = features.examples("mfcc")
    split = make_split(
        examples, protocol, seed=seed, test_share=test_share, valid_share=valid_share
    )
    if not len(split.rows("valid")):
        raise BackbeatError(
            f"--split {protocol}: the validation part is empty; "
            "choose a larger --valid-share or add tracks"
        )
    settings = {
        "family": family,
        "strategy": strategy,
        "seed": seed,
        "epochs_scale": epochs_scale,
        "threads": threads,
        "split": split.hash,
        "frontend": features.frontend.model_dump(),
    }
    with locked(out):
        claim(out, _SETTINGS, settings, "search", noted={"features": str(features.path)})
        write_split(out / "split.json", split)
        log = Log(heading=_heading(family, strategy, split, examples))

        def report(progress: Progress | None = None) -> None:
            if on_progress:
                on_progress(SearchProgress(log, budget, progress))

        def noted(now: Log) -> None:
            nonlocal log
            log = now
            _write(out, log)
            report()

        report()
        judge = Judge(
            features, *without_test(examples, split), out / "trials", seed, threads, report
        )
        if strategy == "tpe":
            with room_for(out / "study.db"):
                log = run_study(
                    judge,
                    out / "study.db",
                    family,
                    budget=budget,
                    seed=seed,
                    scale=epochs_scale,
                    on_trial=noted,
                    log=log,
                )
        else:
            log = trial_and_error.search(
                moves.start(family, epochs_scale),
                lambda spec: moves.changes(spec, epochs_scale),
                judge,
                budget=budget,
                on_trial=noted,
                log=log,
            )
        _draw(out, log)
        return log


def _check(
    family: str, strategy: str, budget: int, epochs_scale: float, valid_share: float
) -> None:
    for option, value, known in (
        ("family", family, get_args(Family)),
        ("strategy", strategy, get_args(Strategy)),
    ):
        if value not in known:
            raise BackbeatError(f"--{option} {value}: unknown; choose one of {', '.join(known)}")
    if budget < 1:
        raise BackbeatError(f"--budget {budget}: must be at least 1")
    if not 0 < epochs_scale < 1000:
        raise BackbeatError(f"--epochs-scale {epochs_scale}: must lie between 0 and 1000")
    if not 0 < valid_share < 1:
        raise BackbeatError(f"--valid-share {valid_share}: must lie between 0 and 1")


def _heading(family: str, strategy: str, split: Split, examples: Examples) -> tuple[str, ...]:
    counts = ", ".join(f"{number(len(split.rows(part)))} {part}" for part in PARTS)
    leaks = measure_leaks(examples, [split.part], tested=VALID)
    return (
        f"{family} by {strategy}; split {split.protocol}, seed {split.seed}: {counts} slices.",
        "Accuracies are of slices of the validation part. The test part was not touched.",
        leak_sentence(leaks, "validation"),
    )


def _write(out: Path, log: Log) -> None:
    atomic.write_text(out / "tree.json", log.to_json())
    atomic.write_text(out / "tree.md", log.to_markdown())
    if log.best:
        name = f"tuned_{log.best.spec.name}"
        best = log.best.spec.model_copy(update={"name": name})
        atomic.write_text(out / "best.yaml", best.to_yaml())


def _draw(out: Path, log: Log) -> None:
    from backbeat.figures.style import save
    from backbeat.tuning.tree import trial_tree

    save(trial_tree(log), out / "tree.png")
