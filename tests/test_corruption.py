"""Whatever of ours is damaged is refused in one line, or heals, or the damage does not matter."""

import contextlib
import json
import shutil
import sqlite3
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backbeat.bundle.archive import read_bundle
from backbeat.bundle.shipped import find_bundle
from backbeat.collections.collection import read_collection
from backbeat.errors import BackbeatError
from backbeat.features import prepare
from backbeat.features.store import open_features
from backbeat.files import checksums as sums
from backbeat.frontend import LogMel
from backbeat.library.index import open_index
from backbeat.reproduce.results import read_results
from backbeat.runs.reading import read_runs
from backbeat.splits import read_parts
from backbeat.training import checkpoint
from backbeat.training.history import Epoch, read_history
from backbeat.tuning.judge import Judge, read_judgement, without_test
from backbeat.tuning.log import Judgement
from bundles import make_bundle
from damage import FLIPS, Healed, damages, try_all
from made_reproduction import made_run
from sounds import music, write
from test_library import STAMP, answer

REFUSED_VERSION = r"version|newer"


def files_of(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def contents_of(folder):
    return {name: (folder / name).read_bytes() for name in files_of(folder)}


def change_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# --- Bundles


def test_a_bundle(tmp_path):
    (tmp_path / "whole").mkdir()
    make_bundle(tmp_path / "whole" / "model.backbeat")
    x = np.ones((2, 125, 13), np.float32)

    def read(folder):
        bundle = read_bundle(folder / "model.backbeat")
        answers = bundle.open()(x).tobytes()
        return bundle.description, bundle.card, bundle.hash, answers

    names = ["model.backbeat"]
    counts = try_all(tmp_path / "whole", names, read, tmp_path / "copy", flips=20 * FLIPS)
    assert counts["refused"] > 10 * FLIPS


def test_the_bundles_that_come_with_backbeat(tmp_path):
    (tmp_path / "whole").mkdir()
    shutil.copy(find_bundle("gtzan-fast"), tmp_path / "whole" / "model.backbeat")
    counts = try_all(
        tmp_path / "whole",
        ["model.backbeat"],
        lambda folder: replace(read_bundle(folder), path=Path()),
        tmp_path / "copy",
    )
    assert counts["refused"] >= FLIPS


# --- Runs


def run_content(run):
    predictions = run.predictions
    answers = [getattr(predictions, name).tolist() for name in ("tracks", "slices", "truth")]
    return (
        run.description,
        run.split,
        run.environment,
        run.history,
        answers,
        predictions.probabilities.tolist(),
        predictions.genres,
    )


def test_a_run(run, tmp_path):
    names = [name for name in files_of(run) if "figures" not in name and name != "report.html"]
    assert {"SHA256SUMS", "model.backbeat", "predictions.csv"} <= set(names)
    counts = try_all(
        run, names, lambda folder: [*map(run_content, read_runs(folder))], tmp_path / "copy"
    )
    assert counts["refused"] > 4 * FLIPS


def test_a_run_without_checksums_is_read_as_it_is(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / sums.NAME).unlink()
    assert run_content(read_runs(tmp_path / "run")[0]) == run_content(read_runs(run)[0])


def test_a_score_that_was_changed_by_hand_is_told(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    for name, words in (("predictions.csv", "train again"), ("history.csv", "train again")):
        text = (copy / name).read_text()
        digit = next(sign for sign in "123456789" if f"0.{sign}" in text)
        (copy / name).write_text(text.replace(f"0.{digit}", f"0.{10 - int(digit)}", 1))
        with pytest.raises(BackbeatError, match=rf"{name}: damaged, or changed since.*{words}"):
            read_runs(copy)
        (copy / name).write_text(text)


def test_a_bundle_of_another_run_is_told(run, leaking, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    shutil.copy(leaking / "model.backbeat", tmp_path / "run")
    with pytest.raises(BackbeatError, match=r"model.backbeat is of another split"):
        read_runs(tmp_path / "run")


def test_a_cross_validation(run, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(run, whole / "fold-1")
    split = read_parts(run / "split.json")["hash"]
    settings = {"format": "backbeat-crossvalidation", "version": 1, "seed": 0, "splits": [split]}
    (whole / "crossvalidation.json").write_text(json.dumps(settings, indent=1) + "\n")

    def read(folder):
        found = read_runs(folder)
        return [*map(run_content, found)]

    counts = try_all(whole, ["crossvalidation.json"], read, tmp_path / "copy", flips=10 * FLIPS)
    assert counts["refused"] > FLIPS
    change_json(whole / "crossvalidation.json", version=2)
    with pytest.raises(BackbeatError, match=REFUSED_VERSION):
        read_runs(whole)


def test_a_split(run, tmp_path):
    (tmp_path / "whole").mkdir()
    shutil.copy(run / "split.json", tmp_path / "whole")

    def read(folder):
        content = read_parts(folder / "split.json")
        return content["parts"], content["hash"]

    names = ["split.json"]
    counts = try_all(tmp_path / "whole", names, read, tmp_path / "copy", flips=20 * FLIPS)
    assert counts["refused"] > 5 * FLIPS
    change_json(tmp_path / "copy" / "split.json", version=2)
    with pytest.raises(BackbeatError, match=REFUSED_VERSION):
        read(tmp_path / "copy")


def test_a_reproduction(tmp_path):
    whole = tmp_path / "whole"
    for model in ("mlp_01", "cnn_01.0"):
        made = made_run(whole, model, 0.5)
        sums.write_sums(made, [path.name for path in made.iterdir()])
    names = [name for name in files_of(whole) if "mlp" in name and "backbeat" not in name]
    counts = try_all(whole, names, lambda folder: repr(read_results(folder)), tmp_path / "copy")
    assert counts["refused"] > 5 * FLIPS


def test_a_checkpoint(tmp_path):
    class Variable(types.SimpleNamespace):
        shape = (2, 3)

        def assign(self, value):
            self.value = value.tolist()

    state = [np.arange(6.0).reshape(2, 3), np.ones((2, 3))]
    (tmp_path / "whole").mkdir()
    checkpoint.save(tmp_path / "whole" / "c.npz", state, (Epoch(1, 0.5, 0.5, 0.5, 0.5, 1.0),))

    def read(folder):
        variables = [Variable(), Variable()]
        network = types.SimpleNamespace(
            variables=variables[:1], optimizer=types.SimpleNamespace(variables=variables[1:])
        )
        if not (folder / "c.npz").exists():
            return Healed()  # a training that begins anew
        return checkpoint.restore(network, folder / "c.npz"), [v.value for v in variables]

    counts = try_all(tmp_path / "whole", ["c.npz"], read, tmp_path / "copy", flips=20 * FLIPS)
    assert counts["refused"] > 10 * FLIPS


# --- Searches


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A model that was judged."""
    place = tmp_path_factory.mktemp("trial") / "whole"
    made = Judgement(0.5, 0.7, 3.25, 2)
    history = (Epoch(1, 0.9, 0.1, 0.8, 0.4, 1.0), Epoch(2, 0.8, 0.3, 0.7, 0.5, 2.25))

    class Trained(Judge):
        def _train(self, spec, place, watch):
            place.mkdir(parents=True)
            (place / "spec.yaml").write_text(spec.to_yaml())
            return made, history

    return place, Trained


def test_a_judgement(store, trial, tmp_path):
    from backbeat.splits import make_split
    from made_features import small_spec

    _, judge = trial
    examples = store.examples("mfcc")
    split = make_split(examples, "artists", seed=3, valid_share=0.2)
    judge(store, *without_test(examples, split), tmp_path / "trials", 3)(small_spec())
    (whole,) = (tmp_path / "trials").iterdir()

    def read(folder):
        if not (folder / "result.json").exists():
            return Healed()  # it is trained again
        return read_judgement(folder / "result.json"), read_history(folder / "history.csv")

    counts = try_all(whole, files_of(whole), read, tmp_path / "copy")
    assert counts["refused"] > 2 * FLIPS


def test_a_study(tmp_path):
    pytest.importorskip("optuna")
    from test_tuning_search import MadeJudge, study

    whole = study(tmp_path / "whole" / "study.db", MadeJudge(), budget=3)
    content = (tmp_path / "whole" / "study.db").read_bytes()
    copy = tmp_path / "copy"
    # Of a database most bytes are empty: those that say something are flipped.
    places = [place for place, byte in enumerate(content) if byte]
    counts = 0
    for place in places[len(places) // 3 :: len(places) // max(1, FLIPS // 8)]:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(tmp_path / "whole", copy)
        flipped = bytes([content[place] ^ 1])
        (copy / "study.db").write_bytes(content[:place] + flipped + content[place + 1 :])
        assert study(copy / "study.db", MadeJudge(), budget=3) == whole
        counts += 1
    print(f"{counts} damages, all healed")


# --- The index of answers


def test_an_index(tmp_path, caplog):
    whole = tmp_path / "whole"
    songs = [Path(f"/music/{name}.mp3") for name in "abcdefgh"]
    embedding = np.arange(100) / 7
    known = {song: answer(song, probability=0.6, embedding=embedding) for song in songs}
    with open_index(whole / "index.sqlite") as index:
        for song in songs:
            index.keep(known[song], STAMP, b"", "x")

    def read(folder):
        with open_index(folder / "index.sqlite") as index:
            found = {song: index.find(song, STAMP, "x") for song in songs}
            for song in songs:
                index.keep(known[song], STAMP, b"", "x")
            again = {song: index.find(song, STAMP, "x") for song in songs}
        for answers in (found, again):  # what is not known is analysed again
            assert all(repr(answers[song]) in ("None", repr(wanted[song])) for song in songs)
        return Healed() if None in found.values() else repr(found)

    with open_index(whole / "index.sqlite") as index:
        wanted = {song: index.find(song, STAMP, "x") for song in songs}
    names = ["index.sqlite"]
    counts = try_all(whole, names, read, tmp_path / "copy", flips=8 * FLIPS, fresh=True)
    assert counts["healed"] > FLIPS // 2
    assert "put aside" in caplog.text


@pytest.mark.parametrize("version", [2, 4])
def test_an_index_of_another_format_is_refused_and_left(tmp_path, version):
    path = tmp_path / "index.sqlite"
    with open_index(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma user_version = {version}")
    before = path.read_bytes()
    message = rf"format version {version}, this backbeat reads 3; .*--index"
    with pytest.raises(BackbeatError, match=message), open_index(path):
        pass
    assert path.read_bytes() == before


def test_another_programs_database_is_never_put_aside(tmp_path):
    for version in (0, 2, 3):
        path = tmp_path / f"{version}.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("create table mine (x)")
            connection.execute(f"pragma user_version = {version}")
        before = path.read_bytes()
        with pytest.raises(BackbeatError, match="not an index"), open_index(path):
            pass
        assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


# --- Logs of tags


def test_a_log_of_tags(tmp_path):
    pytest.importorskip("mutagen")
    from backbeat.classify import Failure
    from backbeat.library.tags import formats
    from backbeat.library.tags.log import LogWriter, read_log
    from backbeat.library.tags.plan import Change
    from backbeat.library.tags.writing import apply, undo

    songs = tmp_path / "songs"
    paths = [write(songs / f"{name}.flac", music(1.0, seed=seed)) for seed, name in enumerate("ab")]
    before = contents_of(songs)
    writer = LogWriter(tmp_path / "whole" / "log.jsonl", {})
    for path in paths:
        assert list(apply([Change(path, formats.read(path), ("Rock",), 0.9)], writer))
    writer.close()
    after = contents_of(songs)

    def read(folder):
        for name, content in after.items():
            (songs / name).write_bytes(content)
        log = read_log(folder / "log.jsonl")
        failures = [one for one in undo(log) if isinstance(one, Failure)]
        left = contents_of(songs)
        for name in left:  # as it was, or as it was left; never anything else
            assert left[name] in (before[name], after[name]), name
        if left == before:
            return "undone"
        assert failures or not log.ended  # it is counts that not all was undone
        return Healed()

    names = ["log.jsonl"]
    counts = try_all(tmp_path / "whole", names, read, tmp_path / "copy", flips=12 * FLIPS)
    assert counts["healed"] > 2 * FLIPS


# --- Features


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Two songs, of two genres."""
    folder = tmp_path_factory.mktemp("songs")
    for seed, genre in enumerate(("blues", "rock")):
        write(folder / genre / f"{seed}.wav", music(30.5, seed=seed))
    return read_collection(folder)


def prepared(songs, out, **options):
    return prepare.prepare(songs, out, frontend=LogMel(), windows=1, **options)


def store_content(path):
    features = open_features(path)
    examples = features.examples("maps")
    table = features.table
    columns = [getattr(table, name) for name in ("name", "genre", "artist", "digest", "finding")]
    numbers = [table.seconds.tolist(), table.slices.tolist()]
    return features.frontend, features.genres, columns, numbers, examples.x.tobytes()


def test_a_feature_store(store, tmp_path):
    def read(folder):
        features = open_features(folder)
        examples = features.examples("mfcc")
        return repr(features.table), features.frontend, examples.x.tobytes(), examples.names

    names = [name for name in files_of(store.path) if "/c/" not in name or name.endswith("0")]
    counts = try_all(store.path, names, read, tmp_path / "copy", flips=max(2, FLIPS // 2))
    assert counts["refused"] > FLIPS
    attributes = json.loads((store.path / "zarr.json").read_text())
    attributes["attributes"]["version"] = 2
    (tmp_path / "copy" / "zarr.json").write_text(json.dumps(attributes))
    with pytest.raises(BackbeatError, match=REFUSED_VERSION):
        open_features(tmp_path / "copy")


def test_a_store_without_checksums_is_read_as_it_is(songs, tmp_path):
    prepared(songs, tmp_path / "store")
    wanted = store_content(tmp_path / "store")
    (tmp_path / "store" / sums.NAME).unlink()
    assert store_content(tmp_path / "store") == wanted


def test_damaged_features_are_made_again(songs, tmp_path):
    whole, copy = tmp_path / "whole", tmp_path / "copy"
    prepared(songs, whole)
    wanted = contents_of(whole)
    chunks = [name for name in files_of(whole) if name.startswith("features/c/")]
    for damage, content in damages(wanted[chunks[1]], 1):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        if content is None:
            (copy / chunks[1]).unlink()
        else:
            (copy / chunks[1]).write_bytes(content)
        with contextlib.suppress(BackbeatError):  # a flipped byte need not say anything
            assert store_content(copy) == store_content(whole), damage
        prepared(songs, copy, mend=True)
        assert store_content(copy) == store_content(whole), damage
        assert files_of(copy) == files_of(whole)


def test_what_cannot_be_mended_is_told(songs, tmp_path, monkeypatch):
    prepared(songs, tmp_path / "store")
    (chunk, *_) = (tmp_path / "store" / "features" / "c").rglob("0")
    next(path for path in chunk.rglob("*") if path.is_file()).unlink()
    extract = prepare.extract_track

    def changed(*arguments):
        features, outcome = extract(*arguments)
        return features, replace(outcome, digest="other")

    monkeypatch.setattr(prepare, "extract_track", changed)
    with pytest.raises(BackbeatError, match=r"cannot be mended, since its songs have changed"):
        prepared(songs, tmp_path / "store", mend=True)
    with pytest.raises(BackbeatError, match=r"cannot be read .*missing.*--mend"):
        open_features(tmp_path / "store").examples("maps")


def test_an_unfinished_store(songs, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    prepared(songs, tmp_path / "finished")
    wanted = store_content(tmp_path / "finished")
    with monkeypatch.context() as context:
        context.setattr(prepare, "tabulate", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepared(songs, whole)

    def read(folder):
        prepared(songs, folder, mend=True)
        try:
            return store_content(folder)
        except BackbeatError:
            prepared(
                songs, folder, mend=True
            )  # features that were damaged before the store was done
            assert store_content(folder) == wanted
            return Healed()

    parts = ("zarr.json", "features/zarr.json", "features/c/0/0/0/0", "progress/c/0")
    flips = max(1, FLIPS // 8)
    counts = try_all(whole, parts, read, tmp_path / "copy", flips=flips, fresh=True)
    assert counts["equal"] and counts["healed"] and counts["refused"]
