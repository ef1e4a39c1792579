"""The tasks that `speed.py` times: each prints its seconds, without loading modules."""

import sys
import tempfile
import time
from pathlib import Path


def features_base(collection: str, out: str) -> float:
    """Turn a collection into an array by librosa and JSON."""
    import numpy as np
    from base_way import features_by_json
    from librosa.feature import mfcc

    mfcc(y=np.zeros(2048, np.float32))  # loads what librosa loads on first use
    start = time.perf_counter()
    features_by_json(Path(collection), Path(out))
    return time.perf_counter() - start


def prepare(collection: str, frontend: str, workers: str) -> float:
    """Turn a collection into an array by backbeat."""
    from backbeat import frontend as frontends
    from backbeat.collections.collection import read_collection
    from backbeat.features.prepare import prepare
    from backbeat.features.store import open_features
    from backbeat.parallel.executors import open_executor

    front = frontends.by_name(frontend)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "store"
        with open_executor(int(workers)) as executor:
            list(executor.map(imported, range(int(workers))))
            start = time.perf_counter()
            prepare(read_collection(Path(collection)), out, frontend=front, executor=executor)
        kind = "mfcc" if frontend == "mfcc" else "logmel"
        open_features(out).examples(kind)
        return time.perf_counter() - start


def imported(_number: int) -> None:
    """Load what a worker needs, and keep it busy until the others have begun."""
    import soundfile  # noqa: F401 - loaded on first use
    import zarr.codecs  # noqa: F401

    import backbeat.features.prepare  # noqa: F401

    time.sleep(1)


def model_base(path: str) -> float:
    """Make and save the paper's best network, not trained."""
    from backbeat import zoo
    from backbeat.zoo.build import build

    build(zoo.find("cnn_03.8"), (125, 13), 10).save(path)
    return 0.0


def classify_base(model: str, song: str) -> float:
    """Classify one song as the base does."""
    import keras
    import numpy as np
    from base_way import mfcc_slices

    network = keras.models.load_model(model)
    network.predict(np.stack(mfcc_slices(Path(song))), verbose=0)
    return 0.0


def models_base(source: str, out: str, only: str) -> float:
    """Train models one after another as the base does, on the slices of an npz file."""
    import keras
    import numpy as np

    from backbeat.reproduce.runner import paper_specs
    from backbeat.zoo.build import build

    optimizers = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
    with np.load(source) as file:
        x, y = file["X"], file["y"]
    y = np.repeat(y, x.shape[1])
    x = x.reshape(-1, *x.shape[2:])
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[: len(x) * 3 // 10], order[len(x) * 3 // 10 :]
    keras.Sequential([keras.layers.Dense(1)]).predict(x[:1, 0], verbose=0)  # starts TensorFlow
    start = time.perf_counter()
    x_train, y_train, x_test, y_test = x[train], y[train], x[test], y[test]
    for spec in paper_specs(only):
        network = build(spec, x.shape[1:], 10)
        network.compile(
            optimizer=optimizers[spec.optimizer](learning_rate=spec.learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        network.fit(
            x_train,
            y_train,
            validation_data=(x_test, y_test),
            batch_size=spec.batch_size,
            epochs=max(1, round(spec.epochs / 10)),
            verbose=0,
        )
        network.evaluate(x_test, y_test, verbose=0)
        network.save(f"{out}-{spec.name}.keras")
    return time.perf_counter() - start


def models(store: str, out: str, only: str) -> float:
    """Train models to finished runs as `backbeat reproduce` does."""
    from backbeat.features.store import open_features
    from backbeat.parallel.executors import cpu_count, open_executor
    from backbeat.reproduce.runner import paper_specs, run_all

    with open_executor() as executor:
        list(executor.map(started, range(cpu_count())))
        start = time.perf_counter()
        failed = run_all(
            open_features(Path(store)),
            Path(out),
            paper_specs(only),
            epochs_scale=0.1,
            executor=executor,
        )
        seconds = time.perf_counter() - start
    if failed:
        raise RuntimeError(str(failed))
    return seconds


def started(_number: int) -> None:
    """Start TensorFlow in a worker, and keep it busy until the others have begun."""
    import numpy as np

    from backbeat.zoo.build import load_keras

    keras = load_keras()
    keras.Sequential([keras.layers.Dense(1)]).predict(np.zeros((1, 13)), verbose=0)
    time.sleep(3)


def folder_base(model: str, collection: str) -> float:
    """Classify all songs of a folder as the base does, one after another."""
    import keras
    import numpy as np
    from base_way import mfcc_slices

    network = keras.models.load_model(model)
    songs = sorted(Path(collection).glob("*/*"))
    network.predict(np.stack(mfcc_slices(songs[0])), verbose=0)
    start = time.perf_counter()
    for song in songs:
        network.predict(np.stack(mfcc_slices(song)), verbose=0)
    return time.perf_counter() - start


def folder(model: str, collection: str) -> float:
    """Classify all songs of a folder as `backbeat classify` does."""
    from backbeat.classify import Answer, classify_all, load

    classifier = load(model)
    songs = sorted(Path(collection).glob("*/*"))
    classifier.classify(songs[0])
    start = time.perf_counter()
    answers = list(classify_all(classifier, songs))
    seconds = time.perf_counter() - start
    if not all(isinstance(answer, Answer) for answer in answers):
        raise RuntimeError("not all songs were classified")
    return seconds


def mp3(song: str, repeats: str, out: str) -> float:
    """Write a stereo MP3 of 44.1 kHz that holds a song many times over."""
    import av
    import numpy as np
    import soundfile
    import soxr

    samples, rate = soundfile.read(song, dtype="float32")
    half_minute = soxr.resample(samples, rate, 44_100)[: 30 * 44_100]
    stereo = np.stack([half_minute, half_minute])
    with av.open(out, "w") as container:
        stream = container.add_stream("mp3", rate=44_100, layout="stereo")
        stream.bit_rate = 128_000
        stream.options = {"compression_level": "9"}  # encoding is not timed
        for _ in range(int(repeats)):
            for start in range(0, stereo.shape[1], 1152 * 100):
                block = np.ascontiguousarray(stereo[:, start : start + 1152 * 100])
                frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
                frame.sample_rate = 44_100
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return 0.0


if __name__ == "__main__":
    chosen = {
        "features-base": features_base,
        "prepare": prepare,
        "model-base": model_base,
        "models-base": models_base,
        "models": models,
        "classify-base": classify_base,
        "folder-base": folder_base,
        "folder": folder,
        "mp3": mp3,
    }[sys.argv[1]]
    print(chosen(*sys.argv[2:]))
