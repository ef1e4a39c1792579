"""The demo: every step on the built-in collection, in a few minutes on two cores."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backbeat.cli.console import epoch_progress, progress, say
from backbeat.cli.options import Workers
from backbeat.files.text import probability

if TYPE_CHECKING:
    from backbeat.runs.evaluation import Evaluation

CLIPS_PER_GENRE = 24
MODEL = "cnn_03.8"
EPOCHS = 20
SONGS_TO_CLASSIFY = 10


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for all that is made.")] = Path(
        "demo"
    ),
    workers: Workers = None,
) -> None:
    """Go through every step on the built-in collection: songs, features, training, answers."""
    run_demo(out, workers)


def run_demo(out: Path, workers: int | None = None) -> None:
    """Compose songs, check and prepare them, train and evaluate twice, classify, draw; resumes."""
    from backbeat import frontend
    from backbeat.classify import Answer, classify_all, load
    from backbeat.collections import jam
    from backbeat.collections.check import check_collection
    from backbeat.collections.collection import read_collection
    from backbeat.features.prepare import prepare
    from backbeat.figures.show import show
    from backbeat.parallel.executors import open_executor
    from backbeat.runs.headlines import verdict

    front = frontend.Mfcc()
    songs, features = out / "songs", out / "features"
    say("1. Songs: the built-in collection, composed and rendered (it stands for no real music)")
    with progress("composing", "clips") as on_progress:
        jam.generate(
            songs,
            per_genre=CLIPS_PER_GENRE,
            with_faults=True,
            workers=workers,
            on_progress=on_progress,
        )
    collection = read_collection(songs)
    with open_executor(workers) as executor:
        say("2. Check: what is unusable or suspicious (a broken file of each kind was added)")
        with progress("checking") as on_progress:
            report = check_collection(
                collection,
                min_seconds=front.min_samples / front.sample_rate,
                executor=executor,
                on_progress=on_progress,
            )
        for finding in report.findings:
            say(f"   {finding.level}: {finding.track}: {finding.reason}")
        say("3. Features: ten slices of 13 MFCCs x 125 frames a song")
        with progress("preparing") as on_progress:
            prepare(
                collection,
                features,
                frontend=front,
                executor=executor,
                drop_duplicates=True,
                on_progress=on_progress,
            )
    say(f"4. Training {MODEL}, once with artists kept apart and once as the paper splits")
    # The clean one first, so that the other's report can show it.
    evaluations = [_train(features, out, protocol) for protocol in ("artists", "slices")]
    say("5. Answers of the first model to songs of its test part")
    classifier = load(out / "run-artists")
    for result in classify_all(classifier, _test_songs(songs, out), workers=workers):
        if isinstance(result, Answer):
            truth = result.path.parent.name
            withheld = f" ({result.label})" if result.withheld else ""
            share = probability(result.probability)
            say(f"   {truth:<10} taken for {result.genre:<10} {share:>5}{withheld}")
    say("6. Pictures of a song")
    pictures = show(songs / "rock" / "jam-rock-000.wav", out / "pictures")
    say("\nResults, of synthetic songs: they say nothing about real music")
    for evaluated in evaluations:
        say(f"  {verdict(evaluated)}")
    say("\nLook at:")
    for path in (
        out / "run-slices" / "report.html",
        out / "run-artists" / "report.html",
        out / "run-artists" / "figures" / "metrics.png",
        pictures[0],
        out / "run-artists" / "model.backbeat",
    ):
        say(f"  {path}")
    say(
        "\nThese models know synthetic songs only. For your own, use the one that comes with "
        "backbeat:\nbackbeat classify YOUR_SONGS"
    )


def _train(features: Path, out: Path, protocol: str) -> "Evaluation":
    """Train and evaluate on one split."""
    from backbeat import splits, zoo
    from backbeat.features.store import open_features
    from backbeat.runs import scoring
    from backbeat.runs.headlines import verdict
    from backbeat.training import train as training

    spec = zoo.find(MODEL).with_epochs(EPOCHS)
    opened = open_features(features)
    examples = opened.examples(spec.input)
    split = splits.make_split(examples, protocol)
    run = out / f"run-{protocol}"
    clean = out / "run-artists" if protocol == "slices" else None
    with epoch_progress(split.monitored) as on_progress:
        training.train(
            opened, spec, split, examples, run, resume=run.exists(), on_progress=on_progress
        )
    evaluated = scoring.evaluate_run(run, clean=clean)
    scoring.write_evaluation(run, evaluated)
    say(f"   {protocol}: {verdict(evaluated)}")
    return evaluated


def _test_songs(songs: Path, out: Path) -> list[Path]:
    """Choose test songs of the artist split, spread over the genres."""
    from backbeat import splits

    test = splits.read_parts(out / "run-artists" / "split.json")["parts"]["test"]
    step = max(1, len(test) // SONGS_TO_CLASSIFY)
    return [songs / name for name in test[::step][:SONGS_TO_CLASSIFY]]
