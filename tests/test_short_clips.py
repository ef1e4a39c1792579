"""Collections of clips shorter than half a minute, and several stretches of a song."""

import numpy as np
import pytest
import soundfile

from backbeat import classify, frontend, zoo
from backbeat.bundle.archive import read_bundle
from backbeat.collections.collection import Track, read_collection
from backbeat.errors import BackbeatError
from backbeat.features import prepare as preparing
from backbeat.features.store import open_features
from backbeat.frontend import LogMel, Mfcc, Musicnn, by_name
from backbeat.splits import PARTS, make_folds, make_split
from bundles import make_bundle

RATE = 22_050
SLICE = 63_945
CENTRES = {"high": 2_000, "low": 200}


def sound(seconds, hertz=400.0, seed=0):
    random = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    tone = 0.3 * np.sin(2 * np.pi * hertz * (1 + 0.02 * seed) * times)
    return (tone + 0.05 * random.standard_normal(len(times))).astype(np.float32)


def collection(root, lengths):
    """Two genres that a network tells apart at once, a song of each of these lengths in both."""
    for genre, hertz in CENTRES.items():
        (root / genre).mkdir(parents=True)
        for number, seconds in enumerate(lengths):
            samples = sound(seconds, hertz, number)
            soundfile.write(root / genre / f"{number}.wav", samples, RATE)
    return root


@pytest.mark.parametrize(
    ("name", "seconds", "shape", "needs"),
    [
        ("mfcc", 2.9, (1, 125, 13), 2.9),
        ("mfcc", 5, (1, 125, 13), 2.9),
        ("mfcc", 10, (3, 125, 13), 8.7),
        ("mfcc", 20, (6, 125, 13), 17.4),
        ("logmel", 5, (1, 64, 128), 5 * 29 / 30),
        ("logmel", 10, (1, 129, 128), 10 * 29 / 30),
        ("musicnn", 5, (2, 1, 1706), 5 * 29 / 30),
        ("musicnn", 10, (4, 1, 1706), 10 * 29 / 30),
    ],
)
def test_a_front_end_of_any_length(name, seconds, shape, needs):
    front = by_name(name, seconds)
    assert front.shape == shape
    assert front.min_samples / front.sample_rate == pytest.approx(needs, abs=1e-4)
    assert frontend.from_dict(front.model_dump()) == front
    samples = sound(seconds)[: front.window_samples]  # at another rate, it sounds as well
    assert front.extract(samples).shape == shape


def test_the_standard_lengths_are_the_standard_front_ends():
    assert by_name("mfcc") == by_name("mfcc", 29) == by_name("mfcc", 30) == Mfcc()
    assert by_name("logmel") == by_name("logmel", 30) == LogMel()
    assert by_name("musicnn") == by_name("musicnn", 30) == Musicnn()


def test_slices_of_ten_seconds_are_the_first_of_29():
    samples = sound(30)
    assert np.array_equal(
        by_name("mfcc", 10).extract(samples[: 10 * RATE]), frontend.mfcc(samples)[:3]
    )


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("mfcc", 2.8), ("mfcc", 601), ("mfcc", float("nan")), ("logmel", 2.9), ("musicnn", 0)],
)
def test_less_than_a_slice_is_refused(name, seconds):
    with pytest.raises(BackbeatError, match=f"^--seconds .*: --frontend {name} takes .* to 600 s"):
        by_name(name, seconds)


@pytest.mark.parametrize(
    ("seconds", "kind", "shape"),
    [
        (5, "mfcc", (1, 37, 13)),
        (5, "logmel_3s", (1, 37, 128)),
        (5, "musicnn", (1, 187, 96)),
        (10, "logmel_3s", (3, 37, 128)),
        (10, "logmel_10s", (1, 129, 128)),
        (25, "logmel_10s", (2, 129, 128)),
        (20, "joined", (2, 1, 129 * 128 + 3 * 187 * 96)),
        (60, "logmel_10s", (6, 129, 128)),
    ],
)
def test_maps_are_cut_in_pieces_of_one_length(seconds, kind, shape):
    assert frontend.input_shape(by_name("logmel", seconds), kind) == shape


