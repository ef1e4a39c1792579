"""The arrays of the best-known tutorial: a ``data.json`` with ``mapping``, ``labels``, ``mfcc``.

Its author's script writes some 700 MB for GTZAN, so the file is read a segment at a time.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from backbeat.errors import BackbeatError, one_line
from backbeat.features.npz import Arrays

_NAMES = {"mfcc": "X", "labels": "y", "mapping": "genres", "names": "names", "artists": "artists"}
_NEEDED = ("mapping", "labels", "mfcc")

_CHUNK = 2**20  # characters
_MAX_CHARACTERS = 2**25  # of one segment: one of half a minute has 3 million
_DECODER = json.JSONDecoder()
_SIGN = re.compile(r"[^ \t\r\n]")
_AFTER_VALUE = re.compile(r"[ \t\r\n]*[,\]}:]")


def read_data_json(source: Path) -> tuple[Arrays, list[str]]:
    """Read the fields that `import_features` knows, by its names; and name the others.

    ``X`` has the shape (segments, frames, coefficients).
    """
    found: dict[str, list[Any]] = {}
    others: dict[str, None] = {}
    shape = None
    try:
        with source.open(encoding="utf-8-sig") as file:
            for key, value in _elements(file):
                if key not in _NAMES:
                    others[key] = None
                    continue
                rows = found.setdefault(key, [])
                if key == "mfcc":
                    value = np.asarray(value, np.float32)
                    shape = shape or value.shape
                    if value.shape != shape:
                        raise BackbeatError(
                            f"{source}: mfcc: the first segment is {_times(shape)} and number "
                            f"{len(rows) + 1} is {_times(value.shape)}; keep those of one length"
                        )
                rows.append(value)
        lacking = ", ".join(name for name in _NEEDED if not found.get(name))
        if lacking:
            listed = ", ".join([*found, *others][:20]) or "nothing"
            raise ValueError(f"it has {listed}, and lacks {lacking}")
        return {_NAMES[key]: np.array(rows) for key, rows in found.items()}, list(others)
    except BackbeatError:
        raise
    except FileNotFoundError as error:
        raise BackbeatError(f"{source}: no such file") from error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BackbeatError(
            f"{source}: not JSON with the lists mapping, labels and mfcc ({one_line(error, 120)})"
        ) from error


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _elements(file: TextIO) -> Iterator[tuple[str, Any]]:
    """Give each element of each list of a JSON object, with its key; other values whole."""
    text = _Text(file)
    if text.sign() != "{":
        raise ValueError("it is no object")
    while True:
        key = text.value()
        if not isinstance(key, str) or text.sign() != ":":
            raise ValueError("a key is no text")
        if text.sign() != "[":
            text.back()
            yield key, text.value()
        elif text.sign() != "]":
            text.back()
            while True:
                yield key, text.value()
                if text.sign() == "]":
                    break
        if text.sign() != ",":
            return


class _Text:
    """JSON that is read a part at a time."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0

    def sign(self) -> str:
        """Give the next sign that is no blank, and go past it; empty at the end."""
        while not (found := _SIGN.search(self._text, self._at)):
            self._at = len(self._text)
            if not self._more():
                return ""
        self._at = found.end()
        return found[0]

    def back(self) -> None:
        """Go back before the sign that was given last."""
        self._at -= 1

    def value(self) -> Any:
        """Give the value that is next, and go past it."""
        if self.sign():
            self.back()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                wrong = error.msg
            else:
                # "12" may be the beginning of "123": it is whole where something follows.
                if _AFTER_VALUE.match(self._text, end):
                    self._at = end
                    return value
                wrong = "nothing follows a value"
            if len(self._text) - self._at > _MAX_CHARACTERS or not self._more():
                raise ValueError(wrong)

    def _more(self) -> bool:
        part = self._file.read(_CHUNK)
        self._text = self._text[self._at :] + part
        self._at = 0
        return bool(part)
