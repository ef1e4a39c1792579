"""What a model's confidence was worth on its test songs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backbeat.calibration import (
    Calibration,
    Reliability,
    RiskCoverage,
    reliability,
    risk_coverage,
)
from backbeat.runs import Songs, joined_songs


@dataclass(frozen=True)
class Certainty:
    """How well confidence tells right answers from wrong ones, measured on test songs.

    Attributes
    ----------
    temperatures : tuple of float
        Of each run.
    validation_songs : int
        That each run's calibration was fitted on, the fewest of all runs.
    before, after : Reliability
        Without and with temperature scaling.
    curve : RiskCoverage
        After scaling.
    max_error : float
        The share of wrong answers that "unsure" aims at.
    coverage : float
        The share of test songs that are answered.
    error : float, optional
        The share of those answers that is wrong; None where none is answered.
    answered : int
        Songs answered.
    """

    temperatures: tuple[float, ...]
    validation_songs: int
    before: Reliability
    after: Reliability
    curve: RiskCoverage
    max_error: float
    coverage: float
    error: float | None
    answered: int

    def to_json(self) -> dict[str, Any]:
        """Give the figures for a JSON file."""
        return {
            "temperatures": list(self.temperatures),
            "validation_songs": self.validation_songs,
            "calibration_error_before": self.before.error,
            "calibration_error": self.after.error,
            "unsure": {
                "max_error": self.max_error,
                "coverage": self.coverage,
                "error": self.error,
                "answered": self.answered,
            },
            "area_under_risk_coverage": self.curve.area,
        }


def measure_certainty(
    calibrations: Sequence[Calibration], songs: Sequence[Songs]
) -> Certainty | None:
    """Measure calibration and the threshold of "unsure" on songs that neither was fitted on.

    Parameters
    ----------
    calibrations : sequence of Calibration, length m
        Of the runs.
    songs : sequence of Songs, length m
        Each run's test songs.

    Returns
    -------
    Certainty or None
        None where a run is not calibrated.
    """
    fitted = [calibration.unsure for calibration in calibrations if calibration.fitted]
    thresholds = [unsure.threshold for unsure in fitted if unsure]
    if len(thresholds) != len(calibrations):
        return None
    pooled = joined_songs(list(songs))
    answered = np.concatenate(
        [own.confidence >= threshold for own, threshold in zip(songs, thresholds, strict=True)]
    )
    wrong = ~pooled.right
    return Certainty(
        temperatures=tuple(calibration.temperature for calibration in calibrations),
        validation_songs=min(calibration.songs for calibration in calibrations),
        before=reliability(pooled.raw.max(axis=1), pooled.right),
        after=reliability(pooled.confidence, pooled.right),
        curve=risk_coverage(pooled.confidence, pooled.right),
        max_error=max(unsure.max_error for unsure in fitted if unsure),
        coverage=float(answered.mean()),
        error=float(wrong[answered].mean()) if answered.any() else None,
        answered=int(answered.sum()),
    )
