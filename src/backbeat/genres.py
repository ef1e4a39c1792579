"""Genre names as people write them: folders called ``Hip-Hop`` and ``hip hop`` mean one genre."""

import unicodedata

GTZAN_GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)
"""The ten genres of GTZAN (Tzanetakis and Cook, 2002), in its spelling and order."""


def normalise_genre(name: str) -> str:
    """Give a genre's name in the one spelling used throughout.

    Parameters
    ----------
    name : str
        As the user wrote it.

    Returns
    -------
    str
        GTZAN's spelling for GTZAN's genres, whatever the letter case, spaces, hyphens and
        underscores (``Hip-Hop`` gives ``hiphop``). Other names stay as written, but for outer white
        space and Unicode's ways to write one letter (NFC).

    Examples
    --------
    >>> normalise_genre("Hip_Hop"), normalise_genre(" Drum & Bass ")
    ('hiphop', 'Drum & Bass')
    """
    name = unicodedata.normalize("NFC", name).strip()
    bare = "".join(sign for sign in name.casefold() if sign not in " -_")
    return bare if bare in GTZAN_GENRES else name
