"""Placing names beside points so that none lies on another, or on a point."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from backbeat.figures.style import FAINT, INK

_PLACES = [
    (distance * dx, distance * dy)
    for distance in (7, 14, 22, 32, 44, 58, 74)
    for dx, dy in ((1, 0), (-1, 0), (0.5, 1), (0.5, -1), (-0.5, 1), (-0.5, -1), (1, 2), (-1, -2))
]
"""Where a name may stand, in points from its point: near ones first, beside before above."""


def label_points(
    axes: Axes,
    labels: Sequence[tuple[float, float, str]],
    points: Sequence[tuple[float, float]],
    *,
    avoid: Sequence[tuple[float, float]] = (),
    size: float = 8.5,
) -> None:
    """Write names beside points; a far one is joined to its point by a line.

    `axes` must have all limits set, as names are placed in pixels. `labels` are in data
    coordinates, the most important first. Names keep clear of all `points`, and do not lie on
    places in `avoid`. `size` is of the letters, in points.
    """
    figure = axes.figure
    # Laid out once, so that pixels are those of the finished figure.
    figure.canvas.draw()
    scale = figure.dpi / 72
    frame = axes.get_window_extent()
    centres = [axes.transData.transform(point) for point in points]
    names = [_around(axes.transData.transform(place), scale) for place in avoid]
    # The same for trying a place as for taking it.
    look: dict[str, Any] = {"va": "center", "size": size, "color": INK, "zorder": 6}
    for x, y, name in labels:
        best = None
        own = axes.transData.transform((x, y))
        # Farther from the other points than from its own, so that it is seen whose it is.
        taken = [
            _around(at, (3 if np.hypot(*(at - own)) < 1 else 8) * scale) for at in centres
        ] + names
        for dx, dy in _PLACES:
            text = axes.annotate(
                name,
                (x, y),
                (dx, dy),
                textcoords="offset points",
                ha="left" if dx > 0 else "right",
                **look,
            )
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
        far = abs(dx) + abs(dy) > 18
        axes.annotate(
            name,
            (x, y),
            (dx, dy),
            textcoords="offset points",
            ha="left" if dx > 0 else "right",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkB": 3}
            if far
            else None,
            **look,
        )


def _around(centre: npt.NDArray[np.float64], radius: float) -> Bbox:
    x, y = centre
    return Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)
