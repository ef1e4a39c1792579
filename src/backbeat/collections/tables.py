"""Tables of songs as people have them, to rows of named cells: by commas, semicolons or tabs."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbeat.audio import AUDIO_SUFFIXES
from backbeat.errors import BackbeatError, printable
from backbeat.files.documents import read_bytes

FIELDS = ("path", "genre", "artist", "album", "title", "part")
"""What a table says of a song; `part` (of a split) only where its column is named."""

_DEFAULT = {field: field for field in FIELDS[:-1]}
_LISTED = 20  # columns in a message

# What is given in place of a table, by how it begins, and what to do with it.
_ZIP = b"PK\3\4"
_OF_ZIP = {
    ".xlsx": "a workbook; save its sheet as CSV in UTF-8",
    ".ods": "a workbook; save its sheet as CSV in UTF-8",
    ".npz": "arrays; use backbeat import-features",
}
_ARCHIVE = "an archive; unpack it and give its folder (of GTZAN: backbeat data gtzan --from FILE)"
_PARQUET = "a Parquet file; write its songs to files, and their paths and genres to a CSV"
_KINDS = {
    _ZIP: _ARCHIVE,
    b"\x1f\x8b": _ARCHIVE,
    b"BZh": _ARCHIVE,
    b"\xfd7zXZ": _ARCHIVE,
    b"7z\xbc\xaf": _ARCHIVE,
    b"Rar!": _ARCHIVE,
    b"PAR1": _PARQUET,
    b"\xd0\xcf\x11\xe0": _OF_ZIP[".xlsx"],
}


@dataclass(frozen=True)
class Table:
    """A table's rows that are not empty, each with its line: the cells of `FIELDS` that it has.

    They are read while they are asked for. A genre's cell is what it and cells beyond the header's
    hold, divided by ``|``. `has_header` is false where columns are given by number alone. `notes`
    are lines about how it was read.
    """

    rows: Iterator[tuple[int, dict[str, str]]]
    has_header: bool
    notes: tuple[str, ...]


def parse_columns(text: str) -> dict[str, str]:
    """Read ``path=COLUMN,genre=COLUMN``; a column's name may hold commas."""
    columns = {}
    for pair in re.split(rf",(?=\s*(?:{'|'.join(FIELDS)})\s*=)", text):
        field, _, column = (word.strip() for word in pair.partition("="))
        if field not in FIELDS or not column:
            raise BackbeatError(
                f"--columns {pair}: write path=COLUMN,genre=COLUMN; a field is one of "
                + ", ".join(FIELDS)
            )
        columns[field] = column
    return columns


def read_table(path: Path, columns: Mapping[str, str] | None = None) -> Table:
    """Read a table whose first line names its columns, or whose columns are given by number.

    `columns` gives the columns of some `FIELDS`; the others are those of the same name. Three
    lines of names, as pandas writes two levels of columns, are read as ``track.genre_top``.
    """
    shown = printable(path)
    rows, notes = read_rows(path)
    given = {key: name.strip().casefold() for key, name in (columns or {}).items()}
    has_header = not ({"path", "genre"} <= given.keys() and all(map(str.isdecimal, given.values())))
    names: list[str] = []
    if has_header:
        names, rows = _header(rows)
    places = _places(names, given, shown)
    return Table(_cells(rows, places, len(names)), has_header, notes)


def read_rows(path: Path) -> tuple[Iterator[tuple[int, list[str]]], tuple[str, ...]]:
    """Read a table's rows that are not empty, each with its line; and lines about how."""
    shown = printable(path)
    try:
        if what := kind_of_other(path):
            raise BackbeatError(f"{shown}: {what}")
        content = read_bytes(path)
    except OSError as error:
        raise BackbeatError(f"{shown}: cannot be read ({error.strerror})") from None
    encoding, notes = _encoding(content, shown)
    # Lines end at \n and \r alone, not at signs such as U+2028 that a name may hold.
    lines = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")
    first = lines.readline()
    skipped = 0
    if separator := re.fullmatch(r'"?sep=(.)"?\s*', first):  # Excel's own
        first, skipped = lines.readline(), 1
    if not first:
        raise BackbeatError(f"{shown}: not a table: it is empty")
    delimiter = separator[1] if separator else max(",;\t", key=first.count)
    reader = csv.reader(itertools.chain([first], lines), delimiter=delimiter)
    return _rows(reader, skipped, shown), notes


