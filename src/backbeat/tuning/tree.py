"""The picture of a search: which model came from which, and how well each did."""

import textwrap
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backbeat.figures.style import BLUE, FAINT, INK, ORANGE, RULE, bare, new_figure, styled
from backbeat.files.text import number

if TYPE_CHECKING:
    from backbeat.tuning.log import Log, Trial

_MARKS: dict[str, dict[str, Any]] = {
    "kept": {"marker": "o", "color": BLUE},
    "not kept": {"marker": "o", "color": "white", "markeredgecolor": FAINT},
    "pruned": {"marker": "x", "color": FAINT},
    "skipped": {"marker": "_", "color": FAINT},
}
_MAX_LETTERS = 110  # letters of a change that are shown


@styled
def trial_tree(log: "Log", *, title: str = "Models tried") -> Figure:
    """Draw the trials of a search as a tree, a row each, with their validation accuracy beside.

    Left the tree: below each model its changes, in the order of trying, what was kept in blue.
    """
    rows = list(log.tree())
    words = [_label(trial) for _, trial in rows]
    # In inches, roughly: what the tree and its longest label need.
    widths = [0.3 * depth + 0.078 * len(w) for (depth, _), w in zip(rows, words, strict=True)]
    left_width = max([3.5, *(width + 0.4 for width in widths)])
    figure = new_figure(left_width + 3.4, 0.27 * len(rows) + 1.5)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(left_width, 3.0))
    place = {trial.number: row for row, (_, trial) in enumerate(rows)}
    step = 0.3 / left_width  # of the panel's width, for a level
    best = log.best.number if log.best else None
    for row, ((depth, trial), word) in enumerate(zip(rows, words, strict=True)):
        if trial.parent is not None:
            _join(left, (depth - 1) * step, place[trial.parent], depth * step, row, trial)
        left.plot(depth * step, row, markersize=6, zorder=3, **_MARKS[trial.outcome])
        _write(left, word, (depth * step, row), trial, best)
    _scores(right, [trial for _, trial in rows], best)
    left.set_xlim(-0.03, 1)
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_yticks([])
    left.set_xticks([])
    bare(left)
    left.set_title(title)
    under = " ".join((*log.heading, "Blue: the best so far; a cross: ended early."))
    under = textwrap.fill(under, int(14 * (left_width + 3.4)))
    figure.text(0.01, -0.01, under, fontsize=8, color=FAINT, va="top")
    return figure


def _label(trial: "Trial") -> str:
    change = (
        trial.change
        if len(trial.change) <= _MAX_LETTERS
        else trial.change[: _MAX_LETTERS - 1] + "…"
    )
    return f"{trial.number}. {change}" + (" (skipped)" if trial.outcome == "skipped" else "")


def _join(
    axes: Axes, from_x: float, from_row: int, to_x: float, to_row: int, trial: "Trial"
) -> None:
    kept = trial.outcome == "kept"
    axes.plot(
        [from_x, from_x, to_x],
        [from_row, to_row, to_row],
        color=BLUE if kept else RULE,
        linewidth=1.6 if kept else 1.0,
        zorder=2 if kept else 1,
        solid_joinstyle="round",
    )


def _write(
    axes: Axes, text: str, at: tuple[float, float], trial: "Trial", best: int | None
) -> None:
    """Write beside a mark: dark what was kept, bold the best."""
    axes.annotate(
        text,
        at,
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=INK if trial.outcome == "kept" else FAINT,
        weight="bold" if trial.number == best else "normal",
    )


def _scores(axes: Axes, trials: list["Trial"], best: int | None) -> None:
    for row, trial in enumerate(trials):
        if trial.accuracy is None:
            continue
        height = 100 * trial.accuracy
        mark = _MARKS[trial.outcome] | ({"color": ORANGE} if trial.number == best else {})
        axes.plot(height, row, markersize=6, zorder=3, **mark)
        _write(axes, number(height, 1), (height, row), trial, best)
    axes.set_title("Validation accuracy (%)")
    axes.grid(axis="both")
    axes.margins(x=0.2)
    axes.tick_params(axis="y", length=0, labelleft=False)
