"""The first lines about a run: protocol, leak, interval, and the clean split."""

from backbeat.errors import printable
from backbeat.evaluation import Metrics, worst_confusions
from backbeat.evaluation.calibration import MIN_SONGS, at_limit
from backbeat.evaluation.comparison import MIN_GROUPS, Comparison, Interval, Score
from backbeat.files.text import number, percent, plural, points
from backbeat.runs.evaluation import Evaluation
from backbeat.splits import Leaks, divides_songs, is_leaking, leak_sentence, songs_unknown

_MEANING = {
    "slices": "slices drawn at random, as in the paper",
    "tracks": "whole songs, whatever their artist",
    "artists": "whole artists; a song without a known artist by itself",
    "gtzan-filtered": "GTZAN's published fault-filtered lists",
    "gtzan-folds": "GTZAN's published artist-filtered folds",
    "file": "a split made elsewhere",
}


def verdict(evaluated: Evaluation) -> str:
    """Give the result in one line: songs correct, their interval, and what was kept apart."""
    songs = plural(evaluated.metrics.n_tracks, "song")
    share = f"{percent(evaluated.metrics.track_accuracy)} of {songs} correct"
    tested = f"tested on {evaluated.protocol}" if evaluated.overlap else kept_apart(evaluated.leaks)
    return f"{share}{ends(evaluated.interval)}, {tested}"


def measured(evaluated: Evaluation) -> str:
    """Say what was measured: how many songs, by whom, of which genres and collection."""
    metrics = evaluated.metrics
    genres = sum(scores.support > 0 for scores in metrics.tracks)
    artists = evaluated.groups - (unknown := metrics.n_tracks - evaluated.artists_known)
    by = f"by {plural(artists, 'artist')}" if evaluated.artists_known else "by unknown artists"
    if evaluated.artists_known and unknown:
        by += f" and {number(unknown)} by unknown ones"
    songs = plural(metrics.n_tracks, "song")
    return f"Measured on {songs} {by}, in {plural(genres, 'genre')}, of {evaluated.collection}."


def kept_apart(leaks: Leaks) -> str:
    """Say in a few words what a split was measured to keep apart, or to leak."""
    shared = [leak.kind for leak in leaks if leak.shared]
    if divides_songs(leaks):
        return "LEAKING: slices of the same songs are in training"
    if shared:
        of_kinds = [f"{kind}s" if kind[-1] != "y" else f"{kind[:-1]}ies" for kind in shared]
        return f"leaking: {' and '.join(of_kinds)} are in training too"
    if songs_unknown(leaks):
        return "rows kept apart, their songs unknown"
    known = next((leak for leak in leaks if leak.kind == "artist" and leak.known), None)
    if known is None:
        return "songs kept apart, artists unknown"
    all_known = not known.unknown and not known.unknown_elsewhere
    return "artists kept apart" if all_known else "known artists kept apart"


def first_lines(evaluated: Evaluation) -> tuple[str, ...]:
    """State the protocol of a run, what it leaks, and how certain the figures are."""
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
    by = f"In brackets is the 95 % interval, by {_groups(evaluated)}."
    if evaluated.interval is None:
        by = f"No 95 % interval: fewer than {MIN_GROUPS} artists."
    lines.append(f"The answer for a song is the vote of its slices. {by}")
    clean = evaluated.clean
    if clean:
        lines.append(
            f"On another split ({clean.protocol}; run {printable(clean.path.name)}) the same model "
            f"gets {percent(clean.track_accuracy)} of {plural(clean.tracks, 'song')}, "
            f"{_sure(clean.interval)}. {leak_sentence(clean.leaks)}"
        )
    elif is_leaking(evaluated.leaks):
        lines.append(
            "To see what the same model gets without this leak, train it with `--split artists` "
            "and name that run with `backbeat evaluate --clean`."
        )
    return tuple(lines)


def genre_lines(evaluated: Evaluation) -> tuple[str, ...]:
    """Give means over genres and the accuracy of each fold, which a report has in tables."""
    folds = ", ".join(map(percent, evaluated.folds))
    return (_by_genre(evaluated), *([f"Fold by fold: {folds}."] if folds else []))


