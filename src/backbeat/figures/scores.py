"""Figures of a run: learning curves, confusion, recall and report."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from backbeat.evaluation import LEAKING, Metrics, most_confused
from backbeat.evaluation.metrics import REPORT_COLUMNS
from backbeat.figures.style import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    RULE,
    SHARES,
    WARNING,
    bare,
    new_figure,
    styled,
)
from backbeat.files.text import number, percent

History = Mapping[str, Sequence[float]]
"""Columns by name: epoch, accuracy, loss and, where something was monitored, val_accuracy,
val_loss; a value an epoch. Accuracies are fractions, losses nats."""


@styled
def learning_curves(history: History, *, monitored: str = "validation") -> Figure:
    """Draw accuracy and loss by epoch, in two panels.

    `monitored` names what the `val_` columns of the history were measured on: "validation", or
    "test" as in the paper.
    """
    figure = new_figure(10, 3.8)
    left, right = figure.subplots(1, 2)
    _curves(left, history, "accuracy", monitored)
    _curves(right, history, "loss", monitored)
    return figure


def _curves(axes: Axes, history: History, quantity: str, monitored: str) -> None:
    is_share = quantity == "accuracy"
    epochs = np.asarray(history["epoch"], dtype=np.float64)
    for column, name, colour in (
        (quantity, "training", BLUE),
        (f"val_{quantity}", monitored, ORANGE),
    ):
        if column not in history:
            continue
        values = np.asarray(history[column], dtype=np.float64) * (100 if is_share else 1)
        last = f"{number(values[-1], 1)} %" if is_share else number(values[-1], 3)
        # A line of one point (all others may be nan) is invisible without a marker.
        marker = "o" if np.isfinite(values).sum() == 1 else None
        label = f"{name} (at the end {last})"
        axes.plot(epochs, values, color=colour, marker=marker, label=label)
    axes.set_title("Accuracy" if is_share else "Loss")
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy (%)" if is_share else "cross-entropy (nats)")
    # Above the loss, which falls, there is room for the legend.
    highest = max((np.nanmax(np.append(line.get_ydata(), 0.0)) for line in axes.lines), default=1.0)
    axes.set_ylim(0, 100 if is_share else 1.3 * highest or None)
    room = max(0.02 * np.ptp(epochs), 0.1)
    axes.set_xlim(epochs[0] - room, epochs[-1] + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axes.grid(axis="y")
    axes.legend(loc="best" if is_share else "upper right")


MAX_GENRES = 30
"""Of more genres than these only the most confused are drawn: the rest would be too small to read,
and a figure of all would take minutes and gigabytes."""


@styled
def confusion(
    matrix: npt.ArrayLike, genres: Sequence[str], *, title: str = "Confusion matrix, %"
) -> Figure:
    """Draw a confusion matrix of counts, shape (k, k): each row in % of its sum, a true genre.

    Of more than `MAX_GENRES` genres, the most confused.
    """
    size = 2.3 + 0.36 * min(len(genres), MAX_GENRES)
    figure = new_figure(size, size - 0.4)
    _confusion(figure.subplots(), matrix, genres, title)
    return figure


def _confusion(axes: Axes, matrix: npt.ArrayLike, genres: Sequence[str], title: str) -> None:
    counts = np.asarray(matrix, dtype=np.float64)
    kept = most_confused(counts, MAX_GENRES)
    if len(kept) < len(genres):
        title += f" (the {len(kept)} most confused of {number(len(genres))} genres)"
    support = counts.sum(axis=1)[kept]
    shares = counts[np.ix_(kept, kept)] / np.maximum(support, 1)[:, np.newaxis]
    names = [genres[place] for place in kept]
    axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1, aspect="equal")
    with_counts = [f"{name} ({number(n)})" for name, n in zip(names, support, strict=True)]
    axes.set_yticks(range(len(names)), labels=with_counts)
    axes.set_xticks(
        range(len(names)), labels=names, rotation=40, ha="right", rotation_mode="anchor"
    )
    axes.set_title(title)
    axes.set_xlabel("answer")
    axes.set_ylabel("truth (count)")
    bare(axes)
    # White rules between the cells, drawn as the grid of the minor ticks.
    edges = np.arange(len(names) + 1) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.2)
    axes.tick_params(which="minor", length=0)
    for (row, column), share in np.ndenumerate(shares):
        # A cell without a song stays blank: the eye finds those that have some.
        if support[row] and not share:
            continue
        axes.text(
            column,
            row,
            number(100 * share) if support[row] else "–",
            ha="center",
            va="center",
            size=9,
            color=text_colour(float(share)),
            weight="bold" if row == column else "normal",
        )


def text_colour(share: float) -> str:
    """Give the colour of text that reads on the colour of `share` (0 to 1): white or ink."""
    red, green, blue, _ = matplotlib.colormaps[SHARES](Normalize(0, 1)(share))
    channels = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    ]
    # Relative luminance (WCAG 2); at 0.22 white and ink contrast equally well.
    luminance = float(np.dot(channels, [0.2126, 0.7152, 0.0722]))
    return "white" if luminance < 0.22 else INK


@styled
def recall_bars(
    recalls: npt.ArrayLike, genres: Sequence[str], *, title: str = "Recall by genre"
) -> Figure:
    """Draw each genre's recall, shape (k,), as a bar, the best above, and their mean as a line.

    Recalls are fractions; nan for a genre without rows. Of more than `MAX_GENRES`, the lowest.
    """
    values = 100 * np.asarray(recalls, dtype=np.float64)
    # Genres without rows go below; equal ones keep their order.
    order = np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable")[-MAX_GENRES:]
    if len(order) < len(genres):
        title += f" (the {len(order)} lowest of {number(len(genres))})"
    shown, lengths = values[order], np.nan_to_num(values[order])
    figure = new_figure(7, 1.3 + 0.32 * len(order))
    axes = figure.subplots()
    axes.barh(range(len(order)), lengths, color=BLUE, height=0.68, zorder=2)
    for row, value in enumerate(shown):
        text = "none to find" if np.isnan(value) else percent(value / 100, 0)
        # Within the bar where it fits, so that no number stands on the line of the mean.
        inside = lengths[row] > 12
        place: dict[str, Any] = {"ha": "right", "color": "white"} if inside else {"ha": "left"}
        axes.text(lengths[row] + (-1 if inside else 1), row, text, va="center", size=9, **place)
    mean = float(np.nanmean(values))
    axes.axvline(mean, color=ORANGE, linewidth=1.6, zorder=1)
    axes.text(
        mean,
        -0.75,
        f"mean {percent(mean / 100, 0)}",
        color=ORANGE,
        ha="center",
        va="bottom",
        size=9,
    )
    axes.set_yticks(range(len(order)), labels=[genres[i] for i in order])
    axes.set_ylim(len(order) - 0.4, -0.7)
    axes.set_xlim(0, 100)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("recall (%)")
    axes.set_title(title, pad=20)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    return figure


@styled
def run_metrics(
    history: History,
    metrics: Metrics,
    *,
    title: str,
    monitored: str = "validation",
    leaks: bool = False,
) -> Figure:
    """Draw a run on one page, as the paper's Figures 5 to 11 do.

    Accuracy and loss by epoch, the classification report and confusion matrix of slices, and the
    accuracy of tracks. `leaks` adds the warning that slices of one song are on both sides.
    """
    k = min(len(metrics.genres), MAX_GENRES)
    lower, right_width = 2.2 + 0.36 * max(k, 6), max(6.8, 0.34 * k)
    figure = new_figure(6.2 + right_width, 4.4 + lower, pad=0.16)
    (top_left, top_right), (left, right) = figure.subplots(
        2, 2, height_ratios=[3.2, lower], width_ratios=[6.2, right_width]
    )
    facts = (
        f"songs correct {percent(metrics.track_accuracy)}   ·   "
        f"slices correct {percent(metrics.slice_accuracy)}   ·   standard deviation of recall "
        f"{number(100 * metrics.recall_deviation, 1)} points (slices)"
    )
    _headline(figure, title, facts, leaks)
    _curves(top_left, history, "accuracy", monitored)
    _curves(top_right, history, "loss", monitored)
    _report_table(left, metrics)
    _confusion(right, metrics.slice_confusion, metrics.genres, "Confusion matrix of slices, %")
    right.set_anchor("N")
    return figure


def _headline(figure: Figure, title: str, facts: str, leaks: bool) -> None:
    """Write the title, the facts under it in a quieter tone and, if it leaks, the warning."""
    lines: list[tuple[str, dict[str, Any]]] = [
        (title, {"size": 15, "weight": "bold"}),
        (facts, {"size": 11, "color": FAINT}),
    ]
    if leaks:
        lines.append((LEAKING, {"size": 11, "weight": "bold", "color": WARNING}))
    # A title of blank lines keeps the room that the lines are then written into.
    figure.suptitle("\n" * (len(lines) - 1), size=12)
    top = figure.get_figheight()
    for line, (text, look) in enumerate(lines):
        figure.text(0.012, 1 - (0.12 + 0.27 * line) / top, text, va="top", **look)


_RIGHT_EDGES = (0.50, 0.67, 0.84, 1.0)
"""Where the table's columns end, as shares of its width."""


def _report_table(axes: Axes, metrics: Metrics) -> None:
    genres, averages = metrics.slice_report.rows()
    genres = [genres[place] for place in most_confused(metrics.slice_confusion, MAX_GENRES)]
    axes.set_title("Classification report of slices")
    axes.set(xlim=(0, 1), ylim=(len(genres) + 3.2, -1.6), xticks=[], yticks=[])
    bare(axes)
    _table_row(axes, -1.2, "", REPORT_COLUMNS, color=FAINT, size=9.5)
    for rule in (-0.65, len(genres) - 0.35):
        axes.axhline(rule, color=RULE, linewidth=1)
    for row, (name, cells) in enumerate(genres):
        _table_row(axes, row, name, cells)
    for row, (name, cells) in enumerate(averages):
        _table_row(axes, len(genres) + 0.35 + row, name, cells)


def _table_row(axes: Axes, y: float, name: str, cells: Sequence[str], **look: Any) -> None:
    axes.text(0, y, name, va="center", **look)
    for edge, cell in zip(_RIGHT_EDGES, cells, strict=True):
        axes.text(edge, y, cell, ha="right", va="center", **look)
