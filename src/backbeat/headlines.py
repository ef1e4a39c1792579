"""The first lines of what is told of a run: protocol, leak, interval, and the clean split."""

from pathlib import Path
from typing import TYPE_CHECKING

from backbeat.calibration import MIN_SONGS, at_limit
from backbeat.comparison import MIN_GROUPS, Interval

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
        f"{metrics.track_accuracy:.1%} of {metrics.n_tracks:,} songs are correct by the vote of "
        f"their slices; {_sure(interval)}, by {_groups(evaluated)}."
    )
    lines.append(_by_genre(evaluated))
    if evaluated.folds:
        folds = ", ".join(f"{accuracy:.1%}" for accuracy in evaluated.folds)
        lines.append(f"Fold by fold: {folds}.")
    clean = evaluated.clean
    if clean:
        lines.append(
            f"On a split that does not leak ({clean.protocol}; run {Path(clean.path).name}) the "
            f"same model gets {clean.track_accuracy:.1%} of {clean.tracks:,} songs, "
            f"{_sure(clean.interval)}."
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
            else "there was no validation part with songs that were not in training"
        )
        return (f"Probabilities are not calibrated: {why}.",)
    heat = ", ".join(f"{temperature:.2f}" for temperature in certainty.temperatures)
    songs = certainty.validation_songs
    before, after = f"{certainty.before.error:.3f}", f"{certainty.after.error:.3f}"
    lines = [
        f"Temperature {heat}, fitted on {'at least ' if len(certainty.temperatures) > 1 else ''}"
        f"{songs:,} validation songs; expected calibration error of test songs "
        + (f"{before} before, {after} after." if before != after else f"{after}, as without it.")
    ]
    if any(map(at_limit, certainty.temperatures)):
        lines.append(
            "A temperature lies at the end of its search range, where no best value was found: do "
            "not rely on these probabilities."
        )
    if songs < MIN_SONGS:
        lines.append(
            f"Fewer than {MIN_SONGS} validation songs: the temperature and the threshold of "
            '"unsure" are uncertain.'
        )
    aim = f'"Unsure" aims at {certainty.max_error:.0%} wrong answers'
    if certainty.error is None:
        lines.append(f"{aim}: it answers none of the test songs.")
    else:
        lines.append(
            f"{aim}: it answers {certainty.coverage:.1%} of the test songs, of which "
            f"{certainty.error:.1%} are wrong (all: {1 - evaluated.metrics.track_accuracy:.1%})."
        )
    return tuple(lines)


def span(interval: Interval | None) -> str:
    """Give an interval of shares in percent, or a dash where there is none."""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %" if interval else "–"


def _sure(interval: Interval | None, lacking: str = "") -> str:
    lacking = lacking or f"fewer than {MIN_GROUPS} artists"
    return f"95 % interval {span(interval)}" if interval else f"no 95 % interval ({lacking})"


def _by_genre(evaluated: "Evaluation") -> str:
    """Say what the accuracy would be if all genres had as many songs."""
    found = evaluated.by_genre
    lacking = "" if evaluated.groups < MIN_GROUPS else "a genre has songs of one artist only"
    return (
        f"Balanced accuracy {found.balanced_accuracy:.1%}, "
        f"{_sure(found.balanced_interval, lacking)}; macro-F1 {found.macro_f1:.1%}, "
        f"{_sure(found.f1_interval, lacking)}. Always answering {found.commonest}, the most "
        f"frequent genre, gets {found.commonest_share:.1%} of songs."
    )


def _groups(evaluated: "Evaluation") -> str:
    groups = evaluated.groups
    if not evaluated.artists_known:
        return f"songs ({groups:,}; artists are unknown)"
    return f"whole artists ({groups:,})"
