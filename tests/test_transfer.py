"""A head on MusiCNN's features: the joined network says what the head says, and runs are runs."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
from onnx import numpy_helper

from backbeat import classify
from backbeat.bundle.archive import read_bundle
from backbeat.bundle.network import open_network
from backbeat.errors import BackbeatError
from backbeat.evaluation import vote
from backbeat.evaluation.calibration import with_temperature
from backbeat.features.importing import import_features
from backbeat.features.store import open_features
from backbeat.files import atomic
from backbeat.frontend import LogMel, Musicnn, as_input
from backbeat.frontend.musicnn.runtime import features_of, network_path, open_musicnn
from backbeat.runs.prediction import predict
from backbeat.splits import make_split
from backbeat.training.train import train
from backbeat.transfer import Head, embed, fit_head, head_of, joined_network
from backbeat.zoo import TRANSFER
from bundles import make_network

GENRES = ("high", "low")


def maps(tracks=12, seed=0):
    """Stored maps of songs whose energy lies high or low."""
    random = np.random.default_rng(seed)
    x = random.integers(0, 120, (tracks, 128, 387))
    for track in range(tracks):
        where = slice(70, 110) if track % 2 == 0 else slice(5, 45)
        x[track, where] += random.integers(60, 130, (40, 1))
        # Beats, at a tempo of the song's own.
        x[track, where, :: int(random.integers(5, 9))] += 20
    return np.clip(x, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    np.savez(
        folder / "m.npz",
        X=maps(),
        names=np.array([f"song {n:02d}" for n in range(12)]),
        y=np.arange(12) % 2,
        genres=np.array(GENRES),
        artists=np.array([f"artist {n // 2}" for n in range(12)]),
    )
    import_features(folder / "m.npz", folder / "lm", frontend="logmel", songs="rows")
    return open_features(folder / "lm")


def test_features_are_computed_once_and_kept(store):
    printed = []
    first = embed(store, on_progress=lambda done, total: printed.append((done, total)))
    assert first.x.shape == (120, 1, 1706)
    assert printed[-1] == (12, 12)
    kept = store.path / "musicnn.npz"
    written = kept.stat().st_mtime_ns
    again = embed(open_features(store.path), on_progress=lambda *_: pytest.fail("computed again"))
    assert np.array_equal(again.x, first.x)
    assert first.slice.tolist() == list(range(10)) * 12
    assert first.track.tolist() == np.repeat(np.arange(12), 10).tolist()
    # What is damaged is made again.
    kept.write_bytes(kept.read_bytes()[:1000])
    assert np.array_equal(embed(store).x, first.x)
    assert kept.stat().st_mtime_ns != written


def test_the_joined_network_says_what_the_head_says(store):
    examples = embed(store)
    songs = examples.x.reshape(12, 10, -1).mean(axis=1)
    head = fit_head(songs, np.arange(12) % 2, 2)
    network = open_network(joined_network(head))
    patches = as_input(store.examples("maps").x[3:5], LogMel(), "musicnn")
    assert patches.shape == (20, 187, 96)
    given, wanted = network.in_batches(patches), head.outputs(examples.x[30:50])
    assert np.abs(given.logits - wanted.logits).max() < 1e-3
    assert np.abs(given.probabilities - wanted.probabilities).max() < 1e-4
    assert np.abs(given.embedding - wanted.embedding).max() < 1e-3


@pytest.mark.parametrize("genres", [2, 3])
def test_a_head_is_half_regression_half_discriminant_on_standardised_features(genres):
    random = np.random.default_rng(0)
    labels = np.arange(60) % genres
    songs = np.full((60, 1706), 3.0)
    songs[:, 300:304] += random.normal(0, 1, (60, 4)) * [1, 10, 100, 1]
    songs[:, 300] += labels
    head = fit_head(songs, labels, genres)
    assert head.weights.shape == (1706, genres)
    # What never varies says nothing.
    assert np.flatnonzero(head.weights.any(axis=1)).tolist() == [300, 301, 302, 303]
    assert head.varying.tolist() == [100, 101, 102, 103]
    given = head.outputs(songs.astype(np.float32)[:, None]).probabilities
    assert given.sum(axis=1) == pytest.approx(1, abs=1e-5)
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression

    standard = ((songs - songs.mean(axis=0)) / np.maximum(songs.std(axis=0), 1e-6))[:, 300:304]
    regression = LogisticRegression(C=0.01, max_iter=1000).fit(standard, labels)
    discriminant = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.65).fit(standard, labels)
    # Up to what all genres share, logarithms of probabilities are the logits.
    first, second = (
        logs - logs.mean(axis=1, keepdims=True)
        for logs in (model.predict_log_proba(standard) for model in (regression, discriminant))
    )
    logits = first / 2 + second / 2 * first.std() / second.std()
    powers = np.exp(logits)
    assert given == pytest.approx(powers / powers.sum(axis=1, keepdims=True), abs=1e-3)


def test_one_song_a_genre_is_enough():
    songs = np.zeros((3, 1706))
    songs[:, 300] = [0, 1, 2]
    head = fit_head(songs, np.arange(3), 3)
    given = head.outputs(songs.astype(np.float32)[:, None]).probabilities
    assert given[[0, 2]].argmax(axis=1).tolist() == [0, 2]


def test_a_song_s_vote_is_the_heads_answer_to_its_mean():
    random = np.random.default_rng(1)
    head = Head(
        random.normal(0, 0.1, (1706, 3)).astype(np.float32),
        random.normal(size=3).astype(np.float32),
    )
    patches = random.normal(size=(10, 1, 1706)).astype(np.float32)
    song = head.outputs(patches.mean(axis=0, keepdims=True)).probabilities[0]
    assert vote(head.outputs(patches).probabilities) == pytest.approx(song, abs=1e-5)


def test_a_run_is_a_run(store, tmp_path, cli):
    examples = embed(store)
    split = make_split(examples, "artists", seed=1, valid_share=0.3)
    out = train(store, TRANSFER, split, examples, tmp_path / "run", seed=1)
    described = read_bundle(out).description
    assert (described.model, described.input, described.genres) == ("transfer", "musicnn", GENRES)
    assert described.calibration.fitted
    status, printed, _ = cli("evaluate", out, "--json")
    assert status == 0
    assert json.loads(printed)["accuracy_track"] == 1.0
    # Without epochs there is no curve and no table of epochs.
    assert json.loads(printed)["facts"]["Epochs"] == "none, fitted at once"
    assert not {"curves.png", "metrics.png"} & {path.name for path in (out / "figures").iterdir()}
    page = (out / "report.html").read_text("utf-8")
    assert "First epoch" not in page and "epoch by epoch" not in page
    before = (out / "model.backbeat").read_bytes()
    train(store, TRANSFER, split, examples, out, seed=1, resume=True)
    assert (out / "model.backbeat").read_bytes() == before
    with pytest.raises(BackbeatError, match="holds a run already"):
        train(store, TRANSFER, split, examples, out, seed=1)
    # The bundle answers maps as the run's predictions have it.
    status, printed, _ = cli(
        "evaluate", "--model", out / "model.backbeat", "--on", store.path, "--json"
    )
    assert status == 0
    assert json.loads(printed)["n_tracks"] == 4  # those that it was not trained on
    printed = cli("evaluate", "--model", out / "model.backbeat", "--on", store.path)[1]
    assert "processing time" not in printed and "Balanced accuracy" in printed


def test_the_verb_trains_and_cross_validates(store, tmp_path, cli):
    arguments = ("train", store.path, "--model", "transfer", "--split", "artists")
    status, printed, err = cli(*arguments, "--valid-share", 0.3, "-o", tmp_path / "one")
    assert status == 0, err
    assert (tmp_path / "one" / "report.html").exists()
    status, printed, err = cli(*arguments, "--folds", 2, "-w", 1, "-o", tmp_path / "two")
    assert status == 0, err
    assert "artists, 2 folds" in printed


def test_mfccs_are_refused_with_the_remedy(tmp_path):
    from made_features import made_store

    with pytest.raises(BackbeatError, match="prepare the collection again with --frontend musicnn"):
        embed(made_store(tmp_path))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A store of the front-end musicnn: 12 songs, six a genre, each artist with two of one genre.

    Each genre has its own chord and beat.
    """
    from backbeat.collections.collection import read_collection
    from backbeat.features.prepare import prepare
    from sounds import write

    folder = tmp_path_factory.mktemp("prepared")
    lines = ["path,genre,artist"]
    time = np.arange(29 * 16_000) / 16_000
    for number in range(12):
        random = np.random.default_rng(number)
        genre = GENRES[number % 2]
        pitch, beat = ((2_000, 4) if genre == "high" else (110, 1)) * random.uniform(0.9, 1.1, 2)
        tone = 0.3 * np.sin(2 * np.pi * pitch * time) * (np.sin(2 * np.pi * beat * time) > 0)
        samples = tone + random.normal(0, 0.01, len(time))
        write(folder / f"{number:02d}.flac", samples.astype(np.float32)[:, None], rate=16_000)
        lines.append(f"{number:02d}.flac,{genre},artist {number % 2 + 2 * (number // 4)}")
    (folder / "songs.csv").write_text("\n".join(lines) + "\n")
    prepare(read_collection(folder / "songs.csv"), folder / "store", frontend=Musicnn(), windows=1)
    return folder


