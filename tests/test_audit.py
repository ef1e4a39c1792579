"""An audit counts what crosses, no more and no less."""

import json
import shutil
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from backbeat.bundle.archive import short_digest
from backbeat.collections import gtzan
from backbeat.evaluation import Predictions
from backbeat.evaluation.comparison import difference_interval
from backbeat.features.duplicates import NearDuplicate
from backbeat.features.importing import import_features
from backbeat.features.store import Features
from backbeat.runs.effect import _compared
from backbeat.runs.overlap import find_overlap
from backbeat.splits import leaks_from_json, leaks_to_json, make_folds, make_split, thinned
from backbeat.splits.audit import audit_splits
from made_features import made_mfcc, made_store
from test_splits import gtzan_like, made_examples


def near(first, second):
    return NearDuplicate(first=first, second=second, correlation=0.9, offset=1.5, seconds=20.0)


def part_of(tmp_path, names, parts, header="path,part"):
    rows = [f"{name},{part}" for name, part in zip(names, parts, strict=True)]
    (tmp_path / "s.csv").write_text("\n".join([header, *rows]) + "\n")
    return f"file:{tmp_path / 's.csv'}"


def leaks_of(found):
    return {leak.kind: (leak.in_training, leak.in_validation, leak.known) for leak in found.leaks}