@pytest.mark.parametrize(
    ("model", "front", "problem", "fit"),
    [
        ("res_10s", by_name("logmel", 5), "pieces of 10 s", "transfer, res_3s, 59 of the paper's"),
        ("res_3s", by_name("mfcc", 5), "--frontend logmel", "59 of the paper's, such as cnn_03.8"),
        ("transfer", by_name("mfcc", 5), "--frontend musicnn", "59 of the paper's"),
        ("cnn_03.8", by_name("musicnn", 5), "only --model transfer", "transfer$"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_those_that_do(model, front, problem, fit):
    with pytest.raises(BackbeatError, match=f"{problem}.*; models that fit: {fit}"):
        zoo.check_input(zoo.find(model), front)
    for other in ("mlp_base", "cnn_03.8"):
        zoo.check_input(zoo.find(other), by_name("mfcc", 5))
    zoo.check_input(zoo.find("res_10s"), by_name("logmel", 10))


def test_several_stretches_of_a_song_stay_on_one_side(tmp_path):
    root = collection(tmp_path / "songs", [62.0] * 6)
    front = by_name("mfcc", 5)
    preparing.prepare(read_collection(root), tmp_path / "one", frontend=front)
    preparing.prepare(read_collection(root), tmp_path / "four", frontend=front, windows=4)
    one, four = (open_features(tmp_path / name) for name in ("one", "four"))
    assert one.table.slices.tolist() == [1] * 12
    assert four.table.slices.tolist() == [4] * 12
    # Of the 21 whole stretches, the one in the middle of each quarter.
    samples = sound(62.0, CENTRES["high"], 0)
    stored, _ = soundfile.read(root / "high" / "0.wav", dtype="float32")
    assert np.abs(stored - samples).max() < 1e-4
    wanted = [frontend.mfcc(stored[at * SLICE :], front)[0] for at in (2, 7, 13, 18)]
    examples = four.examples("mfcc")
    assert np.array_equal(examples.x[:4], wanted)
    made = [make_split(examples, name, valid_share=0.2) for name in ("tracks", "artists")]
    for split in [*made, *make_folds(examples, "tracks", 3), *make_folds(examples, "artists", 3)]:
        sides = [set(examples.track[split.rows(part)]) for part in PARTS]
        assert sum(map(len, sides)) == len(set().union(*sides)) == 12


def test_an_mp3_that_seems_far_too_long_keeps_a_whole_stretch(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "song.wav", sound(65), RATE)
    monkeypatch.setattr(preparing.frontends, "spread", lambda *_: (10,))
    track = Track("song.wav", tmp_path, "rock")
    features, outcome = preparing.extract_track(track, Mfcc(), 1)
    assert outcome.slices == len(features) == 10  # and not the 2 that follow


def test_songs_that_are_too_short_are_listed_with_the_remedy(tmp_path, cli):
    root = collection(tmp_path / "songs", [30.0, 30.0, 19.98, 20.0, 20.0])
    remedy = "6 songs shorter than the 29.0 s that mfcc needs; --seconds 20 takes 6 of them"
    status, printed, err = cli("prepare", root, "-o", tmp_path / "f")
    assert (status, printed.splitlines()[0]) == (0, "4 of 10 songs in 2 genres: high 2, low 2.")
    assert "left out: high/2.wav: 19.98 s long, the front-end needs 29.0 s" in err
    assert remedy in err
    status, printed, _ = cli("check", root)
    assert (status, printed.splitlines()[-1]) == (0, remedy)
    for name in ("mfcc", "logmel", "musicnn"):
        status, printed, _ = cli("check", root, "--seconds", 20, "--frontend", name, "--json")
        assert (status, '"usable": 10' in printed) == (0, True), printed
    status, _, err = cli("prepare", root, "--seconds", 20, "-o", tmp_path / "g")
    assert (status, "left out" in err) == (0, False)
    assert open_features(tmp_path / "g").table.slices.tolist() == [6] * 10


def test_a_collection_of_short_clips_alone_names_the_length_that_takes_it(tmp_path):
    root = collection(tmp_path / "songs", [5.0, 4.99, 1.0])
    with pytest.raises(BackbeatError, match=r"6 songs shorter .* --seconds 5 takes 4 of them$"):
        preparing.prepare(read_collection(root), tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_the_length_that_is_named_takes_what_is_said():
    assert frontend.too_short(LogMel(), [4.9] * 9 + [3.0]).endswith("--seconds 5 takes 9 of them")
    assert frontend.too_short(Mfcc(), [28.99] * 20).endswith("--seconds 28 takes 20 of them")
    assert frontend.too_short(Mfcc(), [2.0]).endswith("no --seconds takes less than 3 s")
    assert frontend.too_short(by_name("mfcc", 600), [590.0]).endswith(
        "--seconds 590 takes 1 of them"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model", "each"), [("mfcc", "mlp_base", 1), ("musicnn", "transfer", 2)]
)
def test_five_second_clips_from_end_to_end(tmp_path, cli, name, model, each):
    root = collection(tmp_path / "songs", [5.0] * 8)
    store, run = tmp_path / "store", tmp_path / "run"
    assert cli("prepare", root, "--seconds", 5, "--frontend", name, "-o", store)[0] == 0
    assert open_features(store).table.slices.tolist() == [each] * 16
    more = ("--epochs", 2) if name == "mfcc" else ()
    status, _, err = cli("train", store, "--model", model, "--split", "tracks", *more, "-o", run)
    assert status == 0, err
    front = read_bundle(run).description.frontend
    assert front.window_samples == (SLICE if name == "mfcc" else 80_000)
    assert cli("evaluate", run)[0] == 0
    status, _, err = cli("audit", store, "--split", "tracks")
    assert status == 0
    assert "no search for near duplicates: " in err
    for seconds, slices in ((5.0, each), (60.0, 20 if name == "mfcc" else 24)):
        soundfile.write(tmp_path / "song.wav", sound(seconds, CENTRES["low"], 3), RATE)
        answer = classify.load(run).classify(tmp_path / "song.wav")
        assert len(answer.timeline) == slices
        assert answer.seconds == seconds
        assert name == "mfcc" or answer.genre == "low"
    soundfile.write(tmp_path / "song.wav", sound(2.0), RATE)
    needs = "2.9" if name == "mfcc" else "3.0"
    with pytest.raises(BackbeatError, match=f"too short: this model needs {needs} s$"):
        classify.load(run).classify(tmp_path / "song.wav")


def test_another_length_is_another_front_end(tmp_path, cli):
    root = collection(tmp_path / "songs", [10.0] * 2)
    assert cli("prepare", root, "-o", tmp_path / "f", "--seconds", 5)[0] == 0
    status, _, err = cli("prepare", root, "-o", tmp_path / "f", "--seconds", 10)
    assert (status, "holds features of another front-end" in err) == (1, True)
    bundle = make_bundle(tmp_path / "b", genres=("high", "low"), frontend=by_name("mfcc", 10))
    status, _, err = cli("evaluate", "--model", bundle, "--on", tmp_path / "f")
    assert (status, "with --frontend mfcc --seconds 8.7" in err) == (1, True), err
    assert by_name("mfcc", 8.7) == by_name("mfcc", 10)


def test_windows_count_half_minutes_of_any_front_end(tmp_path):
    lengths = {"mfcc": (29, 10, 2.9), "logmel": (30, 10, 60)}
    counted = {n: [frontend.half_minute(by_name(n, s)) for s in lengths[n]] for n in lengths}
    assert counted == {"mfcc": [1, 3, 10], "logmel": [1, 3, 1]}
    bundle = make_bundle(tmp_path / "b", frontend=by_name("mfcc", 5))
    soundfile.write(tmp_path / "song.wav", sound(300.0), RATE)
    answer = classify.load(bundle, windows=4).classify(tmp_path / "song.wav")
    assert len(answer.timeline) == 40
    assert answer.seconds_read == pytest.approx(116.0)
