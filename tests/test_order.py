"""Nothing hangs on the order in which files are listed, written, named or answered.

What is in a stated order (songs by name, answers as they were asked for) is so whatever came first.
"""

import csv
import os
import random
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from backbeat import api, audio
from backbeat.classify import classify_all, find_songs, load
from backbeat.evaluation import Predictions, calibration, evaluate, vote_by_track
from backbeat.evaluation.comparison import Contender, Trial, compare
from backbeat.features.duplicates import find_near_duplicates
from backbeat.features.store import Examples, open_features
from backbeat.frontend import LogMel, Mfcc
from backbeat.library.neighbours import nearest
from backbeat.library.playlists import by_label
from backbeat.parallel.executors import open_executor
from backbeat.splits import DRAWN, make_split
from backbeat.splits.audit import audit_splits
from test_golden import answers

GENRES = ("blues", "jazz", "rock")


class Listing:
    """What `os.scandir` gives, of entries in any order."""

    def __init__(self, entries):
        self.entries = iter(entries)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.entries)

    def close(self):
        return None


@pytest.fixture(params=["reversed", 1, 2])
def another_listing(request, monkeypatch):
    """Have the system list folders in another order."""

    def mixed(entries):
        entries = sorted(entries, key=os.fspath, reverse=True)
        if request.param != "reversed":
            random.Random(request.param).shuffle(entries)
        return entries

    scan, listed = os.scandir, os.listdir

    def scandir(path="."):
        with scan(path) as found:
            return Listing(mixed(found))

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(os, "listdir", lambda path=".": mixed(listed(path)))


def noise(path, seed, seconds=29.5, rate=22_050):
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).standard_normal(round(seconds * rate)) * 0.1
    soundfile.write(path, samples.clip(-1, 1), rate)
    return path


def names():
    return [f"{GENRES[n % 3]}/{n:02d}.wav" for n in range(12)]


def fill(root, order):
    """Twelve songs, of which 9 is a copy of 3, written one after another in some order."""
    for number in order:
        noise(root / names()[number], seed=3 if number == 9 else number)
    return root


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("songs"), range(12))


@pytest.fixture(scope="module")
def store(songs, tmp_path_factory):
    out = tmp_path_factory.mktemp("store") / "features"
    api.prepare(api.read_collection(songs), out)
    return out


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- Files


@pytest.fixture
def deep(tmp_path):
    """Folders within folders, a genre in two spellings, files that are not audio, a loop."""
    for name in (
        "Hip-Hop/z.wav",
        "Hip-Hop/a/b.mp3",
        "hiphop/c.flac",
        "Rock/x/y/d.ogg",
        "Rock/e.au",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "Rock" / "cover.jpg").touch()
    (tmp_path / "Rock" / "x" / "up").symlink_to(tmp_path / "Rock")
    (tmp_path / "Rock" / "again").symlink_to(tmp_path / "Rock" / "x" / "y")
    return tmp_path


@pytest.fixture
def listed(deep):
    """What is found in the system's own order; made before that is changed."""
    return api.read_collection(deep), list(find_songs([deep]))


def test_folders_are_read_whatever_the_listing(listed, another_listing, deep):
    assert [entry.name for entry in os.scandir(deep)] != sorted(os.listdir(deep))  # noqa: PTH208
    assert (api.read_collection(deep), list(find_songs([deep]))) == listed


def test_a_store_is_the_same_whatever_was_written_first(store, tmp_path, another_listing):
    order = random.Random(5).sample(range(12), 12)
    collection = api.read_collection(fill(tmp_path / "songs", order))
    api.prepare(collection, tmp_path / "features")
    assert tree(tmp_path / "features") == tree(store)


