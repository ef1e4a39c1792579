"""Splits made elsewhere: a CSV of ``path,part``, or the ``split.json`` of a run.

A path names a track if it is the track's own name; else by its last two parts, its last part, and
either without its suffix, so that ``/data/genres/blues/blues.00000.wav`` finds
``blues/blues.00000.flac``; else by its identity in GTZAN. What more than one track could be meant
by names none.
"""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backbeat.collections import gtzan
from backbeat.collections.genres import PART_NAMES
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.features.store import Examples
from backbeat.files.cells import exactly
from backbeat.files.documents import read_bytes
from backbeat.splits.protocols import LEFT_OUT, PARTS
from backbeat.splits.split import Parts, read_parts

_WAYS: tuple[Callable[[str], str], ...] = (
    lambda path: path,
    lambda path: "/".join(path.split("/")[-2:]),
    lambda path: path.rpartition("/")[2],
    lambda path: _stem("/".join(path.split("/")[-2:])),
    lambda path: _stem(path.rpartition("/")[2]),
    lambda path: gtzan.track_id(path) or "",
)


def file_parts(path: Path, examples: Examples) -> tuple[Parts, int]:
    """Read a split made elsewhere: each example's part, shape (n,), and how many rows match none.

    A CSV has the columns ``path``, ``part`` (train, valid or test) and perhaps ``slice``; the other
    format is ``split.json``. Examples that the file does not name get -1. Raises BackbeatError if
    the file cannot be read or used.
    """
    rows = _read_json(path) if path.suffix.lower() == ".json" else _read_csv(path)
    find = _finder(examples.names)
    row_of = {
        (track, index): row
        for row, (track, index) in enumerate(
            zip(examples.track.tolist(), examples.slice.tolist(), strict=True)
        )
    }
    rows_of_track: dict[int, list[int]] = {}
    for (track, _), row in row_of.items():
        rows_of_track.setdefault(track, []).append(row)
    part = np.full(len(examples.y), LEFT_OUT, np.int8)
    unmatched = 0
    for place, name, index, part_name in rows:
        found = find(name)
        if found is None:
            found = find(exactly(name))
        if index is None:
            meant = rows_of_track[found] if found is not None else []
        else:
            meant = [row_of[found, index]] if found is not None and (found, index) in row_of else []
        unmatched += not meant
        number = PARTS.index(part_name)
        if any(part[row] not in (LEFT_OUT, number) for row in meant):
            raise BackbeatError(
                f"{path}, {place}: {name} is in two parts; name its slices in a column `slice`, "
                "or take one of the two away"
            )
        part[meant] = number
    if (part == LEFT_OUT).all():
        raise BackbeatError(
            f"{path}: names no track of these features, which are called such as "
            f"{examples.names[0]}"
        )
    return part, unmatched


def _finder(names: tuple[str, ...]) -> Callable[[str], int | None]:
    exact = {name: row for row, name in enumerate(names)}
    tables = []
    for way in _WAYS:
        keys = [way(_plain(name)) for name in names]
        counts = Counter(keys)
        tables.append({key: row for row, key in enumerate(keys) if key and counts[key] == 1})

    def find(path: str) -> int | None:
        if path in exact:
            return exact[path]
        plain = _plain(path)
        for way, table in zip(_WAYS, tables, strict=True):
            if (found := table.get(way(plain))) is not None:
                return found
        return None

    return find


def _plain(path: str) -> str:
    plain = path.replace("\\", "/").removeprefix("./").casefold()
    return unicodedata.normalize("NFC", plain)


def _stem(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    # The numbers of GTZAN's names, such as blues.00000, are no suffixes.
    return folder + slash + (stem if dot and not suffix.isdigit() else name)


_Row = tuple[str, str, int | None, str]


def _read_json(path: Path) -> list[_Row]:
    content = read_parts(path)
    divided = content["unit"] == "slices"
    rows: list[_Row] = []
    for part in PARTS:
        for name in content["parts"][part]:
            track, _, index = name.rpartition("#") if divided else (name, "", "")
            if divided and not (track and index.isdigit()):
                raise BackbeatError(f"{path}: '{printable(name)}' names no slice; train again")
            rows.append((f"part {part}", track, int(index) if divided else None, part))
    return rows


def _read_csv(path: Path) -> list[_Row]:
    try:
        text = read_bytes(path).decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise BackbeatError(f"{path}: cannot be read as a split ({error.strerror})") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[_Row] = []
    try:
        header = [cell.strip().casefold() for cell in next(reader, [])]
        if "path" not in header or "part" not in header:
            raise ValueError("needs a first line with the columns path and part")
        for cells in reader:
            if any(cells):
                rows.append((f"line {reader.line_num}", *_read_row(header, cells)))
    except (ValueError, csv.Error) as error:
        raise BackbeatError(f"{path}, line {max(reader.line_num, 1)}: {one_line(error)}") from error
    if not rows:
        raise BackbeatError(f"{path}: names no tracks")
    return rows


def _read_row(header: list[str], cells: list[str]) -> tuple[str, int | None, str]:
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells, but the first line has {len(header)}")
    row = dict(zip(header, cells, strict=True))
    part = PART_NAMES.get(row["part"].strip().casefold())
    if part is None:
        raise ValueError(f"the part {row['part']!r} must be train, valid or test")
    index = row.get("slice", "").strip()
    if index and not index.isdecimal():
        raise ValueError(f"the slice {index!r} must be a whole number from 0")
    return row["path"], int(index) if index else None, part
