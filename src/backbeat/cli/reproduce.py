"""The verb reproduce."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from backbeat.cli.console import job_progress, list_failed_runs, say, say_json, say_sentence
from backbeat.cli.options import Cluster, EpochsScale, Json, Store, Workers
from backbeat.files.text import number, plural

ALL = "all"


def reproduce(
    paper: Annotated[Literal["sears2021"], typer.Argument(help="Which paper.")],
    features: Store,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make or go on with.")],
    only: Annotated[
        str | None, typer.Option(help="Models by pattern, such as 'cnn_03.*,mlp_base'.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="As for train, or all: on slices, tracks and artists, side by side.")
    ] = "slices",
    epochs_scale: EpochsScale = 1.0,
    seeds: Annotated[int, typer.Option(min=1, help="Runs a model: mean and deviation.")] = 1,
    songs: Annotated[
        Path | None, typer.Option(help="GTZAN's folder, for the pictures of songs.")
    ] = None,
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Train every model of the paper; make its tables, figures and a report.

    What is trained already is kept: after a stop, the same command goes on. A model that fails is
    listed, and the others go on (exit status 1).
    """
    from backbeat.features.store import open_features
    from backbeat.parallel.executors import open_executor
    from backbeat.reproduce.drawing import find_songs
    from backbeat.reproduce.page import result_line, write, write_splits
    from backbeat.reproduce.runner import paper_specs, run_all
    from backbeat.splits import DRAWN, make_split, require_test

    specs = paper_specs(only)
    folders = {name: out / name for name in DRAWN} if split == ALL else {split: out}
    if songs is not None:
        find_songs(songs)  # a mistake should be found before hours of training
    opened = open_features(features)
    outline = opened.outline("mfcc")
    for protocol in folders:  # before the first is trained
        require_test(make_split(outline, protocol), "trained")
    with (
        open_executor(workers, cluster, [features, out]) as executor,
        job_progress(paper, "models") as on_progress,
    ):
        failures: dict[str, str] = {}
        for protocol, folder in folders.items():
            failed = run_all(
                opened,
                folder,
                specs,
                protocol=protocol,
                epochs_scale=epochs_scale,
                seeds=seeds,
                executor=executor,
                on_progress=on_progress,
            )
            where = f"{protocol}/" if split == ALL else ""
            failures |= {f"{where}{name}": reason for name, reason in failed.items()}
    list_failed_runs(failures)
    written = [str(path) for folder in folders.values() for path in write(folder, songs=songs)]
    if split == ALL:
        written.insert(0, str(write_splits(out, DRAWN)))
    if as_json:
        say_json({"files": written, "failed": failures})
    else:
        runs = len(specs) * seeds * len(folders)
        for folder in folders.values():
            say_sentence(result_line(folder))
        say(f"{number(runs - len(failures))} of {plural(runs, 'model')} trained")
        say(f"Report: {out / 'report.html'}")
        if split == "slices":
            words = ["backbeat", "reproduce", paper, str(features), "--split", ALL]
            words += ["--only", only] if only else []
            words += ["--epochs-scale", str(epochs_scale)] if epochs_scale != 1 else []
            words += ["--seeds", str(seeds)] if seeds != 1 else []
            say(f"Next, with artists kept apart too: {shlex.join(words)} -o OTHER")
    raise typer.Exit(int(bool(failures)))
