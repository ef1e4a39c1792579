"""The responses of the HTTP API; names as in `backbeat classify --format jsonl`."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from backbeat import __version__
from backbeat.classify import Answer, Verdict
from backbeat.classify.answers import described
from backbeat.files.cells import escaped, escaped_in
from backbeat.web.service import Service

Share = Annotated[float, Field(ge=0, le=1)]


class _Response(BaseModel):
    model_config = ConfigDict(frozen=True)


class GenreProbability(_Response):
    """A genre and its calibrated probability."""

    genre: str
    probability: Share


class Slice(_Response):
    """The likeliest genre of a slice of the song."""

    start: float = Field(description="Seconds from the song's beginning.")
    end: float = Field(description="In seconds.")
    genre: str
    probability: Share


class Tag(_Response):
    """One of MusiCNN's fifty tags: other genres, instruments, moods."""

    tag: str
    fit: Share = Field(description="Neither exclusive nor calibrated.")


class ClassifyResponse(_Response):
    """The genre of a song."""

    file: str = Field(description="The name of the uploaded file.")
    answer: str = Field(description='The genre, or "unsure" or "out of genre".')
    verdict: Verdict = Field(description="Whether the likeliest genre is reliable.")
    genre: str = Field(description="The likeliest genre, whatever the verdict.")
    probability: Share
    agreement: Share = Field(description="Share of slices whose likeliest genre is this.")
    seconds: float = Field(description="Length of the song.")
    seconds_asked: float = Field(description="How much of it was to be analysed.")
    seconds_read: float = Field(description="How much of that could be read.")
    note: str = Field(description="What was not analysed; empty if nothing is missing.")
    strangeness: Share | None = Field(
        description="Share of familiar songs that are less unusual to the model."
    )
    ranking: tuple[GenreProbability, ...] = Field(description="All genres, the likeliest first.")
    timeline: tuple[Slice, ...] = Field(description="Silent slices are left out.")
    tags: tuple[Tag, ...] = Field(description="The best first; empty unless requested.")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Make the response for an answer."""
        return cls(file=escaped(answer.path), **escaped_in(described(answer)))


class ErrorResponse(_Response):
    """Why there is no answer."""

    error: str = Field(description="One line; it names the file.")


class Health(_Response):
    """Whether the server runs, and how busy it is."""

    status: str = "ok"
    answering: int = Field(description="Songs being classified now.")
    waiting: int = Field(description="Songs that wait for their turn.")


class LimitsResponse(_Response):
    """Larger files, longer songs and slower answers are refused."""

    megabytes: float
    minutes: float
    seconds: float
    at_once: int
    waiting: int


class Version(_Response):
    """The versions of backbeat and the model."""

    backbeat: str
    model: str
    hash: str = Field(description="Of the model's file: the same hash gives the same answers.")
    genres: tuple[str, ...]
    limits: LimitsResponse

    @classmethod
    def of(cls, service: Service) -> Self:
        """Make the response for a service."""
        return cls(
            backbeat=__version__,
            model=service.classifier.bundle.description.model,
            hash=service.classifier.bundle.hash,
            genres=service.classifier.genres,
            limits=LimitsResponse.model_validate(service.limits, from_attributes=True),
        )
