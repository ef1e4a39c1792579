"""The first lines about a run: protocol, leak, interval, and the clean split."""

from backbeat.errors import printable
from backbeat.evaluation.calibration import MIN_SONGS, at_limit
from backbeat.evaluation.comparison import MIN_GROUPS, Interval
from backbeat.files.text import number, percent
from backbeat.runs.evaluation import Evaluation
from backbeat.splits import is_leaking, leak_sentence

_MEANING = {
    "slices": "slices drawn at random, as in the paper",
    "tracks": "whole songs, whatever their artist",
    "artists": "whole artists; a song without a known artist by itself",
    "gtzan-filtered": "GTZAN's published fault-filtered lists",
    "gtzan-folds": "GTZAN's published artist-filtered folds",
    "file": "a split made elsewhere",
}


def verdict(evaluated: Evaluation) -> str:
    """Give the result in a line: the share of songs, its interval, and what was kept apart."""
    metrics, interval = evaluated.metrics, evaluated.interval
    share = f"{percent(metrics.track_accuracy)} of {number(metrics.n_tracks)} songs correct"
    return f"{share}, {_sure(interval)}, {_kept_apart(evaluated)}"


def _kept_apart(evaluated: Evaluation) -> str:
    """Say in few words what test songs share with training, as it was measured."""
    if evaluated.overlap:
        return f"on {evaluated.protocol}"
    if evaluated.divides_tracks:
        return "LEAKING: slices of these songs were trained on"
    artists = next((leak for leak in evaluated.leaks if leak.kind == "artist"), None)
    if artists is None or not artists.known:
        return "songs kept apart, artists unknown"
    return "songs kept apart, artists not" if artists.shared else "artists kept apart"


def first_lines(evaluated: Evaluation) -> tuple[str, ...]:
    """State the protocol of a run, what it leaks, and how certain the figure is."""
    metrics = evaluated.metrics
    name = evaluated.protocol.partition(",")[0].partition(":")[0]
    meaning = f" ({_MEANING[name]})" if name in _MEANING else ""
    lines = [f"Protocol: {evaluated.protocol}{meaning}."]
    if evaluated.overlap:
        lines = [
            f"Tested on {evaluated.protocol}.",
            f"{evaluated.overlap.sentence} Artists were not compared.",
        ]
    else:
        lines.append(leak_sentence(evaluated.leaks, songs=metrics.n_tracks))
    missing = [
        genre
        for genre, scores in zip(metrics.genres, metrics.tracks, strict=True)
        if not scores.support
    ]
    if missing:
        lines.append(f"No test song of: {', '.join(missing)}.")
    lines.append(
        f"Songs are judged by the vote of their slices; intervals are by {_groups(evaluated)}."
    )
    lines.append(_by_genre(evaluated))
    if evaluated.folds:
        folds = ", ".join(percent(accuracy) for accuracy in evaluated.folds)
        lines.append(f"Fold by fold: {folds}.")
    clean = evaluated.clean
    if clean:
        lines.append(
            f"On another split ({clean.protocol}; run {printable(clean.path.name)}) the same model "
            f"gets {percent(clean.track_accuracy)} of {number(clean.tracks)} songs, "
            f"{_sure(clean.interval)}. "
            f"{leak_sentence(clean.leaks)}"
        )
    elif is_leaking(evaluated.leaks):
        lines.append(
            "To see what the same model gets without this leak, train it with --split artists and "
            "name that run with `backbeat evaluate --clean`."
        )
    return tuple(lines)


def certainty_lines(evaluated: Evaluation) -> tuple[str, ...]:
    """Say how far the model's confidence can be trusted; why not, where it was not calibrated."""
    certainty = evaluated.certainty
    if certainty is None:
        if evaluated.overlap:
            return ("Probabilities are not calibrated.",)
        why = (
            "its validation songs are in training too"
            if evaluated.monitored == "validation"
            else "there was no validation part"
        )
        return (f"Probabilities are not calibrated: {why}.",)
    heat = ", ".join(number(temperature, 2) for temperature in certainty.temperatures)
    songs = certainty.validation_songs
    before, after = number(certainty.before.error, 3), number(certainty.after.error, 3)
    lines = [
        f"Temperature {heat}, fitted on {'at least ' if len(certainty.temperatures) > 1 else ''}"
        f"{number(songs)} validation songs; expected calibration error of test songs "
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
    aim = f'"Unsure" aims at {percent(certainty.max_error, 0)} wrong answers'
    if certainty.error is None:
        lines.append(f"{aim}: it answers none of the test songs.")
    else:
        lines.append(
            f"{aim}: it answers {percent(certainty.coverage)} of the test songs, of which "
            f"{percent(certainty.error)} are wrong (all: "
            f"{percent(1 - evaluated.metrics.track_accuracy)})."
        )
    return tuple(lines)


def span(interval: Interval | None) -> str:
    """Give an interval of shares in percent, or a dash where there is none."""
    return (
        f"{number(100 * interval.low, 1)} to {number(100 * interval.high, 1)} %"
        if interval
        else "–"
    )


def _sure(interval: Interval | None, lacking: str = "") -> str:
    lacking = lacking or f"fewer than {MIN_GROUPS} artists"
    return f"95 % interval {span(interval)}" if interval else f"no 95 % interval ({lacking})"


def _by_genre(evaluated: Evaluation) -> str:
    """Say what the accuracy would be if all genres had as many songs."""
    found = evaluated.by_genre
    one = "songs of one artist" if evaluated.artists_known else "one song"
    lacking = "" if evaluated.groups < MIN_GROUPS else f"a genre has {one} only"
    return (
        f"Balanced accuracy {percent(found.balanced_accuracy)}, "
        f"{_sure(found.balanced_interval, lacking)}; macro-F1 {percent(found.macro_f1)}, "
        f"{_sure(found.f1_interval, lacking)}. Always answering {found.commonest}, the most "
        f"frequent genre, gets {percent(found.commonest_share)} of songs."
    )


def _groups(evaluated: Evaluation) -> str:
    groups, unknown = evaluated.groups, evaluated.metrics.n_tracks - evaluated.artists_known
    if not evaluated.artists_known:
        return f"songs ({number(groups)}; artists are unknown)"
    alone = f" and songs of unknown artists ({number(unknown)})" if unknown else ""
    return f"whole artists ({number(groups - unknown)}){alone}"
