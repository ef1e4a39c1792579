r"""Paths and other text as tables (CSV) and JSON hold them, and back again.

`escaped` gives valid UTF-8 for any path: a byte that is not UTF-8, a control character, the end of
a line or a character that changes the direction of writing becomes an escape such as ``\xff``, and
so does a backslash that would begin such an escape. `unescaped` reverses it.

A cell of a table that begins as a formula does also gets an apostrophe before it, as OWASP advises
("CSV Injection"), and so does one that begins with apostrophes and then so: `exactly` reads what
was written.
"""

import re
from pathlib import Path
from typing import Any

from backbeat.errors import escape

_UNSAFE = re.compile(
    r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\\(?=x[0-9a-f]{2})"
)
_ESCAPES = re.compile(r"(?:\\x[0-9a-f]{2})+")

# The last four are the wide forms of East Asia's keyboards.
_FORMULA = "=+\\-@＝＋－＠"
_BEGINS_SO = re.compile(f"'*[{_FORMULA}]")


def escaped(text: str | Path) -> str:
    r"""Give a text or path as other programs read it: on one line, encodable as UTF-8."""
    return _UNSAFE.sub(lambda found: escape(found[0]), str(text))


def unescaped(text: str) -> str:
    """Give the text that `escaped` was given; `os.fsencode` turns a path into its bytes."""

    def plain(found: re.Match[str]) -> str:
        return bytes.fromhex(found[0].replace("\\x", "")).decode("utf-8", "surrogateescape")

    return _ESCAPES.sub(plain, text)


def escaped_in(content: Any) -> Any:
    """Give a value for JSON with all texts in its lists and objects `escaped`."""
    if isinstance(content, dict):
        return {escaped_in(key): escaped_in(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [escaped_in(value) for value in content]
    return escaped(content) if isinstance(content, str) else content


def harmless(text: str | Path) -> str:
    """Give a text as it is written in a cell: `escaped`, and never a formula.

    An apostrophe precedes it where a spreadsheet would take it for one.
    """
    cell = escaped(text)
    return f"'{cell}" if _BEGINS_SO.match(cell) else cell


def exactly(cell: str) -> str:
    """Give the text from which `harmless` made a cell."""
    return unescaped(cell[1:] if cell[:1] == "'" and _BEGINS_SO.match(cell) else cell)
