"""The genre in a file's own tag, read and written; all other tags keep their bytes and order.

Each family of formats has its own way to hold a genre, or several:

- ID3 (MP3, AIFF, WAV): the frame TCON, or TCO in version 2.2. Version 2.4 holds several values;
  2.2 and 2.3 one text, separated by ``/``. A tag keeps its version; a file without a tag gets 2.4.
  An ID3v1 tag at the end of an MP3 gets the genre's number, or 255.
- MP4: the atom ``©gen``, with a ``data`` atom a value.
- Vorbis comments (FLAC, Ogg): a comment ``GENRE`` a value.
- ASF (WMA): an attribute ``WM/Genre`` a value.

mutagen decodes ID3 genres and writes Ogg pages, MP4 and ASF. It is under the GPL and comes with the
extra ``library``: functions import it when called.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from backbeat.errors import BackbeatError, needing, one_line, printable
from backbeat.library.tags import frames, raw
from backbeat.library.tags.id3_files import (
    FORM,
    MP3,
    id3_genres,
    id3_tags,
    id3v1_genres,
    names,
    start_of,
)
from backbeat.library.tags.other_files import ASF, FLAC, MP4, OGG
from backbeat.library.tags.plan import Present
from backbeat.library.tags.raw import Family, Parts, at
from backbeat.library.tags.rewriting import TagError, identity

_MPEG = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]")  # how a frame of an MP3 begins
_MPEG_SUFFIXES = (".mp3", ".mp2", ".mp1", ".mpga")


def require() -> None:
    """Raise an error that says what to install, if mutagen is missing."""
    with needing("library", "reading and writing tags"):
        import mutagen  # noqa: F401


def read(path: Path, file: BinaryIO | None = None) -> Present:
    """Read the genre of a file, by its open `file` if given: the path may lead to another by now.

    Raises `TagError` if the format has no tags that can be written, or the tags are broken.
    """
    with _named_errors(path, "its tags cannot be read"), _opened(path, file, "rb") as stream:
        family = _family(path, stream)
        held = family.get(stream)
        own = names(held.values) if family in (MP3, FORM) else held.values
        shown = [*own, *held.beside, *_around(stream, family)]
        shown = [genre.strip() for genre in shown if genre.strip()]
        known = identity(os.fstat(stream.fileno()))
        return Present(held.format, tuple(held.values), tuple(dict.fromkeys(shown)), known)


def write(path: Path, genres: Sequence[str], file: BinaryIO | None = None) -> tuple[str, ...]:
    """Write genres (none removes the tag) into `file`, or into what is at the path, in place.

    Give it a copy as `file`, see `rewriting`. Returns the values as the tag holds them: a single
    one in ID3v2.3. Raises `TagError` if the file cannot be written, or another tag would change.
    """
    with _named_errors(path, "its tags cannot be written"), _opened(path, file, "r+b") as stream:
        family = _family(path, stream)
        before = _by_name(family.others(stream))
        family.put(stream, genres)
        stream.flush()
        held, after = family.get(stream), _by_name(family.others(stream))
        one_text = genres and held.format in ("ID3v2.2", "ID3v2.3")
        if held.values != (["/".join(genres)] if one_text else list(genres)):
            raise TagError(path, "its tags are broken: a genre would not stay in them")
        if lost := [name for name in before | after if before.get(name) != after.get(name)]:
            shown = ", ".join(printable(name) for name in lost[:3])
            raise TagError(path, f"its other tags would not all stay as they are: {shown}")
        return tuple(held.values)


def _by_name(parts: Parts) -> dict[str, list[bytes]]:
    named = defaultdict(list)
    for name, content in parts:
        named[name].append(content)
    return dict(named)


@contextlib.contextmanager
def _opened(path: Path, file: BinaryIO | None, mode: str) -> Iterator[BinaryIO]:
    """Yield the open file, or open it."""
    if file is not None:
        yield file
        return
    with path.open(mode) as stream:
        yield stream  # type: ignore[misc]


@contextlib.contextmanager
def _named_errors(path: Path, what: str) -> Iterator[None]:
    """Turn errors into one that names the file: damage raises any kind of them."""
    try:
        yield
    except (BackbeatError, OSError):
        raise
    except (struct.error, IndexError, EOFError) as error:
        raise TagError(path, f"{what} (they are cut)") from error
    except Exception as error:
        raise TagError(path, f"{what} ({one_line(error) or type(error).__name__})") from error


def _family(path: Path, file: BinaryIO) -> Family:
    """Find the family of a file's format, by what follows the ID3 tags before it."""
    require()
    start = start_of(file)
    head = at(file, start, 16)
    if head.startswith(b"fLaC"):
        return FLAC
    if head.startswith(b"OggS"):
        return OGG
    if not start and re.match(rb"(RIFF|RIFX|RF64|BW64)....WAVE|FORM....AIF[FC]", head, re.DOTALL):
        return FORM
    if not start and head[4:8] == b"ftyp":
        return MP4
    if not start and head == raw.ASF:
        return ASF
    if _MPEG.match(head) or path.suffix.lower() in _MPEG_SUFFIXES:
        from mutagen.mp3 import MPEGInfo

        MPEGInfo(file, start)  # raises an error if there is no sound
        return MP3
    raise TagError(path, "has a format whose tags cannot be written")


def _around(file: BinaryIO, family: Family) -> list[str]:
    """Give the genres of tags before and behind a file's own, which are not written."""
    before = [] if family is MP3 else id3_tags(file)
    return [*id3_genres(before), *frames.ape_genres(file), *id3v1_genres(file)]
