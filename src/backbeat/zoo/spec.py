"""Model specs: a network and how it is trained, as data.

A spec is YAML, checked field by field; a key that is not known is refused with the nearest that is.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    model_validator,
)

from backbeat.errors import BackbeatError, one_line, printable
from backbeat.files.text import number

_MAX_BYTES = 100_000  # a spec is a page, and more YAML takes seconds to read

Activation = Literal["relu", "sigmoid", "tanh", "elu", "gelu", "swish", "linear"]
Optimizer = Literal["adam", "rmsprop", "adamw", "nadam", "sgd"]
Input = Literal["mfcc", "logmel", "logmel_10s", "logmel_3s", "musicnn", "vectors"]


MAX_COUNT = 1_000_000
"""Of units, slices, frames or epochs: more fits no memory or lifetime."""
Count = Annotated[int, Field(gt=0, le=MAX_COUNT)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Convolution(_Strict):
    """Two-dimensional convolution over frames and bands, by default without padding."""

    kind: Literal["conv"] = "conv"
    filters: Count = 32
    kernel: Count = 3
    activation: Activation = "relu"
    padding: Literal["valid", "same"] = "valid"
    band_stride: Count = 1
    """From one place on the axis of bands to the next; always 1 on that of frames."""


class Pooling(_Strict):
    """Max pooling with same padding."""

    kind: Literal["pool"] = "pool"
    size: Count = 2
    stride: Count = 2


class Normalization(_Strict):
    """Batch normalisation."""

    kind: Literal["batch_norm"] = "batch_norm"


class BandNormalization(_Strict):
    """Batch normalisation of each band by itself, before the first convolution."""

    kind: Literal["band_norm"] = "band_norm"


class Activated(_Strict):
    """An activation by itself, as after a normalisation."""

    kind: Literal["activation"] = "activation"
    activation: Activation = "relu"


class Residual(_Strict):
    """Two 3x3 convolutions, normalised, and a way around them [1]_; then max pooling.

    Where the number of filters changes, the way around is a 1x1 convolution.

    References
    ----------
    .. [1] K. He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """

    kind: Literal["residual"] = "residual"
    filters: Count
    pool: Count = 2
    """Size and stride of the pooling; 1 is none."""


class Statistics(_Strict):
    """From an image to numbers that do not depend on its length.

    The mean and the maximum over bands are added; then follow the mean and the standard deviation
    over frames, as in the x-vectors of speaker recognition [1]_: twice as many as filters.

    References
    ----------
    .. [1] D. Snyder et al., "X-Vectors: Robust DNN Embeddings for Speaker Recognition", ICASSP
       2018.
    """

    kind: Literal["statistics"] = "statistics"


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
    units: Count
    activation: Activation = "relu"


Layer = (
    Convolution
    | Pooling
    | Normalization
    | BandNormalization
    | Activated
    | Residual
    | Statistics
    | Dropout
    | Flatten
    | Dense
)
_LAYERS = {kind.model_fields["kind"].default: kind for kind in get_args(Layer)}


class Augmentation(_Strict):
    """How training slices (log-mel, standardised) are changed each time that they are used.

    See `backbeat.training.augmentation`. Each is 0 for none.
    """

    crop: Annotated[int, Field(ge=0, le=MAX_COUNT)] = 0
    """Frames of the piece that is cut out at random; 0 is the whole slice."""
    stretch: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Greatest change of tempo: 0.1 is a tenth faster or slower."""
    pitch: Annotated[int, Field(ge=0, le=MAX_COUNT)] = 0
    """Greatest shift of pitch, in bands up or down."""
    equalizer: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Standard deviation of a smooth curve over the bands, in standard deviations of the map."""
    masks: Annotated[int, Field(ge=0, le=10)] = 0
    """Stripes of bands, and as many of frames, that are set to the mean."""
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Parameter of the beta distribution by which two slices and their genres are mixed."""


