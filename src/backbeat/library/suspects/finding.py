"""From a feature store to its suspicious labels: probabilities out of fold, then a list."""

import csv
import io
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, needing
from backbeat.evaluation.calibration import fit_temperature, with_temperature
from backbeat.features.store import Features
from backbeat.files import atomic
from backbeat.files.cells import harmless
from backbeat.files.text import number, percent, probability, significant
from backbeat.library.suspects.vectors import song_vectors
from backbeat.splits.drawing import draw_groups
from backbeat.splits.groups import joined, known_artist, require_songs

Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]

DRAWS = 3
"""How often the folds are drawn: the mean is steadier than one draw; five were no better."""

_COMPONENTS = 120
_SHRINKAGE = 0.3
_CAVEAT_SHARE = 0.1  # share of suspects from which the list needs a caveat
_COLUMNS = ("track", "label", "likely", "p_label", "p_likely", "score", "reason")


@dataclass(frozen=True)
class Suspect:
    """A song whose label is probably wrong."""

    name: str
    genre: str
    """Its label."""
    likely: str
    """The most probable genre; of a copy that was not judged, the label of the other copy."""
    p_genre: float | None
    p_likely: float | None
    """Probabilities by classifiers that were not trained on the song; None where its genre has too
    few songs to be judged."""
    score: float | None
    """The label's quality, 0 (surely wrong) to 1: cleanlab's self-confidence."""
    reason: str
    duplicate_of: str = ""
    """An exact copy with another label; empty for most."""


@dataclass(frozen=True)
class Findings:
    """What `find_suspects` found."""

    suspects: tuple[Suspect, ...]
    """The worst first."""
    tracks: int
    """Songs that were judged."""
    agreement: float
    """Share of the judged songs whose label is the most probable genre. The lower it is, the more
    correct labels are suspected."""
    unjudged: dict[str, int]
    """Genres with too few songs to be judged, and how many they have."""

    @property
    def caveat(self) -> str:
        """What to say before the list where more than a tenth is suspect; else empty."""
        if len(self.suspects) <= _CAVEAT_SHARE * self.tracks:
            return ""
        return (
            f"{percent(len(self.suspects) / self.tracks, 0)} of the songs are suspected: either "
            f"so many "
            "labels are wrong, or these features cannot distinguish the genres and most suspected "
            "labels are correct; check the first of the list before you trust the rest"
        )


