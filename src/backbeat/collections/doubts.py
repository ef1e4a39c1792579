"""Whether a collection's genres look like genres, asked before hours are spent on them."""

import os

from backbeat.collections.collection import Collection
from backbeat.collections.genres import PART_NAMES
from backbeat.errors import printable
from backbeat.files.text import plural

_FEW = 20  # songs, which may well have a genre each


def doubt_of(collection: Collection) -> tuple[str, str] | None:
    """Say why the genres look like none, and what to do if they are none; None if they do not."""
    genres, songs = collection.genres, len(collection.tracks)
    remedy = "give a table (--columns), or --genre-from name if files are named by genre"
    if collection.kind == "csv":
        remedy = "name the column of the genres by --columns genre=NAME"
    parts = [genre for genre in genres if genre.casefold() in PART_NAMES]
    if parts:
        return f"{', '.join(map(printable, parts))}: named as the parts of a split", remedy
    if 2 * sum(genre.isdecimal() for genre in genres) > len(genres):
        return "the genres are numbers", remedy
    if 2 * len(genres) > songs > _FEW:
        return f"{plural(len(genres), 'genre')} are many for {plural(songs, 'song')}", remedy
    if len(genres) > 1:
        return None
    if collection.kind != "csv":
        folders = {track.name.rpartition("/")[0] for track in collection.tracks}
        shared = os.path.commonpath(folders)
        if shared and shared not in folders:  # there, sub-folders begin: it may have been meant
            remedy = f"give {printable(collection.root / shared)} if its sub-folders are the genres"
    return "there is one genre alone", remedy
