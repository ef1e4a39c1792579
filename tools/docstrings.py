"""For the site: what is reStructuredText in numpydoc becomes Markdown (an extension of griffe)."""

import re
from typing import Any

import griffe


def markdown(text: str) -> str:
    """Return a docstring whose citations, references and roles Markdown understands."""
    text = re.sub(r"(\[\d+\])_", r"\1", text)
    text = re.sub(r":\w+:(`[^`]*`)", r"\1", text)
    text = re.sub(r"^( *)\.\. (\[\d+\]) ", r"\n\1\2 ", text, flags=re.MULTILINE)
    # Of attributes, griffe takes "int, optional" for a tuple.
    before, attributes, after = text.partition("Attributes\n----------\n")
    text = before + attributes + re.sub(r"^(\w.* : .*), optional$", r"\1 | None", after, flags=re.M)
    # "Conventions", underlined, would be a heading between those of the page.
    return re.sub(r"^(\w[\w ]*)\n-{3,}\n", _bold_if_free, text, flags=re.MULTILINE)


def _bold_if_free(heading: re.Match[str]) -> str:
    known = {"Parameters", "Returns", "Yields", "Raises", "Attributes", "Examples"}
    return heading[0] if heading[1] in known else f"\n**{heading[1]}**\n\n"


class Markdown(griffe.Extension):
    """Rewrites every docstring as it is loaded."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
            if obj.is_module:  # a term, and indented what it means
                obj.docstring.value = re.sub(
                    r"^(\w\S*)\n {4}(?=\S)", r"- `\1`: ", obj.docstring.value, flags=re.MULTILINE
                )
