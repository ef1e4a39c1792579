"""Training: a spec, features and a split to a run; recipes, checkpoints, folds."""

from dataclasses import dataclass
from pathlib import Path

from backbeat.evaluation.calibration import MAX_ERROR
from backbeat.features.store import Examples, Features
from backbeat.splits import Split
from backbeat.zoo.spec import Spec


@dataclass(frozen=True)
class Training:
    """All that decides what a run will hold, and the folder of the run."""

    features: Features
    """Where the examples come from; its front-end goes into the bundle."""
    spec: Spec
    split: Split
    """Of `examples`."""
    examples: Examples
    """From `jobs.load_examples`, for ``spec.input``."""
    out: Path
    seed: int = 0
    """Of the weights, the order of slices and dropout."""
    max_error: float = MAX_ERROR
    """The share of wrong answers that the threshold of "unsure" is chosen for."""
    threads: int = 1
    """Of TensorFlow: another number trains another network from the same seed."""
