"""Suspicious labels: songs of a collection that sound like another genre than they are labelled.

Method
------
1. A song is one vector: how its cepstrum and mel bands are spread over time, and how they move
   (`song_vectors`).
2. Each song's probabilities come from a classifier that has not heard it (`out_of_fold`): a linear
   discriminant over principal components, in K folds, averaged over three draws of the folds. Exact
   copies stay in one fold, so that a copy never vouches for its copy; with ``by="artists"`` all
   songs of an artist do.
3. Confident learning [1]_ (cleanlab) tells how many labels are wrong. Those are suspected whose own
   genre is the least probable (its *self-confidence*), of those that sound more like another.
   Self-confidence orders best where wrong labels are spread evenly over the genres: a margin over
   the likeliest genre rather finds songs between two genres.
4. Exact copies with different labels are suspects whatever they sound like, and come first.

Single wrong labels are best found by tracks: songs of the same artist with right labels help. Where
whole albums or artists are wrong they vouch for one another, and ``by="artists"`` finds more.

A suspect is a song to listen to, not one that is proven wrong. Where genres can hardly be told
apart by sound (see `Findings.agreement`), or a genre has a dozen songs, many right labels are
suspected, and only the first of the list are worth while.

References
----------
.. [1] C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
   dataset labels", Journal of Artificial Intelligence Research 70, 2021.
"""

from backbeat.library.suspects.listing import Suspect, list_suspects, write_suspects
from backbeat.library.suspects.predicting import out_of_fold
from backbeat.library.suspects.searching import Findings, find_suspects
from backbeat.library.suspects.vectors import song_vectors

__all__ = [
    "Findings",
    "Suspect",
    "find_suspects",
    "list_suspects",
    "out_of_fold",
    "song_vectors",
    "write_suspects",
]
