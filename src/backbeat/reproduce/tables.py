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
from backbeat.reproduce.results import Results, sample_deviation


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
    """A model of a table: what the paper prints of it, and its figures beside ours."""

    printed: paper.PaperRow
    epochs: Cell
    minutes: Cell
    accuracy: Cell
    missing: str  # why there is nothing of ours; empty where there is
    # Of Tables 3 and 7
    variance: Cell
    recalls: tuple[Cell, ...]  # in the order of the table's genres

    @property
    def summary(self) -> tuple[tuple[str, Cell], ...]:
        """What stands under the genres of Tables 3 and 7."""
        return (
            ("Accuracy", self.accuracy),
            ("Variance", self.variance),
            ("Processing time (min)", self.minutes),
        )


@dataclass(frozen=True)
class Table:
    """A table of the paper, with ours beside its own figures."""

    printed: paper.PaperTable
    rows: tuple[Row, ...]
    genres: tuple[str, ...]  # of Tables 3 and 7; empty for the others
    samples: tuple[Cell, ...]  # test slices of each of these genres


NOT_TRAINED = "not trained yet"


def make_tables(results: Results) -> tuple[Table, ...]:
    """Give the paper's seven tables, in its order, with ours beside its own figures."""
    tables = sorted((*paper.TABLES, *paper.RECALL_TABLES), key=lambda table: table.number)
    return tuple(_table(table, results) for table in tables)


def why_missing(model: str, results: Results) -> str:
    """Say why there is nothing of a model; empty where there is."""
    if model in results.results:
        return ""
    for name, reason in results.failed.items():
        if name.rpartition("-seed")[0] == model:
            return f"failed: {reason}"
    begun = any(name.rpartition("-seed")[0] == model for name in results.unfinished)
    return "not finished yet" if begun else NOT_TRAINED


def _table(table: paper.PaperTable, results: Results) -> Table:
    genres: tuple[str, ...] = ()
    printed: dict[str, int] = {}
    if table.samples:
        genres = GTZAN_GENRES if results.papers_genres else results.genres
    if table.samples and results.papers_genres:
        printed = dict(zip(GTZAN_GENRES, table.samples, strict=True))
    slices = next(iter(results.results.values())).runs[0].metrics.slices
    ours = {genre: scores.support for genre, scores in zip(results.genres, slices, strict=True)}
    samples = tuple(
        Cell(f"test samples of {genre}", printed.get(genre), ours[genre], digits=0)
        for genre in genres
    )
    return Table(table, tuple(_row(row, genres, results) for row in table.rows), genres, samples)


def _row(row: paper.PaperRow, genres: Sequence[str], results: Results) -> Row:
    ours = results.results.get(row.model)
    printed = {}
    if row.recalls and results.papers_genres:
        printed = dict(zip(GTZAN_GENRES, row.recalls, strict=True))
    seeds = (
        [dict(zip(results.genres, one, strict=True)) for one in ours.recalls_by_seed]
        if ours
        else []
    )
    return Row(
        printed=row,
        epochs=Cell("epochs", row.epochs, ours.epochs if ours else None, digits=0),
        minutes=_compared(
            "minutes", row.minutes, ours.minutes_by_seed if ours else (), scale=1, is_ratio=True
        ),
        accuracy=_compared(
            "accuracy (%)", row.accuracy, ours.accuracies if ours else (), 0 if genres else 2
        ),
        missing=why_missing(row.model, results),
        variance=_compared(
            "variance of recall (%)", row.variance, ours.variances if ours else (), 1
        ),
        recalls=tuple(
            _compared(f"recall of {genre} (%)", printed.get(genre), [s[genre] for s in seeds], 0)
            for genre in genres
        ),
    )


def _compared(
    column: str,
    printed: float | None,
    by_seed: Sequence[float],
    digits: int = 2,
    *,
    scale: float = 100,
    is_ratio: bool = False,
) -> Cell:
    """Compare ours, a figure a seed (none if missing), times `scale` with what is printed."""
    if not by_seed or math.isnan(by_seed[0]):
        return Cell(column, printed, digits=digits, is_ratio=is_ratio)
    scaled = tuple(scale * figure for figure in by_seed)
    spread = sample_deviation(scaled)
    return Cell(column, printed, float(np.mean(scaled)), spread, digits, is_ratio)


def to_markdown(tables: Sequence[Table], *, note: str = "") -> str:
    """Give the tables as Markdown whose columns also align as plain text, under `note`."""
    parts = [f"# The tables of “{paper.TITLE}” ({paper.AUTHOR}), and ours"]
    parts += [note] if note else []
    parts.append(
        "*Difference*: ours less the paper's, in percentage points. *Ratio*: our processing time "
        "over the paper's."
    )
    for table in tables:
        parts.append(f"## Table {table.printed.number}. {table.printed.title}")
        parts.append(_recall_markdown(table) if table.genres else _model_markdown(table))
    return "\n\n".join(parts) + "\n"


def _model_markdown(table: Table) -> str:
    columns = table.printed.columns
    heads = ["Model name", *columns, "Epochs", "Proc. time, paper", "ours", "ratio"]
    heads += ["Accuracy %, paper", "ours", "difference"]
    left = [True, False, *(True for _ in columns[1:])]
    rows = []
    for row in table.rows:
        epochs = row.epochs.paper_text
        if row.epochs.ours not in (None, row.epochs.paper):
            epochs = f"{row.epochs.our_text} (of {epochs})"
        rows.append([row.printed.model, *row.printed.described, epochs])
        rows[-1] += [row.minutes.paper_text, row.minutes.our_text, row.minutes.compared]
        rows[-1] += [row.accuracy.paper_text, row.missing or row.accuracy.our_text]
        rows[-1] += [row.accuracy.compared]
    return markdown_table(heads, rows, left)


def _recall_markdown(table: Table) -> str:
    heads = ["Genre", "Test samples, paper", "ours"]
    for row in table.rows:
        heads += [f"{row.printed.model}, paper", "ours", "difference"]
    lines = [
        [name, "", "", *(text for row in table.rows for text in (row.printed.described[i], "", ""))]
        for i, name in enumerate(table.printed.columns)
    ]
    three = [text for row in table.rows for text in _three(row.epochs, row.missing)]
    lines.append(["Epochs", "", "", *three])
    for place, genre in enumerate(table.genres):
        samples = table.samples[place]
        lines.append([genre, samples.paper_text, samples.our_text])
        lines[-1] += [text for row in table.rows for text in _three(row.recalls[place])]
    for place, (name, _) in enumerate(table.rows[0].summary):
        three = [text for row in table.rows for text in _three(row.summary[place][1])]
        lines.append([name, "", "", *three])
    return markdown_table(heads, lines, [True])


def _three(cell: Cell, missing: str = "") -> tuple[str, str, str]:
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
    for cell in table.samples:
        yield "", cell
    for row in table.rows:
        cells = [row.epochs, row.minutes, row.accuracy]
        if table.genres:
            cells = [row.epochs, *row.recalls, *(cell for _, cell in row.summary)]
        for cell in cells:
            yield row.printed.model, cell


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
            writer.writerow(
                [table.printed.number, model, cell.column, *map(shown, values), shown(ratio)]
            )
    return text.getvalue()
