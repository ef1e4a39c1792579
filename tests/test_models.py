"""The bundle that comes with backbeat is there, whole, honest in its card, and the default."""

import json
from pathlib import Path

import numpy as np
import pytest

from backbeat.bundle.archive import read_bundle
from backbeat.bundle.card import card
from backbeat.bundle.shipped import DEFAULT, find_bundle
from backbeat.classify import load
from backbeat.collections import gtzan
from backbeat.features.importing import import_features
from backbeat.features.store import open_features
from sounds import write

SHIPPED = ("gtzan", "gtzan-fast")
SHARED = Path(__file__).parents[2] / "shared" / "gtzan"


def test_a_shipped_bundle_is_found_by_name_and_a_path_goes_before(tmp_path, monkeypatch):
    assert find_bundle(DEFAULT).name == "gtzan.backbeat"
    assert find_bundle("nothing") == Path("nothing")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gtzan").mkdir()  # the songs, as `backbeat data gtzan -o gtzan` leaves them
    assert find_bundle("gtzan").name == "gtzan.backbeat"
    assert load("gtzan").bundle.hash == load(Path("gtzan")).bundle.hash
    (tmp_path / "gtzan" / "model.backbeat").touch()
    assert find_bundle("gtzan") == Path("gtzan")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_bundle_is_small_whole_and_honest(name):
    path = find_bundle(name)
    assert path.stat().st_size < 8 * 2**20
    bundle = read_bundle(path)
    described = bundle.description
    assert described.genres == tuple(sorted(gtzan.GENRES))
    assert described.calibration.fitted and described.calibration.unsure
    assert described.calibration.out_of_genre
    assert len(described.trained_on) == 639
    parts = gtzan.filtered_parts()
    assert {parts[track] for track in described.trained_on} == {"train", "valid"}
    for words in ("GTZAN", "95 % interval", "Do not use it", "never looked at"):
        assert words in bundle.card
    # MusiCNN's weights go with its licence.
    assert ("ISC licence" in bundle.card) == (name == "gtzan")
    assert described.split.leak == ""
    assert bundle.card == card(described)  # as this backbeat writes it


def test_it_is_the_default_and_answers_without_tensorflow(cli, songs):
    import subprocess
    import sys

    code = (
        "import sys; sys.argv = ['backbeat', 'classify', sys.argv[1], '--format', 'jsonl']\n"
        "from backbeat.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: code = ended.code\n"
        "loaded = {'tensorflow', 'keras', 'librosa', 'sklearn', 'matplotlib', 'onnx'}\n"
        "assert not loaded & set(sys.modules), loaded & set(sys.modules)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(songs)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 2
    assert {one["genre"] for one in answers} <= set(gtzan.GENRES)


@pytest.mark.parametrize("kind", ["white", "pink", "sine"])
def test_what_is_no_music_is_withheld(tmp_path, kind):
    rate, random = 22_050, np.random.default_rng(0)
    t = np.arange(20 * rate) / rate
    pink = np.fft.rfft(random.normal(0, 1, len(t)))
    pink[1:] /= np.sqrt(np.arange(1, len(pink)))
    samples = {
        "white": random.normal(0, 0.1, len(t)),
        "pink": np.fft.irfft(pink, len(t)) * 3,
        "sine": 0.3 * np.sin(2764.6 * t),
    }[kind]
    write(tmp_path / "a.wav", samples.astype(np.float32))
    answer = load(DEFAULT).classify(tmp_path / "a.wav")
    assert answer.verdict in ("unsure", "out of genre")


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_audio_and_maps_agree_on_real_songs(name, tmp_path):
    if not SHARED.exists():
        pytest.skip("../shared/gtzan is absent")
    from backbeat.runs.prediction import predict
    from backbeat.runs.reading import songs_of

    with np.load(SHARED / "logmel_dev.npz") as file:
        wanted = {gtzan.track_id(path.name): path for path in SHARED.glob("clips/*/*.flac")}
        kept = np.array([gtzan.track_id(str(name)) in wanted for name in file["names"]])
        fields = {"X": file["X"][kept], "names": file["names"][kept], "y": file["y"][kept]}
        np.savez(tmp_path / "m.npz", genres=file["genres"], **fields)
    import_features(tmp_path / "m.npz", tmp_path / "lm", frontend="logmel", songs="rows")
    path = find_bundle(name)
    predictions, _ = predict(path, open_features(tmp_path / "lm"))
    classifier = load(path)
    temperature = classifier.bundle.description.calibration.temperature
    songs = songs_of(predictions, temperature, {})
    same, differences = 0, []
    for track, by_map in list(zip(songs.tracks, songs.probabilities, strict=True))[::5]:
        answer = classifier.classify(wanted[gtzan.track_id(track)])
        by_audio = np.array([dict(answer.ranking)[genre] for genre in classifier.genres])
        same += by_audio.argmax() == by_map.argmax()
        differences.append(np.abs(by_audio - by_map).max())
    assert len(differences) == 10
    assert same >= 9
    assert np.median(differences) < 0.05
