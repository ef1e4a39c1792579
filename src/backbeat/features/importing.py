"""Features made elsewhere: an npz file to a feature store, each field checked.

The fields of such a file:

- ``X``: with ``logmel``, uint8 (n, 128, 387), a map a track, mel bin 0 lowest, where a cell is
  ``floor((dB + 80) / 80 * 256)`` below the track's loudest; with ``mfcc``, floating point
  (n, frames, coefficients) or (n, slices, frames, coefficients). Each run of frames is cut into
  slices of 125 frames, of which the first 13 coefficients are taken.
- ``names``: (n,) strings, each once;
- ``y``: (n,) whole numbers, indices into ``genres``;
- ``genres``: (k,) strings, each once;
- ``artists`` (optional): (n,) strings, empty where unknown.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from backbeat.collections import gtzan
from backbeat.collections.genres import clean_genre, genre_key, merge_spellings
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.features.store import (
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

_REQUIRED = ("X", "names", "y", "genres")
_TRACKS_IN_A_CHUNK = 32
# Features are noisy numbers, which compress to a half at best; zeros to a thousandth.
_MAX_RATIO = 50
_MAX_UNPACKED = 256 * 2**20


def import_features(
    source: Path,
    out: Path,
    *,
    frontend: str,
    on_dropped: Callable[[str], None] | None = None,
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
    on_dropped : callable, optional
        Called with a line about each part of the file that the store does not hold.

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
    fields, unused = _read_fields(source)
    n = len(fields["names"])
    front, array = (
        _logmel(source, fields["X"]) if frontend == "logmel" else _mfcc(source, fields["X"])
    )
    names = _strings(source, "names", fields["names"], unique=True)
    genres = _genres(source, fields["genres"])
    labels = _labels(source, fields["y"], n, len(genres))
    artists = _artists(source, fields.get("artists"), names)
    if len(array) != n:
        raise BackbeatError(f"{source}: X holds {len(array)} tracks and names {n}")
    labelled = [genres[label] for label in labels]
    shown = merge_spellings([*genres, *labelled])  # genres without tracks, too
    table = TrackTable(
        name=names,
        genre=tuple(shown[genre] for genre in labelled),
        artist=artists,
        album=("",) * n,
        seconds=np.full(n, front.window_samples / front.sample_rate),
        # The samples are unknown, but equal features also show a copy. The prefix says what
        # was hashed, as such a digest equals none of samples.
        digest=tuple(
            f"{front.name}:{hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest()}"
            for row in array
        ),
        slices=np.full(n, array.shape[1], np.int64),
        finding=("",) * n,
    )
    attributes = {
        "frontend": front.model_dump(),
        "genres": sorted(set(shown.values())),
        "fingerprint": hashlib.blake2b("".join(table.digest).encode(), digest_size=16).hexdigest(),
        "imported_from": source.name,
    }
    with atomic.replacing_folder(out) as beside:
        group = create_store(
            beside, shape=array.shape, block=min(n, _TRACKS_IN_A_CHUNK), attributes=attributes
        )
        array_in(group, "features")[:] = array
        write_table(group, table)
    for dropped in (*_cut_off(fields["X"], front), *unused):
        if on_dropped:
            on_dropped(dropped)
    return open_features(out)


def _read_fields(source: Path) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """Read the fields that are known, and list the others."""
    try:
        with np.load(source, allow_pickle=False) as file:
            _require_no_bomb(source, file)
            missing = [name for name in _REQUIRED if name not in file.files]
            if missing:
                raise BackbeatError(
                    f"{source}: lacks the field {', '.join(missing)}; "
                    f"it needs {', '.join(_REQUIRED)}"
                )
            wanted = [name for name in (*_REQUIRED, "artists") if name in file.files]
            unused = [f"the field {name}" for name in file.files if name not in wanted]
            fields = {name: _read_field(source, file, name) for name in wanted}
    except BackbeatError:
        raise
    except FileNotFoundError as error:
        raise BackbeatError(f"{source}: no such file") from error
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds
        raise BackbeatError(
            f"{source}: not an npz file of plain arrays ({one_line(error, 120)})"
        ) from error
    for name in ("names", "y", "genres", "artists"):
        if name in fields and fields[name].ndim != 1:
            raise BackbeatError(f"{source}: {name} must have one dimension")
    if len(fields["names"]) == 0:
        raise BackbeatError(f"{source}: names holds no tracks")
    return fields, unused


def _read_field(source: Path, file: Any, name: str) -> npt.NDArray[Any]:
    try:
        field: npt.NDArray[Any] = file[name]
    except Exception as error:
        raise BackbeatError(f"{source}: {name} cannot be read ({one_line(error, 120)})") from error
    if not isinstance(field, np.ndarray):
        raise BackbeatError(f"{source}: {name} is no array")
    return field


def _require_no_bomb(source: Path, file: Any) -> None:
    """Refuse a file that declares far more unpacked bytes than features have."""
    unpacked = sum(member.file_size for member in file.zip.infolist())
    if unpacked > max(_MAX_UNPACKED, _MAX_RATIO * source.stat().st_size):
        raise BackbeatError(
            f"{source}: unpacks to {number(unpacked / 2**20)} MB, more than {_MAX_RATIO} times its "
            "size; if that is intended, save it with np.savez, which does not compress"
        )


def _logmel(source: Path, x: npt.NDArray[Any]) -> tuple[FrontEnd, npt.NDArray[np.float16]]:
    front = LogMel()
    wanted = (front.n_mels, front.columns)
    if x.dtype != np.uint8 or x.ndim != 3 or x.shape[1:] != wanted:
        raise BackbeatError(
            f"{source}: X must be uint8 (n, {wanted[0]}, {wanted[1]}) for --frontend logmel, "
            f"and is {x.dtype} {x.shape}"
        )
    # Exact in half precision: a step is 5/16 dB.
    decibels = (x.astype(np.float32) / 256 * front.top_db - front.top_db).astype(np.float16)
    return front, np.ascontiguousarray(decibels.transpose(0, 2, 1))[:, None]


def _mfcc(source: Path, x: npt.NDArray[Any]) -> tuple[FrontEnd, npt.NDArray[np.float32]]:
    whole = Mfcc()
    if x.ndim == 3:
        x = x[:, None]
    if (
        not np.issubdtype(x.dtype, np.floating)
        or x.ndim != 4
        or x.shape[1] == 0
        or x.shape[2] < whole.frames
        or x.shape[3] < whole.n_mfcc
    ):
        raise BackbeatError(
            f"{source}: X must be floating point (n, [slices,] at least {whole.frames} frames, "
            f"at least {whole.n_mfcc} coefficients) for --frontend mfcc, and is {x.dtype} {x.shape}"
        )
    cut = x.shape[2] // whole.frames
    slices = x.shape[1] * cut
    try:
        front = Mfcc(seconds=whole.slice_seconds * slices, slices=slices)
    except ValidationError as error:
        raise BackbeatError(
            f"{source}: X holds {slices} slices a track, which is too many"
        ) from error
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.ascontiguousarray(x[:, :, : cut * whole.frames, : whole.n_mfcc], np.float32)
    if not np.isfinite(array).all():
        raise BackbeatError(f"{source}: X holds values that are not finite")
    return front, array.reshape(len(x), slices, whole.frames, whole.n_mfcc)


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


def _labels(source: Path, values: npt.NDArray[Any], n: int, genres: int) -> list[int]:
    if not np.issubdtype(values.dtype, np.integer):
        raise BackbeatError(f"{source}: y must be whole numbers, and is {values.dtype}")
    if len(values) != n:
        raise BackbeatError(f"{source}: y holds {len(values)} tracks and names {n}")
    if values.min() < 0 or values.max() >= genres:
        raise BackbeatError(f"{source}: y must lie between 0 and {genres - 1}, as genres has it")
    return [int(value) for value in values]


def _artists(
    source: Path, values: npt.NDArray[Any] | None, names: tuple[str, ...]
) -> tuple[str, ...]:
    if values is not None:
        if len(values) != len(names):
            raise BackbeatError(f"{source}: artists must be as many as names")
        return _strings(source, "artists", values, unique=False)
    # GTZAN's index gives the artists of its file names.
    ids = [gtzan.track_id(name) for name in names]
    return tuple(gtzan.artist_of(known) if known else "" for known in ids)
