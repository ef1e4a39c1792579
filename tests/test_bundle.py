"""A bundle goes and comes back whole, and anything that is not is refused in one line."""

import hashlib
import json
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbeat.bundle import archive as bundle
from backbeat.bundle import network as network_module
from backbeat.bundle.archive import read_bundle, write_bundle
from backbeat.errors import BackbeatError
from backbeat.evaluation.calibration import Calibration, Unsure
from backbeat.frontend import LogMel, Mfcc
from bundles import make_bundle, make_description, make_network


def parts_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_parts(path, parts, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def refused(path, *words):
    with pytest.raises(BackbeatError) as caught:
        read_bundle(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("frontend", "kind"), [(Mfcc(), "mfcc"), (LogMel(), "logmel"), (LogMel(), "mfcc")]
)
def test_a_bundle_goes_and_comes_back(tmp_path, frontend, kind):
    path = make_bundle(tmp_path / "model.backbeat", frontend=frontend, input=kind)
    read = read_bundle(path)
    described = read.description
    made = make_description(frontend=frontend, input=kind)
    assert described.frontend == frontend
    assert described.model_copy(update={"network_sha256": ""}) == made
    assert described.network_sha256 == hashlib.sha256(read.network).hexdigest()
    assert sorted(parts_of(path)) == ["CARD.md", "bundle.json", "network.onnx"]
    assert read.card == bundle.card(described)
    assert read_bundle(tmp_path).hash == read.hash  # a run directory holds it by this name
    _, frames, bands = bundle.shape_for(frontend, kind)
    answers = read.open()(np.zeros((5, frames, bands), np.float32))
    assert answers.shape == (5, 2)
    assert np.abs(answers.sum(axis=1) - 1).max() < 1e-6


def test_equal_content_makes_equal_bytes(tmp_path):
    one = make_bundle(tmp_path / "one").read_bytes()
    assert make_bundle(tmp_path / "other").read_bytes() == one
    assert make_bundle(tmp_path / "another", seed=1).read_bytes() != one
    hashes = {read_bundle(tmp_path / name).hash for name in ("one", "other", "another")}
    assert len(hashes) == 2


def test_what_is_not_there_is_reported(tmp_path):
    refused(tmp_path / "model.backbeat", "--model")
    (tmp_path / "run").mkdir()
    refused(tmp_path / "run" / "model.backbeat", "No such file")


@pytest.mark.parametrize("content", [b"", b"PK", b"noise" * 100, b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_bundle_is_refused(tmp_path, content):
    path = tmp_path / "model.backbeat"
    path.write_bytes(content)
    refused(path, "not a bundle")


@pytest.mark.parametrize("part", ["bundle.json", "CARD.md", "network.onnx"])
def test_a_missing_part_is_refused(tmp_path, part):
    path = make_bundle(tmp_path / "model.backbeat")
    parts = parts_of(path)
    del parts[part]
    write_parts(path, parts)
    refused(path, "not a bundle, or damaged", part)


def test_further_parts_are_passed_over(tmp_path):
    path = make_bundle(tmp_path / "model.backbeat")
    write_parts(path, parts_of(path) | {"README": b"hello", "../evil.py": b"boom"})
    assert read_bundle(path).description == make_description().model_copy(
        update={"network_sha256": read_bundle(path).description.network_sha256}
    )
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.backbeat"]


def test_a_part_that_unpacks_to_all_memory_is_refused(tmp_path):
    path = make_bundle(tmp_path / "model.backbeat")
    write_parts(path, parts_of(path) | {"CARD.md": b"\0" * (2**20 + 1)})
    assert path.stat().st_size < 20_000
    refused(path, "CARD.md is too large")


def test_another_network_than_described_is_refused(tmp_path):
    path = make_bundle(tmp_path / "model.backbeat")
    write_parts(path, parts_of(path) | {"network.onnx": make_network((125, 13), 2, seed=9)})
    refused(path, "its network is not the one that it describes")


def test_a_card_that_is_no_text_is_refused(tmp_path):
    path = make_bundle(tmp_path / "model.backbeat")
    write_parts(path, parts_of(path) | {"CARD.md": b"\xff\xfe\x00"})
    refused(path, "damaged")


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cut_or_flipped_bundle_is_refused_or_does_no_harm(tmp_path, data):
    path = make_bundle(tmp_path / "model.backbeat")
    whole = read_bundle(path)
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        path.write_bytes(content[:place])
    else:
        flipped = bytes([content[place] ^ data.draw(st.integers(1, 255))])
        path.write_bytes(content[:place] + flipped + content[place + 1 :])
    try:
        read = read_bundle(path)
    except BackbeatError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert (read.hash, read.card) == (whole.hash, whole.card)


def described_with(path, change):
    parts = parts_of(path)
    content = json.loads(parts["bundle.json"])
    change(content)
    write_parts(path, parts | {"bundle.json": json.dumps(content)})


strange = {"mean": [0], "deviation": [1], "known": [[0]], "quantiles": [2, 1]}


def put(*places, value):
    def change(content):
        for place in places[:-1]:
            content = content[place]
        content[places[-1]] = value

    return change


def without(*places):
    def change(content):
        for place in places[:-1]:
            content = content[place]
        del content[places[-1]]

    return change


# Each parameter is in its range, and all together ask for 50 GB a window.
ENORMOUS = Mfcc().model_dump() | {"seconds": 3_600, "hop_length": 1, "n_mels": 200, "n_mfcc": 160}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("version", value=4), "bundle format 4 is newer than this backbeat reads (3); update"),
        (put("version", value=1), "bundle format 1 is older than this backbeat reads (3); train"),
        (put("version", value="1"), "version"),
        (put("format", value="zip"), "not a bundle"),
        (without("format"), "not a bundle"),
        (put("genres", value=["blues"]), "genres"),
        (put("genres", value=["blues", "blues"]), "a genre is listed twice"),
        (put("genres", value=["blues", ""]), "genres"),
        (put("genres", value=["blues", 5]), "genres"),
        (put("genres", value=["blues", "jazz"]), "a genre that is not in genres"),
        (without("genres"), "genres"),
        (put("frontend", "name", value="cqt"), "frontend"),
        (put("frontend", "n_fft", value=0), "frontend.mfcc.n_fft"),
        (put("frontend", "sample_rate", value=10**10), "frontend.mfcc.sample_rate"),
        (put("frontend", "wavelets", value=3), "frontend.mfcc.wavelets"),
        (put("frontend", value=ENORMOUS), "more than 16,777,216 numbers"),
        (put("input", value="logmel"), "log-mel"),
        (put("input", value="wav"), "input"),
        (put("normalisation", value="window"), "normalised a window"),
        (put("normalisation", value="track"), "normalisation"),
        (put("calibration", "temperature", value=0), "calibration.temperature"),
        (put("calibration", "temperature", value=-1), "calibration.temperature"),
        (put("calibration", "temperature", value=0), "calibration.temperature"),
        (put("calibration", "unsure", value={"threshold": 1.5}), "calibration.unsure.threshold"),
        (put("calibration", "out_of_genre", value=strange), "must not fall"),
        (put("measured", "slice_accuracy", value=1.01), "measured.slice_accuracy"),
        (put("measured", "track_accuracy", value=-0.1), "measured.track_accuracy"),
        (put("measured", "track_accuracy", value=float("nan")), "measured.track_accuracy"),
        (put("measured", "recall", "blues", value=2), "measured.recall.blues"),
        (put("measured", "recall", "jazz", value=0.5), "a genre that is not in genres"),
        (put("measured", "slices", value=-1), "measured.slices"),
        (put("measured", "tracks", value=1.5), "measured.tracks"),
        (put("trained_on_tracks", value=-5), "trained_on_tracks"),
        (put("split", "leak", value=None), "split.leak"),
        (without("split", "hash"), "split.hash"),
        (without("spec"), "spec"),
        (put("python", value="import os"), "python"),
        (put("network_sha256", value="0" * 64), "not the one that it describes"),
    ],
)
def test_a_field_that_is_wrong_is_named(tmp_path, change, words):
    path = make_bundle(tmp_path / "model.backbeat")
    described_with(path, change)
    refused(path, words)


