"""What a model's confidence is worth, as a value."""

from dataclasses import dataclass
from typing import Any

from backbeat.evaluation.calibration.reliability import Reliability
from backbeat.evaluation.calibration.selective import RiskCoverage


@dataclass(frozen=True)
class Certainty:
    """How well confidence tells right answers from wrong ones, measured on test songs."""

    temperatures: tuple[float, ...]  # of each run
    validation_songs: int  # that each run's calibration was fitted on, the fewest of all runs
    # Without and with temperature scaling
    before: Reliability
    after: Reliability
    curve: RiskCoverage  # after scaling
    max_error: float  # the share of wrong answers that "unsure" aims at
    coverage: float  # the share of test songs that are answered
    error: float | None  # the share of those answers that is wrong; None where none is answered
    answered: int  # songs answered

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
