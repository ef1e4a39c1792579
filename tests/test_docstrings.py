"""Public docstrings give the shape of every array and the unit of every quantity.

What `backbeat.api` exports, and the functions of arrays in `frontend`, `evaluation` and `splits`,
describe each parameter, list all of them if any, and name the errors that they raise. Elsewhere a
sentence with the shape or unit is enough. All of it is read from the source; nothing is imported.
"""

import ast
import functools
import itertools
import logging
import re
import textwrap
from pathlib import Path

import griffe
import pytest

SRC = Path(__file__).parents[1] / "src"
# Verbs of the command line: their parameters are described by typer's own help.
LEFT_OUT = ("backbeat.cli",)

# Of these packages the functions of arrays are documented in full.
ARRAY_PACKAGES = ("backbeat.frontend.", "backbeat.evaluation.", "backbeat.splits.")

# A quantity of time, frequency, level or size by its name, alone or as a name's last part...
QUANTITY = re.compile(
    r"(^|_)(attack|cutoff|decay|delay|dpi|duration|edge|end|frequenc(y|ies)|gain|height|hop"
    r"|hop_length|length|level|loudness|memory|n_fft|offset|older_than|pitch|rate|release|size"
    r"|start|tempo|timeout|width)$"
)
# ... needs one of these words, where its name is not one of them itself.
UNIT = re.compile(
    r"(?<![\w'-])(s|ms|ns|Hz|dB|dBFS|kB|MB|GB|px|BPM|bytes?|samples?|frames?|seconds?|minutes?|hours?|days?"
    r"|inch(es)?|pixels?|points?|beats?|bars?|cents|semitones?|octaves?|slices?|columns?|bands?|songs?"
    r"|bits?|characters?|MIDI|full scale|percent|share|factors?)(?!\w)",
    re.IGNORECASE,
)
SHAPE = re.compile(r"\bshapes? ?(\(|of )")
NUMBER = re.compile(r"\b(int|float)\b")


def walk(parent):
    """All public members of a module or class that are defined in it, and theirs."""
    for member in parent.members.values():
        if member.is_alias or member.name.startswith("_") or member.path.startswith(LEFT_OUT):
            continue
        if not member.is_module:
            yield member
        if member.is_module or member.is_class:
            yield from walk(member)


def array_names(module):
    """Paths of the names that are given to a type of arrays: ``Array = NDArray[np.float32]``."""
    for member in module.members.values():
        if not member.is_alias and member.is_module:
            yield from array_names(member)
        elif not member.is_alias and member.is_attribute and "NDArray" in str(member.value):
            yield member.path


@functools.cache
def package():
    # Griffe warns of docstrings that are not to its own taste.
    logging.getLogger("griffe").setLevel(logging.ERROR)
    return griffe.load("backbeat", search_paths=[SRC], docstring_parser="numpy")


ARRAY_NAMES = frozenset(array_names(package()))
BY_MODULE = {
    path: tuple(members)
    for path, members in itertools.groupby(walk(package()), lambda member: member.module.path)
}


EXPORTED = tuple(
    member.final_target.path for member in package()["api"].members.values() if member.is_alias
)


def functions_of(path):
    for member in BY_MODULE[path]:
        if member.is_function or "property" in member.labels:
            yield member


def sections(member):
    """The parsed parts of a docstring: a list of (kind, items)."""
    return [(part.kind.value, part.value) for part in member.docstring.parsed]


def entries(member, *kinds):
    """What sections say of each name, as the text of its type and description."""
    return {
        name.lstrip("*"): f"{item.annotation or ''}\n{item.description}"
        for kind, items in sections(member)
        if kind in kinds
        for item in items
        for name in item.name.split(", ")
    }


def is_array(annotation, module):
    if annotation is None or "Callable" in str(annotation):
        return False  # what a callable takes and gives is its own affair
    for word in re.findall(r"\w+", str(annotation)):
        named = module.members.get(word)
        path = named and (named.target_path if named.is_alias else named.path)
        if word in ("NDArray", "ndarray") or path in ARRAY_NAMES:
            return True
    return False


def lacks(name, annotation, text, module):
    """What is missing in the description of one parameter, field or result; empty if nothing."""
    if is_array(annotation, module):
        return "" if SHAPE.search(text) else f"{name}: shape"
    if NUMBER.search(str(annotation)) and "Callable" not in str(annotation):
        words = name.replace("_", " ")
        if QUANTITY.search(name) and not UNIT.search(words) and not UNIT.search(text):
            return f"{name}: unit"
    return ""


def parameters_of(function):
    return [p for p in getattr(function, "parameters", ()) if p.name not in ("self", "cls")]


def result_of(function):
    return function.annotation if function.is_attribute else function.returns


