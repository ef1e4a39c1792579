"""How sure a figure is, and whether one model is better than another.

Conventions
-----------
A *contender* is a model with one or more *trials*: a run; the folds of a cross-validation; runs
that differ in their seeds. All contenders must have been tested on the same parts of the same
splits. The figure compared is the accuracy of songs, by the vote of their slices; of a song that
was tested in several trials, the share of trials in which it was right.

- *interval*: 95 % of the bootstrap [1]_, which draws whole artists, since songs of one artist stand
  and fall together; a song whose artist is unknown is drawn by itself. Where all songs are right,
  or none is, the bootstrap has nothing to go by and Wilson's interval for as many artists serves.
- *McNemar's test* [2]_, exact: of the songs that only one of two models answers rightly, is a half
  each model's? Of a song tested several times, the first trial counts.
- *corrected resampled t* [3]_ over folds or seeds: Student's t of the trials' differences, their
  variance raised by the ratio of test to training songs, since trials share training songs.
- *Holm's correction* [4]_ over all pairs, of McNemar's p.

Verdict: one model is better than another if the corrected p is below 0.05 and the interval of the
difference, by artists, excludes zero; else the two cannot be told apart with this many songs.

References
----------
.. [1] B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7(1),
   1979; drawing of whole clusters: A. C. Davison and D. V. Hinkley, "Bootstrap methods and their
   application", CUP 1997, section 3.8.
.. [2] Q. McNemar, Psychometrika 12(2), 1947; T. G. Dietterich, "Approximate statistical tests for
   comparing supervised classification learning algorithms", Neural Computation 10(7), 1998.
.. [3] C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003.
.. [4] S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
   Statistics 6(2), 1979.
"""

from backbeat.comparison.comparing import Comparison, Contender, Pair, Score, Trial, compare
from backbeat.comparison.intervals import Interval, bootstrap_interval
from backbeat.comparison.significance import (
    McNemar,
    ResampledT,
    corrected_resampled_t,
    holm,
    mcnemar,
)

__all__ = [
    "Comparison",
    "Contender",
    "Interval",
    "McNemar",
    "Pair",
    "ResampledT",
    "Score",
    "Trial",
    "bootstrap_interval",
    "compare",
    "corrected_resampled_t",
    "holm",
    "mcnemar",
]
