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
    on_trial: Callable[[Log], None] = lambda log: None,
    log: Log = NOTHING,
) -> Log:
    """Search from the best of some simple models by changing one thing at a time.

    `changes` gives the ways to change a spec in the order in which to try them. `evaluate` trains a
    spec and judges it by its accuracy; where it raises `UnfitError` the spec is noted as skipped.
    `budget` models are evaluated at most. `on_trial` is called with the log after each trial.
    """
    seen: set[str] = set()

    def report(now: Log) -> Log:
        nonlocal log
        log = now
        on_trial(log)
        return log

    def tried(change: Change, parent: Trial | None) -> Trial:
        seen.add(fingerprint(change.spec))
        came_from = parent.number if parent else None
        trial = Trial(len(log.trials) + 1, came_from, change.words, change.spec, "not kept")
        try:
            judged = evaluate(change.spec)
        except UnfitError as error:
            _, _, reason = str(error).partition(": ")  # without the spec's name
            report(log.plus(replace(trial, outcome="skipped", reason=reason)))
        else:
            report(log.judged(trial, judged))
        return log.trials[-1]

    for change in starts:
        if log.done < budget:
            tried(change, None)
    # Which of the simple models is changed further shows only when all have been tried.
    best = log.best
    log = replace(
        log,
        trials=tuple(
            replace(trial, outcome="not kept")
            if trial.outcome == "kept" and trial != best
            else trial
            for trial in log.trials
        ),
    )
    improved = best is not None
    while best and improved:
        improved = False
        for change in changes(best.spec):
            # A model that was tried before was no better than the best of then.
            if fingerprint(change.spec) in seen:
                continue
            if log.done >= budget:
                return report(replace(log, ended=f"the budget of {budget} models is used up"))
            trial = tried(change, best)
            if trial.outcome == "kept":
                best, improved = trial, True
                break
    return report(replace(log, ended=NO_IMPROVEMENT if best else "no model could be tried"))
