"""Options that several verbs share, with one meaning everywhere."""

from typing import Annotated

import typer

Workers = Annotated[
    int | None, typer.Option("--workers", "-w", min=1, help="Processes (default: one a processor).")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="Work on a Dask cluster: tcp://HOST:PORT, a scheduler's .json file, or local:N.",
    ),
]
SplitName = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="SPLIT",
        help="slices (the paper's; leaks), tracks, artists (honest), gtzan-filtered, gtzan-folds, "
        "or file:PATH (a CSV of path,part, or a split.json).",
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(min=2, help="Cross-validation of slices, tracks or artists with so many folds."),
]
