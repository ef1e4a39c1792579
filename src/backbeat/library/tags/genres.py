"""How genres are written into tags, and which of an answer's genres are: pure functions."""

from collections.abc import Sequence

from backbeat.collections.genres import genre_key

WRITTEN = {
    **{"blues": "Blues", "classical": "Classical", "country": "Country", "disco": "Disco"},
    **{"hiphop": "Hip-Hop", "jazz": "Jazz", "metal": "Metal", "pop": "Pop"},
    **{"reggae": "Reggae", "rock": "Rock"},
}
"""GTZAN's genres as players show them: all ten are ID3v1's own names."""

LIKELY = 0.25
"""How probable a genre beside the first must be, to be written with it."""


def written(genre: str) -> str:
    """Give a genre as people read it.

    Parameters
    ----------
    genre : str
        As a model names it.

    Returns
    -------
    str
        ``Hip-Hop`` for ``hiphop``; a genre that is not GTZAN's as the model's maker wrote it.
    """
    return WRITTEN.get(genre_key(genre), genre)


def chosen(ranking: Sequence[tuple[str, float]], *, multi: bool) -> tuple[str, ...]:
    """Choose what to write of an answer.

    Parameters
    ----------
    ranking : sequence of (str, float)
        Genres with their probabilities, the likeliest first.
    multi : bool
        Whether genres beside the first are written, of a probability of at least `LIKELY`.

    Returns
    -------
    tuple of str
        At least the likeliest, as people read them.
    """
    first, *others = ranking
    likely = [genre for genre, probability in others if multi and probability >= LIKELY]
    return tuple(written(genre) for genre in (first[0], *likely))


def same_genres(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two tags name the same genres, however they are spelt (``hip hop``, ``Hip-Hop``)."""
    return set(map(genre_key, some)) == set(map(genre_key, others))
