"""A music library: an index of its answers, playlists, similar songs, wrong labels, tags."""

from backbeat.library.index import Index, open_index
from backbeat.library.songs import answer_all
