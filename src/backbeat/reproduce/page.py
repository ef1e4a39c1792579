"""Writing a reproduction's results: tables, findings, figures, and a page that holds them all."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from backbeat.errors import BackbeatError
from backbeat.files import atomic
from backbeat.files.text import duration, number, percent, plural, signed, significant
from backbeat.reproduce import paper
from backbeat.reproduce.drawing import Drawn, draw
from backbeat.reproduce.findings import Finding, all_findings
from backbeat.reproduce.results import Results, accuracy_interval, read_results
from backbeat.reproduce.series import ComparedStep, compared_steps, kinds_of_steps
from backbeat.reproduce.tables import (
    NOT_TRAINED,
    Cell,
    Table,
    make_tables,
    to_csv,
    to_markdown,
)
from backbeat.runs.headlines import ends, kept_apart
from backbeat.runs.report import WITHOUT_LEAK, Picture, render
from backbeat.splits import is_leaking

_MARKS = {True: ("✓", "holds"), False: ("✗", "does not hold"), None: ("?", "cannot be judged")}
_VERDICTS = {
    "same": ("✓", "the same way"),
    "other": ("✗", "the other way"),
    "chance": ("≈", "within chance"),
    "": ("", ""),
}
_MLP_TABLES = (1, 2, 3)
_SPLITS = {"slices": "random slices", "tracks": "whole songs"}
OTHER_SONGS = (
    "The songs here are not GTZAN's. The paper's figures are of other songs, so a difference from "
    "them may come from the songs, not the models."
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
    for drawn in pictures:
        paths.append(folder / "figures" / f"{drawn.name}.png")
        atomic.write_bytes(paths[-1], drawn.png)
    for path, text in written.items():
        atomic.write_text(path, text)
    return (*written, *paths)


def write_splits(folder: Path, protocols: Sequence[str]) -> Path:
    """Write ``report.html``: each model on every split, from reproductions in subfolders of these.

    It answers what a leak is worth: the paper's figure, and ours with more and more kept apart.
    """
    read = {protocol: read_results(folder / protocol) for protocol in protocols}
    first = next(iter(read.values()))
    cells: dict[str, list[str]] = {}
    for one in first.found:
        cells[one.name] = [percent(paper.ROWS[one.name].accuracy / 100)]
        for protocol, results in read.items():
            ours = results.results.get(one.name)
            interval = accuracy_interval(folder / protocol, ours) if ours else None
            cells[one.name].append(percent(ours.accuracy if ours else None) + ends(interval))
    if not cells:
        raise BackbeatError(f"{folder}: no model of the paper is finished on every split")
    model = max(cells, key=lambda name: paper.ROWS[name].accuracy)
    names = ("the paper's", *(_split_name(results) for results in read.values()))
    heads = [name[0].upper() + name[1:] for name in names]
    last = list(read.values())[-1].leaks
    values = [cell.partition(" (") for cell in cells[model]]
    page = render(
        "splits.html",
        kind=f"Reproduction of “{paper.TITLE}” ({paper.AUTHOR}), on {len(read)} splits",
        title=f"{model}: "
        + ", ".join(f"{name} {value}" for name, (value, _, _) in zip(names, values, strict=True)),
        measured=f"Slices correct, of {first.collection}. The paper's figures are of random slices "
        "of GTZAN.",
        warnings=[
            line for line in _warnings(first) if line not in (f"{first.leak} {WITHOUT_LEAK}",)
        ],
        headlines=[
            (name, value, f"{model}; 95 % interval {more.replace(')', ' %')}" if more else model)
            for name, (value, _, more) in zip(heads, values, strict=True)
        ],
        splits=number(len(read)),
        new_artists=not is_leaking(last)
        and any(one.kind == "artist" and one.known for one in last),
        heads=("Model", *heads),
        rows=[(name, *own) for name, own in cells.items()],
        leaks=[
            (protocol, name, results.leak)
            for name, (protocol, results) in zip(heads[1:], read.items(), strict=True)
        ],
        facts={
            name: fact
            for name, fact in _facts(first).items()
            if name not in ("Parts", "Leak", "Split", "Processing time")
        },
    )
    atomic.write_text(folder / "report.html", page)
    return folder / "report.html"


def _split_name(results: Results) -> str:
    """Name a split by what was measured of it, where its protocol promises that."""
    name = _SPLITS.get(results.protocol) or kept_apart(results.leaks)
    return f"{name} (LEAKING)" if results.divides_songs else name


def _note(results: Results) -> str:
    ours = f"Ours: split {results.protocol}, hash {results.split_hash}"
    songs = "" if results.papers_songs else f" {OTHER_SONGS}"
    return f"{ours}. **{results.leak}** The paper's are of random slices, which leak.{songs}"


def reproduction_report(
    results: Results,
    tables: Sequence[Table],
    findings: Sequence[Finding],
    pictures: Sequence[Drawn],
) -> str:
    """Make the page, which loads nothing from elsewhere and names each picture that is missing."""
    steps = compared_steps(results)
    every_step = [step for series in steps.values() for step in series]
    metrics = next(iter(results.results.values())).runs[0].metrics
    return render(
        "reproduction.html",
        kind=f"Reproduction of “{paper.TITLE}” ({paper.AUTHOR})",
        title=_verdict(results),
        measured=f"Measured on {plural(metrics.n_slices, 'slice')} of "
        f"{plural(metrics.n_tracks, 'song')}, in {plural(len(results.genres), 'genre')}, of "
        f"{results.collection}. The paper's figures are of 2,997 random slices of GTZAN.",
        warnings=_warnings(results),
        headlines=_headlines(results, findings),
        leak="" if is_leaking(results.leaks) else results.leak,
        summary=_summary(results, findings),
        chance=number(100 * results.chance, 1),
        n_slices=results.n_slices,
        scaled_down=results.scaled_down,
        findings=[(*_mark(finding), finding) for finding in findings],
        sections=[
            (key, heading, own, recalls, *_figures(pictures, numbers))
            for key, heading, own, recalls, numbers in (
                (
                    *("mlp", "Multiple Layer Perceptrons", _tables(tables, results, mlp=True)),
                    *("recall_mlps", (5, 6, 7)),
                ),
                (
                    *("cnn", "Convolutional Neural Networks", _tables(tables, results, mlp=False)),
                    *("recall_cnns", (8, 9, 10, 11)),
                ),
                ("data", "Songs and filters", [], "", (1, 2, 3, 4)),
            )
        ],
        comparisons={drawn.name: drawn.picture for drawn in pictures if drawn.figure is None},
        kinds=[
            (kind, signed(kind.ours), signed(kind.paper)) for kind in kinds_of_steps(every_step)
        ],
        steps={
            title: [_step(step, judged=not results.scaled_down) for step in own]
            for title, own in steps.items()
            if any(step.ours for step in own)
        },
        failed=results.failed,
        unfinished=results.unfinished,
        facts=_facts(results),
    )


def result_line(folder: Path) -> str:
    """Give the result of a reproduction in one line, as its page has it."""
    return _verdict(read_results(folder))


def _verdict(results: Results) -> str:
    """Give the result in one line: the best model's accuracy beside the paper's best."""
    found = results.found or tuple(results.results.values())
    best = max(found, key=lambda one: one.accuracy)
    theirs = max(paper.ROWS.values(), key=lambda row: row.accuracy)
    name = f"the paper's best, {theirs.model}"
    if theirs.model not in results.results and best.name in paper.ROWS:
        theirs, name = paper.ROWS[best.name], "the paper's"
    return (
        f"{percent(best.accuracy)} of slices by {best.name}, {kept_apart(results.leaks)}; "
        f"{name}: {percent(theirs.accuracy / 100)}, which leaks"
    )


def _warnings(results: Results) -> list[str]:
    """Say first what makes the figures another thing than the paper's."""
    warnings = []
    if results.scaled_down:
        warnings.append(f"Scaled down: {results.scaled_down}. No finding of the paper is judged.")
    if not results.papers_songs:
        warnings.append(OTHER_SONGS)
    if is_leaking(results.leaks):
        warnings.append(f"{results.leak} {WITHOUT_LEAK}")
    return warnings


