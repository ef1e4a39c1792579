"""The feature store: what the front-end made of a collection, with its track table.

A store is a Zarr group that describes itself:

- attributes: ``format`` and ``version``; ``frontend``, the parameters; ``genres``; ``fingerprint``
  of the collection; ``drop_duplicates``; ``complete``; of imported features ``songs``, how it is
  known which rows were parts of one song ("rows", "name", or the number of segments), or "unknown",
  and ``made``, how they were made, or "unknown".
- ``features``: array (tracks, slices, frames, bands); a track of a shorter song leaves its last
  slices zero.
- ``tracks/``: one array (tracks,) a column: ``name``, ``genre``, ``artist``, ``album``,
  ``seconds``, ``digest`` (of the decoded samples), ``slices`` (how many of its slices hold
  features; 0 where the track was left out) and ``finding`` (of the integrity check).
- ``progress`` (only while it is being filled): one JSON record a finished block of tracks.
- ``SHA256SUMS``: checksums of all files but the chunks of features, which have their own.

A store does not depend on when or by how many workers it was made.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from backbeat import frontend as frontends
from backbeat.errors import BackbeatError, escape, one_line, printable
from backbeat.files.checksums import first_changed, write_sums

if TYPE_CHECKING:
    import zarr

    ZarrArray = zarr.Array[Any]

FORMAT = "backbeat-features"
VERSION = 1
UNKNOWN = "unknown"
"""Of imported features: which rows are one song, or how they were made."""
_TRACKS_AT_ONCE = 64  # read together: some MB
_SLICES_AT_ONCE = 8  # brought to what a network takes while they are in the processor's cache
_ROWS_IN_A_CHUNK = 8192  # of a column of text
TEXT_COLUMNS = ("name", "genre", "artist", "album", "digest", "finding")

Array = npt.NDArray[np.float32]
InputKind = Literal[
    "mfcc", "logmel", "logmel_10s", "logmel_3s", "musicnn", "vectors", "joined", "maps"
]


@dataclass(frozen=True)
class TrackTable:
    """The tracks of a store, a row each, in the order of the arrays' first axis."""

    name: tuple[str, ...]  # unique
    genre: tuple[str, ...]
    artist: tuple[str, ...]  # empty where unknown, as the album
    album: tuple[str, ...]
    seconds: npt.NDArray[np.float64]  # shape (n,)
    digest: tuple[str, ...]  # of the decoded samples, or of imported features
    slices: npt.NDArray[np.int64]  # shape (n,): slices with features; 0 if the track was left out
    finding: tuple[str, ...]  # of the integrity check; mostly empty

    def __len__(self) -> int:
        return len(self.name)


@dataclass(frozen=True)
class Examples:
    """What a network trains on: one row a slice.

    Artists, albums and digests (of the decoded samples) are of the tracks, and empty where unknown.
    """

    x: Array  # shape (n, frames, bands)
    y: npt.NDArray[np.int64]  # shape (n,): index into `genres`
    track: npt.NDArray[np.int64]  # shape (n,): index into `names`
    slice: npt.NDArray[np.int64]  # shape (n,): number of the slice within its track
    names: tuple[str, ...]
    artists: tuple[str, ...]
    albums: tuple[str, ...]
    digests: tuple[str, ...]
    genres: tuple[str, ...]
    songs_known: bool = True  # whether each track is a song; else some may be parts of one

    def track_names(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.str_]:
        """Name the track of each of some slices.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            Which slices.

        Returns
        -------
        ndarray of str, shape (m,)
        """
        return np.array([self.names[track] for track in self.track[rows]], dtype=str)

    @property
    def track_genres(self) -> npt.NDArray[np.int64]:
        """Genre of each track, shape (len(names),)."""
        genre = np.empty(len(self.names), np.int64)
        genre[self.track] = self.y
        return genre


def with_rows(examples: Examples, x: Array) -> Examples:
    """Give the examples, n rows, of which each became k rows of `x`, shape (n * k, ...)."""
    each = len(x) // max(1, len(examples.y))
    return replace(
        examples,
        x=x,
        y=np.repeat(examples.y, each),
        track=np.repeat(examples.track, each),
        slice=np.repeat(examples.slice, each) * each + np.tile(np.arange(each), len(examples.y)),
    )


