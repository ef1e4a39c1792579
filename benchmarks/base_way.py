"""The paper's base as a reference for speed: librosa a slice at a time, JSON, Keras.

The paper and its tutorials `librosa.load` a song, take `librosa.feature.mfcc` of each of ten slices
and write all to one indented JSON file, which is read again as one array; then `keras.Model.fit`,
one model after another.
"""

import json
from pathlib import Path

import numpy as np

RATE = 22_050
SLICES = 10
SLICE_SAMPLES = 29 * RATE // SLICES
FRAMES = 125


def mfcc_slices(path: Path) -> list[np.ndarray]:
    """Give the MFCCs of each slice of a song, shapes (125, 13)."""
    import librosa

    samples, rate = librosa.load(path, sr=RATE)
    found = []
    for number in range(SLICES):
        part = samples[number * SLICE_SAMPLES : (number + 1) * SLICE_SAMPLES]
        mfcc = librosa.feature.mfcc(y=part, sr=rate, n_mfcc=13, n_fft=2048, hop_length=512).T
        if len(mfcc) == FRAMES:
            found.append(mfcc)
    return found


def features_by_json(collection: Path, out: Path) -> np.ndarray:
    """Turn a collection (a folder a genre) into an array (slices, 125, 13) through a JSON file."""
    data: dict[str, list] = {"mapping": [], "labels": [], "mfcc": []}
    genres = sorted(entry for entry in collection.iterdir() if entry.is_dir())
    for label, genre in enumerate(genres):
        data["mapping"].append(genre.name)
        for song in sorted(genre.iterdir()):
            for mfcc in mfcc_slices(song):
                data["mfcc"].append(mfcc.tolist())
                data["labels"].append(label)
    with out.open("w") as file:
        json.dump(data, file, indent=4)
    with out.open() as file:
        read = json.load(file)
    return np.array(read["mfcc"], np.float32)
