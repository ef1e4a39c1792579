"""The front-ends by name, and as data."""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from backbeat.frontend.maps import LogMel
from backbeat.frontend.mfccs import Mfcc
from backbeat.frontend.musicnn import Musicnn
from backbeat.frontend.vectors import Vectors

FrontEnd = Mfcc | LogMel | Musicnn | Vectors

NAMES: tuple[str, ...] = ("mfcc", "logmel", "musicnn")
_ADAPTER: TypeAdapter[FrontEnd] = TypeAdapter(Annotated[FrontEnd, Field(discriminator="name")])


def from_dict(parameters: dict[str, Any]) -> FrontEnd:
    """Read a front-end from its ``model_dump()``; a pydantic ValidationError if it is invalid."""
    return _ADAPTER.validate_python(parameters)


def by_name(name: str) -> FrontEnd:
    """Give the front-end called `name` (one of `NAMES`) with its standard parameters."""
    return from_dict({"name": name})
