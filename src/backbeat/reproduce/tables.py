"""The paper's tables with our figures beside its own: as values, as Markdown, and as CSV."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from backbeat.collections.genres import GTZAN_GENRES
from backbeat.files.text import number, signed, significant
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
            return "" if self.ratio is None else f"×{number(self.ratio, 2)}"
        return "" if self.difference is None else signed(self.difference, self.digits)

    @property
    def our_text(self) -> str:
        """Ours, with its deviation; a dash where there is none."""
        spread = "" if self.deviation is None else f" ± {number(self.deviation, self.digits)}"
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


def to_markdown(tables: Sequence[Table], *, note: str = "") -> str:
    """Give the tables as Markdown whose columns also align as plain text, under `note`."""
    parts = [f"# The tables of “{paper.TITLE}” ({paper.AUTHOR}), and ours"]
    parts += [note] if note else []
    parts.append(
        "*Difference*: ours less the paper's, in percentage points. *Ratio*: our processing time "
        "over the paper's."
    )
    for table in tables:
        parts.append(f"## Table {table.number}. {table.title}")
        if isinstance(table, ModelTable):
            parts.append(_model_markdown(table))
        else:
            parts.append(_recall_markdown(table))
    return "\n\n".join(parts) + "\n"


def _model_markdown(table: ModelTable) -> str:
    heads = ["Model name", *table.columns, "Epochs", "Proc. time, paper", "ours", "ratio"]
    heads += ["Accuracy %, paper", "ours", "difference"]
    left = [True, False, *(True for _ in table.columns[1:])]
    rows = []
    for row in table.rows:
        epochs = row.epochs.paper_text
        if row.epochs.ours not in (None, row.epochs.paper):
            epochs = f"{row.epochs.our_text} (of {epochs})"
        rows.append([row.model, *row.described, epochs])
        rows[-1] += [row.minutes.paper_text, row.minutes.our_text, row.minutes.compared]
        rows[-1] += [row.accuracy.paper_text, row.missing or row.accuracy.our_text]
        rows[-1] += [row.accuracy.compared]
    return markdown_table(heads, rows, left)


def _recall_markdown(table: RecallTable) -> str:
    heads = ["Genre", "Test samples, paper", "ours"]
    for column in table.columns:
        heads += [f"{column.model}, paper", "ours", "difference"]
    rows = [
        ["Activation function", "", ""]
        + [t for c in table.columns for t in (c.activation, "", "")],
        ["Optimization function", "", ""]
        + [t for c in table.columns for t in (c.optimizer, "", "")],
        ["Epochs", "", ""] + [t for c in table.columns for t in _three(c.epochs, c.missing)],
    ]
    for place, genre in enumerate(table.genres):
        samples = table.samples[place]
        rows.append([genre, samples.paper_text, samples.our_text])
        rows[-1] += [t for c in table.columns for t in _three(c.recalls[place], "")]
    for place, (name, _) in enumerate(table.columns[0].summary):
        cells = [_three(column.summary[place][1], "") for column in table.columns]
        rows.append([name, "", "", *(text for three in cells for text in three)])
    return markdown_table(heads, rows, [True])


def _three(cell: Cell, missing: str) -> tuple[str, str, str]:
    compared = "" if cell.column == "epochs" else cell.compared
    return cell.paper_text, missing or cell.our_text, compared


def markdown_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool] = ()
) -> str:
    """Lay out a Markdown table; columns are set right but for those that `left` says."""
    lefts = [*left, *(False for _ in heads[len(left) :])]
    safe = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(3, *(len(line[i]) for line in [heads, *safe])) for i in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        laid = (
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(cells, widths, lefts, strict=True)
        )
        return "| " + " | ".join(laid) + " |"

    rule = (
        "-" * width if to_left else "-" * (width - 1) + ":"
        for width, to_left in zip(widths, lefts, strict=True)
    )
    return "\n".join([line(heads), "| " + " | ".join(rule) + " |", *map(line, safe)])


def cells_of(table: Table) -> Iterator[tuple[str, Cell]]:
    """Give each comparison of a table with its model's name; test samples have no model."""
    if isinstance(table, ModelTable):
        for row in table.rows:
            for cell in (row.epochs, row.minutes, row.accuracy):
                yield row.model, cell
    else:
        for cell in table.samples:
            yield "", cell
        for column in table.columns:
            for cell in (column.epochs, *column.recalls, *(c for _, c in column.summary)):
                yield column.model, cell


def to_csv(tables: Sequence[Table]) -> str:
    """Give all tables as one tidy CSV, a line a figure; what is not there is empty.

    The columns are table, model, column, paper, ours, deviation (between seeds), difference (ours
    less the paper's, in the column's own unit) and ratio (ours over the paper's, of minutes only).
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["table", "model", "column", "paper", "ours", "deviation", "difference", "ratio"]
    )

    def shown(value: float | None) -> str:
        if value is None:
            return ""
        return significant(value, 10) if value == int(value) else significant(value)

    for table in tables:
        for model, cell in cells_of(table):
            values = (cell.paper, cell.ours, cell.deviation, cell.difference)
            ratio = cell.ratio if cell.is_ratio else None
            writer.writerow([table.number, model, cell.column, *map(shown, values), shown(ratio)])
    return text.getvalue()
