"""How sure a figure is, and whether one model is better than another.

Conventions
-----------
A *contender* is a model with one or more *trials*: a run; the folds of a cross-validation; runs
that differ in their seeds. All contenders must have been tested on the same parts of the same
splits. The figure compared is the accuracy of songs, by the vote of their slices; of a song that
was tested in several trials, the share of trials in which it was correct.

- *interval*: 95 %, by whole artists, since songs of one artist are not independent; a song whose
  artist is unknown stands for itself. See `intervals` for the methods; fewer than five artists
  give none.
- *balanced accuracy* and *macro-F1*: means of the genres' recalls and F1, with intervals, and the
  accuracy of answering always the commonest genre; where songs are tested several times, each
  answer counts.
- *McNemar's test* [1]_, exact: of the songs that only one of two models answers correctly, is a
  half each model's? Of a song tested several times, the first trial counts.
- *corrected resampled t* [2]_ over folds or seeds: Student's t of the trials' differences, their
  variance raised by the ratio of test to training songs, since trials share training songs.
- *Holm's correction* [3]_ over all pairs, of McNemar's p.

Verdict: one model is better than another if the corrected p is below 0.05 and the interval of the
difference, by artists, excludes zero; else, or without an interval, there is no significant
difference with this many songs.

References
----------
.. [1] Q. McNemar, Psychometrika 12(2), 1947; T. G. Dietterich, "Approximate statistical tests for
   comparing supervised classification learning algorithms", Neural Computation 10(7), 1998.
.. [2] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.
.. [3] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
   Statistics 6(2), 1979.
"""

from backbeat.evaluation.comparison.comparing import (
    NO_DIFFERENCE,
    Comparison,
    Contender,
    Pair,
    Score,
    Trial,
    compare,
)
from backbeat.evaluation.comparison.intervals import (
    LEVEL,
    MIN_GROUPS,
    GenreMeans,
    Interval,
    difference_interval,
    genre_means,
    share_interval,
)
from backbeat.evaluation.comparison.significance import (
    McNemar,
    ResampledT,
    corrected_resampled_t,
    holm,
    mcnemar,
)

__all__ = [
    "LEVEL",
    "MIN_GROUPS",
    "NO_DIFFERENCE",
    "Comparison",
    "Contender",
    "GenreMeans",
    "Interval",
    "McNemar",
    "Pair",
    "ResampledT",
    "Score",
    "Trial",
    "compare",
    "corrected_resampled_t",
    "difference_interval",
    "genre_means",
    "holm",
    "mcnemar",
    "share_interval",
]
