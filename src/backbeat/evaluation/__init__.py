"""How good a classifier is: predictions on disk, the vote of a track's slices, and the scores.

Conventions
-----------
A classifier gives every *slice* (a few seconds of a track) a probability for each genre.
:class:`Predictions` holds one row a slice: the track's name, the slice's number within the track,
the true genre as an index into `genres`, and the probabilities. Its constructor refuses what cannot
be scored, so the functions below are pure and do not check again (as in mir_eval [4]_).

A score is a fraction (0.8061, not 80.61 %). It is given at two levels:

- *slices*: every slice counts once. This is what the paper reports. Where slices of one track are
  on both sides of the split, the number says how well songs are recognised again, not genres.
- *tracks*: the slices of a track vote and the track counts once. Published figures for GTZAN are of
  tracks; some of its labels are wrong, so that a perfect classifier would score about 0.945 [3]_.

A track's vote is the geometric mean of its slices' probabilities, normalised to sum to 1: the
logarithmic opinion pool, or product rule [1]_, in which a slice that is certain of a genre's
absence vetoes it. Probabilities below 1e-12 count as 1e-12, or one slice's zero would decide alone.

Metrics
-------
- *accuracy*: the share of rows whose most probable genre is the true one (on a tie, the first).
- *confusion matrix*: rows are the truth, columns the predicted genre, cells are counts.
- *recall*: of the rows of a genre, the share for which it was predicted (the paper's "accuracy by
  class"). A genre without rows has no recall: nan in arrays, None in scores, null in JSON; and
  neither precision nor f1, and no part in the macro average. *precision* is the share of the
  predictions of a genre that are correct, 0 where it was never predicted; *f1* is the harmonic
  mean of both. Where every genre has rows, the numbers are scikit-learn's.
- *recall variance*: the population variance (divisor k, not k - 1) of the k genres' recalls. The
  paper prints it as a percentage: its Tables 3 and 7 [2]_ give 2.5, 1.5, 4.4 and 2.7, 1.3, 0.9,
  1.2, 0.7 %. The population variance of the recalls printed there gives 2.49, 1.49, 4.38 and 2.71,
  1.28, 0.92, 1.16, 0.69 %, which round to all eight; the sample variance gives 2.77, 1.66, 4.87 and
  3.02, 1.42, 1.02, 1.29, 0.77 %, which rounds to none of them.
- *log-loss*: the mean of -ln(probability of the truth), in nats; ln(k) for a guesser.

References
----------
.. [1] J. Kittler, M. Hatef, R. P. W. Duin and J. Matas, "On combining classifiers", IEEE
   Transactions on Pattern Analysis and Machine Intelligence 20(3), 1998.
.. [2] J. Sears, "I know it's only rock 'n' roll (but does TensorFlow?)", 2021.
.. [3] B. L. Sturm, "The GTZAN dataset: its contents, its faults, their effects on evaluation, and
   its future use", arXiv:1306.1461, 2013.
.. [4] C. Raffel et al., "mir_eval: a transparent implementation of common MIR metrics", ISMIR 2014.
"""

from backbeat.evaluation.metrics import (
    ClassificationReport,
    Scores,
    classification_report,
    confusion_matrix,
    log_loss,
    mean_by_track,
    most_confused,
    recall,
    recall_variance,
    slice_accuracy,
    track_accuracy,
    vote,
    vote_by_track,
    worst_confusions,
)
from backbeat.evaluation.predictions import Predictions, read_predictions, write_predictions
from backbeat.evaluation.summary import LEAKING, Metrics, evaluate

__all__ = [
    "LEAKING",
    "ClassificationReport",
    "Metrics",
    "Predictions",
    "Scores",
    "classification_report",
    "confusion_matrix",
    "evaluate",
    "log_loss",
    "mean_by_track",
    "most_confused",
    "read_predictions",
    "recall",
    "recall_variance",
    "slice_accuracy",
    "track_accuracy",
    "vote",
    "vote_by_track",
    "worst_confusions",
    "write_predictions",
]
