"""Similar songs: nearest by the cosine between the network's embeddings.

Embeddings are standardised by the library's mean and deviation: without that, neighbours are worse
(docs/library.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backbeat.classify import Answer

Array = npt.NDArray[np.float32]

_MIN_DEVIATION = 1e-6


@dataclass(frozen=True)
class Neighbour:
    """A song that is similar to another."""

    answer: Answer
    similarity: float  # cosine, at most 1, of the two songs' standardised embeddings


def nearest(song: Answer, library: Sequence[Answer], *, top: int = 20) -> tuple[Neighbour, ...]:
    """Give the songs of a library most similar to a song, the most similar first, then by path.

    All answers are of one bundle. Those without an embedding, and the song itself, are left out.
    """
    # By path, so that neither ties nor rounding depend on the order in which songs were found.
    known = sorted((a for a in library if a.embedding is not None), key=lambda a: str(a.path))
    others = [answer for answer in known if answer.path.absolute() != song.path.absolute()]
    if song.embedding is None or not others:
        return ()
    embeddings = np.stack([answer.embedding for answer in others if answer.embedding is not None])
    centre, deviation = embeddings.mean(axis=0), embeddings.std(axis=0)
    # A dimension that is the same in all songs of the library does not count.
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > _MIN_DEVIATION)
    own = ((song.embedding - centre) * scale)[np.newaxis]
    similarity = cosine(own, (embeddings - centre) * scale)[0]
    order = np.argsort(-similarity, kind="stable")[:top]
    return tuple(Neighbour(others[row], float(similarity[row])) for row in order)


def cosine(a: Array, b: Array) -> Array:
    """Give the cosines of shape (n, m) between vectors of shapes (n, k) and (m, k).

    They are from -1 to 1; 0 for a vector of zeros.
    """

    def unit(vectors: Array) -> Array:
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: Array = vectors / np.maximum(length, np.finfo(np.float32).tiny)
        return scaled

    cosines: Array = unit(a) @ unit(b).T
    return cosines
