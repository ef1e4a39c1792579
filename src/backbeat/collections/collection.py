"""A labelled folder, or a table of paths and genres, to tracks.

Reading a collection opens no audio file: 100,000 files take seconds. `backbeat.collections.check`
finds what is wrong with files, and their artists.
"""

from __future__ import annotations

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from backbeat.audio import AUDIO_SUFFIXES
from backbeat.collections import gtzan
from backbeat.collections.genres import clean_genre, genre_key, gtzan_spelling, merge_spellings
from backbeat.errors import BackbeatError, printable
from backbeat.files.cells import exactly
from backbeat.files.documents import read_bytes
from backbeat.files.folders import identity, is_folder, natural

Several = Literal["first", "skip"]

# Not "/", "," or "&": "R&B/Soul", "Funk / Soul" and "Folk, World, & Country" are genres.
_BETWEEN_GENRES = re.compile("[;|]")


@dataclass(frozen=True, slots=True)
class Track:
    """One labelled file.

    `name` is the path below the collection's folder, with ``/`` and its suffix; in a table, the
    path as written there. Undecodable bytes in it are Python's lone surrogates. `folder` is the
    collection's folder, or its table's; `genre` is in the commonest of the collection's spellings.
    `artist`, `album` and `title` are empty if unknown.
    """

    name: str
    folder: Path
    genre: str
    artist: str = ""
    album: str = ""
    title: str = ""

    @property
    def path(self) -> Path:
        """Where the file is; made when it is asked for, since 100,000 paths are 40 MB."""
        return self.folder / self.name


