"""The verbs of honest evaluation: audit, compare."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from backbeat.cli.console import progress, say, say_json, table, warn
from backbeat.cli.options import Folds, SplitName, Workers, refuse, refuse_for_split
from backbeat.errors import printable

if TYPE_CHECKING:
    from backbeat.evaluation.comparison import Interval
    from backbeat.features.duplicates import NearDuplicate
    from backbeat.features.store import Examples, Features
    from backbeat.runs.worth import Worth
    from backbeat.splits.audit import Audit
    from backbeat.training.jobs import Progress


def audit(
    context: typer.Context,
    features: Annotated[Path, typer.Argument(help="A feature store, from prepare.")],
    split: SplitName,
    folds: Folds = None,
    test_share: Annotated[float, typer.Option(help="Share to test on.")] = 0.3,
    valid_share: Annotated[
        float | None, typer.Option(help="Share of the rest to choose by, as for train.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the split and the training.")] = 0,
    near: Annotated[
        bool, typer.Option("--near/--no-near", help="Look for near duplicates too.")
    ] = True,
    model: Annotated[
        str | None, typer.Option(help="Train this on the split and on a clean one, too.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the model's own number.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="With --model: a folder for the two runs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    workers: Workers = None,
) -> None:
    """Say how much a split leaks: what of its test part is in its training part too.

    Songs, artists, albums, exact copies and near duplicates (the same recording, whatever its
    level, start and coding). --split file:theirs.csv audits a split made elsewhere.
    With --model it also says what the leak is worth: the same model on both splits, side by side.
    """
    from backbeat import splits
    from backbeat.errors import BackbeatError
    from backbeat.features.store import open_features
    from backbeat.frontend import Musicnn
    from backbeat.splits.audit import audit_splits

    splits.check_protocol(split)
    if (model is None) != (out is None):
        raise BackbeatError("--model and -o go together: the model, and where its two runs go")
    if model is None:
        refuse(context, "without --model", "epochs", "workers")
    else:
        refuse(context, "with --model, which is trained on one split", "folds")
    opened = open_features(features)
    only_embedded = isinstance(opened.frontend, Musicnn)
    examples = opened.examples("musicnn" if only_embedded else "mfcc")
    if model is None:  # with it, they are of the clean split too
        refuse_for_split(context, examples, split, folds, valid_share, "seed")
    if near and only_embedded:
        refuse(context, "with features of --frontend musicnn", "near")
        warn("near duplicates are not looked for: features of --frontend musicnn cannot tell them")
        near = False
    options: dict[str, Any] = {"seed": seed, "valid_share": valid_share}
    if splits.is_crossvalidation(split, folds):
        made = splits.make_folds(examples, split, folds, **options)
    else:
        made = (splits.make_split(examples, split, test_share=test_share, **options),)
    found = audit_splits(examples, made, _near_duplicates(opened, examples) if near else None)
    worth = None
    if model and out:
        worth = _worth(
            context, opened, model, split, out, epochs, workers, test_share=test_share, **options
        )
    if as_json:
        told = {"audit": found.to_json(), "worth": worth and _worth_json(worth)}
        say_json(told)
        return
    _print_audit(found)
    if worth:
        _print_worth(worth)


def _near_duplicates(opened: "Features", examples: "Examples") -> "tuple[NearDuplicate, ...]":
    from backbeat.features.duplicates import find_near_duplicates

    with progress("looking for near duplicates", "blocks") as told:
        return find_near_duplicates(
            examples, opened.frontend, seconds=opened.track_seconds(), on_progress=told
        )


def _worth(
    context: typer.Context,
    opened: "Features",
    model: str,
    split: str,
    out: Path,
    epochs: int | None,
    workers: int | None,
    **options: Any,
) -> "Worth":
    from backbeat import zoo
    from backbeat.parallel.engine import open_executor
    from backbeat.runs.worth import measure_worth

    spec = zoo.find(model).with_epochs(epochs)
    if spec.family == "transfer":
        refuse(context, "with --model transfer", "epochs")
    with open_executor(workers) as executor, progress(spec.name, "") as bar:

        def told(now: "Progress") -> None:
            bar(now.done, now.total, f"{spec.name}: {now.finished} of {now.jobs} runs")

        return measure_worth(
            opened, spec, split, out, executor=executor, on_progress=told, **options
        )


def _worth_json(worth: "Worth") -> dict[str, Any]:
    from backbeat.runs.scoring import evaluation_json

    return {
        "points": worth.points,
        "as_split": evaluation_json(worth.leaking),
        "clean": evaluation_json(worth.clean),
    }


def _print_audit(found: "Audit") -> None:
    from backbeat.splits import leak_sentence

    rows = [
        (
            leak.kind,
            f"{leak.in_training:,}",
            f"{leak.in_validation:,}",
            f"{leak.known - leak.shared:,}",
            f"{leak.unknown:,}",
        )
        for leak in found.leaks
    ]
    folds = f", {found.folds} folds" if found.folds else ""
    title = f"Split {found.protocol}{folds}: test songs of which ... is in another part"
    table(title, ("the same", "in training", "in validation", "not shared", "unknown"), rows)
    say(f"\n{found.tracks:,} tracks in the split, {found.left_out:,} left out")
    for pair in found.crossings:
        names = f"{printable(pair.tested)} (test) and {printable(pair.trained)} (training)"
        where = f", {pair.offset:+.1f} s" if pair.offset else ""
        say(f"{pair.kind}: {names}, correlation {pair.correlation:.2f}{where}")
    say(leak_sentence(found.leaks))


def _print_worth(worth: "Worth") -> None:
    from backbeat.runs.headlines import span

    rows = [
        (
            name,
            evaluated.protocol,
            f"{evaluated.metrics.slice_accuracy:.1%}",
            f"{evaluated.metrics.track_accuracy:.1%}",
            span(evaluated.interval),
            evaluated.metrics.n_tracks,
        )
        for name, evaluated in (("as split", worth.leaking), ("clean", worth.clean))
    ]
    say("")
    table(
        f"What it is worth to {worth.clean.model}",
        ("run", "split", "slices right", "songs right", "95 % interval", "songs"),
        rows,
    )
    say(
        f"\nOn the split as it is, {100 * worth.points:+.1f} points of songs against the clean one."
    )


def _with_interval(value: float, interval: "Interval | None") -> str:
    ends = f" ({100 * interval.low:.1f} to {100 * interval.high:.1f})" if interval else ""
    return f"{value:.1%}{ends}"


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Runs and cross-validations, from train.")],
    figure: Annotated[
        Path | None, typer.Option("--figure", "-o", metavar="PNG", help="Draw it too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say which of several models is better, and whether that can be told at all.

    Accuracy of songs, balanced accuracy and macro-F1 with 95 % intervals by whole artists (none for
    fewer than five); McNemar's test and, over folds or
    seeds, the corrected resampled t; Holm's correction over all pairs. Runs of one model on several
    folds or with several seeds are its trials.
    """
    from dataclasses import asdict

    from backbeat.evaluation.comparison import MIN_GROUPS
    from backbeat.runs.contenders import compare_runs
    from backbeat.runs.headlines import span
    from backbeat.splits import is_leaking, leak_sentence, leaks_to_json

    compared, leaks, copies = compare_runs(runs)
    if figure:
        from backbeat import figures

        leak = leak_sentence(leaks) if is_leaking(leaks) else ""
        figures.save(figures.comparison(compared, leak=leak), figure)
    if as_json:
        say_json({"leaks": leaks_to_json(leaks), "copies": copies, **asdict(compared)})
        return
    rows = [
        (
            score.name,
            f"{score.accuracy:.1%}",
            span(score.interval),
            _with_interval(score.by_genre.balanced_accuracy, score.by_genre.balanced_interval),
            _with_interval(score.by_genre.macro_f1, score.by_genre.f1_interval),
            ", ".join(f"{trial:.1%}" for trial in score.trials) if len(score.trials) > 1 else "",
        )
        for score in compared.scores
    ]
    title = f"{compared.songs:,} songs by {compared.groups:,} artists (or songs of unknown ones)"
    columns = ("model", "songs right", "95 % interval", "balanced accuracy", "macro-F1", "trials")
    table(title, columns, rows)
    if compared.groups < MIN_GROUPS:
        say(f"Fewer than {MIN_GROUPS} artists: no 95 % interval can be given.")
    elif not compared.scores[0].by_genre.balanced_interval:
        say("A genre has songs of one artist only: its mean with others has no 95 % interval.")
    common = compared.scores[0].by_genre
    say(
        f"Always answering {common.commonest}, the most frequent genre, gets "
        f"{common.commonest_share:.1%} of songs.\n"
    )
    for pair in compared.pairs:
        say(pair.sentence)
        t = pair.resampled_t
        if t:
            say(f"  over {t.trials} trials: corrected t {t.t:.2f}, p = {t.p:.3f}")
    for line in (*copies, leak_sentence(leaks)):
        say(line)
