"""Which genres are written, which songs are left alone and why, decided before a file is changed.

Pure functions: answers, the genres that the files hold and the user's options come in, decisions
come out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from backbeat.classify import Answer, Failure
from backbeat.collections.genres import genre_key
from backbeat.files.cells import harmless
from backbeat.files.text import fixed

GENRE_NAMES = {
    **{"blues": "Blues", "classical": "Classical", "country": "Country", "disco": "Disco"},
    **{"hiphop": "Hip-Hop", "jazz": "Jazz", "metal": "Metal", "pop": "Pop"},
    **{"reggae": "Reggae", "rock": "Rock"},
}
"""GTZAN's genres as players show them: all ten are ID3v1's own names."""

LIKELY = 0.25
"""How probable a genre beside the first must be, to be written with it."""

LEAST_READ = 0.9
"""Share of what was to be analysed that must have been read for a genre to be written."""

COLUMNS = ("path", "format", "old", "new", "confidence", "decision", "note")

Reason = Literal[
    "with a genre", "already so", "damaged", "unsure", "out of genre", "not confident enough"
]


@dataclass(frozen=True)
class Options:
    """What the user wants."""

    min_confidence: float = 0.6  # songs whose likeliest genre is less probable are left alone
    overwrite: bool = False  # whether songs that have a genre get a new one
    multi: bool = False  # whether several genres are written where more than one is likely
    damaged: bool = False  # whether songs get a genre of which less than `LEAST_READ` could be read


@dataclass(frozen=True)
class Present:
    """The genre that a file holds."""

    format: str  # the kind of tag, such as ``"ID3v2.3"``
    values: tuple[str, ...]  # the values in the tag that would be written, exactly
    # All genres that a player could show, of every kind of tag in the file; for ID3's ``(17)`` its
    # name
    genres: tuple[str, ...]
    # Which file it is, to know later that it is still that; see `rewriting`
    identity: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Change:
    """A file that gets a genre."""

    path: Path
    present: Present
    genres: tuple[str, ...]
    confidence: float
    note: str = ""  # what could not be read of the song


@dataclass(frozen=True)
class LeftAlone:
    """A file that stays as it is, and why."""

    path: Path
    present: Present
    reason: Reason
    note: str = ""  # what could not be read of the song


Decision: TypeAlias = Change | LeftAlone | Failure


def kept(present: Present, options: Options) -> bool:
    """Whether a file keeps its genre whatever the answer, so that it need not be classified."""
    return bool(present.genres) and not options.overwrite


def plan(
    answers: Iterable[Answer | Failure], present: Mapping[Path, Present], options: Options
) -> Iterator[Decision]:
    """Decide on each answer, in order; `present` has what each answered file holds.

    Lazily, so that songs can be written while others are classified.
    """
    for answer in answers:
        if isinstance(answer, Failure):
            yield answer
        else:
            yield _decision(answer, present[answer.path], options)


def _decision(answer: Answer, present: Present, options: Options) -> Decision:
    path, note = answer.path, answer.note
    if kept(present, options):
        return LeftAlone(path, present, "with a genre", note)
    if answer.seconds_read < LEAST_READ * answer.seconds_asked and not options.damaged:
        return LeftAlone(path, present, "damaged", note)
    if answer.verdict in ("unsure", "out of genre"):
        return LeftAlone(path, present, answer.verdict, note)
    if answer.probability < options.min_confidence:
        return LeftAlone(path, present, "not confident enough", note)
    genres = chosen(answer.ranking, multi=options.multi)
    if same_genres(genres, present.genres):
        return LeftAlone(path, present, "already so", note)
    return Change(path, present, genres, answer.probability, note)


def genre_name(genre: str) -> str:
    """Give a genre as people write it: ``Hip-Hop`` for ``hiphop``; one not of GTZAN unchanged."""
    return GENRE_NAMES.get(genre_key(genre), genre)


def chosen(ranking: Sequence[tuple[str, float]], *, multi: bool) -> tuple[str, ...]:
    """Choose what to write: the likeliest genre and, if `multi`, others that are `LIKELY`.

    `ranking` holds genres with their probabilities, the likeliest first.
    """
    first, *others = ranking
    likely = [genre for genre, probability in others if multi and probability >= LIKELY]
    return tuple(genre_name(genre) for genre in (first[0], *likely))


def same_genres(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two tags name the same genres, however they are spelt (``hip hop``, ``Hip-Hop``)."""
    return set(map(genre_key, some)) == set(map(genre_key, others))


def rows(decisions: Iterable[Decision]) -> Iterator[tuple[str, ...]]:
    """Write decisions as rows of a table, `COLUMNS` first; ``; `` separates genres in a cell."""
    yield COLUMNS
    for decision in decisions:
        path = harmless(decision.path)
        if isinstance(decision, Failure):
            yield path, "", "", "", "", harmless(f"{decision.status}: {decision.reason}"), ""
            continue
        present = decision.present
        known = (path, present.format, harmless("; ".join(present.genres)))
        if isinstance(decision, Change):
            new = harmless("; ".join(decision.genres))
            decided = (new, fixed(decision.confidence, 4), "write")
        else:
            decided = ("", "", decision.reason)
        yield *known, *decided, harmless(decision.note)