def _mark(finding: Finding) -> tuple[str, str]:
    return ("≈", "within chance") if finding.close else _MARKS[finding.holds]


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
            meaning = (
                f"{best.name}; the paper's {percent(printed.accuracy / 100)} ({printed.model})"
            )
            shown.append((f"Best {family.upper()}", percent(best.accuracy), meaning))
    judged = [finding for finding in findings if finding.holds is not None]
    holding = sum(bool(finding.holds) for finding in judged)
    if judged:
        shown.append(("Findings that hold", f"{holding}", f"of {len(judged)} that can be judged"))
    return shown


def _figures(
    pictures: Sequence[Drawn], numbers: Sequence[int]
) -> tuple[list[tuple[int, list[Picture]]], str]:
    """Give the paper's figures of these numbers that were drawn, and why the others were not."""
    drawn = [
        (number, own)
        for number in numbers
        if (own := [one.picture for one in pictures if one.figure == number])
    ]
    lacking = [number for number in numbers if number not in dict(drawn)]
    if not lacking:
        return drawn, ""
    names = ", ".join(map(str, lacking))
    if songs := [song for number in lacking for song in paper.SONG_FIGURES.get(number, ())]:
        why = (
            f"Figures {names} show songs of GTZAN ({songs[0]} and others). Name the folder that "
            "holds yours with `--songs FOLDER`, and the same command draws them."
        )
    else:
        why = f"Not drawn, as their models are not trained: Figures {names}."
    return drawn, why


def _tables(tables: Sequence[Table], results: Results, *, mlp: bool) -> list[dict[str, Any]]:
    """Give the tables of a family in which anything is ours."""
    return [
        _table(table, results)
        for table in tables
        if (table.printed.number in _MLP_TABLES) is mlp
        and any(not row.missing for row in table.rows)
    ]


