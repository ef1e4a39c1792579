"""The command line: thin verbs that parse, call the function of the same name, and print."""

import logging
import re
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from backbeat import __version__
from backbeat.cli import (
    audit,
    check,
    classify,
    compare,
    data,
    demo,
    evaluate,
    models,
    playlists,
    prepare,
    reproduce,
    serve,
    show,
    similar,
    suspects,
    tag,
    train,
    tune,
)
from backbeat.cli.stopping import stopped_by_signals
from backbeat.errors import BackbeatError, message_of, printable

_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # the exit status of what they end

_LONGEST = 200  # characters of a verb's line in the help


class _Verbs(TyperGroup):
    """Lists the verbs with whole sentences, where Typer cuts them to a line of the terminal."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        verbs = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, verb.get_short_help_str(_LONGEST)) for name, verb in verbs if verb]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


app = typer.Typer(
    cls=_Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"backbeat {__version__}")
        raise typer.Exit


@app.callback()
def backbeat(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Train, honestly evaluate and use music-genre classifiers."""


app.command()(check.check)
app.add_typer(data.data, name="data", cls=_Verbs)
app.command()(prepare.prepare)
app.command("import-features")(prepare.import_features)
app.command("models")(models.models)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(audit.audit)
app.command()(compare.compare)
app.command()(suspects.suspects)
app.command()(reproduce.reproduce)
app.command()(tune.tune)
app.command()(classify.classify)
app.command()(tag.tag)
app.command()(playlists.playlists)
app.command()(similar.similar)
app.command()(show.show)
app.command()(serve.serve)
app.command()(demo.demo)


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit status 1."""
    # It does without a HOME that cannot be written to, after lines about its own settings.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    if hasattr(sys.stdout, "reconfigure"):
        # File names may hold what the terminal's encoding lacks, or bytes that are no text at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with stopped_by_signals():
            _refuse_urls(sys.argv[1:])
            app(prog_name="backbeat")
    except BackbeatError as error:
        _end(str(error), error.status)
    except SystemExit as ended:
        if ended.code in _STOPPED:  # Typer's, on Ctrl-C, without a word; or ours
            print("backbeat: stopped", file=sys.stderr)
        raise
    except OSError as error:
        _end(message_of(error))


def _refuse_urls(arguments: Sequence[str]) -> None:
    """Refuse what would be taken for a folder named ``s3:``."""
    for before, argument in pairwise(["", *arguments]):
        option, _, value = argument.partition("=")
        if "--cluster" in (before, option):
            continue  # an address of its own kind
        place = value if option.startswith("--") else argument
        if re.match(r"(s3|gs|gcs|az|abfs|adl|hdfs|https?|s?ftp|ssh|file|memory)://", place):
            raise BackbeatError(
                f"{place}: is a URL, and only files and folders can be read and written; mount it "
                "and name the folder, see docs/cluster.md"
            )


def _end(what: str, status: int = 1) -> NoReturn:
    """Say in one line what went wrong, whatever stands in a file's name, and end."""
    print(f"backbeat: {printable(what)}", file=sys.stderr)
    sys.exit(status)
