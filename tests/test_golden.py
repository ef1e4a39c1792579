"""Numbers that stay true: what is computed of fixed, made-up things is what is kept in a file.

The file is written by ``python tests/test_golden.py``, and only after a change that is meant to
change them: each changes what every model, figure or answer since means. MFCCs, log-mel maps and
the scores of predictions are kept with `test_frontend` and `test_evaluation`, MusiCNN's own answers
with `test_musicnn`.
"""

import json
import re
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soundfile

from backbeat import api
from backbeat.evaluation import Predictions, calibration, read_predictions, vote_by_track
from backbeat.evaluation.comparison import Contender, Trial, compare, difference_interval
from backbeat.frontend import Musicnn
from backbeat.splits import DRAWN, make_folds, make_split
from backbeat.training.history import read_history
from test_split_folds import gtzan_examples
from test_splits import gtzan_like

GOLDEN = Path(__file__).parent / "golden" / "numbers.json"
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
# Counts and order statistics of float64: the same but for the last digits.
EXACT = 1e-9
# Float32 that is summed in another order on other processors, over hundreds of numbers.
SINGLE = 1e-3
# Training adds up such differences: with oneDNN's kernels and without (as on other processors), the
# five epochs differ by 4e-6.
TRAINED = 1e-3


def wave(*places):
    """Numbers from -1 to 1 that look like chance and hang on no random generator."""
    raw = np.sin(
        sum(place * factor for place, factor in zip(places, (12.9898, 78.233), strict=True))
    )
    return 2 * ((raw * 43758.5453) % 1) - 1


def answers(skill, seed, songs=60, slices=5, genres=4):
    """Predictions of a model that knows a little; two songs an artist."""
    rows, columns = np.arange(songs * slices)[:, None], np.arange(genres)[None]
    truth = np.repeat(np.arange(songs) % genres, slices)
    song = np.repeat(np.arange(songs), slices)[:, None]
    scores = wave(rows + 1, columns + seed) + 1.5 * wave(song + 7, columns + seed + 20)
    powers = np.exp(scores + skill * (columns == truth[:, None]))
    return Predictions(
        np.repeat([f"song {number:02d}" for number in range(songs)], slices),
        np.tile(np.arange(slices), songs),
        truth,
        powers / powers.sum(axis=1, keepdims=True),
        ("blues", "jazz", "pop", "rock")[:genres],
    )


def split_numbers():
    """Hashes of the names in each part: what a seed has drawn is drawn again."""
    drawn = gtzan_like(slices=2)
    named = gtzan_examples()
    made = [make_split(drawn, protocol, seed=7) for protocol in DRAWN]
    made += [make_split(drawn, "artists", seed=8, test_share=0.2, valid_share=0.0)]
    made += [
        make_split(named, protocol, seed=7) for protocol in ("gtzan-filtered", "gtzan-folds:2")
    ]
    for protocol in DRAWN:
        made += make_folds(drawn, protocol, 3, seed=7, valid_share=0.1)
    made += make_folds(named, "gtzan-folds", seed=7)
    shown = {"parts": None, "artists": None}
    return [{**split.to_json(), **shown, "leaks": split.leak} for split in made]