def test_every_kind_is_counted_by_hand(tmp_path):
    names = [f"{genre}{n}" for n in range(4) for genre in ("r", "j")]
    # Tests: the last three; r3 and j3 are by artists that were trained on, j3 a copy of j0.
    examples = made_examples(
        ["rock", "jazz"] * 4,
        artists=["Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "ann", ""],
        albums=["One", "Two", "", "", "", "", "One", "Two"],
        digests=["", "d0", "", "", "", "", "", "d0"],
        names=names,
        slices=3,
    )
    parts = ["train", "train", "train", "train", "valid", "test", "test", "test"]
    split = make_split(examples, part_of(tmp_path, names, parts))
    found = audit_splits(examples, [split], [near(4, 5), near(2, 3), near(0, 5)])
    assert leaks_of(found) == {
        "song": (0, 0, 3),
        "artist": (1, 0, 2),
        "album": (1, 0, 2),
        "exact copy": (1, 0, 1),
        "near duplicate": (1, 1, 3),
    }
    assert {leak.songs for leak in found.leaks} == {3}
    # The same as in the split itself, its file and its headline.
    assert found.leaks[:4] == split.leaks
    assert split.leak == (
        "Leaks by artist (1 of 3 test songs, unknown for 1), album (1 of 3 test songs, unknown "
        "for 1), exact copy (1 of 3 test songs, unknown for 2). Not shared with training: song."
    )
    assert found.leaking
    crossings = {(pair.trained, pair.tested, pair.kind) for pair in found.crossings}
    assert crossings == {
        ("r2", "j2", "near duplicate"),
        ("r0", "j2", "near duplicate"),
        ("j0", "j3", "exact copy"),
    }
    json.dumps(found.to_json())


def test_an_album_is_one_of_its_artist(tmp_path):
    names = ["a", "b", "c", "d"]
    examples = made_examples(
        ["rock", "jazz"] * 2, ["X", "Y", "Z", "Y"], albums=["Hits"] * 4, names=names
    )
    parts = part_of(tmp_path, names, ["train", "train", "test", "test"])
    found = leaks_of(audit_splits(examples, [make_split(examples, parts, valid_share=0)]))
    assert found["album"] == (1, 0, 2)


def test_random_slices_know_nearly_every_song_and_artists_none():
    examples = gtzan_like(slices=10)
    slices = audit_splits(examples, [make_split(examples, "slices")])
    assert {
        leak.kind: leak.shared > 0.99 * leak.songs
        for leak in slices.leaks
        if leak.kind in ("song", "artist")
    } == {
        "song": True,
        "artist": True,
    }
    tracks = {
        leak.kind: leak for leak in audit_splits(examples, [make_split(examples, "tracks")]).leaks
    }
    assert tracks["song"].shared == 0
    assert tracks["artist"].shared > 0.8 * tracks["artist"].songs
    artists = audit_splits(examples, make_folds(examples, "artists", 5))
    assert not artists.leaking
    assert (artists.folds, artists.leaks[0].songs, artists.left_out) == (5, 1_000, 0)


def test_a_song_tested_in_two_folds_is_counted_as_one_song():
    examples = gtzan_like(slices=10)
    found = audit_splits(examples, make_folds(examples, "slices", 2))
    tests = found.leaks[0].songs
    assert found.tested == 1_000 < tests
    assert f" of {tests:,} tests of 1,000 songs)" in found.summary
    assert found.to_json()["summary"] == found.summary


def test_a_song_is_no_copy_of_itself():
    examples = made_examples(["rock", "jazz"] * 10, digests=[f"d{n}" for n in range(20)])
    found = leaks_of(audit_splits(examples, [make_split(examples, "slices")]))
    assert found["exact copy"] == (0, 0, found["song"][2])
    assert found["song"][0] > 0


def test_the_verb_on_a_store_and_on_a_foreign_split(cli, store, tmp_path):
    status, out, err = cli("audit", store.path, "--split", "artists", "--no-near")
    assert (status, err) == (0, "")
    assert "Not shared with training: song, artist, exact copy. Unknown for all" in out
    status, out, _ = cli("audit", store.path, "--split", "slices", "--no-near", "--json")
    leaks = json.loads(out)["audit"]["leaks"]
    assert leaks[0]["kind"] == "song" and leaks[0]["shared"] > 20
    names = store.table.name
    parts = part_of(tmp_path, names, ["test" if row % 5 == 4 else "train" for row in range(30)])
    status, out, _ = cli("audit", store.path, "--split", parts, "--no-near")
    assert status == 0 and "Leaks by artist (" in out
    status, _, err = cli("audit", store.path, "--split", "file:none.csv")
    assert status == 1 and err.startswith("backbeat: none.csv: cannot be read")
    assert cli("audit", store.path, "--split", "slices", "--model", "mlp_01")[0] == 1


def test_what_is_unknown_is_not_none(cli, tmp_path):
    store = made_store(tmp_path, artists=None)
    status, out, _ = cli("audit", store.path, "--split", "tracks", "--no-near", "--json")
    leaks = {leak["kind"]: leak for leak in json.loads(out)["audit"]["leaks"]}
    assert status == 0
    shares = ("known", "in_training", "in_validation", "shared")
    assert [leaks["artist"][share] for share in shares] == [0, None, None, None]
    assert [leaks["album"][share] for share in shares] == [0, None, None, None]
    assert [leaks["song"][share] for share in shares] == [9, 0, 0, 0]
    out = cli("audit", store.path, "--split", "tracks", "--no-near")[1]
    cells = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert cells["artist"] == ["not", "known"] * 3 + ["9"]
    assert cells["song"] == ["0", "0", "9", "0"]


def test_leaks_are_read_back_from_their_file():
    leaks = make_split(made_examples(["rock", "jazz"] * 10, [""] * 20), "tracks").leaks
    content = json.loads(json.dumps(leaks_to_json(leaks)))
    assert content[1]["shared"] is None
    assert leaks_from_json(content) == leaks
    for damage in ({"shared": None}, {"known": None}, {"known": 1}):
        damaged = (
            [content[0] | damage, *content[1:]]
            if "shared" in damage
            else [content[0], content[1] | damage, *content[2:]]
        )
        with pytest.raises(ValueError, match="damaged leaks"):
            leaks_from_json(damaged)


@pytest.mark.parametrize(
    ("verb", "done"),
    [
        (("audit",), "audited"),
        (("train", "--model", "mlp_01", "-o", "{out}"), "trained; `backbeat tune` needs none"),
        (("train", "--model", "transfer", "-o", "{out}"), "trained; `backbeat tune` needs none"),
        (("reproduce", "sears2021", "-o", "{out}"), "trained"),
    ],
)
def test_an_empty_test_part_ends_it_before_any_work(cli, tmp_path, monkeypatch, verb, done):
    parts = gtzan.filtered_parts()
    names = [name for name, part in sorted(parts.items()) if part != "test"]
    genres = sorted({name.partition(".")[0] for name in names})
    y = np.array([genres.index(name.partition(".")[0]) for name in names])
    maps = np.zeros((len(names), 128, 387), np.uint8)
    maps[0, 0, 0] = 1  # of maps that are all alike nothing can be learnt
    fields = {"X": maps, "y": y, "names": names, "genres": genres}
    np.savez(tmp_path / "m.npz", **{name: np.array(field) for name, field in fields.items()})
    store = import_features(tmp_path / "m.npz", tmp_path / "f", frontend="logmel", songs="rows")
    monkeypatch.setattr(Features, "examples", None)  # read by all that works on features
    verb, *rest = (part.format(out=tmp_path / "out") for part in verb)
    paper, rest = (rest[:1], rest[1:]) if verb == "reproduce" else ([], rest)
    status, out, err = cli(verb, *paper, store.path, "--split", "gtzan-filtered", *rest)
    assert (status, out) == (1, "")
    assert err == (
        "backbeat: --split gtzan-filtered: its test part is empty, as these features hold none of "
        f"its test songs: nothing was {done}\n"
    )
    assert not (tmp_path / "out").exists()


def test_near_duplicates_are_named(cli, tmp_path):
    x, _ = made_mfcc(slices=10)
    # The 28th song is the first again, louder and half a slice later.
    whole = x[0].reshape(-1, 13)
    x[27] = np.roll(whole, -60, axis=0).reshape(x[0].shape)
    x[27, :, :, 0] += 40
    store = made_store(tmp_path, X=x, artists=None)
    names = store.table.name
    parts = part_of(tmp_path, names, ["test" if row > 23 else "train" for row in range(30)])
    status, out, _ = cli("audit", store.path, "--split", parts)
    assert status == 0
    assert f"near duplicate: {names[27]} (test) and {names[0]} (training)" in out
    assert out.count("near duplicate: ") == 1


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["slices", "tracks"])
def test_effect_of_a_leak(cli, store, tmp_path, protocol):
    from made_features import small_spec

    spec = tmp_path / "spec.yaml"
    spec.write_text(small_spec(epochs=2).to_yaml())
    out = tmp_path / "effect"
    arguments = ("audit", store.path, "--split", protocol, "--no-near", "--model", spec, "-o", out)
    status, shown, err = cli(*arguments, "--workers", 1)
    assert status == 0, err  # on a busy machine it also holds a line of progress
    assert "Effect on small" in shown
    assert "The split changes song accuracy by " in shown
    as_split, clean = (
        json.loads((out / run / "split.json").read_text()) for run in ("as-split", "clean")
    )
    # As much training data on both sides, of songs of four slices.
    train_slices, other = (
        len(split["parts"]["train"]) * (4 if split["unit"] == "tracks" else 1)
        for split in (as_split, clean)
    )
    assert train_slices == other
    assert f"each trained once on {train_slices} slices." in shown
    assert (out / "as-split" / "report.html").exists()
    # The report of the leaking run shows the clean one beside it.
    if protocol == "slices":
        assert "(artists; run clean)" in (out / "as-split" / "report.html").read_text()
    first = shown
    status, shown, _ = cli(*arguments, "--workers", 1, "--json")
    effect = json.loads(shown)["effect"]
    assert not any(leak["shared"] for leak in effect["clean"]["leaks"])
    assert effect["train_slices"] == train_slices
    assert effect["songs"] > 2
    if effect["interval"] is None:
        assert "(fewer than 5 artists, so no 95 % interval): " in first
    else:
        assert effect["interval"]["low"] <= effect["points"] <= effect["interval"]["high"]
        assert "(95 % interval by artists " in first


