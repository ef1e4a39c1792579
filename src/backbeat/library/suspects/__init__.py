"""Suspicious labels: songs of a collection that sound like another genre than their label.

Method
------
1. A song is one vector: how its cepstrum and mel bands are spread over time, and how they move
   (`song_vectors`).
2. Each song's probabilities come from classifiers that were not trained on it (`out_of_fold`): a
   linear discriminant over principal components, in K folds, averaged over three draws of the
   folds. Exact copies stay in one fold, so that no copy confirms another; with ``by="artists"`` so
   do all songs of an artist.
3. Confident learning [1]_ (cleanlab) estimates how many labels are wrong. That many songs are
   suspected, of those whose most probable genre is another: those whose label is least probable
   (its *self-confidence*). Self-confidence orders best where wrong labels are spread evenly over
   the genres; a margin over the likeliest genre finds songs between two genres instead.
4. Exact copies with different labels are suspects whatever they sound like, and come first.

Single wrong labels are best found by tracks: songs of the same artist with correct labels help.
Where whole albums or artists are wrong they confirm one another, and ``by="artists"`` finds more.

A suspect is a song to check, not a proven error. Where sound hardly separates the genres (see
`Findings.agreement`), or a genre has a dozen songs, many correct labels are suspected, and only the
first of the list are useful.

References
----------
.. [1] C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating uncertainty in
   dataset labels", Journal of Artificial Intelligence Research 70, 2021.
"""

from backbeat.library.suspects.finding import (
    Findings,
    Suspect,
    find_suspects,
    list_suspects,
    out_of_fold,
    write_suspects,
)
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
