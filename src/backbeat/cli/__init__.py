"""The command line: thin verbs that parse, call the function of the same name, and print."""

import os
import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NoReturn

import typer

from backbeat import __version__
from backbeat.cli import (
    collections,
    comparing,
    labels,
    library,
    models,
    paper,
    songs,
    tagging,
    tuning,
    web,
)
from backbeat.errors import BackbeatError

_STOPPED = 130  # the exit status of what Ctrl-C ends

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
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


app.command()(collections.check)
app.add_typer(collections.data, name="data")
app.command()(collections.prepare)
app.command("import-features")(collections.import_features)
app.command("models")(models.models)
app.command()(models.train)
app.command()(models.evaluate)
app.command()(comparing.audit)
app.command()(comparing.compare)
app.command()(labels.suspects)
app.command()(paper.reproduce)
app.command()(tuning.tune)
app.command()(songs.classify)
app.command()(tagging.tag)
app.command()(library.playlists)
app.command()(library.similar)
app.command()(songs.show)
app.command()(web.serve)
app.command()(songs.demo)


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit status 1."""
    if hasattr(sys.stdout, "reconfigure"):
        # File names may hold what the terminal's encoding lacks, or bytes that are no text at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _refuse_urls(sys.argv[1:])
        app()
    except BackbeatError as error:
        _end(str(error))
    except SystemExit as ended:
        if ended.code == _STOPPED:  # Typer's, on Ctrl-C, without a word
            print("backbeat: stopped", file=sys.stderr)
        raise
    except OSError as error:
        # A full disk, a read-only folder: in the system's own words.
        where = error.filename2 or error.filename
        _end(f"{os.fsdecode(where)}: {error.strerror}" if where else str(error))


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


def _end(what: str) -> NoReturn:
    """Say in one line what went wrong, whatever stands in a file's name, and end."""
    from backbeat.audio import display_name

    print(f"backbeat: {display_name(what)}", file=sys.stderr)
    sys.exit(1)