def test_a_store_at_full_resolution_needs_no_more_computing(prepared):
    store = open_features(prepared / "store")
    assert store.array.shape == (12, 10, 1, 1706)
    embedded = embed(store, on_progress=lambda *_: pytest.fail("computed again"))
    assert embedded.x.shape == (120, 1, 1706)
    samples, _ = soundfile.read(prepared / "03.flac", dtype="float32")
    (row,) = np.flatnonzero(np.array(embedded.names) == "03.flac")
    patches = open_musicnn(network_path())(Musicnn(output="patches").extract(samples))
    assert np.abs(embedded.x[embedded.track == row, 0] - features_of(patches)).max() < 1e-4


@pytest.mark.slow
def test_a_model_of_such_a_store_answers_stores_and_songs_equally(prepared, tmp_path, cli):
    run = tmp_path / "run"
    status, _, err = cli(
        *("train", prepared / "store", "--model", "transfer", "--split", "artists"),
        *("--valid-share", 0.3, "-o", run),
    )
    assert status == 0, err
    described = read_bundle(run).description
    assert (described.frontend, described.input) == (Musicnn(output="patches"), "musicnn")
    status, printed, err = cli("evaluate", run, "--on", prepared / "store", "--json")
    assert status == 0, err
    assert json.loads(printed)["accuracy_track"] == 1.0
    status, printed, err = cli(
        "classify", prepared / "04.flac", prepared / "05.flac", "--model", run
    )
    assert status == 0, err
    # Each song's answer is what the store's features give.
    store = open_features(prepared / "store")
    answered, _ = predict(run, store, leave_out=frozenset(set(embed(store).names) - {"05.flac"}))
    answer = classify.load(run).classify(prepared / "05.flac")
    share = with_temperature(vote(answered.probabilities), described.calibration.temperature)
    assert dict(answer.ranking)["low"] == pytest.approx(share[1], abs=1e-4)


