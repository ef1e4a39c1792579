"""The verb train."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backbeat.cli.console import (
    epoch_progress,
    job_progress,
    list_failed_runs,
    progress,
    warn,
)
from backbeat.cli.evaluate import score_run
from backbeat.cli.options import (
    MAX_SEED,
    Cluster,
    Epochs,
    Folds,
    Json,
    SplitName,
    Store,
    Threads,
    Workers,
    refuse,
    refuse_for_split,
)
from backbeat.files.text import number

if TYPE_CHECKING:
    from backbeat.splits import Split


def train(
    context: typer.Context,
    features: Store,
    model: Annotated[str, typer.Option(help="A model of the zoo, a YAML spec, transfer or head.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The run directory to make.")],
    split: SplitName,
    folds: Folds = None,
    test_share: Annotated[float, typer.Option(help="Share to test on.")] = 0.3,
    valid_share: Annotated[
        float | None,
        typer.Option(help="Share of the rest to choose by (default: slices 0, others 0.15)."),
    ] = None,
    max_error: Annotated[
        float, typer.Option(help='Share of wrong answers that "unsure" aims at.')
    ] = 0.2,
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Of the split, weights and order.")
    ] = 0,
    epochs: Epochs = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped.")
    ] = False,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Log each epoch here, for TensorBoard.")
    ] = None,
    as_json: Json = False,
    threads: Threads = 1,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Train a model, evaluate it and leave a bundle that `classify` takes.

    With --folds, or the published folds, train it on every fold. Ctrl-C keeps the last whole epoch.
    """
    from backbeat import splits, zoo
    from backbeat.features.store import open_features
    from backbeat.parallel.executors import cpu_count, open_executor
    from backbeat.training import train as training
    from backbeat.training.crossvalidation import cross_validate
    from backbeat.training.jobs import load_examples, outline_examples

    splits.check_protocol(split)
    spec = zoo.find(model).with_epochs(epochs)
    is_transfer = spec.family == "transfer"
    is_crossvalidation = splits.is_crossvalidation(split, folds)
    if is_transfer:
        refuse(context, "with --model transfer", "epochs", "tensorboard", "threads")
    if not is_crossvalidation:
        refuse(context, "without --folds", "workers", "cluster")
    opened = open_features(features)
    zoo.check_input(spec, opened.frontend)
    outline = outline_examples(opened, spec.input)
    more = ("seed",) if is_transfer else ()  # a head is fitted without chance
    refuse_for_split(context, outline, split, folds, valid_share, *more)
    drawing: dict[str, Any] = {"seed": seed, "valid_share": valid_share}
    if is_crossvalidation:
        drawn = splits.make_folds(outline, split, folds, **drawing)[0]
    else:
        drawn = splits.make_split(outline, split, test_share=test_share, **drawing)
    splits.require_test(drawn, "trained; `backbeat tune` needs none")
    _refuse_max_error(context, drawn)
    # Before any worker begins, so that MusiCNN's features are computed once.
    with progress("computing MusiCNN's features", shown=is_transfer) as show:
        examples = load_examples(opened, spec.input, on_progress=show)
    if is_crossvalidation:
        if workers is None and cluster is None:
            workers = max(1, cpu_count() // threads)
        with (
            open_executor(workers, cluster, [features, out]) as executor,
            job_progress(spec.name, "folds") as on_progress,
        ):
            failures = cross_validate(
                opened,
                spec,
                split,
                out,
                folds=folds,
                max_error=max_error,
                threads=threads,
                resume=resume,
                tensorboard=tensorboard,
                executor=executor,
                on_progress=on_progress,
                **drawing,
            )
        list_failed_runs(failures)
        if failures:
            raise typer.Exit(1)
        score_run(out, as_json=as_json)
        return
    _describe_split(drawn, spec.name)
    with epoch_progress(drawn.monitored) as on_progress:
        training.train(
            opened,
            spec,
            drawn,
            examples,
            out,
            seed=seed,
            max_error=max_error,
            threads=threads,
            resume=resume,
            on_progress=on_progress,
            tensorboard=tensorboard,
        )
    score_run(out, as_json=as_json)


def _refuse_max_error(context: typer.Context, split: "Split") -> None:
    """Refuse --max-error where there are no songs to choose the threshold of "unsure" by."""
    if not len(split.rows("valid")) or split.divides_tracks:
        refuse(context, "without a validation part of whole songs", "max_error")


def _describe_split(split: "Split", model: str) -> None:
    """Print on standard error how large the parts are, what is unknown, and what leaks."""
    from backbeat import splits

    counts = ", ".join(f"{number(len(split.rows(part)))} {part}" for part in splits.PARTS)
    warn(f"{model}: {counts} slices; split {split.protocol}, hash {split.hash}")
    if split.unknown_artists and split.protocol not in ("slices", "tracks"):
        warn(
            f"artists unknown of {number(split.unknown_artists)} of {number(split.tracks)} tracks: "
            "each stands for itself"
        )
    warn(split.leak)
