"""The command line: thin verbs that parse, call the function of the same name, and print."""

import logging
import re
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NoReturn

import typer

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
    stress,
    suspects,
    tag,
    train,
    tune,
)
from backbeat.cli.help import Verb, Verbs
from backbeat.cli.stopping import stopped_by_signals
from backbeat.errors import BackbeatError, message_of, printable

_STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # the exit status of what they end

app = typer.Typer(
    cls=Verbs,
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


app.command(cls=Verb)(check.check)
app.add_typer(data.data, name="data", cls=Verbs)
app.command(cls=Verb)(prepare.prepare)
app.command("import-features", cls=Verb)(prepare.import_features)
app.command("models", cls=Verb)(models.models)
app.command(cls=Verb)(train.train)
app.command(cls=Verb)(evaluate.evaluate)
app.command(cls=Verb)(audit.audit)
app.command(cls=Verb)(stress.stress)
app.command(cls=Verb)(compare.compare)
app.command(cls=Verb)(suspects.suspects)
app.command(cls=Verb)(reproduce.reproduce)
app.command(cls=Verb)(tune.tune)
app.command(cls=Verb)(classify.classify)
app.command(cls=Verb)(tag.tag)
app.command(cls=Verb)(playlists.playlists)
app.command(cls=Verb)(similar.similar)
app.command(cls=Verb)(show.show)
app.command(cls=Verb)(serve.serve)
app.command(cls=Verb)(demo.demo)


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
    except MemoryError:
        _end("not enough memory; give it more, or do less at once (fewer --workers or files)")


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
