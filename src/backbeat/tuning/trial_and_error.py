"""Progressive trial and error, the paper's way to its models, as an algorithm.

"A basic starting model was run; for the MLPs, two basic models were run and evaluated, and the
better performing model then served as the starting model. The starting model was modified by
adding an additional hidden layer or changing the number of epochs. If that model's performance
improved, it was further modified in the same manner to form a new model; if performance did not
improve, the preceding model was modified in a different manner to form a new model. This procedure
continued until the subsequent models ceased to exhibit performance improvements." (Sears 2021)

Nothing here is random: a search that is repeated with the same judgements has the same result.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from backbeat.tuning.log import NOTHING, Judgement, Log, Trial
from backbeat.tuning.moves import Change, fingerprint
from backbeat.zoo.shapes import UnfitError
from backbeat.zoo.spec import Spec

NO_IMPROVEMENT = "no change improves the best model"


def search(
    starts: Sequence[Change],
    changes: Callable[[Spec], Iterable[Change]],
    evaluate: Callable[[Spec], Judgement],
    *,
    budget: int,
    on_trial: Callable[[Log], None] | None = None,
    log: Log = NOTHING,
) -> Log:
    """Search from the best of some simple models by changing one thing at a time.

    `changes` gives the ways to change a spec in the order in which to try them. `evaluate` trains a
    spec and judges it by its accuracy; where it raises `UnfitError` the spec is noted as skipped.
    `budget` models are evaluated at most. `on_trial` is called with the log after each trial.
    """
    seen: set[str] = set()
    best: Trial | None = None

    def tried(change: Change, parent: Trial | None) -> Trial:
        nonlocal log
        seen.add(fingerprint(change.spec))
        trial = _try(change, parent, best, evaluate, len(log.trials) + 1)
        log = log.plus(trial)
        if on_trial:
            on_trial(log)
        return trial

    first: list[Trial] = []
    for change in starts:
        if log.done < budget:
            first.append(tried(change, None))
    # Which of the simple models is gone on from shows only when all have been tried.
    best = max(
        (trial for trial in first if trial.accuracy is not None),
        key=lambda trial: trial.accuracy or 0.0,
        default=None,
    )
    log = replace(log, trials=tuple(_settled(trial, best) for trial in log.trials))
    improved = best is not None
    while best and improved:
        improved = False
        for change in changes(best.spec):
            # A model that was tried before was no better than the best of then.
            if fingerprint(change.spec) in seen:
                continue
            if log.done >= budget:
                return _end(log, f"the budget of {budget} models is used up", on_trial)
            trial = tried(change, best)
            if trial.outcome == "kept":
                best, improved = trial, True
                break
    return _end(log, NO_IMPROVEMENT if best else "no model could be tried", on_trial)


def _try(
    change: Change,
    parent: Trial | None,
    best: Trial | None,
    evaluate: Callable[[Spec], Judgement],
    number: int,
) -> Trial:
    came_from = parent.number if parent else None
    trial = Trial(number, came_from, change.words, change.spec, "not kept")
    try:
        judged = evaluate(change.spec)
    except UnfitError as error:
        return replace(trial, outcome="skipped", reason=_without_name(str(error)))
    better = best is None or best.accuracy is None or judged.accuracy > best.accuracy
    return replace(
        trial,
        outcome="kept" if better else "not kept",
        accuracy=judged.accuracy,
        loss=judged.loss,
        seconds=judged.seconds,
    )


def _settled(trial: Trial, best: Trial | None) -> Trial:
    """Keep only the best of the simple models."""
    if trial.outcome == "skipped":
        return trial
    return replace(trial, outcome="kept" if best and trial.number == best.number else "not kept")


def _end(log: Log, reason: str, on_trial: Callable[[Log], None] | None) -> Log:
    log = replace(log, ended=reason)
    if on_trial:
        on_trial(log)
    return log


def _without_name(message: str) -> str:
    """Take the spec's name off an error: the log has said which it is."""
    return message.partition(": ")[2] or message