def find_suspects(
    features: Features,
    *,
    by: Literal["tracks", "artists"] = "tracks",
    folds: int = 5,
    seed: int = 0,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> Findings:
    """Find the labels of a collection that are probably wrong.

    Exact copies stay in one fold, and with ``by="artists"`` all songs of an artist. The result does
    not depend on the order in which the tracks are stored. `on_progress` gets how much is done, how
    much there is, and a description.

    Refuses fewer than two genres with as many songs (or artists) as there are folds.
    """
    if folds < 2:
        raise BackbeatError("--folds: needs at least 2")
    require_songs(features.songs_known, str(features.path))
    table = features.table
    kept = np.flatnonzero(table.slices).tolist()
    # By name, so that nothing depends on the order of the files.
    order = sorted(range(len(kept)), key=lambda place: table.name[kept[place]])
    names, labels, artists, digests = (
        [column[kept[place]] for place in order]
        for column in (table.name, table.genre, table.artist, table.digest)
    )
    groups = joined(digests, [known_artist(artist) for artist in artists if by == "artists"])
    judged, unjudged = _judged(labels, groups, folds)
    genres = sorted({labels[row] for row in judged})
    if len(genres) < 2:
        raise _too_few(features, unjudged, by, folds)

    def progress(what: str) -> Callable[[int, int], None] | None:
        return on_progress and (lambda done, total: on_progress(done, total, what))

    vectors = song_vectors(features, on_progress=progress("describing songs"))[order]
    given = np.array([genres.index(labels[row]) for row in judged], np.int64)
    probabilities = np.full((len(names), len(genres)), np.nan)
    probabilities[judged] = out_of_fold(
        vectors[judged],
        given,
        np.unique(groups[judged], return_inverse=True)[1],
        genres,
        folds=folds,
        seed=seed,
        on_progress=progress("training classifiers"),
    )
    suspects = list_suspects(names, labels, probabilities, genres, digests=digests, artists=artists)
    agreement = float((probabilities[judged].argmax(axis=1) == given).mean())
    return Findings(suspects, len(judged), agreement, unjudged)


def _judged(genres: Sequence[str], groups: Labels, folds: int) -> tuple[list[int], dict[str, int]]:
    """Give the rows of the genres with a group for each fold, and count the songs of the others.

    With fewer groups, too little is left to learn from when one of the songs is judged.
    """
    pairs = set(zip(genres, groups.tolist(), strict=True))
    groups_of = Counter(genre for genre, _ in pairs)
    judged = [row for row, genre in enumerate(genres) if groups_of[genre] >= folds]
    small = Counter(genre for genre in genres if groups_of[genre] < folds)
    return judged, dict(sorted(small.items()))


def _too_few(features: Features, unjudged: dict[str, int], by: str, folds: int) -> BackbeatError:
    if not unjudged:
        return BackbeatError(
            f"{features.path}: has songs of one genre only; suspicious labels need two genres"
        )
    genre = max(unjudged, key=lambda genre: unjudged[genre])
    what = "artists" if by == "artists" else "different songs"
    remedy = "--by tracks or a smaller --folds" if by == "artists" else "a smaller --folds"
    return BackbeatError(
        f"{features.path}: two genres need {folds} {what} each, one a fold, and {genre} has fewer; "
        f"add songs, or try {remedy}"
    )


# --- Probabilities


def out_of_fold(
    vectors: npt.NDArray[np.floating],
    labels: Labels,
    groups: Labels,
    genres: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Probabilities:
    """Give each song the probabilities of classifiers trained on the songs of other folds.

    Linear discriminant analysis, its covariance shrunk, over the first principal components of the
    standardised vectors, averaged over three draws of the folds. As these probabilities are much
    too sure, each draw's are softened by the temperature that makes its labels likeliest.

    `vectors` has shape (n, d), `labels` (indices into `genres`, each present) and `groups` (songs
    of one number stay in one fold) shape (n,), the result shape (n, k) with rows that sum to 1.
    Refuses a genre whose songs all fall into one fold.
    """
    with needing("train", "finding suspicious labels"):
        from threadpoolctl import threadpool_limits

    mean = np.zeros((len(labels), len(genres)))
    for draw in range(DRAWS):
        rng = np.random.default_rng([seed, draw])
        fold = draw_groups(labels, groups, np.full(folds, 1 / folds), rng)
        drawn = np.empty_like(mean)
        for place in range(folds):
            tested = fold == place
            if tested.any():
                _check_all_present(labels[~tested], genres)
                model = _classifier(int((~tested).sum()), vectors.shape[1], seed)
                # Matrices this small take one thread a fraction of a second, and several threads
                # on a busy machine up to 100 times that, as they wait for one another.
                with threadpool_limits(1), warnings.catch_warnings():
                    # For a genre with one song the shared covariance is used.
                    warnings.filterwarnings("ignore", "Only one sample available")
                    model.fit(vectors[~tested], labels[~tested])
                    drawn[tested] = model.predict_proba(vectors[tested])
            if on_progress:
                on_progress(draw * folds + place + 1, DRAWS * folds)
        mean += with_temperature(drawn, fit_temperature(drawn, labels)) / DRAWS
    return mean


def _classifier(songs: int, dimensions: int, seed: int) -> Any:
    with needing("train", "finding suspicious labels"):
        from sklearn.decomposition import PCA
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    components = max(1, min(_COMPONENTS, songs // 2, dimensions))
    return make_pipeline(
        StandardScaler(),
        PCA(components, random_state=seed),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE),
    )


def _check_all_present(labels: Labels, genres: Sequence[str]) -> None:
    missing = set(range(len(genres))) - set(labels.tolist())
    if missing:
        raise BackbeatError(
            f"all songs of {genres[min(missing)]} fell into one fold; choose another --seed, "
            "--by tracks, or add songs of other artists"
        )


# --- The list


def list_suspects(
    names: Sequence[str],
    labels: Sequence[str],
    probabilities: Probabilities,
    genres: Sequence[str],
    *,
    digests: Sequence[str] = (),
    artists: Sequence[str] = (),
) -> tuple[Suspect, ...]:
    """List copies with different labels, then what confident learning finds; by score and name.

    `probabilities` has shape (n, k): a row for each name, NaN where a song was not judged, a column
    for each of at least two genres. Songs of one digest are exact copies; artists serve the reasons
    only; an empty digest or artist is unknown.
    """
    scores, doubted = _doubted(labels, probabilities, genres)
    contradicted = _contradicted(names, labels, digests)
    lonely = _lonely(labels, artists)
    suspects = []
    for row in {*doubted, *contradicted}:
        copy = contradicted.get(row)
        label = likely = labels[row]
        reasons = []
        if copy is not None:
            reasons.append(f"an exact copy, {names[copy]}, is labelled {labels[copy]}")
        p_genre = p_likely = None
        if row in scores:
            likely = genres[int(probabilities[row].argmax())]
            p_genre = float(probabilities[row, genres.index(label)])
            p_likely = float(probabilities[row].max())
            sound = f"sounds like {likely} ({probability(p_likely)})"
            other = "" if likely == label else f", not {label} ({probability(p_genre)})"
            reasons.append(sound + other)
        elif copy is not None:
            likely = labels[copy]
        if row in lonely and copy is None:
            songs = f"{number(lonely[row])} songs by {artists[row]}"
            reasons.append(f"the only one of {songs} labelled {label}")
        suspects.append(
            Suspect(
                name=names[row],
                genre=label,
                likely=likely,
                p_genre=p_genre,
                p_likely=p_likely,
                score=scores.get(row),
                reason="; ".join(reasons),
                duplicate_of="" if copy is None else names[copy],
            )
        )
    return tuple(sorted(suspects, key=_rank))


def _rank(suspect: Suspect) -> tuple[bool, float, str]:
    score = 1.0 if suspect.score is None else suspect.score
    return (not suspect.duplicate_of, score, suspect.name)


def _doubted(
    labels: Sequence[str], probabilities: Probabilities, genres: Sequence[str]
) -> tuple[dict[int, float], list[int]]:
    """Give each judged row its score, and the rows that confident learning doubts."""
    with needing("train", "finding suspicious labels"):
        from cleanlab.count import num_label_issues
        from cleanlab.rank import get_label_quality_scores

    judged = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    given = np.array([genres.index(labels[row]) for row in judged.tolist()], np.int64)
    predicted = probabilities[judged]
    scores = get_label_quality_scores(given, predicted, method="self_confidence")
    # As many as confident learning takes for wrong, of the lowest self-confidence.
    others = np.flatnonzero(predicted.argmax(axis=1) != given)
    worst = others[np.argsort(scores[others], kind="stable")]
    doubted = judged[worst[: num_label_issues(given, predicted)]]
    return dict(zip(judged.tolist(), scores.tolist(), strict=True)), doubted.tolist()


def _contradicted(
    names: Sequence[str], labels: Sequence[str], digests: Sequence[str]
) -> dict[int, int]:
    """Give each row with an exact copy of another label that copy's row, the first by name."""
    copies: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        if digest:
            copies.setdefault(digest, []).append(row)
    found = {}
    for rows in copies.values():
        for row in rows:
            others = [other for other in rows if labels[other] != labels[row]]
            if others:
                found[row] = min(others, key=lambda other: names[other])
    return found


def _lonely(labels: Sequence[str], artists: Sequence[str]) -> dict[int, int]:
    """Give each row that is its artist's only one of its genre the number of the artist's songs.

    Only where the artist has at least three songs, and all others are of one other genre.
    """
    known = [known_artist(artist) for artist in artists]
    counts: dict[str, Counter[str]] = {}
    for artist, label in zip(known, labels, strict=False):
        counts.setdefault(artist, Counter())[label] += 1
    return {
        row: counts[artist].total()
        for row, artist in enumerate(known)
        if artist
        and counts[artist][labels[row]] == 1
        and len(counts[artist]) == 2
        and counts[artist].total() > 2
    }


def write_suspects(path: Path, suspects: Sequence[Suspect]) -> None:
    """Write suspects as CSV; names may hold anything, see `backbeat.files.cells`."""
    text = io.StringIO(newline="")
    # Names are quoted, numbers bare.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(_COLUMNS)
    for suspect in suspects:
        numbers = (suspect.p_genre, suspect.p_likely, suspect.score)
        rounded = ["" if value is None else float(significant(value)) for value in numbers]
        words = (suspect.name, suspect.genre, suspect.likely, suspect.reason)
        *named, reason = map(harmless, words)
        writer.writerow([*named, *rounded, reason])
    atomic.write_text(path, text.getvalue())