def test_stores_at_full_resolution_can_be_audited_and_searched(prepared, cli):
    status, printed, err = cli("audit", prepared / "store", "--split", "tracks")
    assert status == 0, err
    assert "no search for near duplicates" in printed + err
    status, _, err = cli("suspects", prepared / "store", "--folds", 2)
    assert status == 0, err
    status, _, err = cli(
        *(
            "train",
            prepared / "store",
            "--model",
            "res_3s",
            "--split",
            "tracks",
            "-o",
            prepared / "no",
        )
    )
    assert status == 1
    assert "only --model transfer takes" in err


def test_a_head_is_found_in_its_network_alone(store, bundle):
    examples = embed(store)
    songs = examples.x.reshape(12, 10, -1).mean(axis=1)
    head = fit_head(songs, np.arange(12) % 2, 2)
    network = joined_network(head)
    found = head_of(network)
    assert np.array_equal(found.weights, head.weights)
    assert np.array_equal(found.bias, head.bias)
    assert head_of(read_bundle(bundle).network) is None
    # The same head on a MusiCNN that is another by a bit.
    changed = onnx.load_from_string(network)
    kernel = next(t for t in changed.graph.initializer if t.name not in ("head_weights", "varying"))
    values = numpy_helper.to_array(kernel).copy()
    values.flat[0] += 1
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    assert head_of(changed.SerializeToString()) is None


@pytest.mark.parametrize("shape", [(1706, 3), (3,), ()])
def test_no_file_is_read_as_a_head_nor_numbers_of_another_shape(shape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("secret").write_bytes(bytes(1706 * 3 * 4))
    model = onnx.load_from_string(make_network((125, 13), 3))
    for name in ("head_weights", "head_bias"):
        tensor = numpy_helper.from_array(np.zeros(shape, np.float32), name)
        model.graph.initializer.append(tensor)
    assert head_of(model.SerializeToString()) is None
    weights = model.graph.initializer[-2]
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="secret")
    monkeypatch.setattr("onnx.numpy_helper.to_array", None)
    assert head_of(model.SerializeToString()) is None


def test_an_embedding_that_cannot_be_kept_is_given_all_the_same(store, monkeypatch):
    kept = store.path / "musicnn.npz"
    kept.unlink(missing_ok=True)

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(atomic, "write_bytes", full)
    assert embed(store).x.shape == (120, 1, 1706)
    assert not kept.exists()
