"""Genres in ID3: MP3, and WAV and AIFF, which have it in a chunk."""

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from backbeat.library.tags import frames, raw
from backbeat.library.tags.frames import Id3
from backbeat.library.tags.raw import BLOCK, Family, Held, Parts, at, splice

_V1_LENGTH = 128  # bytes at the end of a file
_NO_GENRE = 255


def names(values: Sequence[str]) -> list[str]:
    """Give genres as they are shown: for ID3's ``(17)`` its name."""
    from mutagen.id3 import TCON

    return list(TCON(encoding=3, text=list(values)).genres)


def id3_tags(file: BinaryIO) -> list[bytes]:
    """Read the ID3v2 tags at the beginning: some programs write theirs before another's."""
    tags: list[bytes] = []
    start = 0
    while (length := frames.id3_length(at(file, start, 10))) and len(tags) < 100:
        tags.append(at(file, start, length))
        start += length
    return tags


def start_of(file: BinaryIO) -> int:
    """Find where the ID3v2 tags at the beginning end."""
    return sum(map(len, id3_tags(file)))


def _id3_values(tag: Id3) -> list[str]:
    from mutagen.id3 import ID3

    if not tag.genre_frames:
        return []
    small = ID3(io.BytesIO(frames.genre_tag(tag)), translate=False, load_v1=False)
    read = [one for one in small.values() if one.FrameID[:3] == "TCO"]
    if not read and any(len(frame) > 12 for frame in tag.genre_frames):
        raise ValueError("the genre in its ID3 tag is broken")
    return [text for frame in read for text in frame.text]


def id3_genres(tags: Iterable[bytes]) -> list[str]:
    """Give the genres in tags that are not written."""
    split = [frames.id3(tag) for tag in tags]
    return [name for tag in split for name in names(_id3_values(tag))]


def _id3_held(tag: Id3 | None, others: Iterable[bytes]) -> Held:
    """Give the genres of the tag that is written, and of others."""
    tag = tag or Id3()
    return Held(f"ID3v2.{tag.version}", _id3_values(tag), id3_genres(others))


def _id3_parts(tag: Id3 | None) -> Parts:
    tag = tag or Id3()
    own = tag.genre_frames
    for frame in tag.frames:
        if frame not in own:
            yield raw.text(frame[:4]), frame
    if not tag.clean:
        yield "what is no frame", tag.rest


def _mp3_tags(file: BinaryIO) -> tuple[Id3 | None, list[bytes]]:
    """Give the tag that is written, if there is one, and others."""
    tags = id3_tags(file)
    return (frames.id3(tags[0]) if tags else None), tags[1:]


def _mp3_get(file: BinaryIO) -> Held:
    tag, others = _mp3_tags(file)
    held = _id3_held(tag, others)
    # A genre that only the old tag has is logged, so that `undo` can give it back.
    return replace(held, values=held.values or id3v1_genres(file))


def _mp3_put(file: BinaryIO, genres: Sequence[str]) -> None:
    tag, _ = _mp3_tags(file)
    v1 = id3v1(file)
    if tag or genres:
        new = frames.id3_with(tag or _from_id3v1(v1), genres)
        splice(file, 0, len(tag.joined()) if tag else 0, new)
    if v1:
        put_id3v1(file, v1[:-1] + bytes([_number(genres)]))


def _mp3_others(file: BinaryIO) -> Parts:
    tag, others = _mp3_tags(file)
    yield from _id3_parts(tag or _from_id3v1(id3v1(file)))
    yield from (("the second ID3 tag", other) for other in others)


def id3v1(file: BinaryIO) -> bytes:
    """Give the ID3v1 tag at the end of a file, or nothing."""
    end = at(file, max(0, file.seek(0, 2) - _V1_LENGTH), _V1_LENGTH)
    return end if end.startswith(b"TAG") and len(end) == _V1_LENGTH else b""


def put_id3v1(file: BinaryIO, v1: bytes) -> None:
    """Write an ID3v1 tag over that of a file, or nothing if it is empty."""
    file.seek(-len(v1), 2)
    file.write(v1)
    file.flush()


