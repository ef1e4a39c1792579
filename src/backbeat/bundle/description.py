"""What stands in ``bundle.json``, checked field by field."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from backbeat.evaluation.calibration import Calibration
from backbeat.files.text import significant
from backbeat.frontend import FrontEnd, Musicnn, Vectors
from backbeat.zoo.spec import Input

VERSION: Literal[3] = 3
# By which front-ends a network's input can be made, where logmel is not the only one.
_FRONTENDS = {
    "mfcc": ("mfcc", "logmel"),
    "musicnn": ("logmel", "musicnn"),
    "vectors": ("vectors",),
}


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SplitFacts(_Strict):
    """On which split the metrics were measured."""

    protocol: str
    seed: int
    hash: str
    leak: str  # what it was measured to leak, in words


class MeasuredFacts(_Strict):
    """What the model was measured to do, on the test part of its split."""

    slice_accuracy: Share
    track_accuracy: Share
    slices: Count
    tracks: Count
    recall: dict[str, Share | None]


class Description(_Strict):
    """The content of ``bundle.json``."""

    format: Literal["backbeat-bundle"] = "backbeat-bundle"
    version: Literal[3] = VERSION
    made_by: str
    model: str
    genres: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=2)]
    frontend: Annotated[FrontEnd, Field(discriminator="name")]
    input: Input | Literal["joined"]
    # "window": each log-mel map brought to mean 0 and variance 1
    normalisation: Literal["none", "window"]
    calibration: Calibration = Calibration()
    split: SplitFacts
    measured: MeasuredFacts
    trained_on_tracks: Count
    spec: dict[str, Any]
    network_sha256: str
    trained_on: tuple[str, ...] = ()  # names of the tracks that it was trained or validated on
    # First characters (`short_digest`) of the digests of these tracks, where known
    digests: tuple[str, ...] = ()
    caution: str = ""  # what has to be said before it classifies audio; mostly nothing
    notes: str = ""  # more for its card: licences, limits

    @property
    def takes_audio(self) -> bool:
        """Whether audio can be turned into what its network takes."""
        return not isinstance(self.frontend, Vectors)

    @property
    def front_end(self) -> str:
        """The front-end, the length of its windows and what the network takes, in words."""
        front = self.frontend
        length = f", {significant(front.seconds)} s" if self.takes_audio else ""
        return f"{front.name}{length}, network input {self.input}"

    @model_validator(mode="after")
    def _consistent(self) -> "Description":
        if len(set(self.genres)) != len(self.genres):
            raise ValueError("a genre is listed twice")
        if (self.normalisation == "window") != self.input.startswith("logmel"):
            raise ValueError("log-mel maps are normalised a window, other inputs are not")
        able = _FRONTENDS.get(self.input, ("logmel",))
        if self.frontend.name not in able:
            raise ValueError(f"{self.input} needs the front-end {' or '.join(able)}")
        if isinstance(self.frontend, Musicnn) and self.frontend.output != "patches":
            raise ValueError("the network of a bundle takes the patches of the front-end musicnn")
        if not set(self.genres) >= set(self.measured.recall):
            raise ValueError("recall of a genre that is not in genres")
        return self
