"""Splits: which slices train a model and which test it.

Protocols
---------
slices
    The paper's: slices are drawn at random, so slices of one song, and songs of one artist, land on
    both sides, and accuracy measured on it is too high.
tracks
    No song is on two sides; stratified by genre. Artists may be.
artists
    No artist, and no exact copy of a song, is on two sides; stratified by genre as far as whole
    artists allow. A track whose artist is unknown stands for itself, and is counted.
gtzan-filtered
    The published fault-filtered, artist-disjoint split of GTZAN [3]_: 443 tracks to train, 197 to
    validate, 290 to test. Tracks that it does not name are left out, and so is jazz.00054.
gtzan-folds
    The published three artist-filtered folds of GTZAN [4]_ (948 tracks). Their test parts are as
    published. Their artists were numbered by their authors; the index of [2]_ knows 24 artists that
    stand in two or three folds, so that of each training part the tracks by artists of its test
    part are left out here. ``gtzan-folds:2`` names one fold.
file:PATH
    A split made elsewhere: a CSV with the columns ``path,part`` (and ``slice`` where slices are
    divided), or the ``split.json`` of a run.

What a split leaks is measured (`measure_leaks`), whatever its protocol, and shown with figures.
The first three are also drawn as K folds, each song tested once (`make_folds`). Where a validation
part is drawn, it is drawn as the test part is: by slices, tracks or artists.

References
----------
.. [1] A. Flexer, "A closer look on artist filters for musical genre classification", ISMIR 2007.
.. [2] B. L. Sturm, "An analysis of the GTZAN music genre dataset", MIRUM 2012.
.. [3] C. Kereliuk, B. L. Sturm and J. Larsen, "Deep learning and music adversaries", IEEE
   Transactions on Multimedia 17(11), 2015.
.. [4] J. H. Foleiss and T. F. Tavares, "Texture selection for automatic music genre
   classification", Applied Soft Computing 89, 2020.
"""

from backbeat.splits.groups import track_groups
from backbeat.splits.leaks import (
    Leak,
    Leaks,
    divides_songs,
    is_leaking,
    joined_leaks,
    leak_sentence,
    leaks_from_json,
    leaks_to_json,
    measure_leaks,
    songs_unknown,
)
from backbeat.splits.making import ignored, make_folds, make_split, require_test, thinned
from backbeat.splits.protocols import (
    DRAWN,
    LEFT_OUT,
    PARTS,
    PROTOCOLS,
    TEST,
    TRAIN,
    VALID,
    check_protocol,
    is_crossvalidation,
)
from backbeat.splits.split import (
    Split,
    read_parts,
    shared_tracks,
    split_of,
    tracks_in,
    write_split,
)

__all__ = [
    "DRAWN",
    "LEFT_OUT",
    "PARTS",
    "PROTOCOLS",
    "TEST",
    "TRAIN",
    "VALID",
    "Leak",
    "Leaks",
    "Split",
    "check_protocol",
    "divides_songs",
    "ignored",
    "is_crossvalidation",
    "is_leaking",
    "joined_leaks",
    "leak_sentence",
    "leaks_from_json",
    "leaks_to_json",
    "make_folds",
    "make_split",
    "measure_leaks",
    "read_parts",
    "require_test",
    "shared_tracks",
    "songs_unknown",
    "split_of",
    "thinned",
    "track_groups",
    "tracks_in",
    "write_split",
]
