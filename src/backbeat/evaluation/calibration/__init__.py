"""How sure an answer is: calibrated probabilities, "unsure", and music that is none of the genres.

Conventions
-----------
All is fitted on the validation part of a split, at the level of the answer that users get: the
*song*, after its slices have voted. Nothing is fitted where slices of one song may be in training
too (there validation would flatter), nor where there is no validation part.

- *temperature* [1]_: a song's logarithms of probabilities are divided by one number T before the
  softmax, chosen to make the truth of the validation songs likeliest. T above 1 softens. The order
  of the genres does not change. Slices get a temperature of their own, for timelines.
- *expected calibration error* (ECE) [1]_: songs are put in ten bins of equal width by confidence
  (the probability of the answer); the mean over songs of |accuracy - confidence| of their bin.
  A perfectly calibrated model shows an ECE above zero, the more so the fewer the songs.
- *unsure* [2]_: answers below a threshold of confidence are withheld. Of the answers that are given
  (the *coverage*), the share that is wrong is the *risk*. The threshold is the lowest at which the
  share of wrong answers to validation songs that the calibrated probabilities lead to expect (the
  mean of 1 - confidence) is at most a stated share; see `choose_threshold`.
- *out of genre* [3]_: how strange a song is to the network: the mean distance from the five nearest
  training songs, in the space of the last layer before the softmax (or, where most of the network
  was trained on other music, of its embedding), averaged over a song's slices, each number brought
  to variance 1. Given as the share of validation songs that are less strange; above 0.95 a song
  is reported as perhaps none of the genres, which is wrong of one validation song in twenty. Other
  scores were tried, the free energy of the outputs [4]_ among them: see ``docs/evaluation.md``.

References
----------
.. [1] C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
   ICML 2017.
.. [2] Y. Geifman and R. El-Yaniv, "Selective classification for deep neural networks", NIPS 2017.
.. [3] Y. Sun, Y. Ming, X. Zhu and Y. Li, "Out-of-distribution detection with deep nearest
   neighbors", ICML 2022.
.. [4] W. Liu, X. Wang, J. Owens and Y. Li, "Energy-based out-of-distribution detection",
   NeurIPS 2020.
"""

from backbeat.evaluation.calibration.fitting import (
    MAX_ERROR,
    MAX_KNOWN,
    at_limit,
    choose_threshold,
    fit,
    fit_out_of_genre,
    fit_temperature,
    strangeness,
    with_temperature,
)
from backbeat.evaluation.calibration.measuring import (
    Certainty,
    Reliability,
    RiskCoverage,
    reliability,
    risk_coverage,
)
from backbeat.evaluation.calibration.parameters import MIN_SONGS, Calibration, OutOfGenre, Unsure

__all__ = [
    "MAX_ERROR",
    "MAX_KNOWN",
    "MIN_SONGS",
    "Calibration",
    "Certainty",
    "OutOfGenre",
    "Reliability",
    "RiskCoverage",
    "Unsure",
    "at_limit",
    "choose_threshold",
    "fit",
    "fit_out_of_genre",
    "fit_temperature",
    "reliability",
    "risk_coverage",
    "strangeness",
    "with_temperature",
]
