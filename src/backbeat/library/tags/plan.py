"""What is to be written, and what is left alone and why: decided before any file is touched.

Pure functions: answers, the genres that the files hold and the user's options come in, decisions
come out. Reading, writing and asking are done elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from backbeat.classify.many import Answer, Failure
from backbeat.library.tags.genres import chosen, same_genres

Reason = Literal["with a genre", "already so", "unsure", "out of genre", "not confident enough"]


@dataclass(frozen=True)
class Options:
    """What the user wants.

    Attributes
    ----------
    min_confidence : float
        Songs whose likeliest genre is less probable are left alone.
    overwrite : bool
        Whether songs that have a genre get ours.
    multi : bool
        Whether several genres are written where more than one is likely.
    """

    min_confidence: float = 0.6
    overwrite: bool = False
    multi: bool = False


@dataclass(frozen=True)
class Present:
    """The genre that a file holds.

    Attributes
    ----------
    format : str
        The kind of tag, such as ``"ID3v2.3"``.
    values : tuple of str
        The values in the tag that would be written, exactly.
    genres : tuple of str
        All genres that a player could show, as people read them: of every kind of tag that the
        file has, and for ID3's ``(17)`` its name.
    identity : tuple of int, optional
        Which file it is, to know later that it is still that, see `rewriting`.
    """

    format: str
    values: tuple[str, ...]
    genres: tuple[str, ...]
    identity: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Change:
    """A file that gets a genre."""

    path: Path
    present: Present
    genres: tuple[str, ...]
    confidence: float


@dataclass(frozen=True)
class LeftAlone:
    """A file that stays as it is, and why."""

    path: Path
    present: Present
    reason: Reason


Decision: TypeAlias = Change | LeftAlone | Failure


def kept(present: Present, options: Options) -> bool:
    """Whether a file keeps its genre whatever it sounds like, so that it need not be heard."""
    return bool(present.genres) and not options.overwrite


def plan(
    answers: Iterable[Answer | Failure], present: Mapping[Path, Present], options: Options
) -> Iterator[Decision]:
    """Decide what becomes of each song that was heard.

    Parameters
    ----------
    answers : iterable of Answer or Failure
        Drawn lazily, so that songs can be written while others are heard.
    present : mapping of Path to Present
        What the answered files hold.
    options : Options

    Yields
    ------
    Change, LeftAlone or Failure
        One for each answer, in their order.
    """
    for answer in answers:
        if isinstance(answer, Failure):
            yield answer
        else:
            yield _decision(answer, present[answer.path], options)


def _decision(answer: Answer, present: Present, options: Options) -> Decision:
    if kept(present, options):
        return LeftAlone(answer.path, present, "with a genre")
    if answer.verdict in ("unsure", "out of genre"):
        return LeftAlone(answer.path, present, answer.verdict)
    if answer.probability < options.min_confidence:
        return LeftAlone(answer.path, present, "not confident enough")
    genres = chosen(answer.ranking, multi=options.multi)
    if same_genres(genres, present.genres):
        return LeftAlone(answer.path, present, "already so")
    return Change(answer.path, present, genres, answer.probability)
