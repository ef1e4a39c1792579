"""Features made elsewhere to a feature store, each field checked.

What is read, by the suffix of its file:

- ``.npz``, with the fields

  - ``X``: with ``logmel``, uint8 (n, 128, 387), a map a track, mel bin 0 lowest, where a cell is
    ``floor((dB + 80) / 80 * 256)`` below the track's loudest; with ``mfcc``, floating point
    (n, frames, coefficients) or (n, slices, frames, coefficients). Each run of frames is cut into
    slices of 125 frames, of which the first 13 coefficients are taken; with ``vectors``, numbers
    (n, d);
  - ``y``: (n,) indices into ``genres``, or (n, k) with a one in their place, or the genres
    themselves;
  - ``genres``: (k,) strings, each once; not needed where ``y`` holds them;
  - ``names`` (optional): (n,) strings, each once;
  - ``artists`` (optional): (n,) strings, empty where unknown.

- ``.json``: the same as lists of an object, where ``mfcc`` is ``X``, ``labels`` is ``y`` and
  ``mapping`` is ``genres``: what the best-known tutorial writes;
- ``.csv``, ``.tsv``: a table of vectors, a row each; see `vector_table`.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.collections import gtzan
from backbeat.collections.genres import merge_spellings
from backbeat.errors import BackbeatError, printable
from backbeat.features.arrays import REQUIRE, as_slices, cut_off, mfcc_of
from backbeat.features.data_json import read_data_json
from backbeat.features.fields import genres_and_labels, require_two, strings
from backbeat.features.npz import MAX_UNPACKED, Arrays, Field, read_npz
from backbeat.features.songs import SONGS_OPTIONS, Songs, join_rows, rows_of_songs, why_unknown
from backbeat.features.store import (
    UNKNOWN,
    Features,
    TrackTable,
    array_in,
    create_store,
    open_features,
    write_table,
)
from backbeat.features.vector_table import read_vector_table
from backbeat.files import atomic
from backbeat.files.text import plural
from backbeat.frontend import Mfcc

_REQUIRED = ("X", "y")
_KNOWN = (*_REQUIRED, "genres", "names", "artists")
_TABLES = (".csv", ".tsv", ".txt")
_TRACKS_IN_A_CHUNK = 32


def import_features(
    source: Path,
    out: Path,
    *,
    frontend: str,
    made: str | None = None,
    songs: Songs | None = None,
    on_dropped: Callable[[str], None] | None = None,
    on_unknown: Callable[[str], None] | None = None,
) -> Features:
    """Bring the features of a file into a feature store.

    Parameters
    ----------
    source : Path
        The file; see the module for its fields.
    out : Path
        The store, which must not exist.
    frontend : {"mfcc", "logmel", "vectors"}
        What the features are.
    made : str, optional
        How MFCCs or maps were made, so that audio can be turned into the same: "librosa" with its
        defaults, or such as "librosa,hop_length=256". Unknown by default, and bundles say so.
    songs : int, "name" or "rows", optional
        So many rows, one after another, are a song; or those whose names differ only by the number
        at the end; or each row is one. Without it, rows that may be segments of songs are not
        joined, and the store says that its songs are not known: `make_split` refuses to draw
        tracks or artists of it.
    on_dropped : callable, optional
        Called with a line about each part of the file that the store does not hold.
    on_unknown : callable, optional
        Called with the reason why rows, or the songs made of so many, may be parts of one song.

    Returns
    -------
    Features

    Raises
    ------
    BackbeatError
        Naming the file and the field that is wrong.
    """
    if frontend not in REQUIRE:
        raise BackbeatError(
            f"--frontend {frontend}: only {', '.join(REQUIRE)} can be imported; for others use "
            "`backbeat prepare` on the collection"
        )
    if out.exists():
        raise BackbeatError(f"{out}: exists already; remove it or choose another -o")
    fields, columns, left_out = _read(source, frontend)
    front, array = as_slices(source, frontend, fields["X"], columns=columns, made=made)
    own = strings(source, "names", fields["names"], unique=True) if "names" in fields else ()
    digits = len(str(len(array) - 1))
    names = own or tuple(f"row {row:0{digits}d}" for row in range(len(array)))
    _require_values(source, array, names)
    genres, labels = genres_and_labels(source, fields.get("genres"), fields["y"])
    unsure = unknown = why_unknown(array, labels, own) if songs is None else ""
    try:
        found = rows_of_songs(names, labels, songs)
    except BackbeatError as error:
        raise BackbeatError(f"{source}: {error}") from error
    rows = list(found.values())
    labelled = [genres[labels[of_song[0]]] for of_song in rows]
    shown = merge_spellings([*genres, *labelled])
    counts = np.array([len(of_song) for of_song in rows], np.int64)
    seconds = counts * np.float64(front.slice_seconds * array.shape[1])
    slices = counts * array.shape[1]
    if counts.max() > 1:
        array = join_rows(array, rows)
        if isinstance(songs, int):  # such as 5 where a song has 10
            unsure = why_unknown(array, [labels[of_song[0]] for of_song in rows], list(found))
        front = mfcc_of(source, array.shape[1], made) if isinstance(front, Mfcc) else front
    table = TrackTable(
        name=tuple(found),
        genre=tuple(shown[genre] for genre in labelled),
        artist=_artists(source, fields.get("artists"), found),
        album=("",) * len(rows),
        seconds=seconds,
        # The samples are unknown, but equal features also show a copy. The prefix says what
        # was hashed, as such a digest equals none of samples.
        digest=tuple(
            f"{front.name}:{hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest()}"
            for row in array
        ),
        slices=slices,
        finding=("",) * len(rows),
    )
    kept = set(table.genre)
    require_two(source, sorted(kept))
    attributes = {
        "frontend": front.model_dump(),
        "genres": sorted(kept),
        "fingerprint": hashlib.blake2b("".join(table.digest).encode(), digest_size=16).hexdigest(),
        "imported_from": source.name,
        "made": made or UNKNOWN,
        "songs": UNKNOWN if unknown else str(songs or "rows"),
    }
    with atomic.replacing_folder(out) as beside:
        group = create_store(
            beside,
            shape=array.shape,
            block=min(len(rows), _TRACKS_IN_A_CHUNK),
            attributes=attributes,
        )
        array_in(group, "features")[:] = array
        write_table(group, table)
    empty = [
        f"the genre {printable(genre)}, which no row has"
        for genre in sorted(set(shown.values()) - kept)
    ]
    for dropped in (*cut_off(fields["X"], front), *left_out, *empty):
        if on_dropped:
            on_dropped(dropped)
    if unsure and on_unknown:
        on_unknown(unsure)
    return open_features(out)


def _read(source: Path, frontend: str) -> tuple[Arrays, tuple[str, ...], list[str]]:
    """Read the fields that are known, the columns' names of a table, and what is left out."""
    suffix = source.suffix.lower()
    if suffix in _TABLES and frontend != "vectors":
        raise BackbeatError(
            f"{source}: a table holds a vector a row, which --frontend vectors takes"
        )
    if suffix in _TABLES:
        return read_vector_table(source)
    if suffix != ".json":
        fields, unused = read_npz(source, _KNOWN, partial(_require_fields, source, frontend))
    else:
        fields, unused = read_data_json(source)
        declared = {name: Field(array.dtype, array.shape) for name, array in fields.items()}
        _require_fields(source, frontend, declared)
    return fields, (), [f"the field {name}" for name in unused]


