"""How often the songs nearest to a song have its genre.

    python benchmarks/neighbours.py FEATURES

FEATURES is a store of log-mel maps. For each song the ten nearest are found among all others: by
the embedding of the bundle "gtzan", which is that of MusiCNN and has seen no label of these songs,
and by mean and deviation of the MFCCs. With "artists", songs of the same artist are left out first;
intervals draw whole artists. Chance is the share of songs of the same genre among all others.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from backbeat import splits
from backbeat.evaluation import mean_by_track
from backbeat.evaluation.comparison import share_interval
from backbeat.features.store import Examples, Features, open_features
from backbeat.files.text import percent
from backbeat.library.neighbours import cosine
from backbeat.runs.headlines import ends
from backbeat.transfer import embed, fit_head

TOP = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Share of nearest songs with the same genre.")
    parser.add_argument("features", type=Path)
    chosen = parser.parse_args()
    features = open_features(chosen.features)
    methods: dict[str, Callable[[Features], tuple[Examples, np.ndarray]]] = {
        "embedding, standardised (used)": lambda f: standard(*embedded(f)),
        "embedding less the mean": lambda f: centred(*embedded(f)),
        "embedding unchanged": embedded,
        "mean and deviation of MFCCs": lambda f: standard(*mfcc_statistics(f)),
    }
    print("| by | all songs | artists |\n| --- | --- | --- |")
    for name, method in methods.items():
        examples, vectors = method(features)
        labels, groups = examples.track_genres, splits.track_groups(examples, "artists")
        shares = [share(cosine(vectors, vectors), labels, groups, apart=a) for a in (False, True)]
        print(f"| {name} | {shares[0]} | {shares[1]} |", flush=True)
    same = labels[:, np.newaxis] == labels
    chances = []
    for left_out in (np.eye(len(labels), dtype=bool), groups[:, np.newaxis] == groups):
        among = [same[row, ~left_out[row]].mean() for row in range(len(labels))]
        chances.append(percent(float(np.mean(among))))
    print(f"| chance | {chances[0]} | {chances[1]} |")


def share(similarity: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, apart: bool) -> str:
    """Give the mean share of the ten nearest that have the song's genre, with its interval."""
    left_out = groups[:, np.newaxis] == groups if apart else np.eye(len(labels), dtype=bool)
    nearest = np.argsort(-np.where(left_out, -np.inf, similarity), axis=1, kind="stable")[:, :TOP]
    right = (labels[nearest] == labels[:, np.newaxis]).mean(axis=1)
    interval = share_interval(right, groups)
    return percent(right.mean()) + ends(interval)


def embedded(features: Features) -> tuple[Examples, np.ndarray]:
    """Give each song's embedding, which does not depend on the trained head."""
    examples = embed(features)
    songs = by_song(examples, examples.x[:, 0])
    head = fit_head(songs, examples.track_genres, len(examples.genres))
    return examples, head.outputs(songs.astype(np.float32)).embedding


def mfcc_statistics(features: Features) -> tuple[Examples, np.ndarray]:
    """Give mean and deviation over each song's frames of its MFCCs."""
    examples = features.examples("mfcc")
    first = by_song(examples, examples.x.mean(axis=1))
    second = by_song(examples, np.square(examples.x).mean(axis=1))
    return examples, np.concatenate([first, np.sqrt(second - first**2)], axis=1)


def by_song(examples: Examples, rows: np.ndarray) -> np.ndarray:
    """Average rows of slices over each song."""
    return mean_by_track(examples.track_names(np.arange(len(examples.track))), rows)


def centred(examples: Examples, vectors: np.ndarray) -> tuple[Examples, np.ndarray]:
    """Subtract the mean over all songs."""
    return examples, vectors - vectors.mean(axis=0)


def standard(examples: Examples, vectors: np.ndarray) -> tuple[Examples, np.ndarray]:
    """Standardise each dimension over all songs."""
    return examples, (vectors - vectors.mean(axis=0)) / np.maximum(vectors.std(axis=0), 1e-6)


if __name__ == "__main__":
    main()
