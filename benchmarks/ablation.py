"""The effect of each step of `res_10s` on accuracy: cross-validations with artists kept apart.

    python benchmarks/ablation.py FEATURES -o ablation --seeds 2

FEATURES is a store of log-mel maps. Each row adds a step to the one above, except the last three;
all train for 30 epochs, except the last two. The differences are to the row "all", song by song on
the same folds, with 95 % intervals that draw whole artists. The whole takes hours; finished
trainings are kept, and the same command goes on.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from backbeat import zoo
from backbeat.evaluation import read_predictions
from backbeat.evaluation.comparison import difference_interval
from backbeat.features.store import open_features
from backbeat.files.text import percent, signed
from backbeat.parallel.executors import open_executor
from backbeat.runs.reading import songs_of
from backbeat.training.jobs import Job, run_jobs
from backbeat.zoo import Spec
from backbeat.zoo.spec import Augmentation, Recipe

FOLDS = 3
EPOCHS = 30


def steps() -> dict[str, Spec]:
    """Give the specs by the name of the step that each adds."""
    best = zoo.find("res_10s").model_copy(update={"epochs": EPOCHS})
    assert best.recipe is not None
    chosen = best.recipe.augmentation

    def with_only(*names: str) -> Spec:
        kept = Augmentation(**{name: getattr(chosen, name) for name in names})
        return best.model_copy(
            update={"recipe": best.recipe.model_copy(update={"augmentation": kept})}
        )

    cut = ("crop", "stretch", "pitch")
    return {
        "plain": best.model_copy(
            update={"optimizer": "adam", "learning_rate": 0.001, "recipe": Recipe()}
        ),
        "one cycle, decay, smoothing": with_only(),
        "crop, tempo, pitch": with_only(*cut),
        "tone control": with_only(*cut, "equalizer"),
        "masks": with_only(*cut, "equalizer", "masks"),
        "mixup (all)": best,
        "all without band_norm": best.model_copy(update={"layers": best.layers[1:]}),
        "all, 60 epochs": best.model_copy(update={"epochs": 2 * EPOCHS}),
        "without masks and mixup, 60 epochs": with_only(*cut, "equalizer").model_copy(
            update={"epochs": 2 * EPOCHS}
        ),
    }


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description="The effect of each step of res_10s.")
    parser.add_argument("features", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int)
    chosen = parser.parse_args()
    jobs = list(every_job(chosen.features.resolve(), chosen.out.resolve(), chosen.seeds))
    with open_executor(chosen.workers) as executor:
        failed = run_jobs(
            jobs,
            executor,
            lambda p: print(f"\r{p.finished} of {p.jobs} trainings", end="", flush=True),
        )
    print()
    for name, reason in failed.items():
        print(f"{name}: {reason}")
    print_table(chosen.features, chosen.out, chosen.seeds)


def every_job(features: Path, out: Path, seeds: int) -> Iterator[Job]:
    """List all trainings: the first seed of every step, then the next."""
    for seed in range(seeds):
        for number, spec in enumerate(steps().values()):
            for fold in range(1, FOLDS + 1):
                yield Job(
                    str(features),
                    spec,
                    "artists",
                    seed,
                    str(out / f"{number}-seed{seed}" / f"fold-{fold}"),
                    split_seed=seed,
                    valid_share=0.0,
                    fold=fold,
                    folds=FOLDS,
                )


def print_table(features: Path, out: Path, seeds: int) -> None:
    """Print accuracy of songs and the difference to "all", means over the finished seeds."""
    examples = open_features(features).examples("mfcc")
    artists = dict(zip(examples.names, examples.artists, strict=True))
    whole = {
        (number, seed): answers
        for number in range(len(steps()))
        for seed in range(seeds)
        if (answers := correct(out / f"{number}-seed{seed}", artists)) is not None
    }
    reference = list(steps()).index("mixup (all)")
    print("| step | seeds | accuracy of songs | difference to all |\n| --- | --- | --- | --- |")
    for number, name in enumerate(steps()):
        found = [whole[key] for key in whole if key[0] == number]
        if not found:
            continue
        mean = np.mean([answers.mean() for answers, _ in found])
        pairs = [
            (whole[key][0] - whole[reference, key[1]][0], whole[key][1])
            for key in whole
            if key[0] == number and (reference, key[1]) in whole and number != reference
        ]
        shown = ""
        if pairs:
            # The same songs for every seed, so their differences are averaged before drawing.
            difference = np.mean([values for values, _ in pairs], axis=0)
            interval = difference_interval(difference, pairs[0][1])
            ends = f"{signed(100 * interval.low)} to {signed(100 * interval.high)}"
            shown = f"{signed(100 * difference.mean())} ({ends})"
        print(f"| {name} | {len(found)} | {percent(mean)} | {shown} |")


def correct(run: Path, artists: dict[str, str]) -> tuple[np.ndarray, np.ndarray] | None:
    """Give which songs are correct and the groups of their artists, in the order of names."""
    files = [run / f"fold-{fold}" / "predictions.csv" for fold in range(1, FOLDS + 1)]
    if not all((file.parent / "model.backbeat").exists() for file in files):
        return None
    songs = [songs_of(read_predictions(file), 1.0, artists) for file in files]
    tracks = np.concatenate([one.tracks for one in songs])
    order = np.argsort(tracks)
    answers = np.concatenate([one.correct for one in songs]).astype(float)[order]
    groups = np.concatenate([one.groups for one in songs])
    return answers, groups[order]


if __name__ == "__main__":
    main()
