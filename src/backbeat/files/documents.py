"""Files that are read whole, such as tables and JSON: bounded, with no error of an odd kind.

Whoever made them may have meant harm, or a disk have damaged them: a file of a few megabytes that
fills the memory, or JSON so deeply nested that Python gives up on it.
"""

import errno
import json
from pathlib import Path
from typing import Any

MOST_BYTES = 256 * 2**20
"""Of a table: one of a million songs has half of it, and takes a few times as much in memory."""

MOST_JSON_BYTES = 64 * 2**20
"""Of JSON: a split of a million slices has 40 MB. Empty lists take twenty times their text."""


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a file that must not be larger than `most` bytes.

    Raises
    ------
    OSError
        If it cannot be read, or is larger.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 20} MB", str(path))
    return content


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    OSError
        If it cannot be read, or is larger than `MOST_JSON_BYTES`.
    ValueError
        If it is no JSON in UTF-8.
    """
    return parse_json(read_bytes(path, MOST_JSON_BYTES).decode("utf-8"))


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises
    ------
    ValueError
        If it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
