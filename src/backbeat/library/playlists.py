"""Playlists: an M3U8 file a genre, the surest songs first, with relative paths."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category, normalize

from backbeat.classify import Answer
from backbeat.collections.collection import read_tags
from backbeat.errors import BackbeatError, printable
from backbeat.files import atomic

_MAX_NAME = 60  # characters of a label in a file's name, which systems limit to 255 bytes


@dataclass(frozen=True)
class Entry:
    """A song of a playlist."""

    path: Path
    seconds: float  # its length
    title: str  # what a player shows


def by_label(answers: Iterable[Answer]) -> Mapping[str, tuple[Answer, ...]]:
    """Group answers by genre or withheld label ("unsure", "out of genre"), in order of names.

    In each group the most probable come first, then by path.
    """
    lists: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        lists[answer.label].append(answer)
    return {
        label: tuple(sorted(lists[label], key=lambda a: (-a.probability, str(a.path))))
        for label in sorted(lists)
    }


def entry_of(answer: Answer) -> Entry:
    """Make an entry of a song, with artist and title of its tags where it has them."""
    tags = read_tags(answer.path)
    title = " - ".join(filter(None, (tags.artist, tags.title))) if tags.title else answer.path.stem
    return Entry(answer.path, answer.seconds, title)


def write_playlist(path: Path, name: str, entries: Sequence[Entry]) -> tuple[Path, ...]:
    """Write an M3U8 file, and give the songs left out because the format cannot name them.

    Songs are named relative to the file's folder, so that both can be moved together. A path that
    holds a line break, or is not UTF-8, cannot be written. Refuses to write to a folder.
    """
    if path.is_dir():
        raise BackbeatError(f"{printable(path)}: is a folder; name a file to write to")
    lines = ["#EXTM3U", "#EXTENC:UTF-8", f"#PLAYLIST:{_on_one_line(name)}"]
    left_out = []
    for entry in entries:
        try:
            where = _relative(entry.path, path.parent)
        except BackbeatError:
            left_out.append(entry.path)
            continue
        lines += [f"#EXTINF:{round(entry.seconds)},{_on_one_line(entry.title)}", where]
    # Bytes of a title that are not UTF-8 become escapes.
    content = "\n".join(lines).encode("utf-8", "backslashreplace") + b"\n"
    atomic.write_bytes(path, content)
    return tuple(left_out)


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """Name the file of each label's playlist; a model may name a genre anything, such as "../x".

    No two are the same, also where letter case does not count: "A/B" and "a_b" become ``A_B.m3u8``
    and ``a_b (2).m3u8``.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for label in labels:
        safe = "".join(c if c.isprintable() and c not in '/\\:*?"<>|' else "_" for c in label)
        name = stem = safe[:_MAX_NAME]
        number = 1
        # macOS takes composed and decomposed letters for the same.
        while (key := normalize("NFC", name).casefold()) in taken:
            number += 1
            name = f"{stem} ({number})"
        taken.add(key)
        names[label] = f"{name}.m3u8"
    return names


def _on_one_line(text: str) -> str:
    """Join the words of a text that may hold control characters."""
    return " ".join("".join(" " if category(char) == "Cc" else char for char in text).split())


def _relative(song: Path, folder: Path) -> str:
    """Give a song's path from a folder, with ``/``; refuse one that a line cannot hold."""
    where = os.path.relpath(os.path.abspath(song), os.path.abspath(folder))  # noqa: PTH100
    where = where.replace(os.sep, "/")
    try:
        where.encode("utf-8")
    except UnicodeEncodeError:
        raise BackbeatError(f"{printable(song)}: its name is not UTF-8") from None
    if len(where.splitlines()) != 1:
        raise BackbeatError(f"{printable(song)}: its name has more than one line")
    # Not to be read as a comment or an address.
    return f"./{where}" if where.startswith("#") or ":" in where.partition("/")[0] else where
