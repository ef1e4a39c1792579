"""The paper's tables with our figure beside each of its own, as values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backbeat.collections.genres import GTZAN_GENRES
from backbeat.reproduce import paper
from backbeat.reproduce.results import Result, Results, sample_deviation

_ACCURACY, _VARIANCE = "accuracy (%)", "variance of recall (%)"


@dataclass(frozen=True)
class Cell:
    """The paper's figure and ours."""

    column: str  # what it is of, with its unit
    # In percent, minutes or slices; None where there is none
    paper: float | None = None
    ours: float | None = None
    deviation: float | None = None  # sample deviation of ours between seeds; None for one seed
    digits: int = 2  # decimal places, as the paper prints it
    # Whether the two are compared by their ratio (minutes) rather than by their difference
    is_ratio: bool = False

    @property
    def difference(self) -> float | None:
        """Ours less the paper's; None unless both are there."""
        return None if self.paper is None or self.ours is None else self.ours - self.paper

    @property
    def ratio(self) -> float | None:
        """Ours over the paper's; None unless both are there."""
        return None if not self.paper or self.ours is None else self.ours / self.paper

    @property
    def compared(self) -> str:
        """The comparison in words: ``+1.23``, or ``×0.12`` of minutes; empty for none."""
        if self.is_ratio:
            return "" if self.ratio is None else f"×{self.ratio:.2f}"
        return "" if self.difference is None else signed(self.difference, self.digits)

    @property
    def our_text(self) -> str:
        """Ours, with its deviation; a dash where there is none."""
        spread = "" if self.deviation is None else f" ± {self.deviation:.{self.digits}f}"
        return number(self.ours, self.digits) + spread

    @property
    def paper_text(self) -> str:
        """The paper's; a dash where there is none."""
        return number(self.paper, self.digits)


@dataclass(frozen=True)
class Row:
    """A row of Tables 1, 2, 4, 5 or 6."""

    model: str
    described: tuple[str, ...]  # as printed
    epochs: Cell
    minutes: Cell
    accuracy: Cell
    missing: str  # why there is nothing of ours; empty where there is


@dataclass(frozen=True)
class ModelTable:
    """Table 1, 2, 4, 5 or 6."""

    number: int
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class RecallColumn:
    """A model of Table 3 or 7."""

    model: str
    activation: str
    optimizer: str
    epochs: Cell
    recalls: tuple[Cell, ...]  # in the order of the table's genres
    accuracy: Cell
    variance: Cell
    minutes: Cell
    missing: str  # why there is nothing of ours; empty where there is

    @property
    def summary(self) -> tuple[tuple[str, Cell], ...]:
        """The rows under the genres."""
        return (
            ("Accuracy", self.accuracy),
            ("Variance", self.variance),
            ("Processing time (min)", self.minutes),
        )


@dataclass(frozen=True)
class RecallTable:
    """Table 3 or 7; `samples` are the test slices of each genre."""

    number: int
    title: str
    genres: tuple[str, ...]
    samples: tuple[Cell, ...]
    columns: tuple[RecallColumn, ...]


Table = ModelTable | RecallTable


def make_tables(results: Results) -> tuple[Table, ...]:
    """Give the paper's seven tables, in its order, with ours beside its own figures."""
    tables: list[Table] = [_model_table(table, results) for table in paper.TABLES]
    tables += [_recall_table(table, results) for table in paper.RECALL_TABLES]
    return tuple(sorted(tables, key=lambda table: table.number))


def why_missing(model: str, results: Results) -> str:
    """Say why there is nothing of a model; empty where there is."""
    if model in results.results:
        return ""
    for name, reason in results.failed.items():
        if name.rpartition("-seed")[0] == model:
            return f"failed: {reason}"
    begun = any(name.rpartition("-seed")[0] == model for name in results.unfinished)
    return "not finished yet" if begun else "not trained yet"


def _model_table(table: paper.PaperTable, results: Results) -> ModelTable:
    rows = tuple(_row(row, results) for row in table.rows)
    return ModelTable(table.number, table.title, table.columns, rows)


def _row(printed: paper.PaperRow, results: Results) -> Row:
    ours = results.results.get(printed.model)
    return Row(
        model=printed.model,
        described=printed.described,
        epochs=_epochs(printed.epochs, ours),
        minutes=_minutes(printed.minutes, ours),
        accuracy=_over_seeds("accuracy (%)", printed.accuracy, ours.accuracies if ours else (), 2),
        missing=why_missing(printed.model, results),
    )


def _epochs(printed: int, ours: Result | None) -> Cell:
    return Cell("epochs", printed, ours.epochs if ours else None, digits=0)


def _minutes(printed: float, ours: Result | None) -> Cell:
    if ours is None:
        return Cell("minutes", printed, is_ratio=True)
    spread = sample_deviation(ours.minutes_by_seed)
    return Cell("minutes", printed, ours.minutes, spread, is_ratio=True)


def _over_seeds(column: str, printed: float | None, shares: Sequence[float], digits: int) -> Cell:
    """Compare shares (fractions, one a seed; none if missing) with what is printed in percent."""
    if not shares or math.isnan(shares[0]):
        return Cell(column, printed, digits=digits)
    percent = tuple(100 * share for share in shares)
    spread = sample_deviation(percent)
    return Cell(column, printed, float(np.mean(percent)), spread, digits)


def _recall_table(table: paper.PaperRecallTable, results: Results) -> RecallTable:
    genres = table.genres if results.papers_genres else results.genres
    support = _support(results)
    printed = dict(zip(table.genres, table.samples, strict=True)) if results.papers_genres else {}
    return RecallTable(
        number=table.number,
        title=table.title,
        genres=genres,
        samples=tuple(
            Cell(f"test samples of {genre}", printed.get(genre), support[genre], digits=0)
            for genre in genres
        ),
        columns=tuple(_recall_column(column, genres, results) for column in table.columns),
    )


def _support(results: Results) -> dict[str, int]:
    metrics = next(iter(results.results.values())).runs[0].metrics
    return {g: s.support for g, s in zip(metrics.genres, metrics.slices, strict=True)}


def _recall_column(
    column: paper.PaperRecall, genres: tuple[str, ...], results: Results
) -> RecallColumn:
    ours = results.results.get(column.model)
    printed = {}
    if results.papers_genres:
        printed = dict(zip(GTZAN_GENRES, column.recalls, strict=True))
    places = {genre: place for place, genre in enumerate(results.genres)}
    recalls = tuple(
        _over_seeds(
            f"recall of {genre} (%)",
            printed.get(genre),
            [seed[places[genre]] for seed in ours.recalls_by_seed] if ours else [],
            0,
        )
        for genre in genres
    )
    return RecallColumn(
        model=column.model,
        activation=column.activation,
        optimizer=column.optimizer,
        epochs=_epochs(column.epochs, ours),
        recalls=recalls,
        accuracy=_over_seeds(_ACCURACY, column.accuracy, ours.accuracies if ours else (), 0),
        variance=_over_seeds(
            "variance of recall (%)", column.variance, ours.variances if ours else (), 1
        ),
        minutes=_minutes(column.minutes, ours),
        missing=why_missing(column.model, results),
    )


def number(value: float | None, digits: int) -> str:
    """Give a number with so many decimals; a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float, digits: int) -> str:
    """Give a number with its sign, a true minus, and none where it rounds to nothing."""
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else "−") + text


def percent(share: float) -> str:
    """Give a share in percent, such as ``80.6 %``."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """Give a difference of shares in percentage points, such as ``+1.2 points``."""
    return f"{signed(100 * difference, 1)} points"
