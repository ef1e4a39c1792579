"""Drawing parts at random: by slices, or by whole groups of tracks so that genres keep shares."""

import numpy as np
import numpy.typing as npt

Shares = npt.NDArray[np.float64]


def draw_slices(n: int, shares: Shares, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Give each of `n` slices the number of a part at random, shape (n,).

    Parameters
    ----------
    n : int
    shares : ndarray of float64, shape (parts,)
        They sum to 1.
    rng : numpy.random.Generator
    """
    ends = np.rint(np.cumsum(shares) * n).astype(int)
    part = np.empty(n, np.int64)
    part[rng.permutation(n)] = np.searchsorted(ends, np.arange(n), side="right")
    return part


def draw_groups(
    genre: npt.NDArray[np.int64],
    group: npt.NDArray[np.int64],
    shares: Shares,
    rng: np.random.Generator,
) -> npt.NDArray[np.int64]:
    """Give whole groups to parts, so that each genre comes near its share in each part.

    The result is each track's part, shape (tracks,).

    Parameters
    ----------
    genre, group : ndarray of int64, shape (tracks,)
    shares : ndarray of float64, shape (parts,)
        They sum to 1; a part of share 0 stays empty.
    rng : numpy.random.Generator
    """
    counts = np.zeros((group.max() + 1, genre.max() + 1))
    np.add.at(counts, (group, genre), 1)
    want = shares[:, None] * counts.sum(axis=0)
    have = np.zeros_like(want)
    part_of_group = np.zeros(len(counts), np.int64)
    # Large groups first, while they still fit; the random order decides among equals.
    shuffled = rng.permutation(len(counts))
    order = shuffled[np.argsort(-counts.sum(axis=1)[shuffled], kind="stable")]
    for index in order:
        count = counts[index]
        # In tracks, not in shares: so that few large groups round to the nearest division.
        lack = ((want - have) * count).sum(axis=1)
        lack[shares == 0] = -np.inf
        # Among the parts that lack most of these genres; draws break ties.
        best = np.flatnonzero(lack >= lack.max() - 1e-9)
        chosen = int(rng.choice(best))
        part_of_group[index] = chosen
        have[chosen] += count
    return part_of_group[group]
