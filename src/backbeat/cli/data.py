"""The verbs that get a collection: data jam, data gtzan."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from backbeat.cli.check import check
from backbeat.cli.console import progress, say, say_json
from backbeat.cli.help import Verb
from backbeat.cli.options import MAX_SEED, Json, Workers
from backbeat.files.text import number

data = typer.Typer(no_args_is_help=True, help="Get a collection: jam (built in) or gtzan.")

OutFolder = Annotated[Path, typer.Option("--out", "-o", help="The folder to fill.")]


@data.command(cls=Verb)
def jam(
    out: OutFolder,
    per_genre: Annotated[int, typer.Option(min=1, help="Clips a genre.")] = 100,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="The same samples from the same seed.")
    ] = 0,
    with_faults: Annotated[
        bool, typer.Option("--with-faults", help="Add one of each kind of broken file.")
    ] = False,
    as_json: Json = False,
    workers: Workers = None,
) -> None:
    """Compose and render the built-in synthetic collection; it stands for no real music."""
    from backbeat.collections import jam as jams

    with progress("composing", "clips") as show:
        paths = jams.generate(
            out,
            per_genre=per_genre,
            seed=seed,
            workers=workers,
            with_faults=with_faults,
            on_progress=show,
        )
    if as_json:
        say_json({"folder": str(out), "files": len(paths), "genres": len(jams.GENRES)})
        return
    say(f"{number(len(paths))} files in {len(jams.GENRES)} genres.")
    say(f"Next: backbeat prepare {shlex.quote(str(out))} -o FEATURES")


@data.command(cls=Verb)
def gtzan(
    out: OutFolder,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="An archive (tar.gz, zip) or a folder that you have."),
    ] = None,
    as_json: Json = False,
    workers: Workers = None,
) -> None:
    """Fetch GTZAN from its public sources, or take the copy that you have; then check it."""
    from backbeat.collections.gtzan.fetching import fetch

    with progress("fetching", "") as show:

        def on_progress(what: str, done: int, total: int | None) -> None:
            if what == "download":  # in bytes, too many to read; all else is in files
                show(done // 2**20, total and total // 2**20, "download, MiB")
            else:
                show(done, total, f"{what}, files")

        genres = fetch(out, source=source, on_progress=on_progress)
    check(genres, yes=True, as_json=as_json, workers=workers)