def described(**changes):
    """The description of a bundle, as much of it as an overlap is found by."""
    return SimpleNamespace(**({"trained_on": (), "digests": ()} | changes))


def renamed(store, names, digests=None):
    """A feature store under other names."""
    table = replace(store.table, name=tuple(names), digest=digests or store.table.digest)
    return replace(store, table=table)


def test_songs_are_found_again_under_other_names(store):
    names = [f"new {row}" for row in range(30)]
    names[0] = store.table.name[0]
    names[1:3] = ["deep/Hip-Hop_00007.flac", "blues.00003.au"]
    used = (store.table.name[0], "hiphop/hiphop.00007.wav", "blues.00003")
    one = short_digest(store.table.digest[4])
    trained = described(trained_on=used, digests=(one, short_digest(store.table.digest[0])))
    found = find_overlap(trained, renamed(store, names))
    assert found.found == {
        "name": (names[0],),
        "GTZAN identity": (names[1], names[2]),
        "digest of the samples": (names[4],),
    }
    assert found.names == {names[row] for row in (0, 1, 2, 4)}
    assert found.sentence == (
        "4 of 30 songs are left out, as the model was trained or validated on them: 1 by name, "
        "2 by GTZAN identity, 1 by digest of the samples."
    )


def test_near_duplicates_of_a_part_of_the_songs_are_no_answer_for_all(store):
    trained = described(trained_on=(*store.table.name[:6], "elsewhere", "lost"))
    names = [f"new {row}" for row in range(30)]
    found = find_overlap(trained, renamed(store, names), near=store.path)
    assert found.sentence.endswith(
        "Near duplicates could be looked for of 6 of the 8 songs that it was trained or "
        "validated on."
    )


