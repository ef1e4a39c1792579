"""The tables as text: Markdown to read, CSV to compute with."""

import csv
import io
from collections.abc import Iterator, Sequence

from backbeat.reproduce import paper
from backbeat.reproduce.tables import Cell, ModelTable, RecallTable, Table


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
        return "" if value is None else f"{value:.10g}" if value == int(value) else f"{value:.6g}"

    for table in tables:
        for model, cell in cells_of(table):
            values = (cell.paper, cell.ours, cell.deviation, cell.difference)
            ratio = cell.ratio if cell.is_ratio else None
            writer.writerow([table.number, model, cell.column, *map(shown, values), shown(ratio)])
    return text.getvalue()
