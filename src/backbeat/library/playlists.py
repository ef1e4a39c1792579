"""Playlists: an M3U8 file a genre, the surest songs first, with paths that move along."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

from backbeat.classify.many import Answer
from backbeat.collections.collection import read_tags
from backbeat.errors import BackbeatError, printable
from backbeat.files import atomic

_NAME = 60  # signs of a label in a file's name, whose bytes systems limit to 255


@dataclass(frozen=True)
class Entry:
    """A song of a playlist.

    Attributes
    ----------
    path : Path
    seconds : float
        Its length.
    title : str
        What a player shows of it.
    """

    path: Path
    seconds: float
    title: str


def by_label(answers: Iterable[Answer]) -> Mapping[str, tuple[Answer, ...]]:
    """Sort answers into genres, and into what is withheld ("unsure", "out of genre").

    Returns
    -------
    mapping of str to tuple of Answer
        In order of names; the likeliest first, then by path.
    """
    lists: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        lists[answer.label].append(answer)
    return {
        label: tuple(sorted(lists[label], key=lambda a: (-a.probability, str(a.path))))
        for label in sorted(lists)
    }


def entry_of(answer: Answer) -> Entry:
    """Make a song an entry, with artist and title of its tags where it has them."""
    tags = read_tags(answer.path)
    title = " - ".join(filter(None, (tags.artist, tags.title))) if tags.title else answer.path.stem
    return Entry(answer.path, answer.seconds, title)


def write_playlist(path: Path, name: str, entries: Sequence[Entry]) -> tuple[Path, ...]:
    """Write an M3U8 file.

    Parameters
    ----------
    path : Path
        The file; songs are named relative to its folder, so that both can be moved together.
    name : str
        Of the list.
    entries : sequence of Entry

    Returns
    -------
    tuple of Path
        Songs that the format cannot name (their paths hold the end of a line, or are no text),
        and which are left out.

    Raises
    ------
    BackbeatError
        If `path` is a folder.
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
    # A title's bytes may be no text: they are shown as escapes.
    content = "\n".join(lines).encode("utf-8", "backslashreplace") + b"\n"
    atomic.write_bytes(path, content)
    return tuple(left_out)


def file_name(label: str) -> str:
    """Name the file of a label's playlist: a genre's name is as its model says, "../x" too."""
    safe = "".join(sign if sign.isprintable() and sign not in "/\\:" else "_" for sign in label)
    return f"{safe[:_NAME]}.m3u8"


def _on_one_line(text: str) -> str:
    """Join the words of a text that may hold signs which end a line or steer a terminal."""
    return " ".join("".join(" " if category(sign) == "Cc" else sign for sign in text).split())


def _relative(song: Path, folder: Path) -> str:
    """Give a song's path from a folder, with ``/``, or refuse one that a line cannot hold."""
    where = os.path.relpath(os.path.abspath(song), os.path.abspath(folder))  # noqa: PTH100
    where = where.replace(os.sep, "/")
    try:
        where.encode("utf-8")
    except UnicodeEncodeError:
        raise BackbeatError(f"{printable(song)}: its name is no text") from None
    if len(where.splitlines()) != 1:
        raise BackbeatError(f"{printable(song)}: its name has more than one line")
    # What begins as a comment or an address does is still found from the folder.
    return f"./{where}" if where.startswith("#") or ":" in where.partition("/")[0] else where
