"""An audit counts what crosses, no more and no less."""

import json

import numpy as np
import pytest

from backbeat.audit import audit_splits
from backbeat.duplicates import NearDuplicate
from backbeat.splits import make_folds, make_split
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
        "song": (0, 0, 9),
        "artist": (3, 0, 6),
        "album": (3, 0, 6),
        "exact copy": (3, 0, 3),
        "near duplicate": (3, 3, 9),
    }
    assert {leak.slices for leak in found.leaks} == {9}
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
    assert found["album"] == (2, 0, 4)


def test_random_slices_know_nearly_every_song_and_artists_none():
    examples = gtzan_like(slices=10)
    slices = audit_splits(examples, [make_split(examples, "slices")])
    assert {
        leak.kind: leak.share > 0.99 for leak in slices.leaks if leak.kind in ("song", "artist")
    } == {
        "song": True,
        "artist": True,
    }
    tracks = {
        leak.kind: leak for leak in audit_splits(examples, [make_split(examples, "tracks")]).leaks
    }
    assert tracks["song"].share == 0
    assert tracks["artist"].share > 0.8
    artists = audit_splits(examples, make_folds(examples, "artists", 5))
    assert not artists.leaking
    assert (artists.folds, artists.leaks[0].slices, artists.left_out) == (5, 10_000, 0)


def test_a_song_is_no_copy_of_itself():
    examples = made_examples(["rock", "jazz"] * 10, digests=[f"d{n}" for n in range(20)])
    found = leaks_of(audit_splits(examples, [make_split(examples, "slices")]))
    assert found["exact copy"] == (0, 0, 12)
    assert found["song"][0] > 0


def test_the_verb_on_a_store_and_on_a_foreign_split(cli, store, tmp_path):
    status, out, err = cli("audit", store.path, "--split", "artists", "--no-near")
    assert (status, err) == (0, "")
    assert "Nothing of what is known leaks." in out
    status, out, _ = cli("audit", store.path, "--split", "slices", "--no-near", "--json")
    leaks = json.loads(out)["audit"]["leaks"]
    assert leaks[0]["kind"] == "song" and leaks[0]["share"] > 0.8
    names = store.table.name
    parts = part_of(tmp_path, names, ["test" if row % 5 == 4 else "train" for row in range(30)])
    status, out, _ = cli("audit", store.path, "--split", parts, "--no-near")
    assert status == 0 and "This split leaks" in out
    status, _, err = cli("audit", store.path, "--split", "file:none.csv")
    assert status == 1 and err.startswith("backbeat: none.csv: cannot be read")
    assert cli("audit", store.path, "--split", "slices", "--model", "mlp_01")[0] == 1


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
    assert f"near duplicate: {names[27]} (test) and {names[0]} (heard)" in out
    assert out.count("near duplicate: ") == 1


@pytest.mark.parametrize("protocol", ["slices", "tracks"])
def test_what_it_is_worth(cli, store, tmp_path, protocol):
    from made_features import small_spec

    spec = tmp_path / "spec.yaml"
    spec.write_text(small_spec(epochs=2).to_yaml())
    out = tmp_path / "worth"
    arguments = ("audit", store.path, "--split", protocol, "--no-near", "--model", spec, "-o", out)
    status, told, err = cli(*arguments, "--workers", 1)
    assert (status, err) == (0, "")
    assert "What it is worth to small" in told
    assert "points of songs against the clean one" in told
    assert (out / "as-split" / "report.html").exists()
    # The report of the leaking run tells of the clean one beside it.
    assert (
        "that does not leak (artists; run clean)" in (out / "as-split" / "report.html").read_text()
    )
    status, told, _ = cli(*arguments, "--workers", 1, "--json")
    assert json.loads(told)["worth"]["clean"]["leak"] == ""
