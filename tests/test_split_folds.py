"""Folds test each song once, and no artist or copy crosses them or their validation parts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.splits import PARTS, is_leaking, make_folds, make_split, track_groups
from backbeat.splits.groups import joined, known_artist
from test_splits import gtzan_like, made_examples, of_tracks

SHARED = Path(__file__).parents[2] / "shared" / "gtzan"


def gtzan_examples(slices=1):
    """All 1,000 tracks of GTZAN by name, with their artists."""
    names = [f"{genre}.{number:05d}" for genre in gtzan.GENRES for number in range(100)]
    return made_examples(
        [name.partition(".")[0] for name in names],
        [gtzan.artist_of(name) for name in names],
        names=names,
        slices=slices,
    )


def crossing(examples, split, keys):
    """The keys of tracks that are in more than one part."""
    where = {}
    for row, key in enumerate(keys):
        if key:
            where.setdefault(key, set()).update(
                int(part) for part in split.part[examples.track == row] if part >= 0
            )
    return {key for key, parts in where.items() if len(parts) > 1}


COLLECTIONS = st.lists(
    st.tuples(
        st.sampled_from(["blues", "jazz", "rock"]),
        st.sampled_from(["", "", "Ann", "ann ", "Bob", "Cy", "Various Artists", "Dee", "Eve"]),
        st.sampled_from(["", "", "", "d1", "d2", "d3"]),
    ),
    min_size=6,
    max_size=60,
)


@settings(max_examples=150)
@given(COLLECTIONS, st.integers(0, 1000), st.sampled_from([None, 2, 3, 5]), st.booleans())
def test_nothing_crosses_whatever_the_collection(tracks, seed, folds, validation):
    genres, artists, digests = zip(*tracks, strict=True)
    assume(len(set(genres)) > 1)
    examples = made_examples(genres, artists, digests)
    share = 0.3 if validation else 0.0
    try:
        if folds:
            made = make_folds(examples, "artists", folds, seed=seed, valid_share=share)
        else:
            made = (make_split(examples, "artists", seed=seed, valid_share=share),)
    except BackbeatError as error:
        # One artist only, a genre of one artist: reported in one line, with what to do.
        assert "part has no" in str(error) and "other artists" in str(error)
        assert "\n" not in str(error)
        return
    for split in made:
        assert all(len(parts) == 1 for parts in of_tracks(split, examples))
        assert not crossing(examples, split, [known_artist(name) for name in artists])
        assert not crossing(examples, split, digests)
        assert not is_leaking(split.leaks)
        known = [name for name in artists if known_artist(name)]
        assert split.unknown_artists == len(artists) - len(known)
        assert set(split.artists.values()) <= {"ann", "bob", "cy", "dee", "eve"}


@pytest.mark.parametrize("protocol", ["slices", "tracks", "artists"])
@pytest.mark.parametrize("folds", [2, 5])
def test_each_slice_is_tested_once(protocol, folds):
    examples = gtzan_like(slices=3)
    made = make_folds(examples, protocol, folds, seed=4)
    assert [(split.fold, split.folds) for split in made] == [(n + 1, folds) for n in range(folds)]
    tested = np.concatenate([split.rows("test") for split in made])
    assert sorted(tested) == list(range(3_000))
    for split in made:
        assert len(split.rows("test")) == pytest.approx(3_000 / folds, abs=90)
        wanted = 0 if protocol == "slices" else 0.15 * 3_000 * (1 - 1 / folds)
        assert len(split.rows("valid")) == pytest.approx(wanted, abs=90)
        assert split.divides_tracks == (protocol == "slices")
    assert len({split.hash for split in made}) == folds
    again = make_folds(examples, protocol, folds, seed=4)
    assert [split.hash for split in again] == [split.hash for split in made]
    assert make_folds(examples, protocol, folds, seed=5)[0].hash != made[0].hash


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["slices", "tracks", "artists"])
def test_more_folds_than_a_byte_counts(protocol):
    examples = made_examples(["rock", "jazz"] * 300, [""] * 600, slices=1)
    made = make_folds(examples, "tracks", 300)
    tested = np.concatenate([split.rows("test") for split in made])
    assert sorted(tested.tolist()) == list(range(600))
    with pytest.raises(BackbeatError, match=r"\(fold \d+ of 400\): the test part has no"):
        make_folds(examples, protocol, 400)


def test_folds_by_tracks_are_stratified():
    examples = gtzan_like(slices=1)
    for split in make_folds(examples, "tracks", 5, valid_share=0.25):
        for part, wanted in (("train", 60), ("valid", 20), ("test", 20)):
            counts = np.bincount(examples.y[split.rows(part)], minlength=10)
            assert np.abs(counts - wanted).max() <= 1


@pytest.mark.parametrize(
    ("protocol", "folds", "match"),
    [
        ("artists", 1, "--folds: a cross-validation needs at least 2"),
        ("artists", None, "--folds: a cross-validation needs at least 2"),
        ("gtzan-filtered", 3, "--folds: not with --split gtzan-filtered"),
        ("file:x.csv", 3, "--folds: not with --split file:x.csv"),
        ("gtzan-folds", 5, "has its own three folds"),
        ("albums", 3, "--split albums: unknown"),
        ("gtzan-folds:4", 3, "--split gtzan-folds:4: unknown"),
    ],
)
def test_folds_that_cannot_be(protocol, folds, match):
    with pytest.raises(BackbeatError, match=match):
        make_folds(gtzan_like(slices=1), protocol, folds)


def test_a_genre_with_one_song_cannot_be_cross_validated():
    examples = made_examples(["rock"] * 9 + ["polka"])
    with pytest.raises(BackbeatError, match=r"fold \d of 3.*part has no polka") as caught:
        make_folds(examples, "tracks", 3)
    assert "\n" not in str(caught.value)


def test_joined_rows_share_a_value_directly_or_by_others():
    groups = joined(["a", "", "b", "a", "", "c"], ["x", "y", "x", "", "", "y"])
    assert groups.tolist() == [0, 1, 0, 0, 2, 1]
    assert joined(["", ""], ["", ""]).tolist() == [0, 1]


def test_nobody_is_no_artist():
    examples = made_examples(["rock"] * 4, ["Various Artists", "various  artists", "", "Unknown"])
    assert len(set(track_groups(examples, "artists").tolist())) == 4


def test_the_published_folds_are_those_of_their_authors():
    folds = gtzan.folds()
    assert [list(folds.values()).count(fold) for fold in (1, 2, 3)] == [315, 316, 317]
    artists = gtzan.fold_artists()
    assert len(set(artists.values())) == 412
    assert {artist: {folds[t] for t in folds if artists[t] == artist} for artist in range(412)} == {
        artist: {folds[next(t for t in folds if artists[t] == artist)]} for artist in range(412)
    }
    if not SHARED.exists():
        pytest.skip("../shared/gtzan/folds is absent")
    for fold in (1, 2, 3):
        rows = (SHARED / "folds" / f"f{fold}_evaluate_groups.txt").read_text().splitlines()
        pairs = [row.split("\t") for row in rows]
        theirs = {gtzan.track_id(name): number for name, number in pairs}
        assert set(theirs) == {track for track in folds if folds[track] == fold}
        for track, number in theirs.items():
            alike = {other for other in theirs if theirs[other] == number}
            assert alike == {other for other in artists if artists[other] == artists[track]}


def test_the_published_folds_test_what_was_published_and_train_on_no_tested_artist():
    examples = gtzan_examples()
    made = make_folds(examples, "gtzan-folds", seed=2)
    for split in made:
        published = {t for t, fold in gtzan.folds().items() if fold == split.fold}
        published -= set(gtzan.EXCLUDED)
        assert set(split.names["test"]) == published
        assert not crossing(examples, split, [known_artist(name) for name in examples.artists])
        numbers = gtzan.fold_artists()
        assert not crossing(examples, split, [str(numbers.get(n, "")) for n in examples.names])
        assert "jazz.00054" not in split.names["train"] + split.names["valid"]
        # 24 artists stand in several folds: their songs are left out of the training part.
        assert 560 < len(split.names["train"]) + len(split.names["valid"]) < 633
        assert not is_leaking(split.leaks)
    one = make_split(examples, "gtzan-folds:2", seed=2)
    assert (one.hash, one.fold) == (made[1].hash, 2)
    with pytest.raises(BackbeatError, match="is a cross-validation of three folds"):
        make_split(examples, "gtzan-folds")


def test_no_artist_crosses_the_published_filtered_split():
    examples = gtzan_examples()
    split = make_split(examples, "gtzan-filtered")
    assert not crossing(examples, split, [known_artist(name) for name in examples.artists])
    assert all("jazz.00054" not in names for names in split.names.values())
    if not SHARED.exists():
        pytest.skip("../shared/gtzan/exact_duplicates.json is absent")
    import json

    part = {name: where for where in PARTS for name in split.names[where]}
    for one, other in json.loads((SHARED / "exact_duplicates.json").read_text()):
        assert part.get(one) == part.get(other) or None in (part.get(one), part.get(other))


@pytest.mark.parametrize("protocol", ["gtzan-filtered", "gtzan-folds:1"])
def test_published_splits_need_gtzan(protocol):
    with pytest.raises(
        BackbeatError, match=f"--split {protocol.partition(':')[0]}: .* no track of GTZAN"
    ):
        make_split(gtzan_like(slices=1), protocol)


@pytest.mark.parametrize(("share", "wanted"), [(None, 0.15), (0.0, 0.0), (0.3, 0.3)])
def test_of_published_folds_a_share_of_the_training_part_validates(share, wanted):
    for split in make_folds(gtzan_examples(), "gtzan-folds", valid_share=share):
        train, valid = (len(split.rows(part)) for part in ("train", "valid"))
        assert split.valid_share == wanted
        assert valid / (train + valid) == pytest.approx(wanted, abs=0.03)
        assert split.test_share == pytest.approx(1 / 3)
