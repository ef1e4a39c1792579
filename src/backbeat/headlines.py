"""The first lines of what is told of a run: protocol, leak, interval, and the clean split."""

from pathlib import Path
from typing import TYPE_CHECKING

from backbeat.comparison import Interval

if TYPE_CHECKING:
    from backbeat.scoring import Evaluation

_MEANING = {
    "slices": "slices drawn at random, as in the paper",
    "tracks": "songs drawn whole, artists not heeded",
    "artists": "no artist and no exact copy of a song on two sides",
    "gtzan-filtered": "GTZAN's published fault-filtered lists; no artist on two sides",
    "gtzan-folds": "GTZAN's published artist-filtered folds; no artist on two sides",
    "file": "a split made elsewhere",
}


def first_lines(evaluated: "Evaluation") -> tuple[str, ...]:
    """Say under which protocol a run was measured, what it leaks, and how sure the figure is.

    Parameters
    ----------
    evaluated : Evaluation

    Returns
    -------
    tuple of str
        Sentences, the most important first.
    """
    metrics, interval = evaluated.metrics, evaluated.interval
    name = evaluated.protocol.partition(",")[0].partition(":")[0]
    meaning = f" ({_MEANING[name]})" if name in _MEANING else ""
    lines = [f"Protocol: {evaluated.protocol}{meaning}."]
    if evaluated.leak:
        lines.append(f"{evaluated.leak[0].upper()}{evaluated.leak[1:]}; new songs fare worse.")
    elif evaluated.facts.get("Evaluated on"):
        lines.append("Songs that the model was trained on are left out; artists are not heeded.")
    else:
        unknown = metrics.n_tracks - evaluated.artists_known
        known = (
            f"; the artists of {unknown:,} of {metrics.n_tracks:,} test songs are unknown: each "
            "stands for itself"
            if unknown
            else ""
        )
        lines.append(f"Nothing is known to leak{known}.")
    lines.append(
        f"{metrics.track_accuracy:.1%} of {metrics.n_tracks:,} songs are answered rightly, by the "
        f"vote of their slices; 95 % interval {span(interval)}, drawing {_groups(evaluated)}."
    )
    if evaluated.folds:
        folds = ", ".join(f"{accuracy:.1%}" for accuracy in evaluated.folds)
        lines.append(f"Fold by fold: {folds}.")
    clean = evaluated.clean
    if clean:
        lines.append(
            f"On a split that does not leak ({clean.protocol}; run {Path(clean.path).name}) the "
            f"same model gets {clean.track_accuracy:.1%} of {clean.tracks:,} songs, 95 % interval "
            f"{span(clean.interval)}."
        )
    elif evaluated.leak:
        lines.append(
            "What the same model gets where nothing leaks is not known: train it with --split "
            "artists beside this run."
        )
    return tuple(lines)


def certainty_lines(evaluated: "Evaluation") -> tuple[str, ...]:
    """Say how far the model's confidence can be trusted; why not, where it was not calibrated."""
    certainty = evaluated.certainty
    if certainty is None:
        why = (
            "its validation songs would have been heard in training"
            if evaluated.divides_tracks
            else "there was no validation part"
        )
        return (f"Probabilities are not calibrated: {why}.",)
    heat = ", ".join(f"{temperature:.2f}" for temperature in certainty.temperatures)
    return (
        f"Temperature {heat}, fitted on {certainty.validation_songs:,} validation songs or more; "
        f"expected calibration error of test songs {certainty.before.error:.3f} before, "
        f"{certainty.after.error:.3f} after.",
        f'"Unsure" aims at {certainty.max_error:.0%} wrong answers: it answers '
        f"{certainty.coverage:.1%} of the test songs, of which {certainty.error:.1%} are wrong "
        f"(all: {1 - evaluated.metrics.track_accuracy:.1%}).",
    )


def span(interval: Interval) -> str:
    """Give an interval of shares in percent."""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _groups(evaluated: "Evaluation") -> str:
    groups = evaluated.interval.groups
    if not evaluated.artists_known:
        return f"songs ({groups:,}; artists are unknown)"
    return f"whole artists ({groups:,})"
