"""A labelled folder, or a table of paths and genres, to tracks.

Reading a collection opens no audio file: 100,000 files take seconds. `backbeat.collections.check`
finds what is wrong with files, and their artists.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from backbeat.audio import AUDIO_SUFFIXES
from backbeat.collections import gtzan
from backbeat.collections.genres import (
    PART_NAMES,
    clean_genre,
    genre_key,
    genre_of_file,
    genres_in,
    gtzan_spelling,
    is_genre,
    merge_spellings,
)
from backbeat.collections.spellings import Finder
from backbeat.collections.tables import Table, read_table
from backbeat.errors import BackbeatError, printable
from backbeat.files.cells import exactly
from backbeat.files.folders import identity, is_folder, natural
from backbeat.files.text import number, plural

GenreFrom = Literal["folder", "name"]
Several = Literal["first", "skip"]

_LISTED = 5  # names in a line
_OTHERS = ("artist", "album", "title")


@dataclass(frozen=True, slots=True)
class Track:
    """One labelled file.

    `name` is the path below the collection's folder, with ``/`` and its suffix; in a table, the
    path as written there, or as its file is spelt on the disk. Undecodable bytes in it are Python's
    lone surrogates. `folder` is the collection's folder, or that of its table's paths; `genre` is
    in the commonest of the collection's spellings.
    `artist`, `album` and `title` are empty if unknown.
    """

    name: str
    folder: Path
    genre: str
    artist: str = ""
    album: str = ""
    title: str = ""
    part: str = ""  # of a split that the collection comes with: train, valid or test

    @property
    def path(self) -> Path:
        """Where the file is; made when it is asked for, since 100,000 paths are 40 MB."""
        return self.folder / self.name


@dataclass(frozen=True)
class Collection:
    """Labelled tracks, sorted by name as people count, "2" before "10".

    `root` is the folder of the genres' folders, or the table; GTZAN is recognised by its files'
    names. `ignored` counts files without an audio suffix, `several` songs of a table with several
    genres. `notes` are lines about what was passed over or read otherwise than written.
    """

    root: Path
    kind: Literal["folder", "csv", "gtzan"]
    tracks: tuple[Track, ...]
    ignored: int = 0
    several: int = 0
    notes: tuple[str, ...] = ()

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres, sorted."""
        return tuple(sorted({track.genre for track in self.tracks}))

    @property
    def places(self) -> tuple[Path, ...]:
        """The folder or table, and the folder where a table's paths begin."""
        folder = self.tracks[0].folder
        return (self.root,) if folder in (self.root, self.root.parent) else (self.root, folder)


def read_collection(
    path: Path,
    *,
    several: Several | None = None,
    columns: Mapping[str, str] | None = None,
    songs: Path | None = None,
    genre_from: GenreFrom = "folder",
) -> Collection:
    """Read a labelled collection.

    Genres keep their spelling. Names that differ only in letter case, hyphens or blanks are one
    genre, in the spelling of most of its songs; of equally common ones the song whose name comes
    first decides.

    Parameters
    ----------
    path : Path
        A folder with a sub-folder for each genre (songs may lie deeper in it), perhaps in folders
        of the parts of a split (``train``, ``test``); a folder of a copy of GTZAN in any known
        layout; or a table with a row for each song: columns ``path`` and ``genre``, and if wanted
        ``artist``, ``album`` and ``title``; separated by commas, semicolons or tabs. A cell of
        several genres divides them by ``;`` or ``|``.
    several : {"first", "skip"}, optional
        Whether a song with several genres gets the first (the default) or is left out.
    columns : mapping of str to str, optional
        The table's columns for ``path``, ``genre``, ``artist``, ``album``, ``title`` and ``part``
        (of a split): their names, or their numbers from 1 in a table without a line of names.
    songs : Path, optional
        The folder to which the table's paths are relative, by default its own.
    genre_from : {"folder", "name"}
        Whether the folder of a file gives its genre, or the beginning of its name.

    Returns
    -------
    Collection

    Raises
    ------
    BackbeatError
        If it is neither, something in it needs a correction, or an option of tables is given for a
        folder or the other way round.
    """
    if path.is_dir():
        for option, value in (("several", several), ("columns", columns), ("songs", songs)):
            if value is not None:
                raise BackbeatError(
                    f"{printable(path)}: --{option} is for tables; in a folder each song has one "
                    "genre, of its folder or (--genre-from name) in its name"
                )
        inner = None if genre_from == "name" else gtzan.find_genres(path)
        return _read_folder(inner or path, genre_from)
    if path.is_file():
        if genre_from == "name":
            raise BackbeatError(f"{printable(path)}: --genre-from name is for folders")
        return _read_table(path, several or "first", columns, songs)
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


