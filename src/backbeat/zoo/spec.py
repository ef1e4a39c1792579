"""Model specs: a network and how it is trained, as data.

A spec is YAML, checked field by field; a key that is not known is refused with the nearest that is.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from backbeat.errors import BackbeatError

_LARGEST_SPEC = 1_000_000  # bytes; a spec is a page, so anything longer is a mistake or an attack

Activation = Literal["relu", "sigmoid", "tanh", "elu", "gelu", "swish", "linear"]
Optimizer = Literal["adam", "rmsprop", "adamw", "nadam", "sgd"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Convolution(_Strict):
    """Two-dimensional convolution over frames and bands, stride 1, no padding."""

    kind: Literal["conv"] = "conv"
    filters: PositiveInt = 32
    kernel: PositiveInt = 3
    activation: Activation = "relu"


class Pooling(_Strict):
    """Max pooling with same padding."""

    kind: Literal["pool"] = "pool"
    size: PositiveInt = 2
    stride: PositiveInt = 2


class Normalization(_Strict):
    """Batch normalisation."""

    kind: Literal["batch_norm"] = "batch_norm"


class Dropout(_Strict):
    """Dropout of a share of the nodes before it, while training."""

    kind: Literal["dropout"] = "dropout"
    rate: Annotated[float, Field(ge=0, lt=1)]


class Flatten(_Strict):
    """Flatten to one dimension."""

    kind: Literal["flatten"] = "flatten"


class Dense(_Strict):
    """A fully connected layer."""

    kind: Literal["dense"] = "dense"
    units: PositiveInt
    activation: Activation = "relu"


Layer = Convolution | Pooling | Normalization | Dropout | Flatten | Dense
_LAYERS: dict[str, type[_Strict]] = {
    "conv": Convolution,
    "pool": Pooling,
    "batch_norm": Normalization,
    "dropout": Dropout,
    "flatten": Flatten,
    "dense": Dense,
}


class PaperResult(_Strict):
    """What the paper prints of a model."""

    tables: tuple[PositiveInt, ...]
    hidden_layers: PositiveInt
    accuracy: float
    """Percent of test slices, random slices (leaking)."""
    minutes: PositiveFloat


class Spec(_Strict):
    """A network and how it is trained.

    Attributes
    ----------
    name : str
    family : {"mlp", "cnn", "transfer"}
    input : {"mfcc", "logmel", "musicnn"}
        What the network takes.
    layers : tuple of Layer
        Between the input and the softmax output, which has a node a genre and is not listed.
    optimizer : {"adam", "rmsprop", "adamw", "nadam", "sgd"}
        ``sgd`` has a momentum of 0.9.
    learning_rate : float
    batch_size, epochs : int
    paper : PaperResult, optional
    """

    name: Annotated[str, Field(min_length=1, pattern=r"^[\w.-]+$")]
    family: Literal["mlp", "cnn", "transfer"]
    input: Literal["mfcc", "logmel", "musicnn"] = "mfcc"
    layers: Annotated[
        tuple[Annotated[Layer, Field(discriminator="kind")], ...], Field(min_length=1)
    ]
    optimizer: Optimizer = "adam"
    learning_rate: PositiveFloat = 0.001
    batch_size: PositiveInt = 32
    epochs: PositiveInt = 50
    paper: PaperResult | None = None

    def with_epochs(self, epochs: int | None) -> "Spec":
        """Give the spec with another number of epochs, or itself for None.

        Raises
        ------
        BackbeatError
            If it is not positive.
        """
        if epochs is None:
            return self
        if epochs < 1:
            raise BackbeatError(f"--epochs {epochs}: must be at least 1")
        return self.model_copy(update={"epochs": epochs})

    def to_yaml(self) -> str:
        """Give the spec as the YAML that `parse` reads."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False)


def parse(content: Any, source: str) -> Spec:
    """Check the content of a YAML spec.

    Parameters
    ----------
    content : object
        As read by YAML.
    source : str
        Named in errors.

    Raises
    ------
    BackbeatError
        With each thing wrong, and the nearest known name for an unknown key.
    """
    if not isinstance(content, dict):
        raise BackbeatError(f"{source}: a spec is a mapping of keys such as name, family, layers")
    try:
        return Spec.model_validate(content)
    except ValidationError as error:
        # Once a layer is refused the tuple also counts as too short: one fault, told once.
        problems = [dict(problem) for problem in error.errors()]
        said = [p for p in problems if p["type"] != "too_short"] or problems
        told = "; ".join(_printable(_explain(problem)) for problem in said[:5])
        raise BackbeatError(f"{source}: {told}") from error


def read_spec(path: Path) -> Spec:
    """Read a spec from a YAML file.

    Raises
    ------
    BackbeatError
        If the file cannot be read, is no YAML, or is no spec.
    """
    try:
        if path.stat().st_size > _LARGEST_SPEC:
            raise BackbeatError(f"{path}: too large for a model spec")
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BackbeatError(f"{path}: cannot be read ({error})") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BackbeatError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    return parse(content, str(path))


def _explain(problem: dict[str, Any]) -> str:
    place = [str(step) for step in problem["loc"]]
    where = ".".join(place)
    if problem["type"] != "extra_forbidden":
        return f"{where}: {problem['msg']}"
    fields = _fields_at(place[:-1])
    near = difflib.get_close_matches(place[-1], fields, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(fields))}"
    return f"{where}: unknown key; {remedy}"


def _printable(text: str) -> str:
    """Write what cannot be printed (a key may hold a line break) as Python would."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _fields_at(place: list[str]) -> list[str]:
    if place and place[-1] in _LAYERS:
        return list(_LAYERS[place[-1]].model_fields)
    if place == ["paper"]:
        return list(PaperResult.model_fields)
    return list(Spec.model_fields)
