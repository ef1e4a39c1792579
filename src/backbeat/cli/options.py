"""Options that several verbs share, with one meaning everywhere; refusing those without effect."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.errors import BackbeatError

if TYPE_CHECKING:
    from backbeat.features.store import Examples

MAX_SEED = 2**32 - 1  # of the generators of several libraries

Store = Annotated[Path, typer.Argument(help="A feature store, from prepare.")]
Songs = Annotated[list[Path], typer.Argument(help="Audio files, or folders of them.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, max=1000, help="Processes (default: one a processor)."),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1,
        max=1000,
        help="Of TensorFlow in each training; other networks than with 1 from the same seed.",
    ),
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
    typer.Option(
        min=2, max=1000, help="Cross-validation of slices, tracks or artists with so many folds."
    ),
]
Epochs = Annotated[int | None, typer.Option(help="Instead of the model's own number.")]
EpochsScale = Annotated[float, typer.Option(help="Factor on all epochs, for a quick look.")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="gtzan or gtzan-fast, which come with backbeat; a bundle; or a run directory.",
        envvar="BACKBEAT_MODEL",
    ),
]
Windows = Annotated[
    str | None,
    typer.Option(
        "--windows",
        metavar="N|all",
        help="How many half minutes of a song to analyse at most, spread over it (default 4).",
    ),
]
IndexPath = Annotated[
    Path | None,
    typer.Option(
        "--index",
        metavar="FILE",
        help="Where answers are kept, so that only new or changed files are analysed (default: in "
        "the user's cache folder).",
        envvar="BACKBEAT_INDEX",
    ),
]
Again = Annotated[bool, typer.Option("--again", help="Analyse files that the index knows, too.")]


def refuse(context: typer.Context, why: str, *names: str) -> None:
    """Refuse options that were given and have no effect.

    `why` is what takes their effect away, such as "with --folds"; `names` are those of the verb's
    parameters. An environment variable such as BACKBEAT_MODEL is for all verbs, and not refused.
    """
    for option in context.command.params:
        source = option.name in names and context.get_parameter_source(option.name or "")
        if source and source.name == "COMMANDLINE":
            shown = max(option.opts, key=len)
            raise BackbeatError(f"{shown}: has no effect {why}; leave it out")


def refuse_for_split(
    context: typer.Context,
    examples: "Examples",
    split: str,
    folds: int | None,
    valid_share: float | None,
    *more: str,
) -> None:
    """Refuse shares, and of `more` what else is given, that do not change a split."""
    from backbeat import splits

    refused = {"test_share", "valid_share", *more}.intersection(
        splits.ignored(examples, split, folds, valid_share)
    )
    refuse(context, "with --folds" if folds else f"with --split {split}", *refused)