def _read_folder(root: Path, genre_from: GenreFrom) -> Collection:
    """Read a folder that has a sub-folder for each genre, perhaps for each part of a split."""
    top = [entry for entry in _entries(root) if not entry.name.startswith(".")]
    folders = sorted((entry.name for entry in top if is_folder(entry)), key=natural)
    loose = sorted(entry.name for entry in top if not is_folder(entry) and _is_audio(entry.name))
    shown = printable(root)
    if loose and genre_from == "folder":
        raise BackbeatError(
            f"{shown}: {len(loose)} audio files lie outside genre folders (the first is "
            f"{printable(loose[0])}); put each genre's songs in a folder of its own, give a CSV, or"
            " use --genre-from name if the files' names begin with the genre"
        )
    names = list(loose)
    ignored = len(top) - len(folders) - len(loose)
    with_sound: list[str] = []
    without_sound: list[str] = []
    for folder in folders:
        found, others = _scan(root / folder, folder)
        (with_sound if found else without_sound).append(folder)
        names += found
        ignored += others
    if not names:
        raise BackbeatError(
            f"{shown}: no {'audio in the ' * bool(folders)}sub-folders; put each genre's songs in a"
            " folder of its own, or give a CSV"
        )
    parts = {folder: PART_NAMES.get(folder.casefold(), "") for folder in with_sound}
    by_name = genre_from == "name"
    divided = not loose and all(parts.values())
    if not by_name:  # else songs may lie in the parts' folders themselves
        divided = divided and all(name.count("/") > 1 for name in names)
    if divided:
        used = {tuple(name.split("/")[:2]) for name in names}
        inner = ((part, entry) for part in parts for entry in _entries(root / part))
        without_sound += [
            f"{part}/{entry.name}"
            for part, entry in inner
            if is_folder(entry) and entry.name[0] != "." and (part, entry.name) not in used
        ]
    tracks = []
    for name in sorted(names, key=natural):
        folder, *below = name.split("/")
        genre = genre_of_file(name) if by_name else clean_genre(below[0] if divided else folder)
        if is_genre(genre):
            tracks.append(Track(name, root, genre, part=parts[folder] if divided else ""))
    if not tracks:
        where = "file's name, such as blues.00000.wav" if by_name else "folder's name"
        raise BackbeatError(f"{shown}: no song has a genre in its {where}; give a CSV")
    notes = []
    if without_sound:
        listed = ", ".join(map(printable, without_sound[:_LISTED]))
        more = ", ..." if len(without_sound) > _LISTED else ""
        notes.append(f"{plural(len(without_sound), 'folder')} without audio: {listed}{more}")
    if divided:
        notes.append(f"{', '.join(map(printable, parts))}: parts of a split, not genres")
    if left := len(names) - len(tracks):
        notes.append(f"{number(left)} of {plural(len(names), 'song')} left out, without a genre")
    kind: Literal["folder", "gtzan"] = "folder"
    if _is_gtzan(tracks):
        kind, tracks = "gtzan", [_with_index(track) for track in _merged(tracks)]
    return Collection(root, kind, _merged(tracks), ignored, notes=tuple(notes))


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


def _read_table(
    path: Path, several: Several, columns: Mapping[str, str] | None, songs: Path | None
) -> Collection:
    """Read a table of paths and genres, whose files lie below `songs` or the table's folder."""
    shown = printable(path)
    table = read_table(path, columns)
    folder = songs or path.parent
    finder = Finder(folder)
    tracks: dict[str, Track] = {}
    seen: dict[str, int] = {}
    with_several = without = 0
    for line, cells in table.rows:
        where = f"{shown}, line {line}"
        if not cells["path"]:
            raise BackbeatError(f"{where}: no path")
        name = finder.name_of(cells["path"])
        if name in seen:
            raise BackbeatError(f"{where}: {_short(name)} is on line {seen[name]} already")
        seen[name] = line
        genres = genres_in(exactly(cells["genre"]))
        if not genres:
            without += 1
            continue
        more = len(set(map(genre_key, genres))) > 1
        with_several += more
        if not (more and several == "skip"):
            others = {key: _clean(exactly(cells.get(key, ""))) for key in _OTHERS}
            part = _part(cells.get("part", ""), where)
            tracks[name] = Track(name, folder, genres[0], **others, part=part)
    if seen and not tracks:
        if without == len(seen):
            raise BackbeatError(f"{shown}: no row has a genre")
        raise BackbeatError(f"{shown}: each song has several genres; --several first keeps them")
    _require_files(finder, seen, table, shown)
    merged = _merged([tracks[name] for name in sorted(tracks, key=natural)])
    notes = [*table.notes, *finder.notes()]
    if without:
        notes.append(f"{number(without)} of {plural(len(seen), 'row')} left out, without a genre")
    return Collection(path, "csv", merged, several=with_several, notes=tuple(notes))


def _part(cell: str, where: str) -> str:
    """Give the part of a split that a table's cell names; empty if it is empty."""
    part = PART_NAMES.get(cell.casefold(), "")
    if cell and not part:
        raise BackbeatError(f"{where}: the part {_short(cell)} must be train, valid or test")
    return part


def _short(name: str) -> str:
    """Show a name, or the beginning of a long one."""
    return printable(name[:200])


def _require_files(finder: Finder, lines: Mapping[str, int], table: Table, shown: str) -> None:
    """Refuse a table none of whose files exists; the check reports single ones."""
    if not lines:
        raise BackbeatError(f"{shown}: no rows{' below the first line' * table.has_header}")
    name, line = next(iter(lines.items()))
    if not finder.found:
        raise BackbeatError(
            f"{shown}, line {line}: no such file: {_short(name)}, nor any other of this table; "
            "paths are relative to the table's folder, or to that of --songs"
        )
    # A line of names would become a song of the genre "genre".
    if not (table.has_header or _is_audio(name) or finder.exists(name)):
        raise BackbeatError(
            f"{shown}, line {line}: no such file: {_short(name)}; if this line names the columns, "
            "give --columns these names instead of numbers"
        )