class Recipe(_Strict):
    """How a model is trained, where that is more than its optimiser."""

    schedule: Literal["constant", "one_cycle"] = "constant"
    """"one_cycle" warms up to the learning rate in a quarter of the steps and falls by a cosine."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of its kernel that a step takes away, times the learning rate; needs adamw."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augmentation: Augmentation = Augmentation()


class PaperResult(_Strict):
    """What the paper prints of a model."""

    tables: tuple[Count, ...]
    hidden_layers: Count
    accuracy: float
    """Percent of test slices, random slices (leaking)."""
    minutes: PositiveFloat


class Spec(_Strict):
    """A network and how it is trained."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[\w.-]+$")]
    family: Literal["mlp", "cnn", "transfer"]
    input: Input = "mfcc"
    """What the network takes; see `frontend.as_input`."""
    layers: Annotated[
        tuple[Annotated[Layer, Field(discriminator="kind")], ...],
        Field(min_length=1, max_length=200),
    ]
    """Between the input and the softmax output, which has a node a genre and is not listed."""
    optimizer: Optimizer = "adam"
    """``sgd`` has a momentum of 0.9."""
    learning_rate: PositiveFloat = 0.001
    batch_size: Count = 32
    epochs: Count = 50
    recipe: Recipe | None = None
    paper: PaperResult | None = None

    @model_validator(mode="after")
    def _trainable(self) -> "Spec":
        of_head = self.input in ("musicnn", "vectors") and self.layers == (Flatten(),)
        if self.family == "transfer" and not of_head:
            raise ValueError("family transfer takes no layers of a file; use --model transfer")
        if self.recipe is None:
            return self
        if self.recipe.weight_decay and self.optimizer != "adamw":
            raise ValueError("recipe.weight_decay needs optimizer: adamw")
        if self.recipe.augmentation != Augmentation() and not self.input.startswith("logmel"):
            raise ValueError("recipe.augmentation needs an input of log-mel maps")
        if self.recipe.augmentation.crop and not any(
            isinstance(layer, Statistics) for layer in self.layers
        ):
            raise ValueError("recipe.augmentation.crop needs a layer of kind: statistics")
        return self

    def with_epochs(self, epochs: int | None) -> "Spec":
        """Give the spec with another number of epochs; itself for None.

        Raises
        ------
        BackbeatError
            If there is not at least one.
        """
        if epochs is None:
            return self
        if not 1 <= epochs <= MAX_COUNT:
            raise BackbeatError(f"--epochs {epochs}: must be from 1 to {number(MAX_COUNT)}")
        return self.model_copy(update={"epochs": epochs})

    def to_yaml(self) -> str:
        """Give the spec as the YAML that `parse` reads."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_none=True), sort_keys=False)


def parse(content: Any, source: str) -> Spec:
    """Check the content of a YAML spec; `source` is named in errors.

    Raises a BackbeatError with each thing wrong, and the nearest known name for an unknown key.
    """
    if not isinstance(content, dict):
        raise BackbeatError(f"{source}: a spec is a mapping of keys such as name, family, layers")
    try:
        return Spec.model_validate(content)
    except ValidationError as error:
        # Once a layer is refused the tuple also counts as too short: one fault, reported once.
        problems = [dict(problem) for problem in error.errors()]
        shown = [p for p in problems if p["type"] != "too_short"] or problems
        message = "; ".join(printable(_explain(problem))[:300] for problem in shown[:5])
        raise BackbeatError(f"{source}: {message[:800]}") from error


class _Loader(yaml.SafeLoader):
    """Reads plain YAML without aliases, a page of which can stand for more than any memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None,
                None,
                f"aliases (*{event.anchor}) are not read; write it out",
                event.start_mark,
            )
        return super().compose_node(parent, index)


def read_spec(path: Path) -> Spec:
    """Read a spec from a YAML file.

    Raises
    ------
    BackbeatError
        If the file cannot be read, is no YAML, or is no spec.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BackbeatError(f"{path}: too large for a model spec")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackbeatError(f"{path}: cannot be read ({one_line(error)})") from error
    try:
        content = _Loader(text).get_single_data()
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: the 99th of March
        raise BackbeatError(f"{path}: not YAML: {one_line(error)}") from error
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


def _fields_at(place: list[str]) -> list[str]:
    if place and place[-1] in _LAYERS:
        return list(_LAYERS[place[-1]].model_fields)
    parts: dict[str, type[_Strict]] = {
        "paper": PaperResult,
        "recipe": Recipe,
        "augmentation": Augmentation,
    }
    part = parts.get(place[-1]) if place else None
    return list((part or Spec).model_fields)
