"""The genres of a library as a bar chart for a terminal."""

from collections import Counter
from collections.abc import Mapping

from backbeat.files.text import number, percent

WITHHELD = ("unsure", "out of genre")
_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar_chart(counts: Mapping[str, int], *, width: int = 40) -> str:
    """Draw counts as bars, a line each: genres by count, then what is withheld or failed.

    The longest bar is `width` characters wide. Without songs the chart is empty.
    """
    total = sum(counts.values())
    if not total:
        return ""
    last = [*WITHHELD, "failed"]
    genres = [label for label, _ in Counter(counts).most_common() if label not in last]
    shown = [label for label in [*genres, *last] if counts.get(label)]
    most = max(counts.values())
    names = max(map(len, shown))
    numbers = len(number(most))
    return "\n".join(
        f"{label:<{names}}  {number(counts[label]):>{numbers}}  "
        f"{percent(counts[label] / total, 0):>5}  "
        f"{_bar(counts[label] / most * width)}".rstrip()
        for label in shown
    )


def _bar(length: float) -> str:
    whole, rest = divmod(round(length * 8), 8)
    return "█" * whole + _EIGHTHS[rest].strip() if whole or rest else _EIGHTHS[1]
