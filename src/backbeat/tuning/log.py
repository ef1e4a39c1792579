"""The log of a search: what was tried, from which model, and what came of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from backbeat.files.text import percent
from backbeat.zoo.spec import Spec

Outcome = Literal["kept", "not kept", "pruned", "skipped"]


@dataclass(frozen=True)
class Judgement:
    """How good a trained model is on the validation part, after its last epoch."""

    accuracy: float
    loss: float
    seconds: float  # of training
    epochs: int
    pruned: bool = False  # whether it was ended before its last epoch, because it promised little


@dataclass(frozen=True)
class Trial:
    """One model that was tried; skipped, it has no accuracy and loss, but a reason."""

    number: int  # from 1, in the order of trying
    parent: int | None  # the trial whose model was changed
    change: str  # what was changed of it, in words
    spec: Spec
    # Whether it was the best so far; "pruned" was ended early; "skipped" was not trained
    outcome: Outcome
    accuracy: float | None = None
    loss: float | None = None
    seconds: float = 0.0  # of training
    reason: str = ""


@dataclass(frozen=True)
class Log:
    """All trials of a search, and why it ended (empty while it goes on)."""

    trials: tuple[Trial, ...] = ()
    ended: str = ""
    # Lines to stand above the trials: what was searched, and what its accuracies mean
    heading: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def done(self) -> int:
        """How many models were trained, wholly or in part."""
        return sum(trial.outcome != "skipped" for trial in self.trials)

    @property
    def best(self) -> Trial | None:
        """The trial with the highest validation accuracy, the first among equals."""
        whole = [trial for trial in self.trials if trial.outcome in ("kept", "not kept")]
        return max(whole, key=lambda trial: trial.accuracy or 0.0, default=None)

    def plus(self, trial: Trial) -> "Log":
        """Give the log with one trial more."""
        return replace(self, trials=(*self.trials, trial))

    def judged(self, trial: Trial, judgement: Judgement) -> "Log":
        """Give the log with a trained model more: kept if it is the best so far."""
        better = self.best is None or judgement.accuracy > (self.best.accuracy or 0.0)
        outcome: Outcome = "kept" if better else "not kept"
        return self.plus(
            replace(
                trial,
                outcome="pruned" if judgement.pruned else outcome,
                accuracy=judgement.accuracy,
                loss=judgement.loss,
                seconds=judgement.seconds,
            )
        )

    def tree(self) -> Iterator[tuple[int, Trial]]:
        """Give each trial with its depth, a model's changes below it in the order of trying."""
        below: dict[int | None, list[Trial]] = {}
        for trial in self.trials:
            below.setdefault(trial.parent, []).append(trial)
        waiting = [(0, trial) for trial in reversed(below.get(None, []))]
        while waiting:
            depth, trial = waiting.pop()
            yield depth, trial
            waiting += [(depth + 1, child) for child in reversed(below.get(trial.number, []))]

    def to_json(self) -> str:
        """Give the log as JSON, with each spec in full."""
        best = self.best
        content = {
            "format": "backbeat-tuning-log",
            "version": 1,
            "heading": list(self.heading),
            "ended": self.ended,
            "best": best.number if best else None,
            "trials": [_as_dict(trial) for trial in self.trials],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def to_text(self) -> str:
        """Give the log as an indented tree, a line a trial."""
        lines = []
        for depth, trial in self.tree():
            why = f" ({trial.reason})" if trial.reason else ""
            what = f"{'    ' * depth}{trial.number}. {trial.change}{why}"
            lines.append(f"{percent(trial.accuracy):>6}  {trial.outcome:<9} {what}")
        if self.best:
            lines += [
                "",
                f"Best: {self.best.number}, {percent(self.best.accuracy)} {self.best.spec.name}",
            ]
        if self.ended:
            lines.append(f"Ended: {self.ended}")
        return "\n".join(lines) + "\n"

    def to_markdown(self) -> str:
        """Give the log as a page of Markdown."""
        above = "".join(f"{line}\n\n" for line in self.heading)
        return f"# Models tried\n\n{above}```\n{self.to_text()}```\n"


NOTHING = Log()
"""No trials yet."""


def _as_dict(trial: Trial) -> dict[str, Any]:
    content = {
        name: getattr(trial, name)
        for name in ("number", "parent", "change", "outcome", "accuracy", "loss", "seconds")
    }
    spec = trial.spec.model_dump(mode="json", exclude_none=True)
    return content | {"reason": trial.reason, "spec": spec}
