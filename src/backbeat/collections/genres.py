"""Genre names as people write them: ``Hip-Hop`` and ``hip hop`` mean one genre.

A name is kept as it was written; two names are compared by their `genre_key`.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

GTZAN_GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)
"""The ten genres of GTZAN (Tzanetakis and Cook, 2002), in its spelling and order."""


def clean_genre(name: str) -> str:
    """Give a name without outer white space, and its letters in one way (NFC)."""
    return unicodedata.normalize("NFC", name).strip()


def genre_key(name: str) -> str:
    """Give what all spellings of a genre have in common; of GTZAN's genres, GTZAN's own spelling.

    That is the name without letter case, blanks, hyphens, dashes and underscores.

    Examples
    --------
    >>> genre_key("Hip_Hop"), genre_key("hip hop"), genre_key(" R&B ")
    ('hiphop', 'hiphop', 'r&b')
    """
    folded = unicodedata.normalize("NFC", clean_genre(name).casefold())
    bare = "".join(sign for sign in folded if not (sign.isspace() or _is_hyphen(sign)))
    return bare or folded


def _is_hyphen(sign: str) -> bool:
    return sign == "_" or unicodedata.category(sign) == "Pd"


def merge_spellings(names: Iterable[str]) -> dict[str, str]:
    """Give each spelling in `names`, one a song, the commonest spelling of its genre.

    Of equally common ones it is the first.

    Examples
    --------
    >>> merge_spellings(["hip hop", "Hip-Hop", "Polka", "Hip-Hop"])
    {'hip hop': 'Hip-Hop', 'Hip-Hop': 'Hip-Hop', 'Polka': 'Polka'}
    """
    counts = Counter(names)
    shown: dict[str, str] = {}
    for name, _ in counts.most_common():  # equal counts stay in the order of their first song
        shown.setdefault(genre_key(name), name)
    return {name: shown[genre_key(name)] for name in counts}


def find_genre(name: str, genres: Sequence[str]) -> int | None:
    """Give a genre's place among others: in the same spelling first, then in any; or None."""
    if name in genres:
        return genres.index(name)
    return next((n for n, one in enumerate(genres) if genre_key(one) == genre_key(name)), None)


def gtzan_spelling(name: str) -> str:
    """Give one of GTZAN's genres in GTZAN's spelling, any other name as it is."""
    key = genre_key(name)
    return key if key in GTZAN_GENRES else name