def in_full(member):
    """Whether a docstring has to describe each parameter."""
    if any(member.path == path or member.path.startswith(f"{path}.") for path in EXPORTED):
        return True
    annotations = [p.annotation for p in parameters_of(member)] + [result_of(member)]
    return member.path.startswith(ARRAY_PACKAGES) and any(
        is_array(annotation, member.module) for annotation in annotations
    )


def lacking(function, full=True):
    """What the docstring of a function or property leaves out."""
    whole = function.docstring.value
    summary = whole.split("\n\n")[0]
    listed = entries(function, "parameters") if full else {}
    for parameter in parameters_of(function):
        # A function of one line may describe in it what it takes, but not arrays.
        array = full and is_array(parameter.annotation, function.module)
        default = "" if array else summary if full else whole
        text = listed.get(parameter.name, default)
        yield lacks(parameter.name, parameter.annotation, text, function.module)
    results = [
        f"{item.annotation or ''}\n{item.description}"
        for kind, items in sections(function)
        if kind in ("returns", "yields")
        for item in items
    ]
    prose = "\n".join(text for kind, text in sections(function) if kind == "text")
    text = ("\n".join(results) or prose) if full else whole
    yield lacks(function.name, result_of(function), text, function.module)


def lacking_fields(owner):
    """What the docstring of a class leaves out of its fields; its prose may speak of several."""
    listed = entries(owner, "attributes", "parameters")
    prose = "\n".join(text for kind, text in sections(owner) if kind == "text")
    for field in owner.members.values():
        if field.is_attribute and not field.name.startswith("_") and "property" not in field.labels:
            own = field.docstring.value if field.docstring else ""
            text = own or listed.get(field.name, prose)
            # A field may also be described on its own lines: by a comment, or by a `Field`.
            yield lacks(field.name, field.annotation, f"{text}\n{field.source}", owner.module)


@pytest.mark.parametrize("module", BY_MODULE)
def test_shapes_and_units_are_given(module):
    lacked = [
        (f.path, lack) for f in functions_of(module) for lack in lacking(f, in_full(f)) if lack
    ]
    owners = [member for member in BY_MODULE[module] if member.is_class]
    lacked += [(owner.path, lack) for owner in owners for lack in lacking_fields(owner) if lack]
    assert not lacked


@pytest.mark.parametrize("module", BY_MODULE)
def test_what_is_listed_is_what_is_there(module):
    for function in functions_of(module):
        listed = list(entries(function, "parameters"))
        there = [parameter.name.lstrip("*") for parameter in parameters_of(function)]
        assert set(listed) <= set(there), function.path
        if listed and in_full(function):
            assert sorted(listed) == sorted(there), function.path


def raises(body):
    """Whether statements raise something by name, but for what functions within them do."""
    for node in body:
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            return True
        inner = [] if isinstance(node, ast.FunctionDef) else ast.iter_child_nodes(node)
        if raises(inner):
            return True
    return False


@pytest.mark.parametrize("module", BY_MODULE)
def test_what_is_raised_is_named(module):
    for function in functions_of(module):
        if function.is_function and in_full(function):
            body = ast.parse(textwrap.dedent(function.source)).body[0].body
            named = "raises" in dict(sections(function))
            named = named or re.search(r"\b(raise|refuse)", function.docstring.value, re.I)
            assert named or not raises(body), function.path


def test_something_is_looked_at():
    functions = [function for module in BY_MODULE for function in functions_of(module)]
    assert len(functions) > 400
    arrays = [p for f in functions for p in parameters_of(f) if is_array(p.annotation, f.module)]
    assert len(arrays) > 80
    assert len([function for function in functions if in_full(function)]) > 80


def test_elsewhere_a_sentence_is_enough():
    source = 'def f(x: NDArray, rate: int) -> NDArray:\n    """Do it; shape (n,), rate in Hz."""\n'
    module = griffe.visit("made", Path("made.py"), source, docstring_parser=griffe.Parser.numpy)
    assert not any(lacking(module.members["f"], full=False))


@pytest.mark.parametrize(
    ("docstring", "wanted"),
    [
        ("Do it.", ["x: shape", "rate: unit", "f: shape"]),
        ("Do it; f has shape (n,), as rate is in Hz.", ["x: shape"]),
        (
            "Do it.\n\nParameters\n----------\nx : ndarray, shape (n,)\nrate : int\n    In Hz.\n\n"
            "Returns\n-------\nndarray, shape (n,)\n",
            [],
        ),
        (
            "Do it.\n\nParameters\n----------\nx : ndarray\nrate : int\n    High.\n\n"
            "Returns\n-------\nndarray of float32\n",
            ["x: shape", "rate: unit", "f: shape"],
        ),
    ],
)
def test_what_is_left_out_is_found(docstring, wanted):
    source = f'def f(x: NDArray, rate: int) -> NDArray:\n    """{docstring}"""\n'
    module = griffe.visit("made", Path("made.py"), source, docstring_parser=griffe.Parser.numpy)
    assert [lack for lack in lacking(module.members["f"]) if lack] == wanted
