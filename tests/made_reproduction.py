"""Made-up reproductions: run directories as training leaves them, without a network."""

import hashlib
import json
from pathlib import Path

import numpy as np

from backbeat.collections.genres import GTZAN_GENRES
from backbeat.evaluation import Predictions, evaluate, write_predictions
from backbeat.reproduce import paper
from backbeat.splits.leaks import KINDS, Leak, leaks_to_json
from backbeat.training.history import Epoch, write_history
from backbeat.zoo.spec import parse


def made_predictions(accuracy, genres=GTZAN_GENRES, slices=20, recalls=None):
    """`slices` slices a genre in one track of ten; `accuracy` of them right, unless `recalls`."""
    k = len(genres)
    probabilities = np.full((k * slices, k), 0.1 / k)
    for genre in range(k):
        share = (recalls or {}).get(genres[genre], accuracy)
        right = round(share * slices)
        rows = genre * slices + np.arange(slices)
        answers = np.where(np.arange(slices) < right, genre, (genre + 1) % k)
        probabilities[rows, answers] = 0.9 + 0.1 / k
    truth = np.repeat(np.arange(k), slices)
    tracks = [f"{genres[g]}.{number // 10:05}" for g in range(k) for number in range(slices)]
    numbers = np.tile(np.arange(slices) % 10, k)
    return Predictions(np.array(tracks), numbers, truth, probabilities, genres)


def made_run(
    folder: Path,
    model: str,
    accuracy: float,
    *,
    seed=0,
    epochs=3,
    seconds=6.0,
    genres=GTZAN_GENRES,
    recalls=None,
    songs=("blues.00000", "rock.00001"),
    protocol="slices",
    finished=True,
):
    """Write ``folder/runs/<model>-seed<seed>``; gives it."""
    run = folder / "runs" / f"{model}-seed{seed}"
    run.mkdir(parents=True)
    family = model.partition("_")[0]
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": 8}]
    content = {"name": model, "family": family, "layers": layers, "epochs": epochs}
    parts = {"train": [f"{song}#0" for song in songs], "valid": [], "test": [f"{songs[0]}#1"]}
    split = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    spec = parse(content, model)
    (run / "spec.yaml").write_text(spec.to_yaml(), "utf-8")
    environment = {
        "spec": spec.model_dump(mode="json"),
        "split": split,
        "seed": seed,
        "frontend": {"name": "mfcc", "sample_rate": 22050, "n_fft": 2048, "n_mels": 128},
        "backbeat": "0.1.0",
        "platform": "Made-up",
        "processors": 2,
        "packages": {"keras": "3"},
    }
    (run / "environment.json").write_text(json.dumps(environment), "utf-8")
    if not finished:
        return run
    shared = int(protocol == "slices")
    leaks = [Leak(kind, 1, 1, shared, 0, shared, 0) for kind in KINDS]
    described = {
        "artists": {},
        "protocol": protocol,
        "unit": "slices",
        "leaks": leaks_to_json(tuple(leaks)),
        "seed": 0,
    }
    split_content = {"format": "backbeat-split", **described, "hash": split, "parts": parts}
    (run / "split.json").write_text(json.dumps(split_content), "utf-8")
    rising = np.linspace(0.1, accuracy, epochs)
    write_history(
        run / "history.csv",
        tuple(Epoch(i + 1, 2 - a, a, 2 - a, a, seconds) for i, a in enumerate(rising)),
    )
    predictions = made_predictions(accuracy, genres, recalls=recalls)
    write_predictions(run / "predictions.csv", predictions)
    (run / "metrics.json").write_text(evaluate(predictions).to_json(), "utf-8")
    (run / "model.backbeat").write_bytes(b"made up")
    return run


def made_all(folder: Path, *, but=(), changed=None, **options):
    """All models with the paper's own accuracies (to 5 %), best recalls for classical and metal."""
    for name, row in paper.ROWS.items():
        if name not in but:
            accuracy = (changed or {}).get(name, row.accuracy / 100)
            seconds = 6 * row.minutes / row.epochs
            made_run(folder, name, accuracy, seconds=seconds, **{"epochs": row.epochs} | options)
    return folder
