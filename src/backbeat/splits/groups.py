"""Groups of tracks that must stay on one side of a split."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.features.songs import SONGS_OPTIONS
from backbeat.features.store import Examples

_NO_ARTIST = frozenset(
    {"various", "various artists", "va", "v.a.", "unknown", "unknown artist", "n/a", "[unknown]"}
)


def known_artist(name: str) -> str:
    """Give an artist's name as it is compared; empty where it names nobody."""
    plain = " ".join(name.casefold().split())
    return "" if plain in _NO_ARTIST else plain


def track_groups(examples: Examples, protocol: str) -> npt.NDArray[np.int64]:
    """Give the number of each track's group, which must stay on one side, shape (tracks,).

    With ``tracks`` each track is a group. Else tracks that share an artist or are exact copies are
    one, with ``gtzan-folds`` those too that its authors gave to one artist. Raises BackbeatError
    where tracks may be parts of one song.
    """
    require_songs(examples.songs_known, f"--split {protocol}")
    if protocol == "tracks":
        return np.arange(len(examples.names))
    artists = [known_artist(artist) for artist in examples.artists]
    columns: list[Sequence[str]] = [artists, examples.digests]
    if protocol == "gtzan-folds":
        numbered = gtzan.fold_artists()
        ids = [gtzan.track_id(name) or "" for name in examples.names]
        columns.append([str(numbered.get(track, "")) for track in ids])
    return joined(*columns)


def require_songs(known: bool, what: str) -> None:
    """Refuse to keep songs apart, as `what` would, where tracks may be parts of one song."""
    if not known:
        raise BackbeatError(
            f"{what}: it is not known which rows of these features are parts of one song; import "
            f"them again with one of {SONGS_OPTIONS}"
        )


def joined(*columns: Sequence[str]) -> npt.NDArray[np.int64]:
    """Join rows that share a value in any column, directly or by others, and number the groups.

    The result has shape (n,): from 0, in the order of each group's first row. An empty value is
    shared with no other row.
    """
    n = len(columns[0])
    numbers: dict[tuple[int, str], int] = {}
    edges = [
        (row, numbers.setdefault((place, value), n + len(numbers)))
        for place, column in enumerate(columns)
        for row, value in enumerate(column)
        if value
    ]
    return connected(n + len(numbers), np.array(edges, np.int64).reshape(-1, 2))[:n]


def connected(nodes: int, edges: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give each node the number of its connected component, by first nodes, shape (nodes,).

    Parameters
    ----------
    nodes : int
    edges : ndarray of int64, shape (m, 2)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    weights = np.ones(len(edges), np.int8)
    graph = coo_array((weights, (edges[:, 0], edges[:, 1])), (nodes, nodes))
    _, component = connected_components(graph, directed=False)
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[number], np.int64)
