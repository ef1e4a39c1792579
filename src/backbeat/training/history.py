"""The history of a training: ``history.csv``, a row an epoch."""

import csv
import io
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from backbeat.errors import BackbeatError, one_line
from backbeat.files import atomic
from backbeat.files.documents import read_bytes
from backbeat.files.text import significant


@dataclass(frozen=True)
class Epoch:
    """One row of ``history.csv``.

    ``val_loss`` and ``val_accuracy`` are of the part that the split monitors. ``loss`` and
    ``accuracy`` are Keras's running means over the training part while it learns.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


COLUMNS = tuple(field.name for field in fields(Epoch))


def write_history(path: Path, history: tuple[Epoch, ...]) -> None:
    """Write ``history.csv``, with six digits a number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in history:
        number, *values = astuple(row)
        writer.writerow([number, *(significant(value) for value in values)])
    atomic.write_text(path, text.getvalue())


def read_history(path: Path) -> tuple[Epoch, ...]:
    """Read ``history.csv``, or raise a BackbeatError if it is missing or damaged."""
    try:
        rows = csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8"), newline=""))
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise ValueError(f"its columns must be {', '.join(COLUMNS)}")
        return tuple(
            Epoch(int(row["epoch"]), *(float(row[name]) for name in COLUMNS[1:])) for row in rows
        )
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise BackbeatError(f"{path}: cannot be read as a history ({one_line(error)})") from error
