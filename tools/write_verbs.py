"""Write docs/verbs.md, all verbs and their options, from the command line itself.

python tools/write_verbs.py [FILE]

`tests/test_docs.py` fails when the page is stale.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from backbeat.cli import app
from backbeat.cli.help import EXAMPLES, parameters

PAGE = Path(__file__).parents[1] / "docs" / "verbs.md"
HEAD = """# Commands

<!-- Written by tools/write_verbs.py, from the output of `backbeat COMMAND --help`. -->

This page has every command with its options, as `backbeat COMMAND --help` prints them. The exit
status is 0 for success, 1 if something could not be done (a line says what), 2 if the command line
is wrong, and 130 after an interruption. `-o` names what is made. `--json` prints the result as one
JSON value on standard output; notes and progress go to standard error.

`backbeat --install-completion` lets your shell (bash, zsh, fish, PowerShell) complete commands and
options; `backbeat --show-completion` prints the script instead. Start a new shell after it.
"""


def page() -> str:
    """Return the page as Markdown."""
    verbs = list(_verbs(typer.main.get_command(app)))
    overview = [
        "| command | what it does |",
        "| --- | --- |",
        *(f"| [`{name}`](#{_anchor(name)}) | {_paragraphs(verb)[0]} |" for name, verb in verbs),
    ]
    parts = [HEAD, "\n".join(overview) + "\n"]
    parts += [_section(name, verb) for name, verb in verbs]
    return "\n".join(parts)


def _verbs(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        full = f"{before}{name}"
        if hasattr(command, "commands"):
            yield from _verbs(command, f"{full} ")
        else:
            yield full, command


def _anchor(name: str) -> str:
    return name.replace(" ", "-")


def _section(name: str, verb: Any) -> str:
    context = verb.context_class(verb, info_name=f"backbeat {name}")
    usage = verb.get_usage(context).removeprefix("Usage: ")
    rows = ["| option | what it does | default |", "| --- | --- | --- |"]
    for one, names, meaning in parameters(verb, context):
        if one.name != "help":
            rows.append(f"| {_code(names)} | {' | '.join(_meaning(meaning))} |")
    return "\n\n".join(
        [
            f"## {name}",
            f"```text\n{' '.join(usage.split())}\n```",
            *_paragraphs(verb),
            "\n".join(rows),
            f"Example: `backbeat {EXAMPLES[name]}`\n",
        ]
    )


def _paragraphs(verb: Any) -> list[str]:
    return [_text(" ".join(part.split())) for part in verb.help.split("\n\n")]


def _code(names: str) -> str:
    """Return an option's names and what it takes, as code that a table may hold."""
    return f"`{names.strip().replace('|', ', ')}`"


def _meaning(right: str) -> tuple[str, str]:
    """Return what an option does, and its default (or that it is needed)."""
    found = re.fullmatch(r"(.*?)(?:  \[([^][]*)\])?", right, flags=re.DOTALL)
    assert found
    text, notes = found[1], (found[2] or "").split("; ")
    default = ""
    for note in filter(None, notes):
        if note.startswith("default: "):
            default = f"`{note.removeprefix('default: ')}`"
        elif note == "required":
            default = "needed"
        elif note.startswith("env var: "):
            text += f" Or `{note.removeprefix('env var: ')}` in the environment."
        elif note not in ("x>=0", "x>=1"):  # which goes without saying
            text += f" ({_range(note)})"
    return _text(text), default


def _range(note: str) -> str:
    """Return ``0<=x<=1`` in words."""
    if both := re.fullmatch(r"(\S+)<=x<=(\S+)", note):
        return f"{both[1]} to {both[2]}"
    return note.replace("x>=", "at least ").replace("x<=", "at most ")


def _text(words: str) -> str:
    """Escape text for Markdown; code stays code."""
    words = re.sub(r"(?<![\w`])(--?[a-z][\w-]*)(?![\w`])", r"`\1`", words)
    parts = words.split("`")
    plain = [re.sub(r"([|<*_])", r"\\\1", part) for part in parts[::2]]
    shown = [plain[0]]
    for inside, after in zip(parts[1::2], plain[1:], strict=True):
        shown += [f"`{inside}`", after]
    return "".join(shown)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGE
    target.write_text(page(), "utf-8")
