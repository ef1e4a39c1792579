"""The verb audit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backbeat.cli.console import job_progress, progress, say, say_json, say_sentence, table, warn
from backbeat.cli.options import (
    MAX_SEED,
    Cluster,
    Epochs,
    Folds,
    Json,
    SplitName,
    Store,
    Workers,
    refuse,
    refuse_for_split,
)
from backbeat.errors import printable
from backbeat.files.tables import Column
from backbeat.files.text import number, percent, plural, signed

if TYPE_CHECKING:
    from backbeat.features.duplicates import NearDuplicate
    from backbeat.features.store import Examples, Features, InputKind
    from backbeat.runs.effect import LeakEffect
    from backbeat.splits.audit import Audit


def audit(
    context: typer.Context,
    features: Store,
    split: SplitName,
    folds: Folds = None,
    test_share: Annotated[float, typer.Option(help="Share to test on.")] = 0.3,
    valid_share: Annotated[
        float | None, typer.Option(help="Share of the rest to choose by, as for train.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Of the split and the training.")
    ] = 0,
    near: Annotated[
        bool, typer.Option("--near/--no-near", help="Look for near duplicates too.")
    ] = True,
    model: Annotated[
        str | None, typer.Option(help="Train this on the split and on a clean one, too.")
    ] = None,
    epochs: Epochs = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="With --model: a folder for the two runs.")
    ] = None,
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Measure how much a split leaks: what of its test part is in its training part too.

    Songs, artists, albums, exact copies and near duplicates (the same recording, whatever its
    level, start and coding). --split file:theirs.csv audits a split made elsewhere.
    With --model it also measures the effect on accuracy: the same model on both splits.
    """
    from backbeat import splits, zoo
    from backbeat.errors import BackbeatError
    from backbeat.features.duplicates import why_unsearchable
    from backbeat.features.store import open_features
    from backbeat.frontend import Musicnn, Vectors
    from backbeat.parallel.executors import open_executor
    from backbeat.runs.effect import measure_leak_effect
    from backbeat.splits.audit import audit_splits

    splits.check_protocol(split)
    if (model is None) != (out is None):
        raise BackbeatError("--model and -o go together: the model, and where its two runs go")
    if model is None:
        refuse(context, "without --model", "epochs", "workers", "cluster")
    else:
        refuse(context, "with --model, which is trained on one split", "folds")
    opened = open_features(features)
    front = opened.frontend
    kind: InputKind = front.name if isinstance(front, Musicnn | Vectors) else "mfcc"
    examples = opened.outline(kind)
    if model is None:  # with it, they are of the clean split too
        refuse_for_split(context, examples, split, folds, valid_share, "seed")
    if near and (why := why_unsearchable(front)):
        refuse(context, f"here, as {why}", "near")
        warn(f"no search for near duplicates: {why}")
        near = False
    options: dict[str, Any] = {"seed": seed, "valid_share": valid_share}
    if splits.is_crossvalidation(split, folds):
        made = splits.make_folds(examples, split, folds, **options)
    else:
        made = (splits.make_split(examples, split, test_share=test_share, **options),)
    for one in made:
        splits.require_test(one, "audited")
    duplicates = _near_duplicates(opened, opened.examples(kind)) if near else None
    found = audit_splits(examples, made, duplicates)
    effect = None
    if model and out:
        spec = zoo.find(model).with_epochs(epochs)
        if spec.family == "transfer":
            refuse(context, "with --model transfer", "epochs")
        with (
            open_executor(workers, cluster, [features, out]) as executor,
            job_progress(spec.name, "runs") as on_progress,
        ):
            effect = measure_leak_effect(
                opened,
                spec,
                split,
                out,
                test_share=test_share,
                executor=executor,
                on_progress=on_progress,
                **options,
            )
    if as_json:
        say_json({"audit": found.to_json(), "effect": effect and _effect_json(effect)})
        return
    _print_audit(found)
    if effect:
        _print_effect(effect)


def _near_duplicates(opened: "Features", examples: "Examples") -> "tuple[NearDuplicate, ...]":
    from backbeat.features.duplicates import find_near_duplicates

    with progress("looking for near duplicates", "blocks") as show:
        return find_near_duplicates(
            examples, opened.frontend, seconds=opened.track_seconds(), on_progress=show
        )


def _effect_json(effect: "LeakEffect") -> dict[str, Any]:
    from dataclasses import asdict

    from backbeat.runs.scoring import evaluation_json

    return {
        "points": effect.points,
        "interval": effect.interval and asdict(effect.interval),
        "train_slices": effect.train_slices,
        "songs": effect.songs,
        "slices": effect.slices,
        "as_split": evaluation_json(effect.leaking),
        "clean": evaluation_json(effect.clean),
    }


def _print_audit(found: "Audit") -> None:
    rows = [
        (
            leak.kind,
            *(
                (leak.in_training, leak.in_validation, leak.known - leak.shared)
                if leak.known
                else ("not known",) * 3
            ),
            leak.unknown,
        )
        for leak in found.leaks
    ]
    folds = f", {found.folds} folds" if found.folds else ""
    say_sentence(f"Split {found.protocol}{folds}: {found.summary}")
    say("")
    columns = (
        *("the same", Column("in training", right=True)),
        Column("in validation", optional=2, right=True),
        *(Column("not shared", optional=3, right=True), Column("unknown", right=True)),
    )
    table("Test songs by what they share with other parts", columns, rows)
    say(f"\n{number(found.tracks)} tracks in the split, {number(found.left_out)} left out")
    for pair in found.crossings:
        names = f"{printable(pair.tested)} (test) and {printable(pair.trained)} (training)"
        where = f", {signed(pair.offset)} s" if pair.offset else ""
        say(f"{pair.kind}: {names}, correlation {number(pair.correlation, 2)}{where}")


def _print_effect(effect: "LeakEffect") -> None:
    from backbeat.evaluation.comparison import MIN_GROUPS
    from backbeat.runs.headlines import span

    rows = [
        (
            name,
            evaluated.protocol,
            percent(evaluated.metrics.slice_accuracy),
            percent(evaluated.metrics.track_accuracy),
            span(evaluated.interval),
            evaluated.metrics.n_tracks,
        )
        for name, evaluated in (("as split", effect.leaking), ("clean", effect.clean))
    ]
    say("")
    table(
        f"Effect on {effect.clean.model}",
        (
            *("run", Column("split", optional=2), Column("slice accuracy", optional=1)),
            *("song accuracy", "95 % interval", Column("songs", optional=3)),
        ),
        rows,
    )
    trained = f"each trained once on {plural(effect.train_slices, 'slice')}"
    if effect.points is None:
        say(f"\nThe two ({trained}) test no slice in common: the effect cannot be measured.")
        return
    sure = f"fewer than {MIN_GROUPS} artists, so no 95 % interval"
    if effect.interval:
        low, high = (signed(100 * end) for end in (effect.interval.low, effect.interval.high))
        sure = f"95 % interval by artists {low} to {high}"
    both = f"{plural(effect.songs, 'song')} of which both test the same "
    both += plural(effect.slices, "slice")
    points = signed(100 * effect.points)
    say(f"\nThe split changes song accuracy by {points} points ({sure}): {both}, {trained}.")
