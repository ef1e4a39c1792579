"""A library of music at rest: its answers in an index, playlists, and songs like a song."""

from backbeat.library.index import Index, open_index
from backbeat.library.songs import answer_all

__all__ = ["Index", "answer_all", "open_index"]
