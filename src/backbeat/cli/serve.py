"""The verb serve."""

import sys
from typing import Annotated

import typer

from backbeat.cli.console import say, warn
from backbeat.errors import BackbeatError, needing


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every network of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 7860,
    model: Annotated[
        str,
        typer.Option(envvar="BACKBEAT_MODEL", help="A bundle that comes with backbeat, or a path."),
    ] = "gtzan",
    megabytes: Annotated[float, typer.Option(min=0.001, help="Most of one file.")] = 50,
    minutes: Annotated[float, typer.Option(min=0.05, help="Longest song.")] = 20,
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Longest time to wait for a turn, and to answer.")
    ] = 120,
    workers: Annotated[
        int,
        typer.Option("--workers", "-w", min=1, max=16, help="Processes: songs answered at once."),
    ] = 2,
    waiting: Annotated[
        int, typer.Option(min=0, max=16, help="Songs that may wait; one more is refused.")
    ] = 16,
    files: Annotated[int, typer.Option(min=1, help="Most files in one go of the page.")] = 100,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="The path below which a proxy shows it.")
    ] = "",
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which it is called, such as a proxy's; may be repeated.",
        ),
    ] = None,
) -> None:
    """Open the page in the browser, and the HTTP API (its documentation is at /docs).

    Nothing that is sent is kept, and no other machine is contacted. There is no authentication:
    anyone who reaches the port may use it.
    """
    with needing("web", "the page"):
        from backbeat.web import Limits
        from backbeat.web.server import LOCAL
        from backbeat.web.server import serve as run

    if root_path and not root_path.startswith("/"):
        raise BackbeatError(f"--root-path {root_path}: must begin with a slash")

    def ready(address: str) -> None:
        say(f"{address} (Ctrl-C ends it)")
        sys.stdout.flush()  # a program that waits for the address reads it from a pipe
        if host not in LOCAL:
            warn("anyone who reaches this address may use it: there is no authentication")

    limits = Limits(megabytes, minutes, seconds, workers, waiting, files)
    run(
        host=host,
        port=port,
        model=model,
        limits=limits,
        root_path=root_path.rstrip("/"),
        names=name or (),
        on_ready=ready,
    )
