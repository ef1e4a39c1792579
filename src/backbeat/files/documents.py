"""Files that are read whole, such as tables and JSON: bounded, with the usual errors only.

Their maker may be hostile, or a disk may have damaged them: a file of a few megabytes that fills
the memory, or JSON nested so deeply that Python's parser fails.
"""

import errno
import json
from pathlib import Path
from typing import Any

MAX_BYTES = 256 * 2**20
"""Of a table: one of a million songs has half, and takes a few times as much in memory."""

MAX_JSON_BYTES = 64 * 2**20
"""Of JSON: a split of a million slices has 40 MB. Empty lists take twenty times their text."""


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a file; an OSError if it is larger than `max_bytes`."""
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes >> 20} MB", str(path))
    return content


def read_json(path: Path) -> Any:
    """Read a JSON file of at most `MAX_JSON_BYTES`; a ValueError if it is not JSON in UTF-8."""
    return parse_json(read_bytes(path, MAX_JSON_BYTES).decode("utf-8"))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; a ValueError if it is not JSON, or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
