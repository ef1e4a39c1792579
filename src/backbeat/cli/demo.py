"""The demo: the whole way on the built-in collection, in a few minutes on two cores."""

from pathlib import Path

from backbeat import frontend, splits, zoo
from backbeat.classify import many as classify
from backbeat.cli.console import EpochBar, progress, say
from backbeat.collections import jam
from backbeat.collections.check import check_collection
from backbeat.collections.collection import read_collection
from backbeat.features.prepare import prepare
from backbeat.features.store import open_features
from backbeat.figures.show import show
from backbeat.parallel.engine import open_executor
from backbeat.runs import scoring
from backbeat.runs.evaluation import Evaluation
from backbeat.training import train as training

CLIPS_PER_GENRE = 24
MODEL = "cnn_03.8"
EPOCHS = 20
SONGS_TO_CLASSIFY = 10


def demo(out: Path) -> None:
    """Compose songs, check and prepare them, train and evaluate twice, classify, draw.

    Parameters
    ----------
    out : Path
        Where everything goes. A demo that was stopped goes on where it was.
    """
    front = frontend.Mfcc()
    songs, features = out / "songs", out / "features"
    say("1. Songs: the built-in collection, composed and rendered (it stands for no real music)")
    with progress("composing", "clips") as told:
        jam.generate(songs, per_genre=CLIPS_PER_GENRE, with_faults=True, on_progress=told)
    collection = read_collection(songs)
    with open_executor() as executor:
        say("2. Check: what is unusable or suspicious (a broken file of each kind was added)")
        with progress("checking") as told:
            report = check_collection(
                collection,
                min_seconds=front.min_samples / front.sample_rate,
                executor=executor,
                on_progress=told,
            )
        for finding in report.findings:
            say(f"   {finding.level}: {finding.track}: {finding.reason}")
        say("3. Features: ten slices of 13 MFCCs x 125 frames a song")
        with progress("preparing") as told:
            prepare(
                collection,
                features,
                frontend=front,
                executor=executor,
                drop_duplicates=True,
                on_progress=told,
            )
    say(f"4. Training {MODEL}, once as the paper splits and once honestly")
    told_of = {protocol: _train(features, out, protocol) for protocol in ("slices", "artists")}
    say("5. Answers: songs by artists not in the training set of the honest model")
    classifier = classify.load(out / "run-artists")
    for result in classify.classify_all(classifier, _unheard(songs, out)):
        if isinstance(result, classify.Answer):
            truth = result.path.parent.name
            withheld = "" if result.label == result.genre else f" ({result.label})"
            say(f"   {truth:<10} taken for {result.genre:<10} {result.probability:4.0%}{withheld}")
    say("6. Pictures of a song")
    pictures = show(songs / "rock" / "jam-rock-000.wav", out / "pictures")
    say("\nAccuracy of slices")
    for protocol, evaluated in told_of.items():
        leak = splits.leak_sentence(evaluated.leaks)
        say(f"  {protocol}: {evaluated.metrics.slice_accuracy:.1%}. {leak}")
    say("\nLook at:")
    for path in (
        out / "run-slices" / "report.html",
        out / "run-artists" / "report.html",
        out / "run-artists" / "figures" / "metrics.png",
        pictures[0],
        out / "run-artists" / "model.backbeat",
    ):
        say(f"  {path}")
    say(f"\nNext: backbeat classify YOUR_SONGS --model {out / 'run-artists' / 'model.backbeat'}")


def _train(features: Path, out: Path, protocol: str) -> Evaluation:
    """Train and evaluate on one split."""
    spec = zoo.find(MODEL).with_epochs(EPOCHS)
    opened = open_features(features)
    examples = opened.examples(spec.input)
    split = splits.make_split(examples, protocol)
    run = out / f"run-{protocol}"
    with EpochBar(split.monitored) as told:
        training.train(opened, spec, split, examples, run, resume=run.exists(), on_progress=told)
    evaluated = scoring.evaluate_run(run)
    scoring.write_evaluation(run, evaluated)
    metrics = evaluated.metrics
    say(
        f"   {protocol}: {metrics.slice_accuracy:.1%} of slices, "
        f"{metrics.track_accuracy:.1%} of songs"
    )
    return evaluated


def _unheard(songs: Path, out: Path) -> list[Path]:
    """Choose test songs of the artist split, spread over the genres."""
    test = splits.read_parts(out / "run-artists" / "split.json")["parts"]["test"]
    step = max(1, len(test) // SONGS_TO_CLASSIFY)
    return [songs / name for name in test[::step][:SONGS_TO_CLASSIFY]]
