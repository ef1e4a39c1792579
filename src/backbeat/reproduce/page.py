"""Writing a reproduction's results: tables, findings, figures, and a page that holds them all."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from backbeat import __version__
from backbeat.evaluation import LEAKING
from backbeat.files import atomic
from backbeat.files.text import duration, number, percent, signed
from backbeat.reproduce import paper
from backbeat.reproduce.drawing import Picture, draw
from backbeat.reproduce.findings import Finding, all_findings
from backbeat.reproduce.results import Results, read_results
from backbeat.reproduce.series import ComparedStep, compared_steps, kinds_of_steps
from backbeat.reproduce.tables import (
    Cell,
    ModelTable,
    RecallTable,
    Table,
    make_tables,
    to_csv,
    to_markdown,
)
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
OTHER_SONGS = (
    "The songs here are not GTZAN's. The paper's figures are of other songs, so that a difference "
    "from them may be one of the songs and not of the models."
)


def write(folder: Path, *, songs: Path | None = None) -> tuple[Path, ...]:
    """Read the runs in ``folder/runs``, some of which may be missing, and write the results.

    Beside ``runs`` these are ``report.html``, ``tables.md``, ``tables.csv``, ``findings.json`` and
    ``figures/*.png``, each written atomically. `songs` is a folder of GTZAN's songs, for Figures 1
    to 3.
    """
    results = read_results(folder)
    tables, findings = make_tables(results), all_findings(results)
    pictures = draw(results, songs=songs)
    written = {
        folder / "report.html": reproduction_report(results, tables, findings, pictures),
        folder / "tables.md": to_markdown(tables, note=_note(results)),
        folder / "tables.csv": to_csv(tables),
        folder / "findings.json": json.dumps(
            [asdict(finding) for finding in findings], indent=1, ensure_ascii=False
        )
        + "\n",
    }
    paths = []
    for picture in pictures:
        paths.append(folder / "figures" / f"{picture.name}.png")
        atomic.write_bytes(paths[-1], picture.png)
    for path, text in written.items():
        atomic.write_text(path, text)
    return (*written, *paths)


def _note(results: Results) -> str:
    ours = f"Ours: split {results.protocol}, hash {results.split_hash}"
    songs = "" if results.papers_songs else f" {OTHER_SONGS}"
    return f"{ours}. **{results.leak}** The paper's are of random slices, which leak.{songs}"


def reproduction_report(
    results: Results,
    tables: Sequence[Table],
    findings: Sequence[Finding],
    pictures: Sequence[Picture],
) -> str:
    """Make the page, which loads nothing from elsewhere and names each picture that is missing."""
    steps = compared_steps(results)
    every_step = [step for series in steps.values() for step in series]
    page: str = template("reproduction.html").render(
        title=paper.TITLE,
        author=paper.AUTHOR,
        leaking=LEAKING if results.divides_songs else "",
        leak=results.leak,
        shared=is_leaking(results.leaks),
        headlines=_headlines(results, findings),
        summary=_summary(results, findings),
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
            (kind, signed(kind.ours), signed(kind.paper)) for kind in kinds_of_steps(every_step)
        ],
        steps={title: [_step(step) for step in own] for title, own in steps.items()},
        failed=results.failed,
        unfinished=results.unfinished,
        missing=results.missing,
        facts=_facts(results),
        version=__version__,
    )
    return page


def _mark(finding: Finding) -> tuple[str, str]:
    mark, verdict = _MARKS[finding.holds]
    close = finding.close and finding.holds is not None
    return mark, f"{verdict}, within chance" if close else verdict


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
            meaning = f"{best.name}; the paper's {printed.accuracy:.1f} % ({printed.model})"
            shown.append((f"Best {family.upper()}", percent(best.accuracy), meaning))
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


def _step(compared: ComparedStep) -> dict[str, Any]:
    mark, verdict = _VERDICTS[compared.verdict]
    return {
        "before": compared.step.before,
        "after": compared.step.after,
        "change": compared.step.change,
        "ours": "–" if compared.ours is None else " → ".join(number(v, 1) for v in compared.ours),
        "our_change": "–" if compared.our_change is None else signed(compared.our_change),
        "paper_change": "–" if compared.paper_change is None else signed(compared.paper_change),
        "look": {"same": "above", "other": "below"}.get(compared.verdict, "near"),
        "mark": mark,
        "verdict": verdict,
    }


def _summary(results: Results, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Summarise the results in plain words, a string a paragraph."""
    found, scale = results.found, _epochs_scale(results)
    paragraphs = [] if results.papers_songs else [OTHER_SONGS]
    if scale:
        paragraphs.append(
            f"The models were trained for {scale} of the paper's epochs: their accuracies are not "
            "those that the paper's models reach."
        )
    if found:
        best = max(found, key=lambda one: one.accuracy)
        printed = max(paper.ROWS.values(), key=lambda row: row.accuracy)
        paragraphs.append(
            f"{_trained(results)} The best is {best.name} with {percent(best.accuracy)} of the "
            f"slices correct{_spread(best.deviation)}; the paper's best is {printed.model} with "
            f"{printed.accuracy:.1f} %."
        )
        differences = np.array([100 * o.accuracy - paper.ROWS[o.name].accuracy for o in found])
        middle, near = float(np.median(differences)), int((np.abs(differences) <= 5).sum())
        way = "above" if middle > 0 else "below"
        if len(found) > 1:
            paragraphs.append(
                f"At the median our models are {abs(middle):.1f} points {way} the paper's, and "
                f"{near} of {len(found)} lie within 5 points of theirs; the differences go from "
                f"{signed(float(differences.min()))} to {signed(float(differences.max()))}."
            )
    holding = [finding for finding in findings if finding.holds]
    failing = [finding for finding in findings if finding.holds is False]
    open_ones = len(findings) - len(holding) - len(failing)
    if holding or failing:
        line = f"Of the paper's {len(findings)} findings {len(holding)} hold here"
        line += f" and {len(failing)} do not" if failing else ""
        line += f"; {open_ones} cannot be judged, as models or genres are missing" * bool(open_ones)
        paragraphs.append(line + ".")
    if failing:
        statements = "; ".join(_lowered(finding.statement) for finding in failing)
        paragraphs[-1] += f" These do not hold: {statements}."
    if not results.divides_songs:
        other = ["trained for other numbers of epochs"] if scale else []
        other += [] if results.papers_songs else ["of other songs"]
        paragraphs.append(
            "The paper tested on slices of songs that it had also trained on, which makes its "
            f"figures too high; ours are of a split by {results.protocol}. "
            + (
                f"Ours are also {' and '.join(other)}: how much of a difference comes from the "
                "split cannot be said."
                if other
                else "Figures below the paper's are therefore to be expected."
            )
        )
    return tuple(paragraphs)


def _facts(results: Results) -> dict[str, str]:
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
    seconds = 60 * sum(run.minutes for run in runs)
    front = environment.get("frontend", {})
    shown = {
        "Models": _trained(results),
        "Split": f"{results.protocol}, seed {results.split_seed}, hash {results.split_hash}",
        "Parts": parts,
        "Leak": results.leak,
        "Seeds of the weights": ", ".join(map(str, results.seeds)),
        "Epochs": epochs,
        "Genres": ", ".join(results.genres),
        "Front-end": str(front.get("name", "unknown")),
        "Processing time": f"{duration(seconds)} in {len(runs)} runs, "
        "each by its own clock: runs beside one another slow each other down",
        "Machine": f"{environment.get('processors')} processors, {environment.get('platform')}",
        "Software": f"backbeat {environment.get('backbeat')}, "
        + ", ".join(f"{k} {v}" for k, v in environment.get("packages", {}).items()),
    }
    if results.extra:
        shown["Also run"] = ", ".join(results.extra)
    return shown


def _epochs_scale(results: Results) -> str:
    """Give the ratio of epochs to the paper's, such as ``0.02 to 0.03``; empty where it is 1."""
    low, high = (f"{ratio:.2g}" for ratio in results.epochs_scales)
    if results.epochs_scales == (1.0, 1.0):
        return ""
    return low if low == high else f"{low} to {high}"


def _trained(results: Results) -> str:
    verb = "was" if len(results.found) == 1 else "were"
    line = f"{len(results.found)} of the paper's {len(paper.ROWS)} models {verb} trained"
    if len(results.seeds) > 1:
        line += f", with {len(results.seeds)} seeds"
    return line + "."


def _spread(deviation: float | None) -> str:
    return "" if deviation is None else f" (± {100 * deviation:.1f} between seeds)"


def _lowered(statement: str) -> str:
    """Begin a sentence small, unless with a name such as ReLU."""
    first, _, rest = statement.partition(" ")
    return f"{first.lower()} {rest}" if first[1:].islower() else statement
