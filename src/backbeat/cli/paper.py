"""The verb that repeats a paper: reproduce."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import progress, say, warn
from backbeat.cli.options import Cluster, SplitName, Workers

if TYPE_CHECKING:
    from backbeat.training.jobs import Progress


class Paper(StrEnum):
    """The papers that can be repeated."""

    sears2021 = "sears2021"


def reproduce(
    paper: Annotated[Paper, typer.Argument(help="Which paper.")],
    features: Annotated[Path, typer.Argument(help="A feature store, from prepare.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make or go on with.")],
    only: Annotated[
        str | None, typer.Option(help="Models by pattern, such as 'cnn_03.*,mlp_base'.")
    ] = None,
    split: SplitName = "slices",
    epochs_scale: Annotated[float, typer.Option(help="Factor on all epochs, for a look.")] = 1.0,
    seeds: Annotated[int, typer.Option(min=1, help="Runs a model: mean and deviation.")] = 1,
    songs: Annotated[
        Path | None, typer.Option(help="GTZAN's folder, for the pictures of songs.")
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Train every model of the paper; make its tables, figures and a report.

    What is trained already is kept: after a stop, the same command goes on. A model that fails is
    listed, and the others go on (exit status 1).
    """
    from backbeat.features.store import open_features
    from backbeat.parallel.engine import open_executor
    from backbeat.reproduce.drawing import find_songs
    from backbeat.reproduce.page import write
    from backbeat.reproduce.runner import paper_specs, run_all

    specs = paper_specs(only)
    if songs is not None:
        find_songs(songs)  # a mistake is worth knowing before hours of training
    opened = open_features(features)
    with (
        open_executor(workers, cluster, [features, out]) as executor,
        progress(f"{paper.value}", "") as bar,
    ):

        def told(now: "Progress") -> None:
            failed = f", {now.failed} failed" if now.failed else ""
            bar(now.done, now.total, f"{now.finished} of {now.jobs} models{failed}")

        failures = run_all(
            opened,
            out,
            specs,
            protocol=split,
            epochs_scale=epochs_scale,
            seeds=seeds,
            executor=executor,
            on_progress=told,
        )
    for name, reason in failures.items():
        warn(f"failed: {name}: {reason}")
    for path in write(out, songs=songs):
        say(str(path))
    raise typer.Exit(int(bool(failures)))