def _require_fields(source: Path, frontend: str, declared: Mapping[str, Field]) -> None:
    """Make sure that the arrays are there, and fit each other and the front-end."""
    if missing := [name for name in _REQUIRED if name not in declared]:
        raise BackbeatError(
            f"{source}: lacks the field {', '.join(missing)}; it needs {', '.join(_REQUIRED)}, "
            "genres and, if songs have them, names and artists"
        )
    for name, field in declared.items():
        if name != "X" and len(field.shape) != 1 and (name, len(field.shape)) != ("y", 2):
            raise BackbeatError(f"{source}: {name} must have one dimension")
        if name != "X" and math.prod(field.shape) * field.dtype.itemsize > MAX_UNPACKED:
            raise BackbeatError(f"{source}: {name} holds more than {MAX_UNPACKED >> 20} MB")
    first = "names" if "names" in declared else "y"
    n = declared[first].shape[0]
    if not n:
        raise BackbeatError(f"{source}: {first} holds no tracks")
    REQUIRE[frontend](source, declared["X"])
    for name in ("X", "y"):
        if (others := declared[name].shape[0]) != n:
            raise BackbeatError(f"{source}: {name} holds {others} tracks and {first} {n}")
    if "artists" in declared and declared["artists"].shape[0] != n:
        raise BackbeatError(f"{source}: artists must be as many as {first}")


def _require_values(source: Path, array: npt.NDArray[Any], names: tuple[str, ...]) -> None:
    """Refuse numbers that nothing can be learnt from."""
    bad = [name for name, row in zip(names, array, strict=True) if not np.isfinite(row).all()]
    if bad:
        raise BackbeatError(
            f"{source}: X holds values that are not finite in {plural(len(bad), 'row')}, the first "
            f"is '{printable(bad[0])[:100]}'; leave these rows out of every field"
        )
    if (array == array[:1, :1, :1]).all():
        raise BackbeatError(f"{source}: X holds the same values in every frame of every row")


def _artists(
    source: Path, values: npt.NDArray[Any] | None, songs: Mapping[str, list[int]]
) -> tuple[str, ...]:
    if values is None:
        # GTZAN's index gives the artists of its file names.
        ids = [gtzan.track_id(name) for name in songs]
        return tuple(gtzan.artist_of(known) if known else "" for known in ids)
    of_row = strings(source, "artists", values)
    found = [{of_row[row] for row in rows} for rows in songs.values()]
    for name, artists in zip(songs, found, strict=True):
        if len(artists) > 1:
            raise BackbeatError(
                f"{source}: artists has several for the song '{printable(name)[:100]}'; check "
                f"{SONGS_OPTIONS}"
            )
    return tuple(artists.pop() for artists in found)
