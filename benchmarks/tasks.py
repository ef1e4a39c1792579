"""The tasks that `speed.py` times: each prints the seconds that it took, modules loaded before."""

import sys
import tempfile
import time
from pathlib import Path


def features_base(collection: str, out: str) -> float:
    """Bring a collection to an array by librosa and JSON."""
    import numpy as np
    from base_way import features_by_json
    from librosa.feature import mfcc

    mfcc(y=np.zeros(2048, np.float32))  # loads what librosa loads when it is first needed
    start = time.perf_counter()
    features_by_json(Path(collection), Path(out))
    return time.perf_counter() - start


def prepare(collection: str, frontend: str, workers: str) -> float:
    """Bring a collection to an array by backbeat."""
    from backbeat import frontend as frontends
    from backbeat.collection import read_collection
    from backbeat.engine import open_executor
    from backbeat.features import open_features
    from backbeat.prepare import prepare

    front = frontends.by_name(frontend)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "store"
        start = time.perf_counter()
        with open_executor(int(workers)) as executor:
            prepare(read_collection(Path(collection)), out, frontend=front, executor=executor)
        kind = "mfcc" if frontend == "mfcc" else "logmel"
        open_features(out).examples(kind)
        return time.perf_counter() - start


def model_base(path: str) -> float:
    """Make and save the paper's best network, not trained."""
    from backbeat import zoo
    from backbeat.zoo.build import build

    build(zoo.find("cnn_03.8"), (125, 13), 10).save(path)
    return 0.0


def classify_base(model: str, song: str) -> float:
    """Answer one song as the base does."""
    import keras
    import numpy as np
    from base_way import mfcc_slices

    network = keras.models.load_model(model)
    network.predict(np.stack(mfcc_slices(Path(song))), verbose=0)
    return 0.0


def classify(song: str) -> float:
    """Answer one song by backbeat's command line."""
    import subprocess

    command = [str(Path(sys.executable).with_name("backbeat")), "classify", song]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 0.0


if __name__ == "__main__":
    chosen = {
        "features-base": features_base,
        "prepare": prepare,
        "model-base": model_base,
        "classify-base": classify_base,
        "classify": classify,
    }[sys.argv[1]]
    print(chosen(*sys.argv[2:]))
