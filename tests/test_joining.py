"""Two networks joined as one say what both say together."""

import numpy as np
import onnx
import pytest

from backbeat import classify
from backbeat.bundle.archive import read_bundle, write_bundle
from backbeat.bundle.network import export_onnx, open_network
from backbeat.features.importing import import_features
from backbeat.features.store import open_features
from backbeat.frontend import LogMel, as_input, input_shape
from backbeat.frontend.inputs import unpacked_shapes
from backbeat.frontend.musicnn import spectra
from backbeat.frontend.musicnn.maps import spectrograms
from backbeat.frontend.musicnn.runtime import features_of, shipped_musicnn
from backbeat.runs.prediction import predict
from backbeat.transfer import Head
from backbeat.transfer.joining import Shares, fit_shares, join, joined_outputs
from backbeat.zoo.build import build
from backbeat.zoo.spec import parse
from sounds import music, write

GENRES = ("blues", "jazz", "rock")
SHARES = Shares(0.7, 0.4)
SPEC = parse(
    {
        "name": "small",
        "family": "cnn",
        "input": "logmel_10s",
        "layers": [
            {"kind": "conv", "filters": 2, "padding": "same", "band_stride": 2},
            {"kind": "residual", "filters": 3},
            {"kind": "statistics"},
        ],
        "optimizer": "adamw",
        "recipe": {"augmentation": {"crop": 100}},
    },
    "small.yaml",
)


@pytest.fixture(scope="module")
def head():
    random = np.random.default_rng(0)
    return Head(
        random.normal(0, 0.02, (1706, 3)).astype(np.float32),
        random.normal(size=3).astype(np.float32),
    )


@pytest.fixture(scope="module")
def scratch():
    network = build(SPEC, (129, 128), 3)
    return export_onnx(network, np.random.default_rng(1).normal(size=(2, 129, 128)).astype("f4"))


@pytest.fixture(scope="module")
def network(head, scratch):
    return join(head, scratch, SHARES)


@pytest.fixture(scope="module")
def maps():
    random = np.random.default_rng(2)
    return np.cumsum(random.normal(0, 3, (2, 387, 128)), axis=1).clip(-40, 40).astype("f4") - 40


def test_a_packed_piece_is_its_map_and_its_patches(maps):
    packed = as_input(maps, LogMel(), "joined")
    assert packed.shape == (6, 1, 129 * 128 + 3 * 187 * 96)
    assert input_shape(LogMel(), "joined") == (3, *packed.shape[1:])
    assert unpacked_shapes() == ((129, 128), (187, 96))
    pieces = packed[:, 0, : 129 * 128].reshape(6, 129, 128)
    assert np.array_equal(pieces, as_input(maps, LogMel(), "logmel_10s"))
    patches = packed[:, 0, 129 * 128 :].reshape(6, 3, 187, 96)
    whole = spectrograms(maps[1:2])[0]
    # The third piece of the second map: patches at its beginning, its middle and its end.
    for patch, start in zip(patches[5], (1250, 1250 + 219, 1875 - 187), strict=True):
        assert np.array_equal(patch, whole[start : start + 187])


def test_the_joined_network_says_what_both_say(maps, head, scratch, network):
    packed = as_input(maps, LogMel(), "joined")
    given = open_network(network).outputs(packed)
    pieces = as_input(maps, LogMel(), "logmel_10s")
    patches = packed[:, 0, 129 * 128 :].reshape(-1, 187, 96)
    embedded = features_of(shipped_musicnn()(patches)).reshape(6, 3, -1).mean(axis=1)
    wanted = joined_outputs(
        head.outputs(embedded[:, None]), open_network(scratch).outputs(pieces), SHARES
    )
    assert np.abs(given.logits - wanted.logits).max() < 1e-3
    assert np.abs(given.probabilities - wanted.probabilities).max() < 1e-4
    assert np.abs(given.embedding - wanted.embedding).max() < 1e-3
    assert wanted.logits.std() > 0.1
    # One piece alone, and the same bytes again.
    assert np.abs(open_network(network)(packed[3:4]) - given.probabilities[3:4]).max() < 1e-5
    assert join(head, scratch, SHARES) == network


