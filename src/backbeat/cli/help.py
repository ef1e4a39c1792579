"""The help of the command line: verbs by task, what they take in plain words, and an example."""

import re
from collections.abc import Iterator
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

_LONGEST = 200  # characters of a verb's line

# The verbs by task, as the help lists them.
GROUPS = {
    "Use a model": ("classify", "tag", "playlists", "similar", "serve"),
    "Prepare songs": ("data", "check", "prepare", "import-features", "suspects", "show"),
    "Train and measure": (
        *("models", "train", "evaluate", "audit", "stress", "compare", "tune", "reproduce", "demo"),
    ),
}

# What an argument or option takes, where it does not say so itself.
_ARGUMENTS = {"paths": "SONGS", "song": "SONG", "features": "STORE"}
_TYPES = {
    **{"path": "PATH", "str": "TEXT", "list[Path]": "PATH"},
    **{"int": "N", "int range": "N", "float": "NUMBER", "float range": "NUMBER"},
}

# One of each verb that runs as it is; each after those above it.
EXAMPLES = {
    "data jam": "data jam --per-genre 8 -o songs",
    "data gtzan": "data gtzan -o gtzan",
    "check": "check songs",
    "prepare": "prepare songs -o features",
    "import-features": "import-features theirs.npz --frontend mfcc -o imported",
    "models": "models cnn_03.8",
    "train": "train features --model mlp_base --split artists --epochs 5 -o run",
    "evaluate": "evaluate run",
    "audit": "audit features --split slices",
    "stress": "stress gtzan-fast --on songs --only hum",
    "compare": "compare run",
    "suspects": "suspects features",
    "reproduce": "reproduce sears2021 features --only mlp_01 --epochs-scale 0.1 -o paper",
    "tune": "tune features --family mlp --budget 3 --epochs-scale 0.1 -o tuned",
    "classify": "classify songs/jazz",
    "tag": "tag songs/jazz --dry-run",
    "playlists": "playlists songs -o playlists",
    "similar": "similar songs/jazz/jam-jazz-000.wav --in songs",
    "show": "show songs/jazz/jam-jazz-000.wav -o pictures",
    "serve": "serve --port 7861",
    "demo": "demo -o demo",
}


class Verbs(TyperGroup):
    """Lists the verbs by task, with whole sentences where Typer cuts them to a line."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of verbs."""
        groups = GROUPS if "classify" in self.commands else {"Commands": tuple(self.commands)}
        for title, names in groups.items():
            verbs = ((name, self.get_command(ctx, name)) for name in names)
            rows = [(name, verb.get_short_help_str(_LONGEST)) for name, verb in verbs if verb]
            with formatter.section(title):
                formatter.write_dl(rows)


class Verb(TyperCommand):
    """Shows what its parameters take in plain words, and an example."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Give what stands behind the verb's name."""
        pieces = [
            f"[{_argument(one)}]" if not one.required else _argument(one)
            for one in self.get_params(ctx)
            if isinstance(one, TyperArgument)
        ]
        return ["[OPTIONS]", *pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of arguments and options."""
        for title, is_argument in (("Arguments", True), ("Options", False)):
            rows = [
                (names, meaning)
                for one, names, meaning in parameters(self, ctx)
                if isinstance(one, TyperArgument) == is_argument
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the example."""
        with formatter.section("Example"):
            formatter.write_text(f"backbeat {EXAMPLES[ctx.command_path.partition(' ')[2]]}")


def parameters(verb: TyperCommand, ctx: Any) -> Iterator[tuple[Any, str, str]]:
    """Give each parameter of a verb, how it is written, and what it means."""
    for one in verb.get_params(ctx):
        names, meaning = one.get_help_record(ctx) or ("", "")
        if isinstance(one, TyperArgument):
            names = _argument(one)
        yield one, re.sub(r"<(.*)>", lambda found: _TYPES.get(found[1], found[1]), names), meaning


def _argument(one: TyperArgument) -> str:
    name = _ARGUMENTS.get(one.name, one.name.upper())
    return f"{name}..." if one.nargs != 1 else name
