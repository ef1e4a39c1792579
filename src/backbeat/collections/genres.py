"""Genre names as people write them: ``Hip-Hop`` and ``hip hop`` mean one genre.

A name is kept as it was written; two names are compared by their `genre_key`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from backbeat.errors import BackbeatError

GTZAN_GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)
"""The ten genres of GTZAN (Tzanetakis and Cook, 2002), in its spelling and order."""

PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing", "eval", "evaluate"), "test"),
}
"""How people call the parts of a split, in lower case, and how backbeat does."""

_NO_GENRE = {"", "nan", "none", "null", "n/a", "na", "<na>", "#n/a"}

# Not "/", "," or "&": "R&B/Soul", "Funk / Soul" and "Folk, World, & Country" are genres.
_BETWEEN_GENRES = re.compile("[;|]")


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


def genres_in(cell: str) -> list[str]:
    """Give the genres that a label names, divided by ``;`` or ``|``.

    What programs write for a missing value is no genre, and of MTG-Jamendo's tags only those of the
    category genre are.

    Examples
    --------
    >>> genres_in("Rock; NaN"), genres_in("genre---pop|mood/theme---happy"), genres_in("None")
    (['Rock'], ['pop'], [])
    """
    named = [clean_genre(part) for part in _BETWEEN_GENRES.split(cell)]
    named = [name.removeprefix("genre---") for name in named]
    return [name for name in named if is_genre(name) and "---" not in name]


def is_genre(name: str) -> bool:
    """Whether a label is none of the words that programs write for a missing value."""
    return name.casefold() not in _NO_GENRE


def genre_of_file(name: str) -> str:
    """Give the beginning of a file's name: before a dash, else its number, else ``_`` or ``.``.

    Examples
    --------
    >>> [genre_of_file(name) for name in ("hip_hop.00012.wav", "Jazz - So What 2.mp3", "a.mp3")]
    ['hip_hop', 'Jazz', '']
    """
    stem = name.rpartition("/")[2].rpartition(".")[0]
    for ends in (r"(.+?) - .*", r"(\D+?)[\s._-]*\d+([._]\d+)*", r"(.+?)[_.].*"):
        if found := re.fullmatch(ends, stem):
            return clean_genre(found[1])
    return ""


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


def places_of(
    genres: Sequence[str], known: Sequence[str], *, of: Path | str, model: str
) -> dict[str, int]:
    """Give the place of each genre among those that a model knows.

    Raises a BackbeatError that names the genres which `model` does not know, `of` a collection or a
    feature store.
    """
    places = {genre: find_genre(genre, known) for genre in genres}
    if unknown := sorted(genre for genre, place in places.items() if place is None):
        raise BackbeatError(f"{of}: genres that {model} does not know: {', '.join(unknown)}")
    return {genre: place for genre, place in places.items() if place is not None}


def gtzan_spelling(name: str) -> str:
    """Give one of GTZAN's genres in GTZAN's spelling, any other name as it is."""
    key = genre_key(name)
    return key if key in GTZAN_GENRES else name