def kind_of_other(path: Path) -> str | None:
    """Say what a file is that is no table, and what to do with it; None if it may be one."""
    suffix = path.suffix.lower()
    if suffix in AUDIO_SUFFIXES:
        return "a song, not a collection; give the folder of the genres' folders, or a table"
    with path.open("rb") as file:
        head = file.read(8)
    for sign, kind in _KINDS.items():
        if head.startswith(sign):
            return _OF_ZIP.get(suffix, kind) if sign == _ZIP else kind
    return None


def _encoding(content: bytes, shown: str) -> tuple[str, tuple[str, ...]]:
    """Find a text's encoding: UTF-8, UTF-16 with its mark, else Windows-1252 with a note."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise BackbeatError(f"{shown}: not a table: binary data")
        wrong = encoding == "cp1252"
        return encoding, (f"{shown}: not in UTF-8; read as Windows-1252",) if wrong else ()
    raise BackbeatError(f"{shown}: not a table in UTF-8; save it as CSV in UTF-8")


def _rows(reader: Any, skipped: int, shown: str) -> Iterator[tuple[int, list[str]]]:
    """Give a table's rows that are not empty, each with its line number."""
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num + skipped, row
    except csv.Error as error:
        line = reader.line_num + skipped
        raise BackbeatError(f"{shown}, line {line}: {error}") from None


_Rows = Iterator[tuple[int, list[str]]]


def _header(rows: _Rows) -> tuple[list[str], _Rows]:
    """Give the names of the columns, and the rows below them."""
    head = list(itertools.islice(rows, 3))
    names = [row for _, row in head]
    levels = len(head) == 3 and not names[0][0].strip() and not names[1][0].strip()
    if levels and names[2][0].strip() and not any(map(str.strip, names[2][1:])):
        both = itertools.zip_longest(names[0][1:], names[1][1:], fillvalue="")
        named = [names[2][0], *(".".join(map(str.strip, pair)) for pair in both)]
        return [name.strip().casefold() for name in named], rows
    below = itertools.chain(head[1:], rows)
    return [cell.strip().casefold() for cell in names[0]] if head else [], below


def _places(names: list[str], given: Mapping[str, str], shown: str) -> dict[str, int]:
    """Find the columns of the fields, from 0: by their names, or else by the numbers given."""
    places = {}
    for field, name in {**_DEFAULT, **given}.items():
        if name in names and names.count(name) == 1:
            places[field] = names.index(name)
        elif name not in names and name.isdecimal() and 0 < int(name) < 10_000:
            places[field] = int(name) - 1
        elif field in given or field in ("path", "genre"):
            how = "more than one" if name in names else "no"
            listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
            raise BackbeatError(
                f"{shown}, line 1: {how} column {name!r} among {printable(listed[:400])}; name the "
                "columns (--columns path=NAME,genre=NAME), or give their numbers if no line names "
                "them (path=1,genre=2)"
            )
        elif name in names:
            places[field] = names.index(name)
    return places


def _cells(
    rows: _Rows, places: Mapping[str, int], width: int
) -> Iterator[tuple[int, dict[str, str]]]:
    """Give each row's cells by field."""
    for line, row in rows:
        cells = {
            field: row[place].strip() if place < len(row) else "" for field, place in places.items()
        }
        if width and places["genre"] == width - 1 < len(row) - 1:  # tags without a fixed number
            cells["genre"] = "|".join(row[width - 1 :])
        yield line, cells
