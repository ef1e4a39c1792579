"""Tables and bars as text, for a terminal of any width and any writing."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from backbeat.files.text import number, percent

BETWEEN = "  "  # columns
_LEAST = 12  # characters that are left of a cell, where there is room for other columns
_EIGHTHS = " ▏▎▍▌▋▊▉"
# What stands to the right, so that its decimal points are below one another.
_NUMBER = re.compile(r"[-+−<>×±~]?\d[\d,.:]*( (%|s|min|h|[kMG]?B))?|[-–]?")
_COLOURS = ("36", "33", "35", "32", "34", "31")


@dataclass(frozen=True)
class Styled:
    """A cell with a style, which says nothing that its text does not."""

    text: str
    codes: str  # of ANSI's SGR, such as "2" for dim


@dataclass(frozen=True)
class Column:
    """A column, and what becomes of it where the table is wider than the terminal."""

    name: str
    shorten: Literal["middle", "end", ""] = ""
    optional: int = 0  # columns of the greatest number are left out first; never those of 0
    width: int = 0  # of rows that are not known yet; else that of the widest cell
    right: bool | None = None  # whether it stands to the right; by default if all are numbers


Cell = str | Styled


@dataclass(frozen=True)
class Layout:
    """The columns that fit, and how wide each is; gives the lines of a table."""

    columns: tuple[Column, ...]
    places: tuple[int, ...]  # of `columns` in a row
    widths: tuple[int, ...]
    right: tuple[bool, ...]
    left_out: tuple[str, ...]
    is_bounded: bool  # whether cells are shortened
    colour: bool = False

    def header(self) -> str:
        """Give the line of the columns' names."""
        names = {
            place: column.name for place, column in zip(self.places, self.columns, strict=True)
        }
        return self.line([names.get(place, "") for place in range(max(self.places) + 1)])

    def line(self, row: Sequence[Cell]) -> str:
        """Give a row as a line, each cell as wide as its column."""
        shown = []
        for column, place, width, right in zip(
            self.columns, self.places, self.widths, self.right, strict=True
        ):
            cell = row[place]
            text = cell.text if isinstance(cell, Styled) else cell
            if self.is_bounded:
                text = shortened(text, width, column.shorten or "end")
            blank = " " * (width - width_of(text))
            if isinstance(cell, Styled):
                text = styled(cell.text and text, cell.codes, colour=self.colour)
            shown.append(blank + text if right else text + blank)
        return BETWEEN.join(shown).rstrip()


def lay_out(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    width: int | None,
    *,
    colour: bool = False,
) -> Layout:
    """Fit columns into a width: shorten the cells that may be, then leave out what is optional.

    `rows` may be empty where columns have a width of their own. Without a `width` all is whole.
    """
    texts = [[cell.text if isinstance(cell, Styled) else cell for cell in row] for row in rows]
    widest = [
        column.width
        or max([width_of(column.name), *(width_of(row[place]) for row in texts)], default=0)
        for place, column in enumerate(columns)
    ]
    places = list(range(len(columns)))
    if width is not None:
        while sum(_least(columns[place], widest[place]) for place in places) + len(BETWEEN) * (
            len(places) - 1
        ) > width and (optional := [place for place in places if columns[place].optional]):
            places.remove(max(optional, key=lambda place: (columns[place].optional, place)))
    kept = [columns[place] for place in places]
    widths = [widest[place] for place in places]
    if width is not None:
        widths = _shared(kept, widths, width - len(BETWEEN) * (len(places) - 1))
    right = [
        column.right
        if column.right is not None
        else bool(texts) and all(_NUMBER.fullmatch(row[place]) for row in texts)
        for column, place in zip(kept, places, strict=True)
    ]
    left_out = [column.name for place, column in enumerate(columns) if place not in places]
    return Layout(
        *(tuple(kept), tuple(places), tuple(widths), tuple(right), tuple(left_out)),
        *(width is not None, colour),
    )


def _least(column: Column, widest: int) -> int:
    return min(widest, _LEAST) if column.shorten else widest


def _shared(columns: Sequence[Column], widest: Sequence[int], space: int) -> list[int]:
    """Divide the space: whole columns first; those that may be shortened share what is left."""
    whole = [place for place, column in enumerate(columns) if not column.shorten]
    if sum(widest[place] for place in whole) + 4 * (len(columns) - len(whole)) > space:
        whole = []  # nothing more can be left out, so that all are shortened
    widths = list(widest)
    left = max(0, space - sum(widest[place] for place in whole))
    others = sorted(set(range(len(columns))) - set(whole), key=lambda place: widest[place])
    for done, place in enumerate(others):
        widths[place] = min(widest[place], left // (len(others) - done))
        left -= widths[place]
    return widths


def width_of(text: str) -> int:
    """Give how many columns of a terminal a text takes: two for a Chinese character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def shortened(text: str, width: int, where: str = "middle") -> str:
    """Shorten a text to so many columns, in the middle (for paths) or at its end."""
    if width_of(text) <= width:
        return text
    if width < 1:
        return ""
    front = (width - 1) // 3 if where == "middle" else width - 1
    behind = width - 1 - front
    return f"{_first(text, front)}…{_last(text, behind)}"


def _first(text: str, width: int) -> str:
    taken = 0
    for place, character in enumerate(text):
        taken += width_of(character)
        if taken > width:
            return text[:place]
    return text


def _last(text: str, width: int) -> str:
    taken, start = 0, len(text)
    for place in range(len(text) - 1, -1, -1):
        taken += width_of(text[place])
        if taken > width:
            break
        start = place
    # A mark is drawn on the letter before it, which is cut off.
    while start < len(text) and unicodedata.combining(text[start]):
        start += 1
    return text[start:]


def styled(text: str, codes: str, *, colour: bool) -> str:
    """Put a text into a style, where colour is wanted."""
    return f"\x1b[{codes}m{text}\x1b[0m" if colour and text and codes else text


def colour_of(place: int) -> str:
    """Give the colour of a genre by its place among the model's."""
    return _COLOURS[place % len(_COLOURS)]


def bar(length: float) -> str:
    """Draw a bar as long as so many characters, to an eighth; never none."""
    whole, rest = divmod(round(length * 8), 8)
    return "█" * whole + _EIGHTHS[rest].strip() if whole or rest else _EIGHTHS[1]


def bar_chart(
    counts: Mapping[str, int], *, last: Sequence[str] = (), width: int | None = None
) -> list[str]:
    """Draw counts as bars, a line each: by count, then those of `last`.

    Without counts there are no lines. The longest bar takes what is left of the `width`, at most 40
    columns.
    """
    total = sum(counts.values())
    first = sorted(set(counts) - set(last), key=lambda label: (-counts[label], label))
    shown = [label for label in (*first, *last) if counts.get(label)]
    rows = [(label, number(counts[label]), percent(counts[label] / total, 0)) for label in shown]
    columns = (Column("", shorten="end"), Column(""), Column(""))
    layout = lay_out(columns, rows, width and max(0, width - len(BETWEEN) - 8))
    room = 40
    if width is not None:
        room = min(room, max(1, width - sum(layout.widths) - 3 * len(BETWEEN)))
    most = max(counts.values(), default=0)
    return [
        f"{layout.line(row)}{BETWEEN}{bar(counts[label] / most * room)}"
        for label, row in zip(shown, rows, strict=True)
    ]