def result_warnings(evaluated: Evaluation) -> tuple[str, ...]:
    """Say where a model is no better than answering one genre, and what its curves show.

    As in a comparison, it is better where the interval of the difference, by artists, excludes
    zero; without an interval, only what is no better on these very songs is said.
    """
    found, ahead = evaluated.by_genre, evaluated.ahead
    always = f"always answering {found.commonest} ({percent(found.commonest_share)})"
    lines = list(evaluated.curves)
    if evaluated.metrics.track_accuracy <= found.commonest_share:
        lines.insert(0, f"The model is no better than {always}.")
    elif ahead and ahead.low <= 0:
        lines.insert(
            0,
            f"The model is not shown to be better than {always}: the 95 % interval of the "
            f"difference is {points_of(ahead)}.",
        )
    return tuple(lines)


def confusion_line(metrics: Metrics) -> str:
    """Name the three worst confusions of songs."""
    matrix, genres = metrics.track_confusion, metrics.genres
    pairs = worst_confusions(matrix)
    worst = [
        f"{genres[truth]} taken for {genres[answer]} ({number(matrix[truth][answer])} of "
        f"{plural(metrics.tracks[truth].support, 'song')})"
        for truth, answer in pairs[:3]
    ]
    if not worst:
        return "No song was confused."
    truth, answer = pairs[:3][-1]
    alike = sum(matrix[row][column] == matrix[truth][answer] for row, column in pairs[3:])
    others = f"; {plural(alike, 'other pair')} as often as the last" if alike else ""
    return f"Most often confused: {', '.join(worst)}{others}."


def spread_line(metrics: Metrics) -> str:
    """Say how unequally well the genres are found, and which least, unless that is many."""
    recalls = {
        genre: scores.recall
        for genre, scores in zip(metrics.genres, metrics.tracks, strict=True)
        if scores.recall is not None
    }
    if len(recalls) < 2:
        return ""
    deviation = number(100 * metrics.track_recall_deviation, 1)
    line = f"The standard deviation of the genres' recall is {deviation} points, by songs"
    worst = min(recalls.values())
    *some, last = [genre for genre, recall in recalls.items() if recall == worst]
    if len(some) < min(3, len(recalls) - 1):
        names = f"{', '.join(some)} and {last}" if some else last
        line += f"; it is lowest for {names}: {percent(worst, 0)} of songs are found"
    return f"{line}."


def comparison_verdict(compared: Comparison) -> str:
    """Give the result of a comparison in one line: which model is best, if that is significant."""
    first, *others = (score.name for score in compared.scores)
    songs = plural(compared.songs, "song")
    alike = [name for name in others if not compared.differ(first, name)]
    if not others:
        score = compared.scores[0]
        return f"{first}: {percent(score.accuracy)} of {songs}{ends(score.interval)}"
    if not alike:
        than = others[0] if len(others) == 1 else "both others"
        if len(others) > 2:
            than = f"all {number(len(others))} others"
        return f"{first} is better than {than} on {songs}"
    names = f"{', '.join([first, *alike[:-1]])} and {alike[-1]}"
    if len(alike) == len(others):
        return f"No significant difference between {names} on {songs}"
    return f"Best on {songs}, without a significant difference: {names}"


def comparison_measured(compared: Comparison, leaks: Leaks, collection: str) -> str:
    """Say what was compared on: how many songs, by whom, of which collection."""
    known = next(leak.known for leak in leaks if leak.kind == "artist")
    by = f"by {plural(compared.groups, 'artist')}" if known else "by unknown artists"
    if 0 < known < leaks[0].songs:
        by = f"by {number(compared.groups)} artists or unknown ones"
    return f"Measured on {plural(compared.songs, 'song')} {by}, of {collection}."


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
    if interval is None:
        return "–"
    return f"{number(100 * interval.low, 1)} to {number(100 * interval.high, 1)} %"


def points_of(interval: Interval | None) -> str:
    """Give an interval of differences in points, or a dash where there is none."""
    if interval is None:
        return "–"
    return f"{points(interval.low).removesuffix(' points')} to {points(interval.high)}"


def ends(interval: Interval | None) -> str:
    """Give an interval of shares to follow one in percent: `` (66.2 to 79.4)``, or nothing."""
    return f" ({span(interval)[:-2]})" if interval else ""


def score_row(score: Score) -> tuple[str, ...]:
    """Give a model's row in the table of a comparison: its name, shares and trials."""
    return (
        score.name,
        percent(score.accuracy),
        span(score.interval),
        percent(score.by_genre.balanced_accuracy) + ends(score.by_genre.balanced_interval),
        percent(score.by_genre.macro_f1) + ends(score.by_genre.f1_interval),
        ", ".join(map(percent, score.trials)) if len(score.trials) > 1 else "",
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