def comparison_numbers():
    models = []
    for name, skill, seed in (("good", 2.2, 0), ("fair", 1.2, 1), ("poor", 0.2, 2)):
        votes = vote_by_track(answers(skill, seed))
        genres, songs = np.array(votes.genres), votes.tracks
        truth, given = genres[votes.truth].tolist(), genres[votes.answers].tolist()
        artists = [f"artist {int(song[5:]) // 2}" for song in songs]
        folds = [
            Trial(str(fold), *(tuple(of[fold::3]) for of in (songs, truth, given, artists)), 0.5)
            for fold in range(3)
        ]
        models.append(Contender(name, tuple(folds)))
    compared = compare(models)
    lone = difference_interval(wave(np.arange(50), np.arange(50)), [str(n // 3) for n in range(50)])
    return {
        "scores": [asdict(score) for score in compared.scores],
        "pairs": [asdict(pair) for pair in compared.pairs],
        "interval": asdict(lone),
    }


def calibration_numbers():
    songs = vote_by_track(answers(1.2, 3))
    right = songs.answers == songs.truth
    temperature = calibration.fit_temperature(songs.probabilities, songs.truth)
    confidence = calibration.with_temperature(songs.probabilities, temperature).max(axis=1)
    near, far = (wave(np.arange(n)[:, None], np.arange(6)[None] + n) for n in (40, 30))
    known = calibration.fit_out_of_genre(near, far)
    return {
        "temperature": temperature,
        "reliability": asdict(calibration.reliability(confidence, right)),
        "area": calibration.risk_coverage(confidence, right).area,
        "unsure": calibration.choose_threshold(confidence, right, 0.2).model_dump(),
        "strangeness": calibration.strangeness(3 * far[:5], known).tolist(),
        "quantiles": list(known.quantiles[::10]),
    }


def signal(rate, seconds=30):
    """A sweep, a chord and beats of noise."""
    time = np.arange(rate * seconds) / rate
    sweep = np.sin(2 * np.pi * (100 * time + 60 * time**2))
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277.2, 329.6)) / 3
    beat = np.exp(-(((time % 0.5) / 0.06) ** 2)) * wave(np.arange(len(time)), np.zeros(1))
    return (0.2 * sweep + 0.3 * chord + 0.3 * beat).astype(np.float32)


def musicnn_numbers():
    samples = signal(16_000)
    patches = Musicnn(output="patches").extract(samples)
    features = Musicnn().extract(samples)
    return {
        "patches": patches[[0, 4, 9]][:, [0, 93, 186]][..., [0, 31, 62, 95]].tolist(),
        "mean": float(patches.mean(dtype=np.float64)),
        "features": features[[0, 9], 0][:, ::100].tolist(),
    }


def bundle_numbers(folder):
    """What the models that come with backbeat say of a song that is none."""
    path = folder / "song.wav"
    soundfile.write(path, signal(22_050), 22_050, subtype="FLOAT")
    answers = {}
    for name in ("gtzan", "gtzan-fast"):
        answer = api.load_classifier(name).classify(path)
        answers[name] = dict(sorted(answer.ranking))
    return answers


def training_numbers(run):
    """A tiny training: its epochs, and its answers to the songs that it was tested on."""
    history = [asdict(epoch) for epoch in read_history(run / "history.csv")]
    predictions = read_predictions(run / "predictions.csv")
    return {
        "history": [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in history],
        "tracks": predictions.tracks.tolist(),
        "probabilities": predictions.probabilities.tolist(),
    }


def assert_near(found, wanted, tolerance, where=""):
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), where
        for key, value in wanted.items():
            assert_near(found[key], value, tolerance, f"{where}/{key}")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), where
        for place, value in enumerate(wanted):
            assert_near(found[place], value, tolerance, f"{where}/{place}")
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=tolerance, rel=tolerance), where
    else:
        assert found == wanted, where


def golden(part):
    return json.loads(GOLDEN.read_text())[part]


def test_splits_have_not_drifted():
    # By what was drawn, any published figure of a seed can be made again.
    assert plain(split_numbers()) == golden("splits")


def test_comparisons_have_not_drifted():
    assert_near(plain(comparison_numbers()), golden("comparison"), EXACT)


def test_calibrations_have_not_drifted():
    # The temperature is searched for, to six digits or so.
    assert_near(plain(calibration_numbers()), golden("calibration"), 1e-5)


def test_musicnns_front_end_has_not_drifted():
    assert_near(plain(musicnn_numbers()), golden("musicnn"), SINGLE)


def test_the_answers_of_the_models_that_come_with_backbeat_have_not_drifted(tmp_path):
    assert_near(plain(bundle_numbers(tmp_path)), golden("bundles"), SINGLE)


def test_a_tiny_training_has_not_drifted(run):
    pins = dict(re.findall(r"^(keras|tensorflow|numpy)==(\S+)$", CONSTRAINTS.read_text(), re.M))
    assert len(pins) == 3
    others = {name: version(name) for name, pin in pins.items() if version(name) != pin}
    if others:
        pytest.skip(f"kept for the versions of constraints.txt, and here is {others}")
    assert_near(plain(training_numbers(run)), golden("training"), TRAINED)


def test_a_drift_would_be_seen():
    wanted = golden("comparison")
    found = json.loads(json.dumps(wanted))
    found["scores"][1]["interval"]["low"] += 1e-6
    with pytest.raises(AssertionError, match="scores/1/interval/low"):
        assert_near(found, wanted, EXACT)


def plain(numbers):
    return json.loads(json.dumps(numbers))


def write(folder):
    from made_features import made_run, made_store

    numbers = {
        "splits": split_numbers(),
        "comparison": comparison_numbers(),
        "calibration": calibration_numbers(),
        "musicnn": musicnn_numbers(),
        "bundles": bundle_numbers(folder),
        "training": training_numbers(made_run(made_store(folder / "store"), folder / "run")),
    }
    text = json.dumps(numbers, indent=1)
    # A row of numbers is a line.
    GOLDEN.write_text(
        re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)
        + "\n"
    )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
