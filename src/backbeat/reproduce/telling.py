"""What the page says: the summary, the facts, the steps of the series."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backbeat.reproduce import paper
from backbeat.reproduce.findings import Finding
from backbeat.reproduce.results import Results
from backbeat.reproduce.series import SERIES, Kind, Step
from backbeat.reproduce.tables import percent, signed

_KINDS: dict[Kind, str] = {
    "sequence": "one more convolution sequence",
    "layers": "other layers added",
    "epochs": "another number of epochs",
    "activation": "another activation",
    "dropout": "other dropout rates",
    "several": "several things at once",
}


@dataclass(frozen=True)
class ToldStep:
    """A step of a series with its accuracies."""

    step: Step
    # Accuracy in percent before and after
    ours: tuple[float, float] | None
    paper: tuple[float, float] | None
    # Whether ours goes the paper's way: "same", "other", "chance" (ours is so small that it tells
    # nothing) or "" where it cannot be said
    verdict: str

    @property
    def our_change(self) -> float | None:
        """Change of our accuracy in percentage points."""
        return None if self.ours is None else self.ours[1] - self.ours[0]

    @property
    def paper_change(self) -> float | None:
        """Change of the paper's accuracy in percentage points."""
        return None if self.paper is None else self.paper[1] - self.paper[0]


@dataclass(frozen=True)
class KindOfStep:
    """The steps of one kind: mean changes in points over those with both figures."""

    name: str
    steps: int
    raised: int
    paper_raised: int
    ours: float
    paper: float


def told_steps(results: Results) -> dict[str, tuple[ToldStep, ...]]:
    """Give the steps of each series by its title."""
    return {series.title: tuple(_told(s, results) for s in series.steps) for series in SERIES}


def _told(step: Step, results: Results) -> ToldStep:
    ours = printed = None
    if step.before in results.results and step.after in results.results:
        before, after = results.results[step.before], results.results[step.after]
        ours = (100 * before.accuracy, 100 * after.accuracy)
    if step.before in paper.ROWS:
        after_printed = (
            paper.BASE_AT_100_ACCURACY
            if step.after == paper.BASE_AT_100
            else paper.ROWS[step.after].accuracy
        )
        printed = (paper.ROWS[step.before].accuracy, after_printed)
    verdict = ""
    if ours and printed:
        change, theirs = ours[1] - ours[0], printed[1] - printed[0]
        same = "same" if change * theirs > 0 else "other"
        verdict = "chance" if abs(change) < 100 * results.chance else same
    return ToldStep(step, ours, printed, verdict)


def kinds_of_steps(steps: Sequence[ToldStep]) -> tuple[KindOfStep, ...]:
    """Sum the steps up by what changed; kinds without a step that was run are left out."""
    kinds = []
    for kind, name in _KINDS.items():
        pairs = [
            (told.our_change, told.paper_change)
            for told in steps
            if told.step.kind == kind
            and told.our_change is not None
            and told.paper_change is not None
            # A network that collapses would drown the mean of all others.
            and told.step.after != paper.BASE_AT_100
        ]
        if pairs:
            ours, theirs = np.array(pairs, dtype=np.float64).T
            raised, paper_raised = int((ours > 0).sum()), int((theirs > 0).sum())
            means = float(ours.mean()), float(theirs.mean())
            kinds.append(KindOfStep(name, len(pairs), raised, paper_raised, *means))
    return tuple(kinds)


