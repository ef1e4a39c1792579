"""Figures of how sure a model is: reliability, and risk against coverage."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from backbeat.figures.style import BLUE, FAINT, LIGHT_BLUE, ORANGE, new_figure, styled
from backbeat.files.text import number, percent

if TYPE_CHECKING:
    from backbeat.evaluation.calibration import Certainty, Reliability


@styled
def certainty(measured: "Certainty") -> Figure:
    """Draw reliability before and after temperature scaling, and the risk-coverage curve."""
    figure = new_figure(11.5, 4.0)
    before, after, risk = figure.subplots(1, 3)
    _reliability(before, measured.before, "Before scaling")
    _reliability(after, measured.after, "After scaling")
    after.set_ylabel("")
    _risk(risk, measured)
    return figure


def _reliability(axes: Axes, measured: "Reliability", title: str) -> None:
    axes.plot([0, 100], [0, 100], color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
    confidence, accuracy = 100 * np.array(measured.confidence), 100 * np.array(measured.accuracy)
    for x, y in zip(confidence, accuracy, strict=True):
        axes.plot([x, x], [x, y], color=LIGHT_BLUE, linewidth=3, solid_capstyle="butt")
    counts = np.array(measured.counts)
    axes.scatter(confidence, accuracy, s=18 + 260 * counts / counts.sum(), color=BLUE, zorder=3)
    axes.set_title(f"{title}: error {number(measured.error, 3)}")
    axes.set_xlabel("confidence (%)")
    axes.set_ylabel("correct songs (%)")
    axes.set_xlim(0, 103)
    axes.set_ylim(-3, 103)
    axes.set_aspect("equal")
    axes.grid()


def _risk(axes: Axes, measured: "Certainty") -> None:
    curve = measured.curve
    axes.step(100 * curve.coverage, 100 * curve.risk, where="post", color=BLUE)
    axes.axhline(
        100 * measured.max_error,
        color=FAINT,
        linewidth=1,
        linestyle=(0, (4, 3)),
        label=f'aim of "unsure": {percent(measured.max_error, 0)}',
    )
    if measured.error is not None:
        axes.scatter(
            100 * measured.coverage,
            100 * measured.error,
            s=50,
            color=ORANGE,
            zorder=3,
            label=f"{percent(measured.coverage, 0)} answered, "
            f"{percent(measured.error, 0)} of them wrong",
        )
    highest = max(100 * float(curve.risk.max()), 100 * measured.max_error)
    axes.set_title("Wrong answers, the surest first")
    axes.set_xlabel("songs answered (%)")
    axes.set_ylabel("of these wrong (%)")
    axes.set_xlim(0, 101)
    # The curve rises to the right, and above it there is room for the legend.
    axes.set_ylim(-0.03 * highest, max(1.35 * highest, 10))
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= 100])
    axes.legend(loc="upper left")
    axes.grid()
