"""From probabilities to a list of suspects, each with its reason."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backbeat.errors import needing
from backbeat.files import atomic
from backbeat.files.cells import harmless
from backbeat.splits.groups import known_artist

_COLUMNS = ("track", "label", "likely", "p_label", "p_likely", "score", "reason")


@dataclass(frozen=True)
class Suspect:
    """A song whose label is probably wrong.

    Attributes
    ----------
    name : str
    genre : str
        Its label.
    likely : str
        The genre that it sounds like most.
        Of a copy that was not judged, what the other copy is labelled.
    p_genre, p_likely : float or None
        Probability of either, by classifiers that have not heard the song; None where its genre
        has too few songs to be judged.
    score : float or None
        The label's quality, 0 (surely wrong) to 1: cleanlab's self-confidence.
    reason : str
        In plain words.
    duplicate_of : str
        An exact copy with another label; mostly empty.
    """

    name: str
    genre: str
    likely: str
    p_genre: float | None
    p_likely: float | None
    score: float | None
    reason: str
    duplicate_of: str = ""


def list_suspects(
    names: Sequence[str],
    labels: Sequence[str],
    probabilities: npt.NDArray[np.float64],
    genres: Sequence[str],
    *,
    digests: Sequence[str] = (),
    artists: Sequence[str] = (),
) -> tuple[Suspect, ...]:
    """List the songs whose labels are probably wrong, the worst first.

    Parameters
    ----------
    names, labels : sequence of str, length n
        The label of a judged song is one of `genres`.
    probabilities : ndarray of float64, shape (n, k)
        By classifiers that have not heard the song; a row of NaN where it was not judged.
    genres : sequence of str, length k
        At least two; a judged song is labelled with each.
    digests : sequence of str, length n or 0
        Songs of one digest are exact copies; an empty one is unknown.
    artists : sequence of str, length n or 0
        For the reasons only; an empty one is unknown.

    Returns
    -------
    tuple of Suspect
        First copies with different labels, judged or not, then what confident learning finds; each
        by score and name.

    Raises
    ------
    BackbeatError
        If cleanlab is missing.
    """
    scores, doubted = _doubted(labels, probabilities, genres)
    contradicted = _contradicted(names, labels, digests)
    lonely = _lonely(labels, artists)
    suspects = []
    for row in {*doubted, *contradicted}:
        copy = contradicted.get(row)
        reasons = [] if copy is None else [_copy_reason(names[copy], labels[copy])]
        judged = row in scores
        likely = labels[row]
        p_genre = p_likely = None
        if judged:
            likely = genres[int(probabilities[row].argmax())]
            p_genre = float(probabilities[row, genres.index(labels[row])])
            p_likely = float(probabilities[row].max())
            reasons.append(_sound_reason(likely, p_likely, labels[row], p_genre))
        elif copy is not None:
            likely = labels[copy]
        if row in lonely and copy is None:
            reasons.append(
                f"the only one of {lonely[row]:,} songs by {artists[row]} labelled {labels[row]}"
            )
        suspects.append(
            Suspect(
                name=names[row],
                genre=labels[row],
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
    labels: Sequence[str], probabilities: npt.NDArray[np.float64], genres: Sequence[str]
) -> tuple[dict[int, float], list[int]]:
    """Give each judged row its score, and the rows that confident learning doubts."""
    with needing("train", "finding suspicious labels"):
        from cleanlab.count import num_label_issues
        from cleanlab.rank import get_label_quality_scores

    judged = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    given = np.array([genres.index(labels[row]) for row in judged.tolist()], np.int64)
    told = probabilities[judged]
    scores = get_label_quality_scores(given, told, method="self_confidence")
    # As many as confident learning takes for wrong, of the lowest self-confidence.
    others = np.flatnonzero(told.argmax(axis=1) != given)
    worst = others[np.argsort(scores[others], kind="stable")]
    doubted = judged[worst[: num_label_issues(given, told)]]
    return dict(zip(judged.tolist(), scores.tolist(), strict=True)), doubted.tolist()


def _copy_reason(name: str, label: str) -> str:
    return f"an exact copy, {name}, is labelled {label}"


def _sound_reason(likely: str, p_likely: float, label: str, p_label: float) -> str:
    sound = f"sounds like {likely} ({_percent(p_likely)})"
    return sound if likely == label else f"{sound}, not {label} ({_percent(p_label)})"


def _percent(probability: float) -> str:
    """Round without claiming certainty."""
    if probability < 0.01:
        return "<1%"
    return ">99%" if probability > 0.99 else f"{probability:.0%}"


def write_suspects(path: Path, suspects: Sequence[Suspect]) -> None:
    """Write suspects as CSV, atomically: track, label, likely, p_label, p_likely, score, reason.

    Names may hold anything, see `backbeat.files.cells`.
    """
    text = io.StringIO(newline="")
    # Names are quoted, numbers bare.
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(_COLUMNS)
    for suspect in suspects:
        numbers = (suspect.p_genre, suspect.p_likely, suspect.score)
        rounded = ["" if value is None else float(f"{value:.6g}") for value in numbers]
        words = (suspect.name, suspect.genre, suspect.likely, suspect.reason)
        *named, reason = map(harmless, words)
        writer.writerow([*named, *rounded, reason])
    atomic.write_text(path, text.getvalue())


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
