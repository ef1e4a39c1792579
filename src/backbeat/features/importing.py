"""Features made elsewhere: an npz file to a feature store, each field checked.

The fields of such a file:

- ``X``: with ``logmel``, uint8 (n, 128, 387), a map a track, mel bin 0 lowest, where a cell is
  ``floor((dB + 80) / 80 * 256)`` below the track's loudest; with ``mfcc``, floating point
  (n, frames, coefficients) or (n, slices, frames, coefficients). Each run of frames is cut into
  slices of 125 frames, of which the first 13 coefficients are taken.
- ``names`` (optional): (n,) strings, each once;
- ``y``: (n,) whole numbers, indices into ``genres``;
- ``genres``: (k,) strings, each once;
- ``artists`` (optional): (n,) strings, empty where unknown.
"""

import hashlib
import math
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from backbeat.collections import gtzan
from backbeat.collections.genres import clean_genre, genre_key, merge_spellings
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.features.songs import SONGS_OPTIONS, Songs, join_rows, rows_of_songs, why_unknown
from backbeat.features.store import (
    UNKNOWN_SONGS,
    Features,
    TrackTable,
    array_in,
    create_store,
    open_features,
    write_table,
)
from backbeat.files import atomic
from backbeat.files.text import number
from backbeat.frontend import FrontEnd, LogMel, Mfcc