def id3v1_genres(file: BinaryIO) -> list[str]:
    """Give the genre of the ID3v1 tag, if it has one."""
    from mutagen.id3 import TCON

    v1 = id3v1(file)
    return TCON.GENRES[v1[-1] :][:1] if v1 else []


def _from_id3v1(v1: bytes) -> Id3:
    """Make a tag of what only an old one has: players show one of them."""
    from mutagen.id3 import ID3, ParseID3v1

    made = ID3()
    for frame in (ParseID3v1(v1) or {}).values():
        made.add(frame)
    file = io.BytesIO()
    made.save(file, v1=0, padding=lambda _: 0)
    return frames.id3(file.getvalue()) if made else Id3()


def _number(genres: Sequence[str]) -> int:
    from mutagen.id3 import TCON

    first = genres[0].partition("/")[0] if genres else ""
    return TCON.GENRES.index(first) if first in TCON.GENRES else _NO_GENRE


MP3 = Family(_mp3_get, _mp3_put, _mp3_others)


# --- WAV and AIFF, with ID3 in a chunk


@dataclass(frozen=True)
class _Place:
    """A chunk for ID3: its tag, if it has one, and what stands behind that."""

    chunk: raw.Chunk
    tag: Id3 | None
    rest: bytes


def _form(file: BinaryIO) -> tuple[raw.Form, list[_Place]]:
    form = raw.form(file)
    places = []
    for chunk in form.chunks:
        if chunk.name.rstrip(b" \0").upper() == b"ID3":
            content = at(file, chunk.content, chunk.size)
            length = frames.id3_length(content)
            if not length and content.strip(b"\0"):
                raise ValueError("the ID3 tag in it is broken")
            tag = frames.id3(content[:length]) if length else None
            places.append(_Place(chunk, tag, content[length:]))
    return form, places


def _form_get(file: BinaryIO) -> Held:
    form, places = _form(file)
    others = [place.tag.joined() for place in places[1:] if place.tag]
    others.append(at(file, form.end, frames.id3_length(at(file, form.end, 10))))
    held = _id3_held(places[0].tag if places else None, filter(None, others))
    for chunk in form.chunks:
        if chunk.name == b"LIST":
            held.beside.extend(raw.info_genres(at(file, chunk.content, min(chunk.size, BLOCK))))
    return held


def _form_put(file: BinaryIO, genres: Sequence[str]) -> None:
    form, places = _form(file)
    if not places and not genres:
        return
    name = b"ID3 " if form.order == ">" else b"id3 "
    start, end, size, before, old = form.end, form.end, form.size, b"", Id3()
    rest = b""
    if places:
        start, end, name = places[0].chunk.start, places[0].chunk.end, places[0].chunk.name
        old, rest = places[0].tag or old, places[0].rest
    elif form.clean:
        before, size = bytes(form.end % 2), size and form.end - 8
    else:
        # It is not sure where the sound ends, so the new chunk stands before it.
        start = end = next((one.start for one in form.chunks if one.name in raw.SOUND), 0)
        if not start:
            raise ValueError("it has no sound")
    tag = frames.id3_with(old, genres) + rest
    new = before + struct.pack(form.order + "4sI", name, len(tag)) + tag + bytes(len(tag) % 2)
    splice(file, start, end, new)
    if size is not None:
        size += len(new) - (end - start)
        file.seek(form.wide or 4)
        file.write(struct.pack("<Q" if form.wide else form.order + "I", size))


def _form_others(file: BinaryIO) -> Parts:
    form, places = _form(file)
    for chunk in form.chunks:
        name = raw.text(chunk.name)
        if chunk.name in raw.SOUND:
            yield name, str(chunk.size).encode()  # `same_sound` compares the rest
        elif chunk.name == b"ds64":
            yield name, at(file, chunk.content + 8, chunk.size - 8)
        elif not places or chunk is not places[0].chunk:
            yield name, at(file, chunk.content, chunk.size)
    if places:
        yield from _id3_parts(places[0].tag)
        if rest := places[0].rest.rstrip(b"\0"):
            yield "what is behind ID3", rest
    yield "the end", at(file, form.end, BLOCK)


FORM = Family(_form_get, _form_put, _form_others)
