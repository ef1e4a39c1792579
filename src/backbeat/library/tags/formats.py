"""The genre in a file's own tag, read and written with mutagen.

Each family of formats has its own way to hold a genre, or several:

- ID3 (MP3, AIFF, WAV): the frame TCON. Version 2.4 holds several values; 2.3 one text, separated by
  ``/``. A tag keeps its version, except that 2.2, which mutagen cannot write, becomes 2.3; a file
  without a tag gets 2.4. An ID3v1 tag at the end of an MP3 gets the genre's number, or 255.
- MP4: the atom ``©gen``, with a ``data`` atom a value.
- Vorbis comments (FLAC, Ogg): a comment ``GENRE`` a value.
- ASF (WMA): an attribute ``WM/Genre`` a value.

mutagen is under the GPL and comes with the extra ``library``: functions import it when called.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from backbeat.errors import BackbeatError, needing, one_line
from backbeat.library.tags.plan import Present
from backbeat.library.tags.rewriting import TagError, identity

_V1_LENGTH = 128  # bytes at the end of an MP3
_NO_GENRE = 255


@dataclass(frozen=True)
class _Family:
    """What differs between formats; each function takes mutagen's file."""

    name: Callable[[Any], str]
    get: Callable[[Any], list[str]]
    put: Callable[[Any, Sequence[str]], None]
    others: Callable[[Any], object]
    """All tags but the genre, for comparison."""
    save: Callable[[Any, BinaryIO], None]


def require() -> None:
    """Raise an error that says what to install, if mutagen is missing."""
    with needing("library", "reading and writing tags"):
        import mutagen  # noqa: F401


def read(path: Path, file: BinaryIO | None = None) -> Present:
    """Read the genre of a file, by its open `file` if given: the path may lead to another by now.

    Raises `TagError` if the format has no tags that can be written, or the tags are broken.
    """
    with _named_errors(path, "its tags cannot be read"), _opened(path, file, "rb") as stream:
        tagged, family = _open(path, stream)
        values = tuple(family.get(tagged))
        shown = _shown(stream, tagged, values)
        return Present(family.name(tagged), values, shown, identity(os.fstat(stream.fileno())))


def write(path: Path, genres: Sequence[str], file: BinaryIO | None = None) -> tuple[str, ...]:
    """Write genres (none removes the tag) into `file`, or into what is at the path, in place.

    Give it a copy as `file`, see `rewriting`. Returns the values as the tag holds them: a single
    one in ID3v2.3. Raises `TagError` if the file cannot be written, or another tag would change.
    """
    with _named_errors(path, "its tags cannot be written"), _opened(path, file, "r+b") as stream:
        tagged, family = _open(path, stream)
        others = family.others(tagged)
        family.put(tagged, genres)
        values = family.get(tagged)
        family.save(tagged, stream)
        stream.flush()
        tagged, family = _open(path, stream)
        if family.get(tagged) != values:
            raise TagError(path, "its tags are broken: a genre would not stay in them")
        if family.others(tagged) != others:
            raise TagError(path, "its other tags would not all stay as they are")
        return tuple(values)


@contextlib.contextmanager
def _opened(path: Path, file: BinaryIO | None, mode: str) -> Iterator[BinaryIO]:
    """Yield the open file, or open it; given a path, mutagen would open it several times."""
    if file is not None:
        yield file
        return
    with path.open(mode) as stream:
        yield stream  # type: ignore[misc]


@contextlib.contextmanager
def _named_errors(path: Path, what: str) -> Iterator[None]:
    """Turn errors into one that names the file: mutagen raises any kind of them on damage."""
    try:
        yield
    except (BackbeatError, OSError):
        raise
    except Exception as error:
        raise TagError(path, f"{what} ({one_line(error) or type(error).__name__})") from error


def _open(path: Path, stream: BinaryIO) -> tuple[Any, _Family]:
    """Open a file's tag and find the family of its format."""
    require()
    import mutagen
    from mutagen import aiff, asf, flac, mp3, mp4, oggflac, oggopus, oggvorbis, wave

    stream.seek(0)
    file = mutagen.File(stream)
    for kinds, family in (
        ((mp3.MP3, aiff.AIFF, wave.WAVE), _ID3),
        ((mp4.MP4,), _MP4),
        ((flac.FLAC, oggvorbis.OggVorbis, oggopus.OggOpus, oggflac.OggFLAC), _VORBIS),
        ((asf.ASF,), _ASF),
    ):
        if isinstance(file, kinds):
            return (_reopen_id3(stream, type(file)) if family is _ID3 else file), family
    raise TagError(path, "has a format whose tags cannot be written")


def _shown(stream: BinaryIO, file: Any, values: tuple[str, ...]) -> tuple[str, ...]:
    """Give all genres that a player could show, also those of a tag that is not written here."""
    from mutagen import apev2, id3, mp3, wave

    if isinstance(file.tags, id3.ID3):
        values = tuple(id3.TCON(encoding=3, text=list(values)).genres)
    if isinstance(file, mp3.MP3):
        with contextlib.suppress(apev2.APENoHeaderError):  # few MP3s have such a tag
            values += tuple(apev2.APEv2(stream).get("Genre", ()))
    if isinstance(file, wave.WAVE):
        from tinytag import TinyTag

        # The genre of the chunk LIST, which mutagen does not read.
        stream.seek(0)
        in_list = TinyTag.get(stream.name, file_obj=stream).genre
        values += (in_list,) if in_list and in_list not in values else ()
    return tuple(value.strip() for value in values if value.strip())


