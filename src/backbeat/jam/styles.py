"""The ten genres' styles, and the neighbours they borrow from."""

from backbeat.jam import styles_newer as newer
from backbeat.jam import styles_older as older
from backbeat.jam.style import Style

STYLES: dict[str, tuple[Style, ...]] = {
    "blues": (older.SHUFFLE, older.SLOW_BLUES, older.DELTA),
    "classical": (older.ORCHESTRA, older.PIANO_SOLO, older.WALTZ),
    "country": (older.BOOM_CHICK, older.HONKY_TONK, older.COUNTRY_WALTZ),
    "disco": (newer.DISCO, newer.EURO_DISCO),
    "hiphop": (newer.BOOM_BAP, newer.CLUB_RAP),
    "jazz": (older.COMBO, older.BALLAD, older.BIG_BAND),
    "metal": (newer.METAL, newer.DOOM),
    "pop": (newer.POP, newer.POP_BALLAD),
    "reggae": (newer.ROOTS, newer.DANCEHALL),
    "rock": (newer.ROCK, newer.SOFT_ROCK),
}

#: From whom each genre borrows grooves, harmonies and players.
NEIGHBOURS: dict[str, tuple[str, ...]] = {
    "blues": ("jazz", "rock", "country"),
    "classical": ("jazz", "pop"),
    "country": ("blues", "rock", "pop"),
    "disco": ("pop", "hiphop"),
    "hiphop": ("reggae", "disco", "pop"),
    "jazz": ("blues", "classical"),
    "metal": ("rock",),
    "pop": ("disco", "rock", "country", "hiphop"),
    "reggae": ("hiphop", "pop", "blues"),
    "rock": ("blues", "metal", "pop", "country"),
}
