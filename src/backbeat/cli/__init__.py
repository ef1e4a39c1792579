"""The command line: thin verbs that parse, call the function of the same name, and print."""

import sys
from typing import Annotated

import typer

from backbeat import __version__
from backbeat.cli import collections, models, songs
from backbeat.errors import BackbeatError

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
app.command()(songs.classify)
app.command()(songs.show)
app.command()(songs.demo)


def main() -> None:
    """Run the command line; a user's mistake ends in one line and exit status 1."""
    try:
        app()
    except BackbeatError as error:
        print(f"backbeat: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("backbeat: stopped", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        # A full disk, a read-only folder: the system's own words name the file.
        print(f"backbeat: {error}", file=sys.stderr)
        sys.exit(1)