def _keep_padding(info: Any) -> int:
    """Keep the size of the tag's room, where it suffices."""
    padding: int = info.padding if info.padding >= 0 else info.get_default_padding()
    return padding


def _save(file: Any, stream: BinaryIO) -> None:
    stream.seek(0)
    file.save(stream, padding=_keep_padding)


def _with_tags(file: Any) -> Any:
    if file.tags is None:
        file.add_tags()
    return file.tags


# --- ID3


def _reopen_id3(stream: BinaryIO, kind: Any) -> Any:
    """Open a file with its frames as they are; mutagen would translate them to 2.4."""
    from mutagen import mp3

    file = _from_start(kind, stream, translate=False, load_v1=False)
    if file.tags is None and kind is mp3.MP3:
        # Old tags at the end of the file are kept beside the new genre.
        return _from_start(kind, stream)
    if file.tags is not None and file.tags.version < (2, 3, 0):
        return _from_start(kind, stream, v2_version=3, load_v1=False)
    return file


def _from_start(kind: Any, stream: BinaryIO, **options: Any) -> Any:
    stream.seek(0)
    return kind(stream, **options)


def _id3_minor(file: Any) -> int:
    if file.tags is None or file.tags.version < (2,):
        return 4
    return 3 if file.tags.version < (2, 4, 0) else 4


def _id3_name(file: Any) -> str:
    return f"ID3v2.{_id3_minor(file)}"


def _id3_get(file: Any) -> list[str]:
    return [text for frame in (file.tags or {}).values() if _is_genre(frame) for text in frame.text]


def _id3_put(file: Any, genres: Sequence[str]) -> None:
    from mutagen import id3

    tags = _with_tags(file)
    text = ["/".join(genres)] if _id3_minor(file) == 3 else list(genres)
    tags.setall("TCON", [id3.TCON(encoding=3, text=text)] if genres else [])


def _id3_others(file: Any) -> object:
    # The encoding of a text may change with the tag's version; the text does not.
    return {
        key: {name: repr(value) for name, value in vars(frame).items() if name != "encoding"}
        for key, frame in (file.tags or {}).items()
        if not _is_genre(frame)
    }, sorted(file.tags.unknown_frames if file.tags else [])


def _id3_save(file: Any, stream: BinaryIO) -> None:
    from mutagen import mp3

    old = _id3v1(stream) if isinstance(file, mp3.MP3) else None
    genres = _id3_get(file)
    # Some 2.3 frames hold several values, against its rules: separated by null, not by a slash.
    minor = _id3_minor(file)
    stream.seek(0)
    file.tags.save(stream, v2_version=minor, v23_sep=None, padding=_keep_padding)
    if old is not None:
        # mutagen would also rewrite titles and artists.
        stream.seek(-_V1_LENGTH, 2)
        stream.write(old[:-1] + bytes([_number(genres)]))


def _is_genre(frame: Any) -> bool:
    return bool(frame.FrameID in ("TCON", "TCO"))


def _id3v1(stream: BinaryIO) -> bytes | None:
    if stream.seek(0, 2) < _V1_LENGTH:
        return None
    stream.seek(-_V1_LENGTH, 2)
    content = stream.read()
    return content if content.startswith(b"TAG") else None


def _number(genres: Sequence[str]) -> int:
    from mutagen.id3 import TCON

    first = genres[0].partition("/")[0] if genres else ""
    return TCON.GENRES.index(first) if first in TCON.GENRES else _NO_GENRE


_ID3 = _Family(_id3_name, _id3_get, _id3_put, _id3_others, _id3_save)


# --- MP4

_ATOM = "\xa9gen"


def _mp4_put(file: Any, genres: Sequence[str]) -> None:
    tags = _with_tags(file)
    tags.pop(_ATOM, None)
    if genres:
        tags[_ATOM] = list(genres)


_MP4 = _Family(
    name=lambda file: "MP4",
    get=lambda file: list((file.tags or {}).get(_ATOM, ())),
    put=_mp4_put,
    others=lambda file: {k: v for k, v in (file.tags or {}).items() if k != _ATOM},
    save=_save,
)


# --- Vorbis comments


def _vorbis_put(file: Any, genres: Sequence[str]) -> None:
    tags = _with_tags(file)
    if "GENRE" in tags:
        del tags["GENRE"]
    tags.extend(("GENRE", genre) for genre in genres)


_VORBIS = _Family(
    name=lambda file: "Vorbis comment",
    get=lambda file: list((file.tags or {}).get("GENRE", ())),
    put=_vorbis_put,
    others=lambda file: (
        [(key, value) for key, value in (file.tags or ()) if key.upper() != "GENRE"],
        [picture.write() for picture in getattr(file, "pictures", ())],
    ),
    save=_save,
)


# --- ASF

_ATTRIBUTE = "WM/Genre"


def _asf_put(file: Any, genres: Sequence[str]) -> None:
    tags = _with_tags(file)
    if _ATTRIBUTE in tags:
        del tags[_ATTRIBUTE]
    if genres:
        tags[_ATTRIBUTE] = list(genres)


_ASF = _Family(
    name=lambda file: "ASF",
    get=lambda file: [str(value) for value in file.tags.get(_ATTRIBUTE, ())],
    put=_asf_put,
    # mutagen sorts attributes by type: only those of one name keep their order
    others=lambda file: sorted(
        (key, index, repr(value))
        for key in set(file.tags.keys()) - {_ATTRIBUTE}
        for index, value in enumerate(file.tags[key])
    ),
    save=_save,
)