def summary(results: Results, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Summarise the results in plain words, a string a paragraph."""
    found, scale = results.found, _epochs_scale(results)
    told = []
    if scale:
        told.append(
            f"The models were trained for {scale} of the paper's epochs: their accuracies are not "
            "those that the paper's models reach."
        )
    if found:
        best = max(found, key=lambda one: one.accuracy)
        printed = max(paper.ROWS.values(), key=lambda row: row.accuracy)
        told.append(
            f"{_trained(results)} The best is {best.name} with {percent(best.accuracy)} of the "
            f"slices right{_spread(best.deviation)}; the paper's best is {printed.model} with "
            f"{printed.accuracy:.1f} %."
        )
        differences = np.array([100 * o.accuracy - paper.ROWS[o.name].accuracy for o in found])
        middle, near = float(np.median(differences)), int((np.abs(differences) <= 5).sum())
        way = "above" if middle > 0 else "below"
        if len(found) > 1:
            told.append(
                f"At the median our models are {abs(middle):.1f} points {way} the paper's, and "
                f"{near} of {len(found)} lie within 5 points of theirs; the differences go from "
                f"{signed(float(differences.min()), 1)} to {signed(float(differences.max()), 1)}."
            )
    holding = [finding for finding in findings if finding.holds]
    failing = [finding for finding in findings if finding.holds is False]
    open_ones = len(findings) - len(holding) - len(failing)
    if holding or failing:
        line = f"Of the paper's {len(findings)} findings {len(holding)} hold here"
        line += f" and {len(failing)} do not" if failing else ""
        line += f"; {open_ones} cannot be judged, as models or genres are missing" * bool(open_ones)
        told.append(line + ".")
    if failing:
        told[-1] += " These do not hold: " + "; ".join(_lowered(f.statement) for f in failing) + "."
    if not results.divides_songs:
        other = ["trained for other numbers of epochs"] if scale else []
        other += [] if results.papers_genres else ["of other genres"]
        told.append(
            "The paper tested on slices of songs that it had also trained on, which makes its "
            f"figures too high; ours are of a split by {results.protocol}. "
            + (
                f"Ours are also {' and '.join(other)}: how much of a difference comes from the "
                "split cannot be said."
                if other
                else "Figures below the paper's are therefore to be expected."
            )
        )
    return tuple(told)


def facts(results: Results) -> dict[str, str]:
    """Say what was run and on what, for a table."""
    environment = results.environment
    parts = f"{results.train:,} {results.unit} to train on, {results.test:,} to test on"
    if results.valid:
        parts += f", {results.valid:,} to validate"
    scale = _epochs_scale(results)
    epochs = "as in the paper"
    if scale:
        epochs = f"{scale} of the paper's, so that accuracies are not its models' own"
    runs = [run for one in results.results.values() for run in one.runs]
    front = environment.get("frontend", {})
    told = {
        "Models": _trained(results),
        "Split": f"{results.protocol}, seed {results.split_seed}, hash {results.split_hash}",
        "Parts": parts,
        "Leak": results.leak,
        "Seeds of the weights": ", ".join(map(str, results.seeds)),
        "Epochs": epochs,
        "Genres": ", ".join(results.genres),
        "Front-end": str(front.get("name", "unknown")),
        "Processing time": f"{_duration(sum(run.minutes for run in runs))} in {len(runs)} runs, "
        "each by its own clock: runs beside one another slow each other down",
        "Machine": f"{environment.get('processors')} processors, {environment.get('platform')}",
        "Software": f"backbeat {environment.get('backbeat')}, "
        + ", ".join(f"{k} {v}" for k, v in environment.get("packages", {}).items()),
    }
    if results.extra:
        told["Also run"] = ", ".join(results.extra)
    return told


def _epochs_scale(results: Results) -> str:
    """Give the ratio of epochs to the paper's, such as ``0.02 to 0.03``; empty where it is 1."""
    low, high = (f"{ratio:.2g}" for ratio in results.epochs_scales)
    if results.epochs_scales == (1.0, 1.0):
        return ""
    return low if low == high else f"{low} to {high}"


def _trained(results: Results) -> str:
    told = f"{len(results.found)} of the paper's {len(paper.ROWS)} models were trained"
    if len(results.seeds) > 1:
        told += f", with {len(results.seeds)} seeds"
    return told + "."


def _spread(deviation: float | None) -> str:
    return "" if deviation is None else f" (± {100 * deviation:.1f} between seeds)"


def _lowered(statement: str) -> str:
    """Begin a sentence small, unless with a name such as ReLU."""
    first, _, rest = statement.partition(" ")
    return f"{first.lower()} {rest}" if first[1:].islower() else statement


def _duration(minutes: float) -> str:
    return f"{minutes:.1f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
