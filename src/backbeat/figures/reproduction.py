"""Figures of a reproduction: all models of the paper, ours beside its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from backbeat.figures.scores import MAX_GENRES
from backbeat.figures.style import BLUE, FAINT, INK, ORANGE, WARNING, new_figure, styled
from backbeat.files.text import number, signed, significant

# By Okabe and Ito: MLPs are circles and triangles that point down, CNNs the other shapes, so that
# the families differ without colour too.
_LOOKS: tuple[tuple[str, str], ...] = (
    ("#56b4e9", "o"),
    (BLUE, "v"),
    ("#e69f00", "s"),
    ("#cc79a7", "D"),
    (ORANGE, "^"),
    (INK, "*"),
)

_FAR = 3.0
"""A model is named from this many points away from the common difference."""


@dataclass(frozen=True)
class Point:
    """A model in the pictures of all models."""

    name: str
    series: str
    # Ours; the accuracy a fraction
    minutes: float
    accuracy: float
    # The paper's
    paper_minutes: float
    paper_accuracy: float


@styled
def time_against_accuracy(
    points: Sequence[Point], *, named: Sequence[str] = (), leak: str = ""
) -> Figure:
    """Draw processing time against accuracy, ours and the paper's side by side on the same axes.

    Series differ by colour and marker, in the order in which they come. `named` are the models
    whose names are written, the most important first; `leak` is written under the title.
    """
    figure = new_figure(11, 5.4)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _title(figure, "Processing time against accuracy", leak)
    panels = (
        (left, "ours", [(p.minutes, 100 * p.accuracy) for p in points]),
        (right, "the paper's", [(p.paper_minutes, 100 * p.paper_accuracy) for p in points]),
    )
    for axes, title, places in panels:
        _scatter(axes, points, places, named)
        axes.set_title(title)
        axes.set_xscale("log")
        axes.set_xlabel("processing time (minutes)")
        axes.grid()
    # One axis of time for both, so that what was faster is seen to be.
    _minute_ticks(left, [minutes for _, _, places in panels for minutes, _ in places])
    left.set_ylabel("accuracy of slices (%)")
    left.set_ylim(*_limits([y for _, _, places in panels for _, y in places]))
    _legend(figure, left)
    for axes, _, places in panels:
        where = {point.name: place for point, place in zip(points, places, strict=True)}
        _label_points(
            axes, [(*where[name], name) for name in named if name in where], list(where.values())
        )
    return figure


@styled
def agreement(points: Sequence[Point], *, leak: str = "") -> Figure:
    """Draw our accuracy against the paper's; above the line ours is higher.

    The eight models farthest from the common difference are named.
    """
    figure = new_figure(7.6, 7.2)
    axes = figure.subplots()
    _title(figure, "Accuracy of each model: ours against the paper's", leak)
    places = [(100 * p.paper_accuracy, 100 * p.accuracy) for p in points]
    low, high = _limits([value for place in places for value in place])
    axes.plot([low, high], [low, high], color=FAINT, linewidth=1, zorder=1, label="equal")
    differences = np.array([ours - papers for papers, ours in places])
    middle = float(np.median(differences))
    if abs(middle) >= 1:
        axes.plot(
            [low, high],
            [low + middle, high + middle],
            color=FAINT,
            linewidth=1,
            linestyle=(0, (4, 4)),
            zorder=1,
            label=f"median difference, {signed(middle)} points",
        )
    _scatter(axes, points, places)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    axes.set_xlabel("the paper's accuracy (%)")
    axes.set_ylabel("our accuracy (%)")
    axes.grid()
    _legend(figure, axes)
    far = np.abs(differences - middle)
    order = [i for i in np.argsort(-far, kind="stable")[:8] if far[i] >= _FAR]
    # Names keep clear of the line of equality too.
    line = [(value, value) for value in np.linspace(low, high, 80)]
    _label_points(axes, [(*places[i], points[i].name) for i in order], places, avoid=line)
    return figure


@styled
def recall_panels(
    recalls: Mapping[str, Sequence[float]],
    genres: Sequence[str],
    *,
    printed: Mapping[str, Sequence[float]] | None = None,
    deviations: Mapping[str, float] | None = None,
    title: str = "Recall by genre",
    leak: str = "",
) -> Figure:
    """Draw each genre's recall for several models, a panel a model, with the paper's as marks.

    Recalls are fractions in the order of `genres`; nan for a genre without slices. Of more than
    `MAX_GENRES` genres, those with the lowest recall.
    """
    means = np.nan_to_num(np.mean(list(recalls.values()), axis=0), nan=2.0)
    kept = np.sort(np.argsort(means, kind="stable")[:MAX_GENRES])
    genres = [genres[place] for place in kept]
    figure = new_figure(2.6 * len(recalls) + 1.2, 1.9 + 0.3 * len(genres))
    panels = figure.subplots(1, len(recalls), sharey=True, squeeze=False)[0]
    _title(figure, title, leak)
    for axes, (model, values) in zip(panels, recalls.items(), strict=True):
        percent = 100 * np.asarray(values, dtype=np.float64)[kept]
        rows = np.arange(len(genres))
        bars = np.nan_to_num(percent)
        ours = axes.barh(rows, bars, color=BLUE, height=0.66, zorder=2, label="ours")
        for row, value in enumerate(percent):
            text = "–" if np.isnan(value) else number(value)
            colour = "white" if bars[row] > 9 else INK
            axes.text(2, row, text, va="center", size=8.5, zorder=4, color=colour)
        if printed and model in printed:
            theirs = 100 * np.asarray(printed[model], dtype=np.float64)[kept]
            marks = axes.vlines(
                theirs, rows - 0.42, rows + 0.42, color="white", linewidth=4.5, zorder=3
            )
            marks = axes.vlines(
                theirs,
                rows - 0.4,
                rows + 0.4,
                color=ORANGE,
                linewidth=2.4,
                zorder=4,
                clip_on=False,
                label="the paper's",
            )
            if axes is panels[0]:
                figure.legend(handles=[ours, marks], loc="outside lower right", ncols=2)
        axes.set_title(model, pad=22)
        if deviations:
            axes.text(
                0,
                1.02,
                f"standard deviation {number(100 * deviations[model], 1)} points",
                color=FAINT,
                size=9,
                transform=axes.transAxes,
                va="bottom",
            )
        axes.set_xlim(0, 100)
        axes.set_xticks([0, 50, 100])
        axes.set_xlabel("recall (%)")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(genres)), labels=list(genres))
    panels[0].set_ylim(len(genres) - 0.45, -0.55)
    return figure


def _scatter(
    axes: Axes,
    points: Sequence[Point],
    places: Sequence[tuple[float, float]],
    named: Sequence[str] = (),
) -> None:
    """Draw the points by series; those that are named lie above and have a dark edge."""
    series = list(dict.fromkeys(point.series for point in points))
    for key, (colour, marker) in zip(series, _LOOKS, strict=False):
        size = 110 if marker == "*" else 42
        for above in (False, True):
            own = [
                place
                for point, place in zip(points, places, strict=True)
                if point.series == key and (point.name in named) is above
            ]
            axes.scatter(
                [x for x, _ in own],
                [y for _, y in own],
                s=size,
                color=colour,
                marker=marker,
                edgecolor=INK if above else "white",
                linewidth=0.9 if above else 0.7,
                zorder=5 if above else 3,
            )
        # For the legend alone.
        axes.scatter([], [], s=size, color=colour, marker=marker, label=key)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, names = axes.get_legend_handles_labels()
    columns = min(len(names), 6) if figure.get_figwidth() > 9 else -(-len(names) // 2)
    figure.legend(handles, names, loc="outside lower center", ncols=columns)


def _title(figure: Figure, title: str, leak: str) -> None:
    """Write the title and, in the colour of warnings, what the split leaks."""
    figure.suptitle(title + ("\n" if leak else ""), x=0.01, ha="left", linespacing=1.5)
    if leak:
        top = 1 - 0.38 / figure.get_figheight()
        figure.text(0.01, top, leak, color=WARNING, size=9.5, weight="bold", va="top")


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Give round limits, in percent, with room around the values."""
    low, high = min(values), max(values)
    return max(0.0, 5 * np.floor((low - 2) / 5)), min(105.0, 5 * np.ceil((high + 2) / 5))