@dataclass(frozen=True)
class Collection:
    """Labelled tracks, sorted by name as people count, "2" before "10".

    `root` is the folder of the genres' folders, or the table; GTZAN is recognised by its files'
    names. `ignored` counts files without an audio suffix, `several` songs of a table with several
    genres.
    """

    root: Path
    kind: Literal["folder", "csv", "gtzan"]
    tracks: tuple[Track, ...]
    ignored: int = 0
    several: int = 0

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres, sorted."""
        return tuple(sorted({track.genre for track in self.tracks}))


def read_collection(path: Path, *, several: Several | None = None) -> Collection:
    """Read a labelled collection.

    Genres keep their spelling. Names that differ only in letter case, hyphens or blanks are one
    genre, in the spelling of most of its songs; of equally common ones the song whose name comes
    first decides.

    Parameters
    ----------
    path : Path
        A folder with a sub-folder for each genre (songs may lie deeper in it), a folder of a copy
        of GTZAN in any known layout, or a table with a row for each song: columns ``path`` and
        ``genre``, and if wanted ``artist``, ``album`` and ``title``; separated by commas,
        semicolons or tabs; paths relative to the table's folder. A cell of several genres divides
        them by ``;`` or ``|``.
    several : {"first", "skip"}, optional
        Whether a song with several genres gets the first (the default) or is left out.

    Returns
    -------
    Collection

    Raises
    ------
    BackbeatError
        If it is neither, something in it needs a correction, or `several` is given for a folder.
    """
    if path.is_dir():
        if several:
            raise BackbeatError(
                f"{printable(path)}: --several {several} needs a table; in a folder each song "
                "has one genre"
            )
        return _read_folder(gtzan.find_genres(path) or path)
    if path.is_file():
        return _read_table(path, several or "first")
    raise BackbeatError(f"{printable(path)}: no such folder or table")


@dataclass(frozen=True)
class Tags:
    """Artist (or the album's artist), album and title in a file's tags; empty where missing."""

    artist: str = ""
    album: str = ""
    title: str = ""


def read_tags(path: Path) -> Tags:
    """Read an audio file's tags; one that cannot be read has none."""
    import tinytag

    try:
        tags = tinytag.TinyTag.get(path, duration=False)
    except Exception:  # noqa: BLE001 - tags are optional: no error in them must stop work
        return Tags()
    artist = tags.artist or tags.albumartist
    return Tags(_clean(artist), _clean(tags.album), _clean(tags.title))


def _clean(text: str | None) -> str:
    """Trim a tag, and normalise its letters (NFC)."""
    return unicodedata.normalize("NFC", " ".join((text or "").replace("\0", " ").split()))


# --- Folders


def _read_folder(root: Path) -> Collection:
    """Read a folder that has a sub-folder for each genre."""
    top = [entry for entry in _entries(root) if not entry.name.startswith(".")]
    folders = sorted(
        (entry for entry in top if is_folder(entry)), key=lambda entry: natural(entry.name)
    )
    loose = sorted(entry.name for entry in top if not is_folder(entry) and _is_audio(entry.name))
    shown = printable(root)
    if loose:
        raise BackbeatError(
            f"{shown}: {len(loose)} audio files lie outside genre folders (the first is "
            f"{printable(loose[0])}); put each genre's songs in a folder of its own, or give a"
            " CSV"
        )
    if not folders:
        raise BackbeatError(
            f"{shown}: no sub-folders; put each genre's songs in a folder of its own, or give a CSV"
        )
    ignored = len(top) - len(folders)
    tracks: list[Track] = []
    for folder in folders:
        names, others = _scan(Path(folder.path), folder.name)
        if not names:
            raise BackbeatError(
                f"{printable(folder.path)}: no audio in this genre's folder; put songs in it, or"
                " move it away"
            )
        genre = clean_genre(folder.name)
        tracks += [Track(name, root, genre) for name in names]
        ignored += others
    tracks.sort(key=lambda track: natural(track.name))
    if _is_gtzan(tracks):
        return Collection(root, "gtzan", tuple(map(_with_index, _merged(tracks))), ignored)
    return Collection(root, "folder", _merged(tracks), ignored)


def _merged(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Give all songs of a genre one spelling of it; `tracks` are in order."""
    shown = merge_spellings(track.genre for track in tracks)
    return tuple(
        track if shown[track.genre] == track.genre else replace(track, genre=shown[track.genre])
        for track in tracks
    )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: OSError) -> BackbeatError:
    """Make the error of a folder or file that cannot be read."""
    return BackbeatError(f"{printable(error.filename)}: cannot be read ({error.strerror})")


def _scan(folder: Path, name: str) -> tuple[list[str], int]:
    """Give the names, beginning with `name`, of all audio below a folder; and count others."""

    def fail(error: OSError) -> None:
        raise _unreadable(error)

    names = []
    others = 0
    # A link to a folder above would bring in the other genres' songs, and so on without end.
    visited = {identity(above) for above in folder.resolve().parents}
    for place, below, files in os.walk(folder, onerror=fail, followlinks=True):
        own = identity(place)
        if own in visited:
            below.clear()
            continue
        visited.add(own)
        below[:] = sorted((b for b in below if not b.startswith(".")), key=natural)
        prefix = name + place[len(str(folder)) :].replace(os.sep, "/") + "/"
        for file in files:
            if file.startswith("."):
                continue  # .DS_Store, and AppleDouble's ._song.mp3, which holds no sound
            if _is_audio(file):
                names.append(prefix + file)
            else:
                others += 1
    return names, others


def _is_audio(name: str) -> bool:
    """Whether a file's suffix is one of audio."""
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES  # noqa: PTH122 - as above


def _is_gtzan(tracks: list[Track]) -> bool:
    """Whether most files are named as GTZAN's, in the folder of their genre."""
    identities = ((gtzan.track_id(track.name), genre_key(track.genre)) for track in tracks)
    known = sum(1 for identity, genre in identities if identity and identity.startswith(genre))
    return known * 2 > len(tracks)


def _with_index(track: Track) -> Track:
    """Fill in artist and title from GTZAN's index, and take its spelling of the genre."""
    identity = gtzan.track_id(track.name) or ""
    return replace(
        track,
        genre=gtzan_spelling(track.genre),
        artist=gtzan.artist_of(identity),
        title=gtzan.title_of(identity),
    )


# --- Tables


def _read_table(path: Path, several: Several) -> Collection:
    """Read a CSV of paths and genres."""
    shown = printable(path)
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BackbeatError(f"{shown}: not a table in UTF-8; save it as CSV in UTF-8") from None
    except OSError as error:
        raise _unreadable(error) from None
    # Not splitlines: it also divides at signs such as U+2028 that a name may hold.
    lines = list(io.StringIO(text, newline=""))
    if "\0" in text or not lines:
        raise BackbeatError(f"{shown}: not a table: {'binary data' if lines else 'it is empty'}")
    delimiter = max(",;\t", key=lines[0].count)  # the first wins if none occurs
    reader = csv.reader(lines, delimiter=delimiter)
    rows = _rows(reader, shown)
    columns = _columns(next(rows, (1, []))[1], shown)
    tracks: dict[str, Track] = {}
    seen: dict[str, int] = {}
    with_several = 0
    for line, row in rows:
        track, more = _table_track(row, columns, path.parent, f"{shown}, line {line}")
        if track.name in seen:
            first = f"line {seen[track.name]}"
            raise BackbeatError(f"{shown}, line {line}: {_short(track.name)} is on {first} already")
        seen[track.name] = line
        with_several += more
        if not (more and several == "skip"):
            tracks[track.name] = track
    if seen and not tracks:
        raise BackbeatError(f"{shown}: each song has several genres; --several first keeps them")
    _require_files(tracks, seen, shown)
    merged = _merged([tracks[name] for name in sorted(tracks, key=natural)])
    return Collection(path, "csv", merged, several=with_several)


def _rows(reader: Any, shown: str) -> Iterator[tuple[int, list[str]]]:
    """Give a table's rows that are not empty, each with its line number."""
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise BackbeatError(f"{shown}, line {reader.line_num}: {error}") from None


def _columns(header: list[str], shown: str) -> dict[str, int]:
    """Find the columns by their names."""
    names = [cell.strip().casefold() for cell in header]
    for needed in ("path", "genre"):
        if names.count(needed) != 1:
            how = "no" if needed not in names else "more than one"
            raise BackbeatError(
                f"{shown}, line 1: {how} column {needed!r}; the first line must name the columns,"
                " such as path,genre,artist,album"
            )
    return {name: names.index(name) for name in reversed(names)}


def _table_track(
    row: list[str], columns: dict[str, int], folder: Path, where: str
) -> tuple[Track, bool]:
    """Make a row a track of its first genre; also whether it has more genres."""

    def cell(name: str) -> str:
        place = columns.get(name, len(row))
        return row[place].strip() if place < len(row) else ""

    name = cell("path")
    genres = [clean_genre(part) for part in _BETWEEN_GENRES.split(exactly(cell("genre")))]
    genres = [genre for genre in genres if genre]
    if (written := exactly(name)) != name and not os.path.exists(folder / name):  # noqa: PTH110
        name = written  # of a table that backbeat wrote
    if not name:
        raise BackbeatError(f"{where}: no path")
    if not genres:
        raise BackbeatError(f"{where}: no genre for {_short(name)}; add one or delete the line")
    others = {key: _clean(exactly(cell(key))) for key in ("artist", "album", "title")}
    return Track(name, folder, genres[0], **others), len(set(map(genre_key, genres))) > 1


def _short(name: str) -> str:
    """Show a name, or the beginning of a long one."""
    return printable(name[:200])


def _require_files(tracks: dict[str, Track], lines: dict[str, int], shown: str) -> None:
    """Refuse a table none of whose files exists; the check reports single ones."""
    if not tracks:
        raise BackbeatError(f"{shown}: no rows below the first line")
    # Path.exists raises of a name that is too long for the system.
    if not any(os.path.exists(track.path) for track in tracks.values()):  # noqa: PTH110
        name, line = next(iter(lines.items()))
        raise BackbeatError(
            f"{shown}, line {line}: no such file: {_short(name)}, nor any other of this"
            " table; paths are relative to the table's folder"
        )