def test_what_could_not_be_compared_is_said(store):
    names = [f"new {row}" for row in range(30)]
    for digests in (("",) * 30, ("0" * 32,) * 30):  # none, or of samples
        found = find_overlap(
            described(trained_on=("a",), digests=("mfcc:1",)), renamed(store, names, digests)
        )
        assert list(found.found) == ["name"]
        assert "Nothing but names could be compared: it may have been trained" in found.sentence
    found = find_overlap(described(), renamed(store, names))
    assert found.names == frozenset()
    assert found.sentence.startswith("The model does not record which songs it was trained on")


@pytest.mark.parametrize("as_bundle", [False, True])
def test_a_run_is_not_scored_on_its_own_songs_under_other_names(
    cli, run, store, tmp_path, as_bundle
):
    x, _ = made_mfcc()
    x[:, :, :, 0] += 3  # louder, so that no digest is the same
    other = made_store(tmp_path, X=x, names=np.array([f"new {row}" for row in range(30)]))
    model = (run,)
    if as_bundle:
        model = ("--model", shutil.copy(run / "model.backbeat", tmp_path / "alone.backbeat"))
    status, out, err = cli("evaluate", *model, "--on", other.path)
    assert status == 0
    assert "0 of 30 songs are left out" in " ".join(out.split())
    parts = json.loads((run / "split.json").read_text())["parts"]
    n = len(parts["train"] + parts["valid"])
    options = ("--on", other.path, "--near-duplicates", store.path)
    status, out, _ = cli("evaluate", *model, *options, "--json")
    shown = json.loads(out)
    assert shown["overlap"]["left_out"]["near duplicate"] == n
    assert shown["n_tracks"] == len(parts["test"])
    # The very same features.
    copy = made_store(tmp_path, "copy", names=np.array([f"new {row}" for row in range(30)]))
    shown = json.loads(cli("evaluate", *model, "--on", copy.path, "--json")[1])
    assert shown["overlap"]["left_out"] == {"name": 0, "digest of the samples": n}
    status, _, err = cli("evaluate", *model, "--on", copy.path, "--near-duplicates", other.path)
    assert status == 1 and "holds none of the songs that the model was trained on" in err


@dataclass(frozen=True)
class Answered:
    """What `_compared` reads of a run."""

    predictions: Predictions
    split: dict
    description = described(calibration=SimpleNamespace(temperature=1.0))


def answered(rows, artists):
    """A run that answers slices (track, slice, whether correct) of the genre 0."""
    tracks, slices, correct = zip(*rows, strict=True)
    probabilities = [[0.9, 0.1] if right else [0.2, 0.8] for right in correct]
    truth = np.zeros(len(rows), np.int64)
    predictions = Predictions(tracks, slices, truth, np.array(probabilities), ("rock", "jazz"))
    return Answered(predictions, {"artists": artists})


def test_an_effect_is_of_the_slices_that_both_test():
    artists = {f"s{n}": f"artist {n // 2}" for n in range(12)}
    leaking = [(f"s{n}", 0, n != 3) for n in range(12)] + [("other", 0, False)]
    # Of slice 0 the clean one is wrong of s2 to s7; its other slices are not compared.
    clean = [(f"s{n}", part, part == 1 or not 2 <= n < 8) for n in range(12) for part in (0, 1)]
    songs, slices, points, interval = _compared(
        answered(leaking, artists), answered(clean, artists)
    )
    assert (songs, slices) == (12, 12)
    assert points == pytest.approx((11 - 6) / 12)
    differences = np.array([0, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0])
    assert interval == difference_interval(differences, [str(n // 2) for n in range(12)])
    assert 0 < interval.groups == 6
    nothing = _compared(answered([("a", 0, True)], {}), answered([("a", 1, True)], {}))
    assert nothing == (0, 0, None, None)


def test_a_thinned_training_part_has_so_many_slices(store):
    examples = store.outline("mfcc")
    whole = make_split(examples, "artists", seed=1)
    thin = thinned(examples, whole, 50, seed=1)
    assert len(thin.rows("train")) == 50
    assert set(thin.rows("train")) < set(whole.rows("train"))
    for part in ("valid", "test"):
        assert np.array_equal(thin.rows(part), whole.rows(part))
    assert thin.hash != whole.hash and not thin.divides_tracks
    assert thinned(examples, whole, len(whole.rows("train")), seed=1) is whole
