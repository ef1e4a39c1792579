"""The paper's progressive trial and error: its series of models, and the steps within them.

The text says from which model each next one was made; where it does not, the nearest model of the
series with the fewest differences is taken. What changed is read off the tables' columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from backbeat.reproduce import paper
from backbeat.reproduce.results import Results

Kind = Literal["activation", "layers", "sequence", "epochs", "dropout", "several"]


@dataclass(frozen=True)
class Step:
    """One step of a series: a model, the one made from it, and what changed."""

    # Names of the models
    before: str
    after: str
    change: str  # in words
    # "layers" and "sequence" (a whole convolution sequence) make the network deeper; "several"
    # changes more than one thing, so that no single one explains the difference
    kind: Kind


@dataclass(frozen=True)
class Series:
    """Models that were made from one another."""

    key: str  # a short name
    title: str
    models: tuple[str, ...]
    steps: tuple[Step, ...]


def _steps(text: str) -> tuple[Step, ...]:
    steps = []
    for line in text.strip().splitlines():
        before, after, kind, change = (cell.strip() for cell in line.split("|"))
        steps.append(Step(before, after, change, kind))  # type: ignore[arg-type]
    return tuple(steps)


_MLP_RMSPROP = """
mlp_01 | mlp_02 | activation | ReLU → sigmoid
mlp_02 | mlp_03 | epochs | 50 → 100 epochs
mlp_02 | mlp_04 | epochs | 50 → 60 epochs
mlp_04 | mlp_05 | layers | a second layer, of 256 nodes
mlp_05 | mlp_06 | layers | a third layer, of 128 nodes
mlp_06 | mlp_07 | epochs | 60 → 80 epochs
mlp_07 | mlp_12 | epochs | 80 → 100 epochs
mlp_12 | mlp_12.1 | epochs | 100 → 200 epochs
mlp_07 | mlp_11 | layers | a fourth layer: 512 nodes twice
mlp_06 | mlp_08 | several | a fourth layer, of 64 nodes; 60 → 50 epochs
mlp_08 | mlp_09 | epochs | 50 → 80 epochs
mlp_09 | mlp_09.1 | epochs | 80 → 200 epochs
mlp_08 | mlp_10 | layers | a fifth layer: 512 nodes twice
"""

_MLP_ADAM = """
mlp_14 | mlp_13 | activation | sigmoid → ReLU
mlp_13 | mlp_15 | epochs | 50 → 100 epochs
mlp_13 | mlp_16 | layers | a second layer, of 256 nodes
mlp_16 | mlp_17 | epochs | 50 → 100 epochs
mlp_16 | mlp_18 | layers | a third layer, of 128 nodes
mlp_18 | mlp_19 | epochs | 50 → 100 epochs
mlp_18 | mlp_20 | layers | a fourth layer, of 64 nodes
mlp_20 | mlp_21 | epochs | 50 → 100 epochs
mlp_20 | mlp_22 | layers | a fifth layer: 512 nodes twice
mlp_22 | mlp_23 | epochs | 50 → 90 epochs
mlp_22 | mlp_24 | layers | a sixth layer: 256 nodes twice
mlp_24 | mlp_25 | epochs | 50 → 100 epochs
mlp_25 | mlp_27 | epochs | 100 → 200 epochs
mlp_25 | mlp_26 | layers | a seventh layer: 128 nodes twice
"""

_CNN_01 = """
cnn_01.0 | cnn_01.1 | layers | pooling
cnn_01.1 | cnn_01.2 | several | normalising, dropout, a dense layer of 64; 50 → 30 epochs
cnn_01.2 | cnn_01.3 | sequence | a second sequence (3×3)
cnn_01.3 | cnn_01.4 | sequence | a third sequence (2×2)
cnn_01.4 | cnn_01.5 | layers | a dense layer of 128
cnn_01.5 | cnn_01.6 | epochs | 30 → 50 epochs
cnn_01.6 | cnn_01.7 | epochs | 50 → 40 epochs
"""

_CNN_02 = """
cnn_02 | cnn_02.1 | several | pooling; 50 → 30 epochs
cnn_02.1 | cnn_02.2 | layers | normalising, dropout, a dense layer of 64
cnn_02.2 | cnn_02.3 | sequence | a second sequence (3×3)
cnn_02.3 | cnn_02.4 | epochs | 30 → 50 epochs
cnn_02.3 | cnn_02.5 | sequence | a third sequence (2×2)
cnn_02.5 | cnn_02.6 | epochs | 30 → 50 epochs
cnn_02.5 | cnn_02.7 | layers | a dense layer of 128
cnn_02.7 | cnn_02.8 | epochs | 30 → 50 epochs
cnn_02.7 | cnn_02.9 | dropout | dropout 30, 30, 30 → 40, 30, 20 %
"""

_CNN_03 = """
cnn_03.0 | cnn_03.1 | layers | pooling
cnn_03.1 | cnn_03.2 | layers | normalising, dropout, a dense layer of 64
cnn_03.2 | cnn_03.3 | several | a second sequence (3×3); 50 → 30 epochs
cnn_03.3 | cnn_03.4 | sequence | a third sequence (2×2)
cnn_03.4 | cnn_03.5 | dropout | dropout 30, 30, 30 → 40, 30, 20 %
cnn_03.5 | cnn_03.6 | several | a dense layer of 128; 30 → 50 epochs
cnn_03.6 | cnn_03.7 | epochs | 50 → 80 epochs
cnn_03.7 | cnn_03.8 | epochs | 80 → 100 epochs
"""

_BASES = f"""
mlp_base | {paper.BASE_AT_100} | epochs | 50 → 100 epochs
cnn_base_01 | cnn_base_02 | epochs | 30 → 50 epochs
"""

_BASE_MODELS = ("mlp_base", "cnn_base_01", "cnn_base_02")


def _models(number: int) -> tuple[str, ...]:
    (table,) = (table for table in paper.TABLES if table.number == number)
    return tuple(row.model for row in table.rows if row.model not in _BASE_MODELS)


SERIES: tuple[Series, ...] = (
    Series("MLP, RMSprop", "MLPs with RMSprop (Table 1)", _models(1), _steps(_MLP_RMSPROP)),
    Series("MLP, Adam", "MLPs with Adam (Table 2)", _models(2), _steps(_MLP_ADAM)),
    Series("cnn_01", "CNNs with sigmoid and RMSprop (Table 4)", _models(4), _steps(_CNN_01)),
    Series("cnn_02", "CNNs with sigmoid and Adam (Table 5)", _models(5), _steps(_CNN_02)),
    Series("cnn_03", "CNNs with ReLU and Adam (Table 6)", _models(6), _steps(_CNN_03)),
    Series("base", "Saint-Félix's networks", _BASE_MODELS, _steps(_BASES)),
)

SERIES_OF: dict[str, str] = {model: series.key for series in SERIES for model in series.models}
"""The key of each model's series."""

