"""The one look of all figures, and how they are saved."""

import functools
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MultipleLocator

from backbeat.files import atomic
from backbeat.files.text import clock

# Okabe and Ito's palette, for colour-blind readers too; these two also differ in lightness.
BLUE, ORANGE = "#0072b2", "#d55e00"
LIGHT_BLUE = "#8fc1e3"
INK, FAINT, RULE, WARNING = "#1f2933", "#66707c", "#dde2e8", "#a4262c"

SHARES = "Blues"
"""Colour map of shares from 0 (white) to 1."""
LOUDNESS = "magma"
"""Colour map of decibels: lightness rises steadily with loudness."""
DEVIATION = "RdBu_r"
"""Colour map of what lies below (blue) or above (red) a mean (white)."""

STYLE: dict[str, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,  # a `$` in a song's title is a dollar
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9aa5b1",
    "axes.linewidth": 0.8,
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
}

# matplotlib's own font lacks these scripts; names of songs and genres may be in any.
_FALLBACK_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans Arabic",
    "Noto Emoji",
    "Hiragino Sans",
    "Apple Symbols",
    "Microsoft YaHei",
    "Segoe UI Symbol",
    "WenQuanYi Zen Hei",
)

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Make `draw` draw in the house style, whatever the user's own matplotlib settings are."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.style.context(["default", _style()]):
            return draw(*args, **kwargs)

    return drawn


@functools.cache
def _style() -> dict[str, Any]:
    installed = {font.name for font in fontManager.ttflist}
    fallbacks = [name for name in _FALLBACK_FONTS if name in installed]
    return {**STYLE, "font.family": ["DejaVu Sans", *fallbacks]}


def new_figure(width: float, height: float, *, pad: float = 0.06) -> Figure:
    """Make an empty figure, in inches, whose panels leave `pad` and room for their labels."""
    room = ConstrainedLayoutEngine(w_pad=pad, h_pad=pad, wspace=0.04, hspace=0.04)
    figure = Figure(figsize=(width, height), layout=room)
    FigureCanvasAgg(figure)
    return figure


def bare(axes: Axes) -> None:
    """Take the frame and the tick marks off `axes` (heat maps and tables carry their own)."""
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def time_axis(axes: Axes, seconds: float, *, label: bool = True) -> None:
    """Mark the time along `axes`, which are `seconds` long: in seconds, or in minutes if long."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800)
    step = next((step for step in steps if seconds <= 10 * step), seconds / 10)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    if seconds > 90:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: clock(second)))
    axes.tick_params(labelbottom=label)
    if label:
        axes.set_xlabel("time (min:s)" if seconds > 90 else "time (s)")


def to_png(figure: Figure, *, dpi: int = 130) -> bytes:
    """Give `figure` as the bytes of a PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    # Ticks are made while drawing, so the style must hold here too.
    with matplotlib.style.context(["default", _style()]), warnings.catch_warnings():
        # A name in a script that no font here has is drawn as boxes; that is no one's mistake.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(
            buffer,
            format="png",
            dpi=dpi,
            bbox_inches="tight",
            pad_inches=0.12,
            metadata={"Software": None},  # else matplotlib's version is written
        )
    return buffer.getvalue()


def save(figure: Figure, path: Path, *, dpi: int = 130) -> None:
    """Write `figure` to `path` as PNG, atomically; 130 pixels an inch read well on a screen."""
    atomic.write_bytes(path, to_png(figure, dpi=dpi))