def table(path, songs, order):
    """A CSV of the songs, in some order."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["artist", "genre", "path"])
        for number in order:
            name = names()[number]
            where = Path(os.path.relpath(songs / name, path.parent))
            rows.writerow([f"artist {number // 3} of {name[:4]}", name.split("/")[0], where])
    return path


def test_rows_of_a_table_may_stand_in_any_order(songs, tmp_path):
    stores = []
    for place, order in enumerate((range(12), random.Random(3).sample(range(12), 12))):
        collection = api.read_collection(table(tmp_path / "songs.csv", songs, order))
        api.prepare(collection, tmp_path / str(place))
        stores.append(tmp_path / str(place))
    assert tree(stores[0]) == tree(stores[1])
    one, other = (open_features(path).examples("mfcc") for path in stores)
    for protocol in DRAWN:
        options = {"seed": 4, "test_share": 0.5, "valid_share": 0}
        splits = [make_split(examples, protocol, **options) for examples in (one, other)]
        assert splits[0].hash == splits[1].hash
        assert np.array_equal(splits[0].part, splits[1].part)
        assert audit_splits(one, splits[:1]) == audit_splits(other, splits[1:])


@pytest.mark.parametrize("frontend", [LogMel(), Mfcc()], ids=lambda front: front.name)
def test_features_are_the_same_by_one_worker_and_by_two(frontend, songs, tmp_path):
    collection = api.read_collection(songs)
    api.prepare(collection, tmp_path / "one", frontend=frontend)
    with open_executor(2) as executor:
        api.prepare(collection, tmp_path / "two", frontend=frontend, executor=executor)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


# --- Scores


def mixed(predictions, seed):
    order = np.random.default_rng(seed).permutation(len(predictions))
    return Predictions(
        predictions.tracks[order],
        predictions.slices[order],
        predictions.truth[order],
        predictions.probabilities[order],
        predictions.genres,
    )


@pytest.mark.parametrize("seed", range(3))
def test_scores_do_not_hang_on_the_order_of_rows(seed):
    predictions = answers(1.2, 0)
    ours, theirs = asdict(evaluate(predictions)), asdict(evaluate(mixed(predictions, seed)))
    for name in ("log_loss", "track_log_loss", "recall_variance", "track_recall_variance"):
        assert theirs.pop(name) == pytest.approx(ours.pop(name), abs=1e-12)
    assert theirs == ours


@pytest.mark.parametrize("seed", range(3))
def test_calibrations_do_not_hang_on_the_order_of_songs(seed):
    songs = vote_by_track(answers(1.2, 0))
    values = []
    for votes in (songs, mixed(songs, seed)):
        right = votes.answers == votes.truth
        temperature = calibration.fit_temperature(votes.probabilities, votes.truth)
        confidence = calibration.with_temperature(votes.probabilities, temperature).max(axis=1)
        values.append(
            [
                temperature,
                calibration.reliability(confidence, right).error,
                calibration.risk_coverage(confidence, right).area,
                *calibration.choose_threshold(confidence, right, 0.2).model_dump().values(),
            ]
        )
    assert values[1] == pytest.approx(values[0], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_comparisons_do_not_hang_on_the_order_of_songs(seed):
    def contenders(order):
        for name, skill in (("good", 2.0), ("poor", 0.5)):
            votes = vote_by_track(answers(skill, 1))
            genres = np.array(votes.genres)
            truth, given = genres[votes.truth[order]], genres[votes.answers[order]]
            tracks = tuple(votes.tracks[order].tolist())
            artists = tuple(f"artist {int(track[5:]) // 2}" for track in tracks)
            yield Contender(name, (Trial("x", tracks, tuple(truth), tuple(given), artists, 0.5),))

    order = np.random.default_rng(seed).permutation(60)
    assert compare(list(contenders(order))) == compare(list(contenders(np.arange(60))))


# --- Answers


@pytest.fixture(scope="module")
def answered(bundle, songs):
    classifier = load(bundle)
    return classifier, list(classify_all(classifier, list(find_songs([songs])), workers=1))


def shown(answer):
    """All of an answer, so that it can be compared."""
    return replace(answer, embedding=None), answer.embedding.tolist()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_answer_hangs_neither_on_other_songs_nor_on_workers(answered, threads):
    classifier, answers = answered
    order = random.Random(threads).sample(range(12), 12)
    again = list(classify_all(classifier, [answers[n].path for n in order], workers=threads))
    assert [shown(answer) for answer in again] == [shown(answers[number]) for number in order]


@pytest.mark.parametrize("seed", range(3))
def test_neighbours_and_playlists_do_not_hang_on_what_was_answered_first(answered, seed):
    _, answers = answered
    library = random.Random(seed).sample(answers, 12)
    for number in (1, 5):
        found, wanted = nearest(answers[number], library), nearest(answers[number], answers)
        # Songs 3 and 9 are copies: of equal likeness to any other song.
        assert [(n.answer.path, n.similarity) for n in found] == [
            (n.answer.path, n.similarity) for n in wanted
        ]
    assert nearest(answers[1], answers)[0].answer.path.name == "09.wav"
    lists = {label: [a.path for a in songs] for label, songs in by_label(library).items()}
    assert lists == {label: [a.path for a in songs] for label, songs in by_label(answers).items()}


def test_duplicates_are_found_whatever_stands_first(songs):
    recording = audio.read(songs / names()[0], sample_rate=22_050)
    other = audio.read(songs / names()[1], sample_rate=22_050)
    # The same recording 5 s later, in a copy that is quieter.
    later = np.concatenate([recording[5 * 22_050 :], other[: 5 * 22_050]]) * np.float32(0.5)
    features = dict(zip("abc", map(Mfcc().extract, (recording, other, later)), strict=True))
    found = {}
    for order in ("abc", "cab", "bca", "cba"):
        examples = Examples(
            x=np.concatenate([features[name] for name in order]),
            y=np.zeros(30, np.int64),
            track=np.repeat(np.arange(3), 10),
            slice=np.tile(np.arange(10), 3),
            names=tuple(order),
            artists=("",) * 3,
            albums=("",) * 3,
            digests=("",) * 3,
            genres=("any",),
        )
        for pair in find_near_duplicates(examples, Mfcc()):
            first, second = order[pair.first], order[pair.second]
            sign = 1 if first < second else -1
            key = "".join(sorted(first + second))
            found.setdefault(key, []).append((pair.correlation, sign * pair.offset, pair.seconds))
    assert {key: len(pairs) for key, pairs in found.items()} == {"ac": 4}
    assert np.array(found["ac"]) == pytest.approx(np.tile(found["ac"][0], (4, 1)), abs=1e-4)
    assert found["ac"][0][1] == pytest.approx(5, abs=0.02)
