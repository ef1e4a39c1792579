"""Options that several verbs share, with one meaning everywhere; refusing those without effect."""

from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.errors import BackbeatError

if TYPE_CHECKING:
    from backbeat.features.store import Examples

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


def refuse(context: typer.Context, why: str, *names: str) -> None:
    """Refuse options that were given and have no effect.

    An environment variable such as BACKBEAT_MODEL is for all verbs, and is not refused.

    Parameters
    ----------
    context : typer.Context
        Of the verb.
    why : str
        What takes their effect away, such as "with --folds".
    *names : str
        The options, as the verb's parameters are called.

    Raises
    ------
    BackbeatError
        Naming the first of them that was given.
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
