"""Songs like a song: nearest by the network's embedding, the cosine of the angle between them.

Each number of the embedding counts by how many of the library's deviations it lies from the
library's mean: without that, neighbours are worse (docs/library.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backbeat.classify.many import Answer

Array = npt.NDArray[np.float32]

_LEAST = 1e-6


@dataclass(frozen=True)
class Neighbour:
    """A song that is like another.

    Attributes
    ----------
    answer : Answer
    similarity : float
        Cosine, at most 1, of the two songs' embeddings, standardised by the library's.
    """

    answer: Answer
    similarity: float


def nearest(song: Answer, library: Sequence[Answer], *, top: int = 20) -> tuple[Neighbour, ...]:
    """Find the songs of a library that are most like a song.

    Parameters
    ----------
    song : Answer
        With an embedding.
    library : sequence of Answer
        By the same bundle; what has no embedding is passed over.
    top : int

    Returns
    -------
    tuple of Neighbour
        The most similar first, of equals by path; the song itself (the same path) is left out.
    """
    # By path, so that neither ties nor rounding hang on the order in which songs were found.
    told = sorted((a for a in library if a.embedding is not None), key=lambda a: str(a.path))
    others = [answer for answer in told if answer.path.absolute() != song.path.absolute()]
    if song.embedding is None or not others:
        return ()
    embeddings = np.stack([answer.embedding for answer in others if answer.embedding is not None])
    centre, deviation = embeddings.mean(axis=0), embeddings.std(axis=0)
    # What is the same in all songs of the library tells nothing of any.
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > _LEAST)
    wanted = ((song.embedding - centre) * scale)[np.newaxis]
    similarity = cosine(wanted, (embeddings - centre) * scale)[0]
    order = np.argsort(-similarity, kind="stable")[:top]
    return tuple(Neighbour(others[row], float(similarity[row])) for row in order)


def cosine(a: Array, b: Array) -> Array:
    """Give the cosines of the angles between two sets of vectors.

    Parameters
    ----------
    a : ndarray of float32, shape (n, k)
    b : ndarray of float32, shape (m, k)

    Returns
    -------
    ndarray of float32, shape (n, m)
        From -1 to 1; 0 of a vector of zeros.
    """

    def unit(vectors: Array) -> Array:
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: Array = vectors / np.maximum(length, np.finfo(np.float32).tiny)
        return scaled

    cosines: Array = unit(a) @ unit(b).T
    return cosines
