"""The whole way: from a feature store to its suspicious labels."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError
from backbeat.features.store import Features
from backbeat.library.suspects.listing import Suspect, list_suspects
from backbeat.library.suspects.predicting import out_of_fold
from backbeat.library.suspects.vectors import song_vectors
from backbeat.splits.groups import joined, known_artist

Progress = Callable[[int, int, str], None]

_MANY = 0.1  # share of suspects from which the list needs a caveat


@dataclass(frozen=True)
class Findings:
    """What `find_suspects` found.

    Attributes
    ----------
    suspects : tuple of Suspect
        The worst first.
    tracks : int
        Songs that were judged.
    agreement : float
        Share of the judged songs that sound like their label most. The lower it is, the more right
        labels are suspected.
    unjudged : dict of str to int
        Genres with too few songs to be judged, and how many they have.
    """

    suspects: tuple[Suspect, ...]
    tracks: int
    agreement: float
    unjudged: dict[str, int]

    @property
    def caveat(self) -> str:
        """What has to be said before the list where more than a tenth is suspect; else empty."""
        if len(self.suspects) <= _MANY * self.tracks:
            return ""
        return (
            f"{len(self.suspects) / self.tracks:.0%} of the songs are suspected: either so many "
            "labels are wrong, or these features cannot tell the genres apart and most suspected "
            "labels are correct; check the first of the list before you trust the rest"
        )


def find_suspects(
    features: Features,
    *,
    by: Literal["tracks", "artists"] = "tracks",
    folds: int = 5,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> Findings:
    """Find the labels of a collection that are probably wrong.

    The same features and seed give the same, in whatever order the tracks are stored.

    Parameters
    ----------
    features : Features
    by : {"tracks", "artists"}
        What stays in one fold, besides exact copies: each track by itself, or all of an artist
        (those of unknown artists by themselves).
    folds : int
        At least 2.
    seed : int
        Of the folds.
    on_progress : callable, optional
        Called with how much is done, how much there is, and what is going on.

    Returns
    -------
    Findings

    Raises
    ------
    BackbeatError
        If fewer than two genres have as many songs (or artists) as there are folds; if the
        features cannot be read; if scikit-learn or cleanlab is missing.
    """
    if folds < 2:
        raise BackbeatError("--folds: needs at least 2")
    table = features.table
    kept = np.flatnonzero(table.slices).tolist()
    # By name, so that nothing depends on the order of the files.
    order = sorted(range(len(kept)), key=lambda place: table.name[kept[place]])
    names, labels, artists, digests = (
        [column[kept[place]] for place in order]
        for column in (table.name, table.genre, table.artist, table.digest)
    )
    groups = joined(digests, [known_artist(artist) for artist in artists if by == "artists"])
    judged, unjudged = _judged(labels, groups, folds)
    genres = sorted({labels[row] for row in judged})
    if len(genres) < 2:
        raise _too_few(features, unjudged, by, folds)

    def told(what: str) -> Callable[[int, int], None] | None:
        return on_progress and (lambda done, total: on_progress(done, total, what))

    vectors = song_vectors(features, on_progress=told("describing songs"))[order]
    given = np.array([genres.index(labels[row]) for row in judged], np.int64)
    probabilities = np.full((len(names), len(genres)), np.nan)
    probabilities[judged] = out_of_fold(
        vectors[judged],
        given,
        np.unique(groups[judged], return_inverse=True)[1],
        genres,
        folds=folds,
        seed=seed,
        on_progress=told("training classifiers"),
    )
    suspects = list_suspects(names, labels, probabilities, genres, digests=digests, artists=artists)
    agreement = float((probabilities[judged].argmax(axis=1) == given).mean())
    return Findings(suspects, len(judged), agreement, unjudged)


def _judged(
    genres: Sequence[str], groups: npt.NDArray[np.int64], folds: int
) -> tuple[list[int], dict[str, int]]:
    """Give the rows of the genres with a group for each fold, and count the songs of the others.

    Of a genre with fewer, too little is left to learn from when one of its songs is judged.
    """
    pairs = set(zip(genres, groups.tolist(), strict=True))
    groups_of = Counter(genre for genre, _ in pairs)
    judged = [row for row, genre in enumerate(genres) if groups_of[genre] >= folds]
    small = Counter(genre for genre in genres if groups_of[genre] < folds)
    return judged, dict(sorted(small.items()))


def _too_few(features: Features, unjudged: dict[str, int], by: str, folds: int) -> BackbeatError:
    if not unjudged:
        return BackbeatError(
            f"{features.path}: has songs of one genre only; suspicious labels need two genres"
        )
    genre = max(unjudged, key=lambda genre: unjudged[genre])
    what = "artists" if by == "artists" else "different songs"
    remedy = "--by tracks or a smaller --folds" if by == "artists" else "a smaller --folds"
    return BackbeatError(
        f"{features.path}: two genres need {folds} {what} each, one a fold, and {genre} has fewer; "
        f"add songs, or try {remedy}"
    )
