"""The figure of a comparison: each model's accuracy with its interval, and who is alike."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backbeat.evaluation.comparison import MIN_GROUPS, NO_DIFFERENCE
from backbeat.figures.style import BLUE, FAINT, INK, LIGHT_BLUE, WARNING, new_figure, styled
from backbeat.files.text import number

if TYPE_CHECKING:
    from backbeat.evaluation.comparison import Comparison


@styled
def comparison(compared: "Comparison", *, leak: str = "") -> Figure:
    """Draw accuracies with 95 % intervals, the best on top, under what the splits leak.

    A row a model; small dots are its trials. At the right, each upright bar joins models between
    which no difference is significant.
    """
    scores = compared.scores
    figure = new_figure(8.5, 1.5 + 0.42 * len(scores) + (0.25 if leak else 0))
    axes = figure.subplots()
    for row, score in enumerate(scores):
        if score.interval:
            ends = [100 * score.interval.low, 100 * score.interval.high]
            axes.plot(ends, [row, row], color=LIGHT_BLUE, linewidth=5, solid_capstyle="round")
        if len(score.trials) > 1:
            trials = [100 * trial for trial in score.trials]
            axes.scatter(trials, [row] * len(trials), s=10, color=FAINT, zorder=3)
        axes.scatter(100 * score.accuracy, row, s=55, color=BLUE, zorder=4)
        axes.annotate(
            number(100 * score.accuracy, 1),
            (100 * score.accuracy, row),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=INK,
        )
    axes.set_yticks(range(len(scores)), labels=[score.name for score in scores])
    axes.set_ylim(len(scores) - 0.5, -0.75)
    axes.axvline(
        100 * scores[0].by_genre.commonest_share, color=FAINT, linewidth=1, linestyle=(0, (4, 3))
    )
    sure = "95 % interval" if scores[0].interval else f"no interval: under {MIN_GROUPS} artists"
    axes.set_xlabel(
        f"songs correct (%), {sure}; {number(compared.songs)} songs; "
        f"dashed: always {scores[0].by_genre.commonest}"
    )
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _join_alike(axes, compared)
    if leak:
        axes.set_title(leak, color=WARNING, fontsize=9.5)
    return figure


def _join_alike(axes: Axes, compared: "Comparison") -> None:
    """Draw an upright bar beside each longest run of models without a significant difference."""
    bars = alike(compared)
    for place, (first, last) in enumerate(bars):
        x = 1.02 + 0.02 * place
        axes.plot(
            [x, x],
            [first - 0.15, last + 0.15],
            transform=axes.get_yaxis_transform(),
            color=INK,
            linewidth=2.5,
            solid_capstyle="round",
            clip_on=False,
        )
    if bars:
        axes.annotate(
            NO_DIFFERENCE,
            (1.02 + 0.02 * len(bars), (bars[0][0] + bars[0][1]) / 2),
            xycoords=axes.get_yaxis_transform(),
            rotation=90,
            va="center",
            ha="left",
            fontsize=8.5,
            color=FAINT,
            annotation_clip=False,
        )


def alike(compared: "Comparison") -> list[tuple[int, int]]:
    """Find the longest runs of rows, first and last, of which no two differ significantly."""
    names = [score.name for score in compared.scores]
    runs: list[tuple[int, int]] = []
    for first in range(len(names)):
        last = first
        while last + 1 < len(names) and not any(
            compared.differ(names[row], names[last + 1]) for row in range(first, last + 1)
        ):
            last += 1
        if last > first and not (runs and runs[-1][1] >= last):
            runs.append((first, last))
    return runs
