"""The scores of a run, and what has to be said with them, as values."""

from dataclasses import dataclass
from pathlib import Path

from backbeat.evaluation import Metrics
from backbeat.evaluation.calibration import Certainty
from backbeat.evaluation.comparison import GenreMeans, Interval
from backbeat.runs.overlap import Overlap
from backbeat.splits import Leaks, divides_songs
from backbeat.training.history import Epoch


@dataclass(frozen=True)
class CleanRun:
    """What the same model gets on a split where no leak was found."""

    path: Path
    protocol: str
    leaks: Leaks
    track_accuracy: float
    interval: Interval | None
    tracks: int


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run, and what has to be said with them.

    Attributes
    ----------
    model : str
    protocol : str
        What was tested: its split in words, such as ``artists, 3 folds``, or another store.
    metrics : Metrics
    interval : Interval or None
        Of the accuracy of tracks, 95 %, by artists; None for fewer than five.
    groups : int
        Artists, and tracks of unknown artists.
    by_genre : GenreMeans
        Balanced accuracy and macro-F1 of tracks, and what the commonest genre alone would get.
    ahead : Interval or None
        Of the accuracy of tracks less that of always answering the commonest genre, as `interval`.
    artists_known : int
        Of how many test tracks the artist is known.
    leaks : tuple of Leak
        What the split was measured to leak; empty on another store.
    overlap : Overlap, optional
        On another store: which of its songs the model was trained or validated on.
    collection : str
        Whose songs were tested; says so where they are synthetic.
    facts : dict of str to str
        What was measured, for a table.
    history : tuple of Epoch
        Empty for a cross-validation, and for a model that was not trained in epochs.
    monitored : str
        The part that the history's ``val_`` columns are of.
    training_seconds : float
        Processing time of all epochs, in seconds.
    curves : tuple of str
        What the histories show, of each fold that shows something.
    folds : tuple of float
        Accuracy of tracks of each fold; empty for one run.
    certainty : Certainty, optional
        None where the run could not be calibrated.
    clean : CleanRun, optional
        The same model on a split where no leak was found, where one was named.
    """

    model: str
    protocol: str
    metrics: Metrics
    interval: Interval | None
    groups: int
    by_genre: GenreMeans
    ahead: Interval | None
    artists_known: int
    collection: str
    facts: dict[str, str]
    leaks: Leaks = ()
    overlap: Overlap | None = None
    history: tuple[Epoch, ...] = ()
    monitored: str = "validation"
    training_seconds: float = 0.0
    curves: tuple[str, ...] = ()
    folds: tuple[float, ...] = ()
    certainty: Certainty | None = None
    clean: CleanRun | None = None

    @property
    def divides_tracks(self) -> bool:
        """Whether slices of any test song are in training or validation."""
        return divides_songs(self.leaks)
