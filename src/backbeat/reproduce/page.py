"""The page of a reproduction: one self-contained HTML file that reads like the paper's results."""

from collections.abc import Sequence
from typing import Any

from backbeat import __version__
from backbeat.evaluation import LEAKING
from backbeat.reproduce import paper, telling
from backbeat.reproduce.drawing import Picture
from backbeat.reproduce.findings import Finding
from backbeat.reproduce.results import Results
from backbeat.reproduce.tables import Cell, ModelTable, RecallTable, Table, number, signed
from backbeat.runs.report import data_uri, template
from backbeat.splits import is_leaking

_MARKS = {True: ("✓", "holds"), False: ("✗", "does not hold"), None: ("?", "cannot be judged")}
_VERDICTS = {
    "same": ("✓", "the same way"),
    "other": ("✗", "the other way"),
    "chance": ("≈", "within chance"),
    "": ("", ""),
}
_MLP_TABLES = (1, 2, 3)


def reproduction_report(
    results: Results,
    tables: Sequence[Table],
    findings: Sequence[Finding],
    pictures: Sequence[Picture],
) -> str:
    """Make the page, which loads nothing from elsewhere and names each picture that is missing."""
    steps = telling.told_steps(results)
    every_step = [step for series in steps.values() for step in series]
    page: str = template("reproduction.html").render(
        title=paper.TITLE,
        author=paper.AUTHOR,
        leaking=LEAKING if results.divides_songs else "",
        leak=results.leak,
        shared=is_leaking(results.leaks),
        headlines=_headlines(results, findings),
        summary=telling.summary(results, findings),
        chance=f"{100 * results.chance:.1f}",
        n_slices=results.n_slices,
        findings=[(*_mark(finding), finding) for finding in findings],
        mlp_tables=[_table(t, results) for t in tables if t.number in _MLP_TABLES],
        cnn_tables=[_table(t, results) for t in tables if t.number not in _MLP_TABLES],
        mlp_figures=_figures(pictures, (5, 6, 7)),
        cnn_figures=_figures(pictures, (8, 9, 10, 11)),
        data_figures=_figures(pictures, (1, 2, 3, 4)),
        comparisons={p.name: (p.caption, data_uri(p.png)) for p in pictures if p.figure is None},
        kinds=[
            (kind, signed(kind.ours, 1), signed(kind.paper, 1))
            for kind in telling.kinds_of_steps(every_step)
        ],
        steps={title: [_step(step) for step in own] for title, own in steps.items()},
        failed=results.failed,
        unfinished=results.unfinished,
        missing=results.missing,
        facts=telling.facts(results),
        version=__version__,
    )
    return page


def _mark(finding: Finding) -> tuple[str, str]:
    mark, said = _MARKS[finding.holds]
    return mark, said + (", within chance" if finding.close and finding.holds is not None else "")


def _headlines(results: Results, findings: Sequence[Finding]) -> list[tuple[str, str, str]]:
    """Give the great numbers: name, value, and what it says."""
    shown = [("Models trained", f"{len(results.found)}", f"of {len(paper.ROWS)} in the paper")]
    for family in ("cnn", "mlp"):
        own = [one for one in results.found if one.name.startswith(family)]
        printed = max(
            (row for row in paper.ROWS.values() if row.model.startswith(family)),
            key=lambda row: row.accuracy,
        )
        if own:
            best = max(own, key=lambda one: one.accuracy)
            said = f"{best.name}; the paper's {printed.accuracy:.1f} % ({printed.model})"
            shown.append((f"Best {family.upper()}", _percent(best.accuracy), said))
    judged = [finding for finding in findings if finding.holds is not None]
    holding = sum(bool(finding.holds) for finding in judged)
    if judged:
        shown.append(("Findings that hold", f"{holding}", f"of {len(judged)} that can be judged"))
    return shown


def _figures(pictures: Sequence[Picture], numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Give the paper's figures of these numbers, with their pictures or why there are none."""
    figures = []
    for wanted in numbers:
        own = [picture for picture in pictures if picture.figure == wanted]
        if wanted in paper.SONG_FIGURES:
            songs = ", ".join(paper.SONG_FIGURES[wanted])
            why = (
                f"It shows {songs}, of GTZAN. Its audio comes with no software: name the folder "
                "that holds yours with --songs FOLDER, and the same command draws it."
            )
        else:
            why = f"{paper.METRIC_FIGURES.get(wanted)} is not trained yet."
        figures.append(
            {
                "number": wanted,
                "caption": paper.CAPTIONS[wanted],
                "pictures": [(p.caption, data_uri(p.png)) for p in own],
                "why": why,
            }
        )
    return figures


def _table(table: Table, results: Results) -> dict[str, Any]:
    shared = {"number": table.number, "title": table.title}
    if isinstance(table, ModelTable):
        return shared | {"kind": "models", "columns": table.columns, "rows": _rows(table, results)}
    return shared | {
        "kind": "recalls",
        "columns": table.columns,
        "rows": _recall_rows(table, results),
    }


def _rows(table: ModelTable, results: Results) -> list[dict[str, Any]]:
    best = max((row.accuracy.ours or 0.0 for row in table.rows), default=0.0)
    papers_best = max(row.accuracy.paper or 0.0 for row in table.rows)
    return [
        {
            "model": row.model,
            "described": row.described,
            "epochs": row.epochs,
            "scaled": row.epochs.ours is not None and row.epochs.ours != row.epochs.paper,
            "minutes": row.minutes,
            "accuracy": row.accuracy,
            "look": _look(row.accuracy, 100 * results.chance),
            "best": row.accuracy.ours == best,
            "papers_best": row.accuracy.paper == papers_best,
            "missing": row.missing,
        }
        for row in table.rows
    ]


def _recall_rows(table: RecallTable, results: Results) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for place, genre in enumerate(table.genres):
        cells = [column.recalls[place] for column in table.columns]
        # A genre has a tenth of the slices, so that chance makes more of its recall.
        chance = 100 * results.chance * len(table.genres) ** 0.5
        looks = [(cell, _look(cell, chance)) for cell in cells]
        rows.append({"name": genre, "samples": table.samples[place], "cells": looks})
    for place, (name, _) in enumerate(table.columns[0].summary):
        cells = [column.summary[place][1] for column in table.columns]
        looks = [
            (cell, "" if cell.is_ratio else _look(cell, 100 * results.chance)) for cell in cells
        ]
        if name == "Variance":
            looks = [(cell, "") for cell in cells]
        rows.append({"name": name, "samples": None, "cells": looks})
    return rows


def _look(cell: Cell, chance: float) -> str:
    """Give the class that a difference is shown in: above, below or within chance."""
    if cell.difference is None:
        return ""
    if abs(cell.difference) < chance:
        return "near"
    return "above" if cell.difference > 0 else "below"


def _step(told: telling.ToldStep) -> dict[str, Any]:
    mark, verdict = _VERDICTS[told.verdict]
    return {
        "before": told.step.before,
        "after": told.step.after,
        "change": told.step.change,
        "ours": "–" if told.ours is None else " → ".join(number(v, 1) for v in told.ours),
        "our_change": "–" if told.our_change is None else signed(told.our_change, 1),
        "paper_change": "–" if told.paper_change is None else signed(told.paper_change, 1),
        "look": {"same": "above", "other": "below"}.get(told.verdict, "near"),
        "mark": mark,
        "verdict": verdict,
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"