def _minute_ticks(axes: Axes, minutes: Sequence[float]) -> None:
    ticks = [m * 10.0**e for e in range(-4, 5) for m in (1, 2, 5)]
    low, high = min(minutes) / 1.3, max(minutes) * 1.6
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: significant(value)))


_PLACES = [
    (distance * dx, distance * dy)
    for distance in (7, 14, 22, 32, 44, 58, 74)
    for dx, dy in ((1, 0), (-1, 0), (0.5, 1), (0.5, -1), (-0.5, 1), (-0.5, -1), (1, 2), (-1, -2))
]
"""Where a name may stand, in points from its point: near ones first, beside before above."""


def _label_points(
    axes: Axes,
    labels: Sequence[tuple[float, float, str]],
    points: Sequence[tuple[float, float]],
    *,
    avoid: Sequence[tuple[float, float]] = (),
) -> None:
    """Write names beside points; a far one is joined to its point by a line.

    `axes` must have all limits set, as names are placed in pixels. `labels` are in data
    coordinates, the most important first. Names keep clear of all `points`, and do not lie on
    places in `avoid`.
    """
    figure = axes.figure
    # Laid out once, so that pixels are those of the finished figure.
    figure.canvas.draw()
    scale = figure.dpi / 72
    frame = axes.get_window_extent()
    centres = [axes.transData.transform(point) for point in points]
    names = [_around(axes.transData.transform(place), scale) for place in avoid]

    def write(x: float, y: float, name: str, dx: float, dy: float, **look: Any) -> Annotation:
        side = "left" if dx > 0 else "right"
        look |= {"ha": side, "va": "center", "size": 8.5, "color": INK, "zorder": 6}
        return axes.annotate(name, (x, y), (dx, dy), textcoords="offset points", **look)

    for x, y, name in labels:
        best = None
        own = axes.transData.transform((x, y))
        # Farther from the other points than from its own, so that it is clear whose it is.
        taken = [
            _around(at, (3 if np.hypot(*(at - own)) < 1 else 8) * scale) for at in centres
        ] + names
        for dx, dy in _PLACES:
            text = write(x, y, name, dx, dy)
            box = text.get_window_extent().expanded(1.02, 1.05)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0
            inside = inside and box.y1 <= frame.y1
            clashes = sum(box.overlaps(other) for other in taken) + (0 if inside else 50)
            text.remove()
            if best is None or clashes < best[0]:
                best = (clashes, dx, dy, box)
            if not clashes:
                break
        assert best is not None  # there are places
        _, dx, dy, box = best
        names.append(box)
        line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkB": 3}
        far = abs(dx) + abs(dy) > 18
        outline = withStroke(linewidth=2.5, foreground="white")
        write(x, y, name, dx, dy, path_effects=[outline], arrowprops=line if far else None)


def _around(centre: npt.NDArray[np.float64], radius: float) -> Bbox:
    x, y = centre
    return Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)
