"""What the HTTP API says: its words, as `backbeat classify --format jsonl` has them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from backbeat import __version__
from backbeat.classify.answers import described
from backbeat.classify.many import Answer, Verdict
from backbeat.files.cells import escaped, escaped_in
from backbeat.web.service import Service

Share = Annotated[float, Field(ge=0, le=1)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class Guess(_Said):
    """A genre and its calibrated probability."""

    genre: str
    probability: Share


class Slice(_Said):
    """The likeliest genre of a moment of the song."""

    start: float = Field(description="Seconds from the song's beginning.")
    end: float = Field(description="Seconds, too.")
    genre: str
    probability: Share


class Tag(_Said):
    """One of MusiCNN's fifty tags: other genres, instruments, moods."""

    tag: str
    fit: Share = Field(description="Neither exclusive nor calibrated.")


class Answered(_Said):
    """What a song was taken for."""

    file: str = Field(description="The name that it was sent with.")
    answer: str = Field(description='The genre, or "unsure" or "out of genre".')
    verdict: Verdict = Field(description="Whether the likeliest genre is to be relied on.")
    genre: str = Field(description="The likeliest genre, whatever the verdict.")
    probability: Share
    agreement: Share = Field(description="Share of the song's slices whose own answer is this.")
    seconds: float = Field(description="Length of the song.")
    strangeness: Share | None = Field(
        description="Share of familiar songs that are less strange to the model."
    )
    ranking: tuple[Guess, ...] = Field(description="All genres, the likeliest first.")
    timeline: tuple[Slice, ...] = Field(description="Slices that are silent are left out.")
    tags: tuple[Tag, ...] = Field(description="The best first; empty unless asked for.")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Say an answer."""
        return cls(file=escaped(answer.path), **escaped_in(described(answer)))


class Refused(_Said):
    """Why there is no answer."""

    error: str = Field(description="One line; it names the file.")


class Health(_Said):
    """That the server lives, and how busy it is."""

    status: str = "ok"
    answering: int = Field(description="Songs being answered now.")
    waiting: int = Field(description="Songs that wait for their turn.")


class LimitsSaid(_Said):
    """What is refused: larger files, longer songs, slower answers."""

    megabytes: float
    minutes: float
    seconds: float
    at_once: int
    waiting: int


class Version(_Said):
    """Which backbeat and which model answer."""

    backbeat: str
    model: str
    hash: str = Field(description="Of the model's file: the same hash gives the same answers.")
    genres: tuple[str, ...]
    limits: LimitsSaid

    @classmethod
    def of(cls, service: Service) -> Self:
        """Say what answers."""
        limits = service.limits
        return cls(
            backbeat=__version__,
            model=service.classifier.bundle.description.model,
            hash=service.classifier.bundle.hash,
            genres=service.classifier.genres,
            limits=LimitsSaid(
                megabytes=limits.megabytes,
                minutes=limits.minutes,
                seconds=limits.seconds,
                at_once=limits.at_once,
                waiting=limits.waiting,
            ),
        )
