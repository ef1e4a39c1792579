"""Feature stores and runs made from numbers, without audio, for the tests."""

from pathlib import Path

import numpy as np

from backbeat.features.importing import import_features
from backbeat.features.store import Features, open_features
from backbeat.splits import make_split
from backbeat.training.train import train
from backbeat.zoo.spec import parse

GENRES = ("blues", "jazz", "rock")


def made_mfcc(tracks=30, slices=4, frames=125, genres=GENRES, seed=0):
    """MFCCs of made-up songs whose genre shifts some coefficients: easy to distinguish."""
    random = np.random.default_rng(seed)
    y = np.arange(tracks) % len(genres)
    x = random.standard_normal((tracks, slices, frames, 13))
    centres = 2.0 * np.eye(13)[: len(genres)]
    return (x + centres[y][:, None, None]).astype(np.float32), y


def made_npz(path: Path, **changes) -> Path:
    """Write an npz file as `import_features` takes; `changes` replace fields, None removes one."""
    x, y = made_mfcc()
    fields = {
        "X": x,
        "y": y,
        "names": np.array([f"{GENRES[label]}/song{row:02d}" for row, label in enumerate(y)]),
        "genres": np.array(GENRES),
        "artists": np.array([f"artist {row // 3 // 2} of {label}" for row, label in enumerate(y)]),
    }
    fields |= changes
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    return path


def made_store(folder: Path, name: str = "features", **changes) -> Features:
    """A finished feature store of 30 songs of 3 genres, 2 songs an artist, 4 slices a song."""
    folder.mkdir(parents=True, exist_ok=True)
    source = made_npz(folder / f"{name}.npz", **changes)
    # Made-up songs differ in their genre alone, so that any two could be parts of one.
    import_features(source, folder / name, frontend="mfcc", songs="rows")
    return open_features(folder / name)


def small_spec(**changes):
    """A network that learns the made-up genres in a second, with dropout and its own statistics."""
    content = {
        "name": "small",
        "family": "mlp",
        "layers": [
            {"kind": "flatten"},
            {"kind": "dense", "units": 8},
            {"kind": "batch_norm"},
            {"kind": "dropout", "rate": 0.3},
        ],
        "learning_rate": 0.01,
        "batch_size": 16,
        "epochs": 5,
    }
    return parse(content | changes, "small.yaml")


def made_run(features: Features, out: Path, *, spec=None, protocol="artists", seed=3, **options):
    """Train a small network on a feature store; gives the run."""
    spec = spec or small_spec()
    examples = features.examples(spec.input)
    split = make_split(examples, protocol, seed=seed)
    return train(features, spec, split, examples, out, seed=seed, **options)