_KINDS: dict[Kind, str] = {
    "sequence": "one more convolution sequence",
    "layers": "other layers added",
    "epochs": "another number of epochs",
    "activation": "another activation",
    "dropout": "other dropout rates",
    "several": "several things at once",
}


@dataclass(frozen=True)
class ComparedStep:
    """A step of a series with its accuracies."""

    step: Step
    # Accuracy in percent before and after
    ours: tuple[float, float] | None
    paper: tuple[float, float] | None
    # Whether ours goes the paper's way: "same", "other", "chance" (ours is so small that it may be
    # chance) or "" where it cannot be said
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


def compared_steps(results: Results) -> dict[str, tuple[ComparedStep, ...]]:
    """Give the steps of each series by its title."""
    return {series.title: tuple(_compared(s, results) for s in series.steps) for series in SERIES}


def _compared(step: Step, results: Results) -> ComparedStep:
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
    return ComparedStep(step, ours, printed, verdict)


def kinds_of_steps(steps: Sequence[ComparedStep]) -> tuple[KindOfStep, ...]:
    """Sum the steps up by what changed; kinds without a step that was run are left out."""
    kinds = []
    for kind, name in _KINDS.items():
        pairs = [
            (compared.our_change, compared.paper_change)
            for compared in steps
            if compared.step.kind == kind
            and compared.our_change is not None
            and compared.paper_change is not None
            # A network that collapses would outweigh all others in the mean.
            and compared.step.after != paper.BASE_AT_100
        ]
        if pairs:
            ours, theirs = np.array(pairs, dtype=np.float64).T
            raised, paper_raised = int((ours > 0).sum()), int((theirs > 0).sum())
            means = float(ours.mean()), float(theirs.mean())
            kinds.append(KindOfStep(name, len(pairs), raised, paper_raised, *means))
    return tuple(kinds)