@pytest.mark.parametrize("content", [b"", b"[]", b"5", b"{", b"\xff", b"[" * 100_000, b"null"])
def test_a_description_that_is_none_is_refused(tmp_path, content):
    path = make_bundle(tmp_path / "model.backbeat")
    write_parts(path, parts_of(path) | {"bundle.json": content})
    refused(path)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (make_network((37, 13), 2), "does not take 125 frames x 13 bands"),
        (make_network((125, 13), 3), "does not answer with 2 genres"),
        (b"", "cannot be run"),
        (b"no network at all", "cannot be run"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(tmp_path, network, words):
    path = tmp_path / "model.backbeat"
    write_bundle(path, make_description(), network)
    with pytest.raises(BackbeatError, match=words) as caught:
        read_bundle(path).open()
    assert "\n" not in str(caught.value)


def test_the_card_tells_the_leak_and_what_was_measured(tmp_path):
    clean = make_description()
    text = bundle.card(clean)
    assert "50.0 % of 20 test slices,\n50.0 % of 2 test tracks" in text
    assert "blues, rock" in text
    assert "10 slice(s) of 125 frames x 13 bands in each window of\n29 s" in text
    assert "LEAK" not in text.upper()
    leak = "LEAKING by song (9 of 9 test songs)."
    split = clean.split.model_copy(update={"protocol": "slices", "leak": leak})
    leaking = bundle.card(clean.model_copy(update={"split": split}))
    assert leak in leaking
    assert "Accuracy on new songs was not measured" in leaking


def test_the_card_says_what_its_calibration_rests_on():
    clean = make_description()

    def text(**changes):
        fitted = Calibration(**{"temperature": 2.0, "songs": 60} | changes)
        return " ".join(bundle.card(clean.model_copy(update={"calibration": fitted})).split())

    assert "end of its search range" not in text() and "Fewer than 50" not in text()
    assert "temperature lies at the end of its search range" in text(temperature=19.999)
    assert "Fewer than 50 validation songs: all of this is uncertain." in text(songs=10)
    never = Unsure(threshold=1.0, max_error=0.2, coverage=0.0, error=None)
    assert "no threshold was expected to keep wrong answers at 20 %" in text(unsure=never)
    assert "0 % of those answers" not in text(unsure=never)


def test_the_card_of_a_real_run_tells_its_leak(run, leaking):
    assert "LEAK" not in read_bundle(run).card.upper()
    assert "Not shared with training: song, artist, exact copy." in read_bundle(run).card
    read = read_bundle(leaking)
    assert read.description.split.leak.startswith("LEAKING by song (")
    assert read.description.split.leak in read.card


def test_a_runs_bundle_knows_the_run(run, store):
    described = read_bundle(run).description
    metrics = json.loads((run / "metrics.json").read_text())
    split = json.loads((run / "split.json").read_text())
    assert described.model == "small"
    assert described.frontend == store.frontend
    assert described.genres == store.genres
    assert described.measured.slice_accuracy == metrics["slice_accuracy"]
    assert described.measured.slices == 4 * len(split["parts"]["test"])
    assert described.split.hash == split["hash"]
    assert described.trained_on_tracks == 30
    assert described.spec["name"] == "small"


def test_an_export_that_answers_otherwise_is_an_error(run, monkeypatch):
    from backbeat.zoo.build import load_keras

    network = load_keras().saving.load_model(run / "model.keras")
    x = np.zeros((2, 125, 13), np.float32)
    network.predict(x, verbose=0)
    other = network_module.open_network(make_network((125, 13), 3))
    monkeypatch.setattr(network_module, "open_network", lambda _: other)
    with pytest.raises(RuntimeError, match="differs from the trained one by"):
        network_module.export_onnx(network, x)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), ImportError("onnxruntime.so: failed to map segment from shared object")],
)
def test_too_little_memory_is_not_a_fault_of_the_network(bundle, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr("backbeat.bundle.archive.is_shipped", lambda _: True)
    monkeypatch.setattr("backbeat.bundle.archive.open_network", refuse)
    with pytest.raises(
        BackbeatError, match="not enough memory to run its network; raise the limit"
    ):
        read_bundle(bundle).open()
