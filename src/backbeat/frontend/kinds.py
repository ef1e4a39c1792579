"""The front-ends by name, and as data."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from backbeat.errors import BackbeatError
from backbeat.files.text import number, plural, significant
from backbeat.frontend.maps import LogMel
from backbeat.frontend.mfccs import Mfcc
from backbeat.frontend.musicnn import Musicnn
from backbeat.frontend.vectors import Vectors

FrontEnd = Mfcc | LogMel | Musicnn | Vectors

NAMES: tuple[str, ...] = ("mfcc", "logmel", "musicnn")
MAX_SECONDS = 600
"""The longest stretch of a song that is taken in one piece."""
_SHORTEST = 3  # seconds that hold a slice of each front-end

_ADAPTER: TypeAdapter[FrontEnd] = TypeAdapter(Annotated[FrontEnd, Field(discriminator="name")])


def from_dict(parameters: dict[str, Any]) -> FrontEnd:
    """Read a front-end from its ``model_dump()``; a pydantic ValidationError if it is invalid."""
    return _ADAPTER.validate_python(parameters)


def by_name(name: str, seconds: float | None = None) -> FrontEnd:
    """Give the front-end called `name` (one of `NAMES`) with its standard parameters.

    `seconds` is the length of the stretches that it takes of songs (default: 29 s of "mfcc", 30 s
    of the others). Slices stay as they are: "mfcc" takes as many of 2.9 s as are whole (8.7 of
    10 s). A length of less than a slice, or more than `MAX_SECONDS`, raises a BackbeatError.
    """
    front = from_dict({"name": name})
    if seconds is None:
        return front
    least = front.min_answer_samples / front.sample_rate
    if not least <= seconds <= MAX_SECONDS:
        raise BackbeatError(
            f"--seconds {significant(seconds)}: --frontend {name} takes {number(least, 1)} (one "
            f"slice) to {number(MAX_SECONDS)} s; --windows takes several stretches of a song"
        )
    if isinstance(front, Mfcc):
        return front.of_slices(round(seconds * front.sample_rate) // front.slice_samples)
    if isinstance(front, LogMel):
        return LogMel(seconds=seconds, columns=round(seconds * front.columns / front.seconds))
    return Musicnn(seconds=seconds)


def too_short(parameters: FrontEnd, lengths: Sequence[float]) -> str:
    """Say how many songs are shorter than a front-end needs, and which `--seconds` takes them.

    `lengths` are those of these songs, in seconds. The length that is named, in whole seconds, is
    one that nine in ten of those with a slice fill: a single very short song does not decide.
    """

    def needs(front: FrontEnd) -> float:
        return front.min_samples / front.sample_rate

    name = parameters.name
    found = f"{plural(len(lengths), 'song')} shorter than the {number(needs(parameters), 1)} s "
    found += f"that {name} needs"
    usable = sorted(length for length in lengths if length >= _SHORTEST)
    if not usable:
        return f"{found}; no --seconds takes less than {number(_SHORTEST)} s"
    filled = usable[len(usable) // 10]
    longest = min(MAX_SECONDS, round(filled))  # "5 s" may be 4.9
    seconds = next(s for s in range(longest, 0, -1) if needs(by_name(name, s)) <= filled)
    taken = sum(length >= needs(by_name(name, seconds)) for length in lengths)
    return f"{found}; --seconds {seconds} takes {number(taken)} of them"
