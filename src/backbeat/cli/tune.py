"""The verb tune."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from backbeat.cli.console import progress, say, say_json
from backbeat.cli.options import (
    MAX_SEED,
    EpochsScale,
    Json,
    SplitName,
    Store,
    Threads,
    refuse_for_split,
)
from backbeat.files.text import percent, significant

if TYPE_CHECKING:
    from backbeat.tuning import SearchProgress


def tune(
    context: typer.Context,
    features: Store,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make or go on with.")],
    family: Annotated[
        Literal["mlp", "cnn"], typer.Option(help="Networks with or without convolutions.")
    ],
    strategy: Annotated[
        Literal["trial-and-error", "tpe"],
        typer.Option(help="The paper's, a change at a time; or a general search (Optuna)."),
    ] = "trial-and-error",
    budget: Annotated[int, typer.Option(min=1, help="Models to train at most.")] = 30,
    split: SplitName = "artists",
    test_share: Annotated[float, typer.Option(help="Share to keep aside, untouched.")] = 0.3,
    valid_share: Annotated[float, typer.Option(help="Share of the rest to judge by.")] = 0.2,
    epochs_scale: EpochsScale = 1.0,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Of the split, weights and search.")
    ] = 0,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Search for a good model; best.yaml is what `train --model` takes.

    Models are judged by a validation part; the test part is not touched. After a stop or a kill,
    the same command goes on; with a larger --budget, so it does after the end.
    """
    from backbeat import splits, tuning
    from backbeat.features.store import open_features

    opened = open_features(features)
    splits.check_protocol(split)
    examples = opened.examples("mfcc")
    refuse_for_split(context, examples, split, None, valid_share)
    with progress("tuning", "models") as show:

        def on_progress(now: "SearchProgress") -> None:
            show(min(now.log.done, now.budget), now.budget, _describe(now))

        log = tuning.tune(
            opened,
            out,
            family=family,
            strategy=strategy,
            budget=budget,
            protocol=split,
            seed=seed,
            epochs_scale=epochs_scale,
            test_share=test_share,
            valid_share=valid_share,
            threads=threads,
            on_progress=on_progress,
        )
    if as_json:
        say_json(json.loads(log.to_json()))
        return
    say("\n".join(log.heading))
    say(f"\n{log.to_text()}\nLog: {out / 'tree.md'}, {out / 'tree.json'}, {out / 'tree.png'}")
    if log.best:
        # With these shares and this seed the test part is the one that tuning has not touched.
        shares = {"test_share": test_share, "valid_share": valid_share}
        ignored = splits.ignored(examples, split, None, valid_share)
        given = "".join(
            f"--{name.replace('_', '-')} {significant(share)} "
            for name, share in shares.items()
            if name not in ignored
        )
        command = (
            f"backbeat train {shlex.quote(str(features))} "
            f"--model {shlex.quote(str(out / 'best.yaml'))} --split {shlex.quote(split)} "
            f"{given}--seed {seed} -o RUN"
        )
        say(f"Train it, and test it for the first time:\n  {command}")


def _describe(now: "SearchProgress") -> str:
    """Give the best so far and the epoch in progress in a few words."""
    best = now.log.best
    parts = [f"best {percent(best.accuracy)}" if best else "tuning"]
    if now.training:
        parts.append(f"epoch {now.training.epoch}/{now.training.epochs}")
    return ", ".join(parts)