def test_a_share_of_nothing_leaves_the_other_alone(maps, head, scratch):
    packed = as_input(maps, LogMel(), "joined")
    pieces = as_input(maps, LogMel(), "logmel_10s")
    alone = open_network(join(head, scratch, Shares(0.0, 1.0)))(packed)
    assert np.abs(alone - open_network(scratch)(pieces)).max() < 1e-4


def test_the_licence_travels_in_the_network(network):
    metadata = {prop.key: prop.value for prop in onnx.load_from_string(network).metadata_props}
    assert any("ISC" in value for value in metadata.values())


def test_shares_are_what_each_network_is_worth():
    random = np.random.default_rng(3)
    labels = random.integers(0, 4, 400)
    truth = np.eye(4)[labels]
    good, noise = truth * 3 + random.normal(0, 1.5, (400, 4)), random.normal(0, 1, (400, 4))
    shares = fit_shares(good, noise, labels)
    assert shares.head > 0.5
    assert shares.scratch < 0.1
    # Twice the size is worth half the share, and the loss is at its least.
    assert fit_shares(2 * good, noise, labels).head == pytest.approx(shares.head / 2, abs=0.01)

    def loss(head, scratch):
        logits = head * good + scratch * noise
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return -logits[np.arange(400), labels].mean()

    least = loss(shares.head, shares.scratch)
    assert least <= loss(shares.head * 1.05, shares.scratch)
    assert least <= loss(shares.head * 0.95, shares.scratch)


def test_a_joined_bundle_answers_songs_and_stores(tmp_path, bundle, network, cli):
    frontend_ = LogMel()
    model = read_bundle(bundle)
    described = model.description.model_copy(
        update={"frontend": frontend_, "input": "joined", "genres": GENRES, "normalisation": "none"}
    )
    path = tmp_path / "joined.backbeat"
    write_bundle(path, described, network)
    song = tmp_path / "song.wav"
    write(song, music(30.0, seed=4))
    answer = classify.load(path).classify(song)
    assert [(round(m.start), round(m.end)) for m in answer.timeline] == [
        (0, 10),
        (10, 20),
        (20, 30),
    ]

    # The same song's map in a store gets the same answer, three rows of it.
    from backbeat import audio

    decibels = frontend_.extract(audio.read(song, sample_rate=22_050))[0]
    levels = np.clip(np.floor((decibels.T + 80) / 80 * 256), 0, 255).astype(np.uint8)
    np.savez(
        tmp_path / "m.npz",
        X=np.stack([levels, levels[:, ::-1]]),
        names=np.array(["song", "back"]),
        y=np.array([0, 1]),
        genres=np.array(["blues", "jazz"]),
    )
    import_features(tmp_path / "m.npz", tmp_path / "store", frontend="logmel", songs="rows")
    progress = []

    def on_progress(done, of):
        progress.append((done, of))

    found, strangeness = predict(
        path,
        open_features(tmp_path / "store"),
        leave_out=frozenset({"back"}),
        on_progress=on_progress,
    )
    assert (found.tracks.tolist(), found.slices.tolist()) == (["song"] * 3, [0, 1, 2])
    assert strangeness is None  # the bundle is not calibrated for it
    assert progress == [(0, 1), (1, 1)]
    slices = open_network(network)(as_input(decibels[None], frontend_, "joined"))
    assert np.abs(found.probabilities - slices).max() < 0.05  # maps are stored in steps of 0.3 dB


def test_patches_fit_in_a_piece():
    frames = 1876 // 3
    hop = (frames - spectra.PATCH_FRAMES) // 2
    assert 2 * hop + spectra.PATCH_FRAMES <= frames