@dataclass(frozen=True)
class Features:
    """A finished feature store, opened for reading."""

    path: Path
    frontend: frontends.FrontEnd
    genres: tuple[str, ...]
    table: TrackTable
    array: "ZarrArray"
    songs_known: bool = True  # as in `Examples`
    caution: str = ""
    """What has to be said before a model of these features classifies audio."""

    def track_seconds(self) -> npt.NDArray[np.float64]:
        """Give the length of each track of `examples`, in seconds, shape (tracks,)."""
        return self.table.seconds[self.table.slices > 0]

    def examples(self, kind: InputKind) -> Examples:
        """Load the slices of all tracks that were not left out.

        Parameters
        ----------
        kind : {"mfcc", "logmel", "logmel_10s", "logmel_3s", "musicnn", "vectors", "joined", "maps"}
            What the network takes; see `frontend.as_input`.

        Returns
        -------
        loaded : Examples
            In the order of the store, all slices of a track next to each other.

        Raises
        ------
        BackbeatError
            If the store cannot be seen that way, or a chunk of it is damaged.
        """
        return replace(self.outline(kind), x=self._inputs(kind))

    def outline(self, kind: InputKind) -> Examples:
        """Give what `examples` gives, at once, without features: ``x`` has shape (n, 0).

        It is enough to make a split. Raises BackbeatError if the store cannot be seen that way.
        """
        kept = np.flatnonzero(self.table.slices)
        empty = np.zeros((1, *self.array.shape[2:]), np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):  # of silence
            each = len(frontends.as_input(empty, self.frontend, kind))
        per_track = self.table.slices[kept] * each
        rows = int(per_track.sum())
        label = {genre: index for index, genre in enumerate(self.genres)}
        y = np.array([label[self.table.genre[row]] for row in kept], np.int64)
        track = np.repeat(np.arange(len(kept)), per_track)
        first = np.repeat(np.cumsum(per_track) - per_track, per_track)
        return Examples(
            x=np.empty((rows, 0), np.float32),
            y=y[track],
            track=track,
            slice=np.arange(rows) - first,
            names=tuple(self.table.name[row] for row in kept),
            artists=tuple(self.table.artist[row] for row in kept),
            albums=tuple(self.table.album[row] for row in kept),
            digests=tuple(self.table.digest[row] for row in kept),
            genres=self.genres,
            songs_known=self.songs_known,
        )

    def _inputs(self, kind: InputKind) -> Array:
        """Read what a network takes of all tracks.

        Some tracks at a time: intermediate arrays are not held for all.
        """
        x = np.zeros((0, *frontends.input_shape(self.frontend, kind)[1:]), np.float32)
        done = 0
        for stored, counts in self.stored():
            filled = _filled(stored, counts)
            for start in range(0, len(filled), _SLICES_AT_ONCE):
                slices = filled[start : start + _SLICES_AT_ONCE].astype(np.float32)
                part = frontends.as_input(slices, self.frontend, kind)
                if not done:
                    rows = int(self.table.slices.sum()) * (len(part) // len(slices))
                    x = np.empty((rows, *part.shape[1:]), np.float32)
                x[done : done + len(part)] = part
                done += len(part)
        return x

    def stored(self) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.int64]]]:
        """Read the stored slices, some tracks at a time, and how many of each are filled.

        The arrays have shape (tracks, slices, frames, bands) and (tracks,). Raises a BackbeatError
        where a chunk is damaged or missing.
        """
        step = self.array.chunks[0] * max(1, _TRACKS_AT_ONCE // self.array.chunks[0])
        try:
            _require_all(self.array)
            for start in range(0, len(self.table), step):
                counts = self.table.slices[start : start + step]
                # Most songs of a collection are excerpts: of their other slices, nothing is read.
                most = counts.max(initial=0)
                yield np.asarray(self.array[start : start + step, :most]), counts
        except Exception as error:  # codecs raise errors of many kinds on damage
            raise BackbeatError(
                f"{self.path}: features cannot be read ({one_line(error)}); "
                "`backbeat prepare` again with --mend makes it whole"
            ) from error


def _filled(stored: npt.NDArray[Any], counts: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Take the first ``counts[row]`` slices of each row, one after another."""
    if (counts == stored.shape[1]).all():
        return stored.reshape(-1, *stored.shape[2:])  # a view
    return stored[np.arange(stored.shape[1]) < counts[:, None]]


def open_features(path: Path) -> Features:
    """Open a finished store.

    Parameters
    ----------
    path : Path
        A folder written by `prepare` or `import_features`.

    Raises
    ------
    BackbeatError
        If there is no store, it is unfinished, of a newer format, or damaged.
    """
    group = open_group(path)
    attributes = dict(group.attrs)
    if not attributes.get("complete"):
        raise BackbeatError(
            f"{path}: these features are unfinished; run the same `backbeat prepare` again"
        )
    try:
        if changed := first_changed(path):
            raise ValueError(f"{changed} is not as it was written")
        frontend = frontends.from_dict(cast(dict[str, Any], attributes["frontend"]))
        genres = tuple(cast(Sequence[str], attributes["genres"]))
        table = _read_table(group)
        array = array_in(group, "features")
        _check(array, table, frontend, genres)
    except Exception as error:  # Zarr raises errors of many kinds on damage
        raise BackbeatError(
            f"{path}: damaged feature store ({one_line(error)}); remove it and prepare again"
        ) from error
    songs_known = attributes.get("songs") != UNKNOWN
    caution = ""
    if attributes.get("made") == UNKNOWN and not isinstance(frontend, frontends.Vectors):
        source = printable(str(attributes.get("imported_from")))[:100]
        caution = (
            f"it was trained on the features of {source}, and it is not known how these were made: "
            "if backbeat makes others of audio (docs/formats.md), its answers mean nothing"
        )
    return Features(path, frontend, genres, table, array, songs_known, caution)


def open_group(path: Path, mode: Literal["r", "r+"] = "r") -> "zarr.Group":
    """Open the Zarr group of a store, finished or not; refuse another format or version."""
    import zarr  # classifying needs none, and it takes a sixth of a second

    if not path.is_dir():
        raise BackbeatError(f"{path}: no such feature store; make one with `backbeat prepare`")
    try:
        # Absolute, since Zarr cannot count the chunks of a store named like one of its arrays.
        # Of format 3 alone: the older one may name Python's pickle as a codec, which runs code.
        group = zarr.open_group(path.absolute(), mode=mode, zarr_format=3)
    except Exception as error:  # Zarr raises errors of many kinds on other folders
        raise BackbeatError(
            f"{path}: not a feature store; make one with `backbeat prepare`"
        ) from error
    if group.attrs.get("format") != FORMAT:
        raise BackbeatError(f"{path}: not a feature store; make one with `backbeat prepare`")
    if group.attrs.get("version") != VERSION:
        version = printable(str(group.attrs.get("version")))[:20]
        raise BackbeatError(
            f"{path}: written in format version {version}, this backbeat reads "
            f"{VERSION}; update backbeat or prepare again"
        )
    return group


def array_in(group: "zarr.Group", name: str) -> "ZarrArray":
    """Give the array called `name` of a group."""
    with _writing_all():
        return cast("ZarrArray", group[name])


def create_store(
    path: Path, *, shape: tuple[int, int, int, int], block: int, attributes: Mapping[str, Any]
) -> "zarr.Group":
    """Create an empty store at `path`, of `shape` (tracks, slices, frames, bands).

    `block` is the number of tracks in a chunk, which is the unit of work and of resuming.
    `attributes` are ``frontend``, ``genres``, ``fingerprint`` and any others of the store.
    """
    import zarr

    front = cast(Mapping[str, Any], attributes["frontend"])
    group = zarr.create_group(
        path,
        attributes={"format": FORMAT, "version": VERSION, "complete": False, **attributes},
    )
    group.create_array(
        "features",
        shape=shape,
        # A map's dB fit half precision (spacing 1/16 dB at the floor, and the steps of imported
        # 8-bit maps exactly); MFCCs reach four digits before the point and do not.
        dtype="float16" if front["name"] == "logmel" else "float32",
        chunks=(block, front.get("slices", 1), *shape[2:]),  # a window of MFCCs, a map, a patch
        compressors=checked_zstd(),
        fill_value=0,
        dimension_names=("track", "slice", "frame", "band"),
    )
    return group


def write_table(group: "zarr.Group", table: TrackTable) -> None:
    """Write the track table, and declare the store complete."""
    columns = group.require_group("tracks")
    with _writing_all():
        for name in TEXT_COLUMNS:
            column = columns.create_array(
                name, shape=(len(table),), chunks=(_ROWS_IN_A_CHUNK,), dtype=str, overwrite=True
            )
            texts = getattr(table, name)
            # One chunk after another: of all at once Zarr makes several times as much.
            for start in range(0, len(table), _ROWS_IN_A_CHUNK):
                part = [storable(text) for text in texts[start : start + _ROWS_IN_A_CHUNK]]
                column[start : start + len(part)] = np.array(part, dtype=object)
        columns.create_array("seconds", data=table.seconds, overwrite=True)
        columns.create_array("slices", data=table.slices, overwrite=True)
    group.attrs["complete"] = True
    sum_up(Path(cast(Any, group.store).root))


def sum_up(path: Path) -> None:
    """Write the checksums of a finished store."""
    files = [path / "zarr.json", path / "features" / "zarr.json", *(path / "tracks").rglob("*")]
    write_sums(path, (file.relative_to(path).as_posix() for file in files if file.is_file()))


def checked_zstd() -> Any:
    """Give the codec of chunks with a checksum."""
    from zarr.codecs import ZstdCodec

    return ZstdCodec(level=1, checksum=True)


def _read_table(group: "zarr.Group") -> TrackTable:
    columns = cast("zarr.Group", group["tracks"])
    text = {name: _read_text(array_in(columns, name)) for name in TEXT_COLUMNS}
    seconds = _read_whole(array_in(columns, "seconds")).astype(np.float64)
    slices = _read_whole(array_in(columns, "slices")).astype(np.int64)
    return TrackTable(seconds=seconds, slices=slices, **text)


def _read_text(array: "ZarrArray") -> tuple[str, ...]:
    """Read a column of text; equal texts, such as genres, are held once."""
    known: dict[str, str] = {}
    return tuple(known.setdefault(text, text) for text in map(str, _read_whole(array)))


def _read_whole(array: "ZarrArray") -> npt.NDArray[Any]:
    """Read an array; every chunk must exist."""
    _require_all(array)
    return np.asarray(array[:])


def _require_all(array: "ZarrArray") -> None:
    """Make sure that every chunk exists: Zarr reads a lost one as zeros."""
    if array.nchunks_initialized != array.nchunks:
        raise ValueError(f"chunks of {array.name} are missing")


def _writing_all() -> Any:
    """Let Zarr write chunks of zeros too, so that a lost one differs from them."""
    import zarr

    return zarr.config.set({"array.write_empty_chunks": True})


def _check(
    array: "ZarrArray", table: TrackTable, frontend: frontends.FrontEnd, genres: tuple[str, ...]
) -> None:
    """Make sure that the parts of a store are consistent."""
    tracks, most = array.shape[:2]
    if array.shape[2:] != frontend.shape[1:]:
        raise ValueError(f"features of shape {array.shape} are not of this front-end")
    if {len(getattr(table, field.name)) for field in fields(table)} != {tracks}:
        raise ValueError("columns of other lengths than the features")
    if len(set(table.name)) != tracks:
        raise ValueError("a track occurs twice")
    if not set(table.genre) <= set(genres) or len(set(genres)) != len(genres):
        raise ValueError("genres of another collection")
    if table.slices.min(initial=0) < 0 or table.slices.max(initial=0) > most:
        raise ValueError("more slices than there are")


def storable(text: str) -> str:
    """Give a text as a store holds it: bytes of a name that are not UTF-8 as escapes."""
    return re.sub("[\ud800-\udfff]", lambda found: escape(found[0]), text)
