"""What a model's confidence was worth on its test songs."""

from collections.abc import Sequence

import numpy as np

from backbeat.evaluation.calibration import (
    Calibration,
    Certainty,
    reliability,
    risk_coverage,
)
from backbeat.runs.reading import Songs, joined_songs


def measure_certainty(
    calibrations: Sequence[Calibration], songs: Sequence[Songs]
) -> Certainty | None:
    """Measure calibration and the threshold of "unsure" on each run's test songs.

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
