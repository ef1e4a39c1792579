"""Fitting all of a model's calibration on its validation songs."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from backbeat.evaluation import Predictions, mean_by_track, vote_by_track
from backbeat.evaluation.calibration.parameters import Calibration
from backbeat.evaluation.calibration.selective import choose_threshold
from backbeat.evaluation.calibration.strangeness import fit_out_of_genre
from backbeat.evaluation.calibration.temperature import fit_temperature, with_temperature

MAX_ERROR = 0.2
"""The share of wrong answers that "unsure" aims at, unless the user says otherwise."""


def fit(
    validation: Predictions,
    vectors: npt.NDArray[np.floating],
    known: npt.NDArray[np.floating],
    *,
    space: Literal["logits", "embedding"] = "logits",
    max_error: float = MAX_ERROR,
) -> Calibration:
    """Fit temperatures, the threshold of "unsure" and the out-of-genre score.

    Parameters
    ----------
    validation : Predictions
        Of the validation part, a row a slice.
    vectors : ndarray of float, shape (n, d)
        What the network gives for the same slices in the space that strange songs are told by.
    known : ndarray of float, shape (m, d)
        The same for songs of the training part, averaged over each song's slices.
    space : {"logits", "embedding"}
        Which output of the network `vectors` and `known` are.
    max_error : float
        The share of the given answers that may be wrong.

    Returns
    -------
    Calibration
    """
    songs = vote_by_track(validation)
    temperature = fit_temperature(songs.probabilities, songs.truth)
    calibrated = with_temperature(songs.probabilities, temperature)
    return Calibration(
        temperature=round(temperature, 6),
        slice_temperature=round(fit_temperature(validation.probabilities, validation.truth), 6),
        songs=len(songs),
        unsure=choose_threshold(calibrated.max(axis=1), songs.answers == songs.truth, max_error),
        out_of_genre=fit_out_of_genre(
            known, mean_by_track(validation.tracks, vectors), space=space
        ),
    )