_REQUIRED = ("X", "y", "genres")
_OPTIONAL = ("names", "artists")
_TRACKS_IN_A_CHUNK = 32
# Features are noisy numbers, which compress to a half at best; zeros to a thousandth.
_MAX_RATIO = 50
_MAX_UNPACKED = 256 * 2**20
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def import_features(
    source: Path,
    out: Path,
    *,
    frontend: str,
    songs: Songs | None = None,
    on_dropped: Callable[[str], None] | None = None,
    on_unknown: Callable[[str], None] | None = None,
) -> Features:
    """Bring the features of an npz file into a feature store.

    Parameters
    ----------
    source : Path
        The npz file; see the module for its fields.
    out : Path
        The store, which must not exist.
    frontend : {"mfcc", "logmel"}
        What the features are.
    songs : int, "name" or "rows", optional
        So many rows, one after another, are a song; or those whose names differ only by the number
        at the end; or each row is one. Without it, rows that may be segments of songs are not
        joined, and the store says that its songs are not known: `make_split` refuses to draw
        tracks or artists of it.
    on_dropped : callable, optional
        Called with a line about each part of the file that the store does not hold.
    on_unknown : callable, optional
        Called with the reason why rows may be segments of songs.

    Returns
    -------
    Features

    Raises
    ------
    BackbeatError
        Naming the file and the field that is wrong.
    """
    if frontend not in ("mfcc", "logmel"):
        raise BackbeatError(
            f"--frontend {frontend}: only mfcc and logmel can be imported; for others use "
            "`backbeat prepare` on the collection"
        )
    if out.exists():
        raise BackbeatError(f"{out}: exists already; remove it or choose another -o")
    fields, unused = _read_fields(source, frontend)
    n = len(fields["X"])
    front, array = _logmel(fields["X"]) if frontend == "logmel" else _mfcc(source, fields["X"])
    own = _strings(source, "names", fields["names"], unique=True) if "names" in fields else ()
    genres = _genres(source, fields["genres"])
    labels = _labels(source, fields["y"], len(genres))
    unknown = why_unknown(array, labels, own) if songs is None else ""
    digits = len(str(n - 1))
    names = own or tuple(f"row {row:0{digits}d}" for row in range(n))
    try:
        found = rows_of_songs(names, labels, songs)
    except BackbeatError as error:
        raise BackbeatError(f"{source}: {error}") from error
    rows = list(found.values())
    labelled = [genres[labels[of_song[0]]] for of_song in rows]
    shown = merge_spellings([*genres, *labelled])  # genres without tracks, too
    counts = np.array([len(of_song) for of_song in rows], np.int64)
    seconds = counts * np.float64(front.window_samples / front.sample_rate)
    slices = counts * array.shape[1]
    if counts.max() > 1:
        array = join_rows(array, rows)
        front = _mfcc_frontend(source, array.shape[1]) if isinstance(front, Mfcc) else front
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
    attributes = {
        "frontend": front.model_dump(),
        "genres": sorted(set(shown.values())),
        "fingerprint": hashlib.blake2b("".join(table.digest).encode(), digest_size=16).hexdigest(),
        "imported_from": source.name,
        "songs": UNKNOWN_SONGS if unknown else str(songs or "rows"),
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
    for dropped in (*_cut_off(fields["X"], front), *unused):
        if on_dropped:
            on_dropped(dropped)
    if unknown and on_unknown:
        on_unknown(unknown)
    return open_features(out)


@dataclass(frozen=True)
class _Field:
    """An array as the archive declares it, before it is unpacked."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _read_fields(source: Path, frontend: str) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """Read the fields that are known, and list the others.

    What the archive declares of them is checked first: an array may unpack to gigabytes.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            _require_no_bomb(source, archive)
            members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
            missing = [name for name in _REQUIRED if name not in members]
            if missing:
                raise BackbeatError(
                    f"{source}: lacks the field {', '.join(missing)}; "
                    f"it needs {', '.join(_REQUIRED)}"
                )
            wanted = [name for name in (*_REQUIRED, *_OPTIONAL) if name in members]
            unused = [f"the field {name}" for name in members if name not in wanted]
            declared = {name: _declared(source, archive, members[name], name) for name in wanted}
            _require_fields(source, declared, frontend)
            return {
                name: _read_field(source, archive, members[name], name) for name in wanted
            }, unused
    except (BackbeatError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise BackbeatError(f"{source}: no such file") from error
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds
        raise BackbeatError(
            f"{source}: not an npz file of plain arrays ({one_line(error, 120)})"
        ) from error


def _declared(source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> _Field:
    try:
        with archive.open(member) as file:
            magic = np.lib.format.MAGIC_PREFIX
            if file.read(len(magic)) != magic:
                raise BackbeatError(f"{source}: {name} is no array")
            file.seek(0)
            version = np.lib.format.read_magic(file)
            read = _HEADERS[version]
            shape, _, dtype = read(file)
            stored = member.file_size - file.tell()
    except BackbeatError:
        raise
    except Exception as error:
        raise BackbeatError(f"{source}: {name} cannot be read ({one_line(error, 120)})") from error
    if dtype.hasobject:
        raise BackbeatError(f"{source}: {name} cannot be read (it holds Python objects)")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != stored:
        raise BackbeatError(f"{source}: {name} is cut or damaged")
    return _Field(dtype, shape)


def _require_fields(source: Path, declared: Mapping[str, _Field], frontend: str) -> None:
    """Make sure that the arrays fit each other and the front-end."""
    for name, field in declared.items():
        if name != "X" and len(field.shape) != 1:
            raise BackbeatError(f"{source}: {name} must have one dimension")
        if name != "X" and field.shape[0] * field.dtype.itemsize > _MAX_UNPACKED:
            raise BackbeatError(f"{source}: {name} holds more than {_MAX_UNPACKED >> 20} MB")
    first = "names" if "names" in declared else "y"
    (n,) = declared[first].shape
    if not n:
        raise BackbeatError(f"{source}: {first} holds no tracks")
    (_require_logmel if frontend == "logmel" else _require_mfcc)(source, declared["X"])
    for name in ("X", "y"):
        if (others := declared[name].shape[0]) != n:
            raise BackbeatError(f"{source}: {name} holds {others} tracks and {first} {n}")
    if "artists" in declared and declared["artists"].shape[0] != n:
        raise BackbeatError(f"{source}: artists must be as many as {first}")


def _read_field(
    source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str
) -> npt.NDArray[Any]:
    try:
        with archive.open(member) as file:
            field: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except MemoryError:
        raise
    except Exception as error:
        raise BackbeatError(f"{source}: {name} cannot be read ({one_line(error, 120)})") from error
    return field


def _require_no_bomb(source: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a file that declares far more unpacked bytes than features have."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(_MAX_UNPACKED, _MAX_RATIO * source.stat().st_size):
        raise BackbeatError(
            f"{source}: unpacks to {number(unpacked / 2**20)} MB, more than {_MAX_RATIO} times its "
            "size; if that is intended, save it with np.savez, which does not compress"
        )


def _require_logmel(source: Path, x: _Field) -> None:
    front = LogMel()
    wanted = (front.n_mels, front.columns)
    if x.dtype != np.uint8 or len(x.shape) != 3 or x.shape[1:] != wanted:
        raise BackbeatError(
            f"{source}: X must be uint8 (n, {wanted[0]}, {wanted[1]}) for --frontend logmel, "
            f"and is {x.dtype} {x.shape}"
        )


def _require_mfcc(source: Path, x: _Field) -> None:
    whole = Mfcc()
    shape = (x.shape[0], 1, *x.shape[1:]) if len(x.shape) == 3 else x.shape
    if (
        not np.issubdtype(x.dtype, np.floating)
        or len(shape) != 4
        or shape[1] == 0
        or shape[2] < whole.frames
        or shape[3] < whole.n_mfcc
    ):
        raise BackbeatError(
            f"{source}: X must be floating point (n, [slices,] at least {whole.frames} frames, "
            f"at least {whole.n_mfcc} coefficients) for --frontend mfcc, and is {x.dtype} {shape}"
        )


def _logmel(x: npt.NDArray[Any]) -> tuple[FrontEnd, npt.NDArray[np.float16]]:
    front = LogMel()
    # Exact in half precision: a step is 5/16 dB.
    decibels = (x.astype(np.float32) / 256 * front.top_db - front.top_db).astype(np.float16)
    return front, np.ascontiguousarray(decibels.transpose(0, 2, 1))[:, None]


def _mfcc(source: Path, x: npt.NDArray[Any]) -> tuple[FrontEnd, npt.NDArray[np.float32]]:
    whole = Mfcc()
    if x.ndim == 3:
        x = x[:, None]
    cut = x.shape[2] // whole.frames
    slices = x.shape[1] * cut
    front = _mfcc_frontend(source, slices)
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.ascontiguousarray(x[:, :, : cut * whole.frames, : whole.n_mfcc], np.float32)
    if not np.isfinite(array).all():
        raise BackbeatError(f"{source}: X holds values that are not finite")
    return front, array.reshape(len(x), slices, whole.frames, whole.n_mfcc)


def _mfcc_frontend(source: Path, slices: int) -> FrontEnd:
    try:
        return Mfcc(seconds=Mfcc().slice_seconds * slices, slices=slices)
    except ValidationError as error:
        raise BackbeatError(
            f"{source}: X holds {slices} slices a track, which is too many"
        ) from error


def _cut_off(x: npt.NDArray[Any], front: FrontEnd) -> Iterable[str]:
    """Say which frames and coefficients of X are not in the store."""
    if not isinstance(front, Mfcc):
        return
    frames, coefficients = x.shape[-2:]
    if over := frames % front.frames:
        of_each = "track" if x.ndim == 3 else "slice"
        yield (
            f"the last {number(over)} of {number(frames)} frames of each {of_each} "
            f"({number(frames // front.frames)} x {front.frames} are kept)"
        )
    if coefficients > front.n_mfcc:
        over = coefficients - front.n_mfcc
        yield f"the last {number(over)} of {number(coefficients)} coefficients"


def _strings(
    source: Path, field: str, values: npt.NDArray[Any], *, unique: bool
) -> tuple[str, ...]:
    if values.dtype.kind != "U":
        raise BackbeatError(f"{source}: {field} must be strings, and is {values.dtype}")
    if values.dtype.itemsize and values.size:
        # NumPy takes any 32 bits for a character, and Python fails on those that are not.
        characters = np.ascontiguousarray(values).view(values.dtype.byteorder + "u4")
        if characters.max() > sys.maxunicode:
            raise BackbeatError(f"{source}: {field} holds invalid text")
    strings = tuple(str(value) for value in values)
    if unique and len(set(strings)) != len(strings):
        [(twice, _)] = Counter(strings).most_common(1)
        raise BackbeatError(
            f"{source}: {field} must be unique, and '{printable(twice)[:100]}' occurs twice"
        )
    if unique and "" in strings:
        raise BackbeatError(f"{source}: {field} holds an empty string")
    return strings


def _genres(source: Path, values: npt.NDArray[Any]) -> tuple[str, ...]:
    genres = tuple(map(clean_genre, _strings(source, "genres", values, unique=True)))
    if (different := len(set(map(genre_key, genres)))) < 2:
        raise BackbeatError(f"{source}: genres holds {different}; a classifier needs two")
    return genres


def _labels(source: Path, values: npt.NDArray[Any], genres: int) -> list[int]:
    if not np.issubdtype(values.dtype, np.integer):
        raise BackbeatError(f"{source}: y must be whole numbers, and is {values.dtype}")
    if values.min() < 0 or values.max() >= genres:
        raise BackbeatError(f"{source}: y must lie between 0 and {genres - 1}, as genres has it")
    return [int(value) for value in values]


def _artists(
    source: Path, values: npt.NDArray[Any] | None, songs: Mapping[str, list[int]]
) -> tuple[str, ...]:
    if values is None:
        # GTZAN's index gives the artists of its file names.
        ids = [gtzan.track_id(name) for name in songs]
        return tuple(gtzan.artist_of(known) if known else "" for known in ids)
    of_row = _strings(source, "artists", values, unique=False)
    found = [{of_row[row] for row in rows} for rows in songs.values()]
    for name, artists in zip(songs, found, strict=True):
        if len(artists) > 1:
            raise BackbeatError(
                f"{source}: artists has several for the song '{printable(name)[:100]}'; check "
                f"{SONGS_OPTIONS}"
            )
    return tuple(artists.pop() for artists in found)
