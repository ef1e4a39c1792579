"""How well a model separates songs of a genre it was not trained on from those of known genres.

    python benchmarks/unknown_genres.py FEATURES

FEATURES is a store that ``--model transfer`` takes. Each genre is left out of training in turn,
with three folds that keep artists apart; of the test songs, those of the missing genre should score
higher out of genre than the others. A row a space: the area under the ROC curve (0.5 is chance),
averaged over genres and folds, and the share of songs of the missing genre that score higher than
95 % of the others.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from backbeat import splits
from backbeat.evaluation import mean_by_track
from backbeat.evaluation.calibration import fit_out_of_genre, strangeness
from backbeat.features.store import open_features
from backbeat.files.text import number, percent
from backbeat.frontend.musicnn.autotags import MSD
from backbeat.splits.drawing import draw_groups
from backbeat.transfer import embed, fit_head

FOLDS = 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Separate unknown genres from known ones.")
    parser.add_argument("features", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    examples = embed(open_features(chosen.features))
    names = examples.track_names(np.arange(len(examples.track)))
    songs = mean_by_track(names, examples.x[:, 0])
    labels = examples.track_genres
    genres = len(examples.genres)
    # The embedding does not depend on the trained head, so one head gives it for all.
    embedding = fit_head(songs, labels, genres).outputs(songs.astype(np.float32)).embedding
    spaces = {
        "mean-pooled features": embedding[:, : -len(MSD)],
        "tags": embedding[:, -len(MSD) :],
        "both (used)": embedding,
    }
    groups = splits.track_groups(examples, "artists")
    rng = np.random.default_rng(chosen.seed)
    fold = draw_groups(labels, groups, np.full(FOLDS, 1 / FOLDS), rng)
    print(f"{'space':24} {'AUC':>6} {'withheld':>9}")
    for name, vectors in spaces.items():
        found = [
            separation(
                vectors[(fold != k) & (labels != genre)],
                vectors[fold == k],
                labels[fold == k],
                genre,
            )
            for genre in range(genres)
            for k in range(FOLDS)
        ]
        area, withheld = np.mean(found, axis=0)
        print(f"{name:24} {number(area, 3):>6} {percent(withheld):>9}")


def separation(
    known: np.ndarray, songs: np.ndarray, labels: np.ndarray, genre: int
) -> tuple[float, float]:
    """Give the area under the ROC curve, and the share withheld where 5 % of the others are."""
    distances = strangeness(songs, fit_out_of_genre(known, known))
    unknown = labels == genre
    limit = np.quantile(distances[~unknown], 0.95)
    return float(roc_auc_score(unknown, distances)), float(np.mean(distances[unknown] > limit))


if __name__ == "__main__":
    main()