def _table(table: Table, results: Results) -> dict[str, Any]:
    trained = tuple(row for row in table.rows if row.missing != NOT_TRAINED)
    shared = {"number": table.printed.number, "title": table.printed.title, "left_out": ""}
    if results.scaled_down and len(trained) < len(table.rows):
        # What was not asked for is no gap in each line.
        shared["left_out"] = f"{number(len(trained))} of {plural(len(table.rows), 'model')}."
        table = replace(table, rows=trained)
    if table.genres:
        rows = _recall_rows(table, results)
        return shared | {"kind": "recalls", "columns": table.rows, "rows": rows}
    columns = table.printed.columns
    return shared | {"kind": "models", "columns": columns, "rows": _rows(table, results)}


def _rows(table: Table, results: Results) -> list[dict[str, Any]]:
    best = max((row.accuracy.ours or 0.0 for row in table.rows), default=0.0)
    papers_best = max(row.accuracy.paper or 0.0 for row in table.rows)
    return [
        {
            "model": row.printed.model,
            "described": row.printed.described,
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


def _recall_rows(table: Table, results: Results) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for place, genre in enumerate(table.genres):
        cells = [column.recalls[place] for column in table.rows]
        # A genre has a tenth of the slices, so that chance makes more of its recall.
        chance = 100 * results.chance * len(table.genres) ** 0.5
        looks = [(cell, _look(cell, chance)) for cell in cells]
        rows.append({"name": genre, "samples": table.samples[place], "cells": looks})
    for place, (name, _) in enumerate(table.rows[0].summary):
        cells = [column.summary[place][1] for column in table.rows]
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


def _step(compared: ComparedStep, *, judged: bool) -> dict[str, Any]:
    mark, verdict = _VERDICTS[compared.verdict if judged else ""]
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
    found, scale = results.found, results.epochs_scale
    paragraphs = []
    if found:
        best = max(found, key=lambda one: one.accuracy)
        printed = max(paper.ROWS.values(), key=lambda row: row.accuracy)
        paragraphs.append(
            f"{_trained(results)} The best is {best.name} with {percent(best.accuracy)} of the "
            f"slices correct{_spread(best.deviation)}; the paper's best is {printed.model} with "
            f"{percent(printed.accuracy / 100)}."
        )
        differences = np.array([100 * o.accuracy - paper.ROWS[o.name].accuracy for o in found])
        middle, near = float(np.median(differences)), int((np.abs(differences) <= 5).sum())
        way = "above" if middle > 0 else "below"
        if len(found) > 1 and not scale:
            paragraphs.append(
                f"At the median our models are {number(abs(middle), 1)} points {way} the paper's, "
                f"and {near} of {len(found)} lie within 5 points of theirs; differences go from "
                f"{signed(float(differences.min()))} to {signed(float(differences.max()))}."
            )
    holding = [finding for finding in findings if finding.holds]
    failing = [finding for finding in findings if finding.holds is False]
    close = sum(finding.close for finding in findings)
    open_ones = len(findings) - len(holding) - len(failing) - close
    if holding or failing:
        line = f"Of the paper's {len(findings)} findings {len(holding)} hold here"
        line += f" and {len(failing)} do not" if failing else ""
        line += f"; {close} are within chance" * bool(close)
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
    parts = f"{number(results.train)} {results.unit} to train on, {number(results.test)} to test on"
    if results.valid:
        parts += f", {number(results.valid)} to validate"
    scale = results.epochs_scale
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
        "Collection": results.collection,
        "Leak": results.leak,
        "Seeds of the weights": ", ".join(map(str, results.seeds)),
        "Epochs": epochs,
        "Genres": ", ".join(results.genres),
        "Front-end": str(front.get("name", "unknown"))
        + (f", {significant(front['seconds'])} s" if "seconds" in front else ""),
        "Processing time": f"{duration(seconds)} in {len(runs)} runs, "
        "each by its own clock: runs beside one another slow each other down",
        "Machine": f"{environment.get('processors')} processors, {environment.get('platform')}",
        "Software": f"backbeat {environment.get('backbeat')}, "
        + ", ".join(f"{k} {v}" for k, v in environment.get("packages", {}).items()),
    }
    if results.extra:
        shown["Also run"] = ", ".join(results.extra)
    return shown


def _trained(results: Results) -> str:
    verb = "was" if len(results.found) == 1 else "were"
    line = f"{len(results.found)} of the paper's {len(paper.ROWS)} models {verb} trained"
    if len(results.seeds) > 1:
        line += f", with {len(results.seeds)} seeds"
    return line + "."


def _spread(deviation: float | None) -> str:
    return "" if deviation is None else f" (± {number(100 * deviation, 1)} points between seeds)"


def _lowered(statement: str) -> str:
    """Begin a sentence small, unless with a name such as ReLU."""
    first, _, rest = statement.partition(" ")
    return f"{first.lower()} {rest}" if first[1:].islower() else statement
