"""The zoo: models as data, and one function from spec to network."""

import difflib
import functools
from pathlib import Path

import yaml

from backbeat.errors import BackbeatError
from backbeat.files.text import number
from backbeat.frontend import FrontEnd, input_shape
from backbeat.zoo.shapes import count_weights
from backbeat.zoo.spec import Flatten, Spec, parse, read_spec

TRANSFER = Spec(name="transfer", family="transfer", input="musicnn", layers=(Flatten(),), epochs=1)
"""A linear head on MusiCNN's features, fitted at once; see `transfer`."""

HEAD = TRANSFER.model_copy(update={"name": "head", "input": "vectors"})
"""The same on vectors that were made elsewhere."""


@functools.cache
def specs() -> dict[str, Spec]:
    """Give all models of the zoo by name, in the order of their files."""
    known: dict[str, Spec] = {}
    for file in sorted((Path(__file__).parent / "models").glob("*.yaml")):
        for content in yaml.safe_load(file.read_text("utf-8")):
            spec = parse(content, file.name)
            known[spec.name] = spec
    return known


def find(name_or_path: str) -> Spec:
    """Find a model by its name in the zoo, ``transfer`` or ``head``, or read it from a YAML file.

    Raises
    ------
    BackbeatError
        If it is neither, with the nearest known name.
    """
    known = specs() | {TRANSFER.name: TRANSFER, HEAD.name: HEAD}
    if name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"}:
        return read_spec(path)
    near = difflib.get_close_matches(name_or_path, known, n=1)
    remedy = f"did you mean {near[0]}?" if near else "`backbeat models` lists them"
    raise BackbeatError(f"{name_or_path}: no such model; {remedy}")


def check_input(spec: Spec, frontend: FrontEnd) -> None:
    """Refuse a model whose input a front-end's features do not fill, and name those that fit."""
    if problem := _problem(spec, frontend):
        raise BackbeatError(f"{problem}; models that fit: {_fitting(frontend)}")


def _problem(spec: Spec, frontend: FrontEnd) -> str:
    """Say why a model cannot be trained on what a front-end extracts; empty if it can."""
    try:
        _, frames, bands = input_shape(frontend, spec.input)
        if spec.family != "transfer":  # of the features of a patch
            count_weights(spec, (frames, bands), 2)
    except BackbeatError as error:
        return str(error)
    return ""


def _fitting(frontend: FrontEnd) -> str:
    """Name the models that fit; those of the paper, which fit together, by their number."""
    fit = [spec for spec in (TRANSFER, HEAD, *specs().values()) if not _problem(spec, frontend)]
    names = [spec.name for spec in fit if not spec.paper]
    if papers := [spec.name for spec in fit if spec.paper]:
        names.append(f"{number(len(papers))} of the paper's, such as {papers[-1]}")
    return ", ".join(names) or "none of the zoo"
