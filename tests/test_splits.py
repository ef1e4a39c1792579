"""Splits divide as they say, the same way for the same seed, and part no artist or copy."""

import json
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.collections import gtzan
from backbeat.errors import BackbeatError
from backbeat.features.store import Examples
from backbeat.splits import (
    DRAWN,
    PARTS,
    is_crossvalidation,
    is_leaking,
    leaks_to_json,
    make_split,
    read_parts,
    track_groups,
    write_split,
)


def made_examples(genres, artists=None, digests=None, slices=2, names=None, albums=None):
    """Examples without features: a split never looks at them."""
    tracks = len(genres)
    kinds = sorted(set(genres))
    return Examples(
        x=np.zeros((tracks * slices, 1, 1), np.float32),
        y=np.repeat([kinds.index(genre) for genre in genres], slices),
        track=np.repeat(np.arange(tracks), slices),
        slice=np.tile(np.arange(slices), tracks),
        names=tuple(names or (f"song {row:04d}" for row in range(tracks))),
        artists=tuple(artists or [""] * tracks),
        albums=tuple(albums or [""] * tracks),
        digests=tuple(digests or [""] * tracks),
        genres=tuple(kinds),
    )


def gtzan_like(slices=10):
    """As GTZAN: 10 genres of 100 songs, by artists of 1 to 20 songs."""
    random = np.random.default_rng(0)
    genres, artists = [], []
    for genre in (f"genre {letter}" for letter in "abcdefghij"):
        number = 0
        while number < 100:
            size = min(int(random.integers(1, 21)), 100 - number)
            genres += [genre] * size
            artists += [f"{genre} artist {number}"] * size
            number += size
    return made_examples(genres, artists, slices=slices)


def parts(split):
    return [set(split.rows(part).tolist()) for part in ("train", "valid", "test")]


def of_tracks(split, examples):
    """The set of parts that each track is in."""
    return [set(split.part[examples.track == row].tolist()) for row in range(len(examples.names))]


def test_the_papers_split_of_slices():
    # 1,000 songs of ten slices less one unreadable song: 9,990 slices, three in ten to test on.
    genres = [f"genre {row // 100}" for row in range(999)]
    examples = made_examples(genres, slices=10)
    split = make_split(examples, "slices")
    assert [len(part) for part in parts(split)] == [6_993, 0, 2_997]
    assert split.monitored == "test"
    assert split.leak.startswith("LEAKING by song (")
    assert len(split.names["train"]) == 6_993
    assert "song 0000#3" in split.names["train"] + split.names["test"]
    # Nearly all songs are on both sides: that is the leak.
    assert sum(len(there) == 2 for there in of_tracks(split, examples)) > 900


@pytest.mark.parametrize("protocol", DRAWN)
@pytest.mark.parametrize(("test", "valid"), [(0.3, None), (0.2, 0.25), (0.5, 0.0)])
def test_every_slice_is_in_one_part_and_shares_are_kept(protocol, test, valid):
    examples = gtzan_like(slices=3)
    split = make_split(examples, protocol, test_share=test, valid_share=valid)
    assert split.part.shape == (3_000,)
    train, validation, tests = parts(split)
    assert train | validation | tests == set(range(3_000))
    assert len(train) + len(validation) + len(tests) == 3_000
    if valid is None:
        valid = 0.0 if protocol == "slices" else 0.15
    assert len(tests) / 3_000 == pytest.approx(test, abs=0.02)
    assert len(validation) / 3_000 == pytest.approx((1 - test) * valid, abs=0.02)
    assert split.monitored == ("valid" if valid else "test")
    named = [name for names in split.names.values() for name in names]
    assert len(named) == len(set(named)) == (3_000 if protocol == "slices" else 1_000)


@pytest.mark.parametrize("protocol", DRAWN)
def test_a_seed_decides_the_split_and_the_hash_knows_it(protocol):
    examples = gtzan_like(slices=2)
    first = make_split(examples, protocol, seed=5)
    again = make_split(examples, protocol, seed=5)
    assert np.array_equal(first.part, again.part)
    assert first.hash == again.hash
    assert len(first.hash) == 16
    hashes = {make_split(examples, protocol, seed=seed).hash for seed in range(6)}
    assert len(hashes) == 6


def test_the_hash_is_of_the_names_alone():
    examples = gtzan_like(slices=2)
    split = make_split(examples, "tracks", seed=5)
    more_slices = make_split(gtzan_like(slices=7), "tracks", seed=5)
    assert split.hash == more_slices.hash
    assert split.names == more_slices.names


@pytest.mark.parametrize("protocol", ["tracks", "artists"])
def test_no_song_is_in_two_parts(protocol):
    examples = gtzan_like(slices=4)
    split = make_split(examples, protocol)
    assert all(len(there) == 1 for there in of_tracks(split, examples))


def genres_of(examples, split, part):
    rows = np.unique(examples.track[split.rows(part)])
    return np.bincount(examples.track_genres[rows], minlength=len(examples.genres))


def test_tracks_are_stratified_exactly():
    examples = gtzan_like(slices=1)
    split = make_split(examples, "tracks", test_share=0.3, valid_share=0.2)
    for part, wanted in (("train", 56), ("valid", 14), ("test", 30)):
        assert np.abs(genres_of(examples, split, part) - wanted).max() <= 1


@pytest.mark.parametrize("seed", range(5))
def test_artists_are_stratified_within_one_artist(seed):
    examples = gtzan_like(slices=1)
    split = make_split(examples, "artists", seed=seed, test_share=0.3, valid_share=0.2)
    largest = 20
    for part, wanted in (("train", 56), ("valid", 14), ("test", 30)):
        assert np.abs(genres_of(examples, split, part) - wanted).max() <= largest
    # And all genres together much better than that.
    assert len(split.rows("test")) == pytest.approx(300, abs=30)


songs = st.lists(
    st.tuples(
        st.sampled_from(["blues", "jazz"]),
        st.sampled_from(["", *string.ascii_letters[:6], "A", "B"]),
        st.sampled_from(["", "", "", *string.digits]),
    ),
    min_size=2,
    max_size=60,
)


@given(songs=songs, seed=st.integers(0, 2**31), protocol=st.sampled_from(["tracks", "artists"]))
@settings(max_examples=200)
def test_no_artist_and_no_copy_is_on_two_sides(songs, seed, protocol):
    genres, artists, digests = map(list, zip(*songs, strict=True))
    examples = made_examples(genres, artists, digests)
    try:
        split = make_split(examples, protocol, seed=seed)
    except BackbeatError:
        return  # too few artists for a genre in each part, or one genre
    there = of_tracks(split, examples)
    assert all(len(part) == 1 for part in there)
    if protocol == "tracks":
        return
    sides = {}
    for part, artist, digest in zip(there, artists, digests, strict=True):
        for key in (f"artist {artist.casefold()}" if artist else "", digest):
            if key:
                assert sides.setdefault(key, part) == part
    for name, names in split.names.items():
        rows = split.rows(name)
        assert sorted({examples.names[row] for row in examples.track[rows]}) == names


def test_groups_join_artists_and_copies():
    examples = made_examples(
        ["rock"] * 8,
        artists=["A", "a", "B", "", "", "C", "C", "D"],
        digests=["", "1", "1", "", "2", "", "2", ""],
    )
    groups = track_groups(examples, "artists").tolist()
    # A and a are one; song 1 is a copy of song 2, so B is with them; song 4 is a copy of one of C.
    assert groups[0] == groups[1] == groups[2]
    assert groups[4] == groups[5] == groups[6]
    assert len({groups[0], groups[3], groups[4], groups[7]}) == 4
    assert sorted(set(groups)) == [0, 1, 2, 3]
    assert track_groups(examples, "tracks").tolist() == list(range(8))


def leaks_of(split):
    """Shared, not shared and unknown test songs by kind."""
    return {
        leak.kind: (leak.shared, leak.known - leak.shared, leak.unknown) for leak in split.leaks
    }


def test_what_a_split_leaks_is_measured_whatever_its_protocol():
    genres = ["jazz", "rock"] * 20
    own = make_split(made_examples(genres, [f"artist {n}" for n in range(40)]), "tracks")
    assert leaks_of(own) == {
        "song": (0, 12, 0),
        "artist": (0, 12, 0),
        "album": (0, 0, 12),
        "exact copy": (0, 0, 12),
    }
    assert own.leak == (
        "Not shared with training: song, artist. Unknown for all 12 test songs: album, exact copy."
    )
    unknown = make_split(made_examples(genres), "tracks")
    assert leaks_of(unknown)["artist"] == (0, 0, 12)
    assert unknown.leak == (
        "Not shared with training: song. Unknown for all 12 test songs: artist, album, exact copy."
    )
    one = make_split(made_examples(genres, ["Ann"] * 20 + [""] * 20), "tracks")
    shared, apart, rest = leaks_of(one)["artist"]
    assert (shared > 0, apart, shared + rest) == (True, 0, 12)
    assert f"Leaks by artist ({shared} of 12 test songs, unknown for {rest})." in one.leak
    assert not is_leaking(make_split(gtzan_like(slices=2), "artists").leaks)


def test_songs_of_one_slice_leak_no_song_by_slices():
    split = make_split(made_examples(["jazz", "rock"] * 10, slices=1), "slices")
    assert not split.divides_tracks and "LEAKING" not in split.leak
    assert all(name.endswith("#0") for part in PARTS for name in split.names[part])


def test_a_split_is_written_and_read(tmp_path):
    split = make_split(gtzan_like(slices=2), "artists", seed=3)
    write_split(tmp_path / "split.json", split)
    read = read_parts(tmp_path / "split.json")
    assert read == json.loads(json.dumps(split.to_json()))
    assert read["hash"] == split.hash
    assert read["parts"] == split.names
    assert (read["protocol"], read["seed"], read["unit"]) == ("artists", 3, "tracks")


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"format": "x"}', b"\xff\xfe", b'"a'])
def test_what_is_no_split_is_refused(tmp_path, content):
    path = tmp_path / "split.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BackbeatError, match=r"split\.json: .*train again") as caught:
        read_parts(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "albums"},
        {"parts": None},
        {"parts": []},
        {"parts": {"train": [], "test": []}},
        {"parts": {"train": "abc", "valid": [], "test": []}},
        {"parts": {"train": [1], "valid": [], "test": []}},
        {"leaks": 1},
        {"leaks": []},
        {"leaks": [{"kind": "song"}]},
        {"unit": "songs"},
        {"artists": []},
        {"artists": ["Ann"]},
        {"artists": {"song 0000": 1}},
    ],
)
def test_a_damaged_split_is_refused(tmp_path, change):
    path = tmp_path / "split.json"
    content = make_split(gtzan_like(slices=1), "tracks").to_json() | change
    path.write_text(json.dumps(content))
    with pytest.raises(BackbeatError, match=r"split\.json: damaged split; train again"):
        read_parts(path)


def test_a_split_of_another_version_is_refused(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(
        json.dumps(make_split(gtzan_like(slices=1), "tracks").to_json() | {"version": 9})
    )
    with pytest.raises(BackbeatError, match=r"written in format version 9, .* reads \d+; update"):
        read_parts(path)


def test_all_of_a_split_is_in_its_file(tmp_path):
    names = [f"song {row}" for row in range(8)]
    artists = ["Ann", "Bob", "", "Dee"] * 2
    made = make_split(made_examples(["jazz", "rock"] * 4, artists, names=names), "tracks", seed=2)
    write_split(tmp_path / "split.json", made)
    text = (tmp_path / "split.json").read_text()
    assert json.loads(text) == {
        "format": "backbeat-split",
        "version": 1,
        "protocol": "tracks",
        "unit": "tracks",
        "leaks": leaks_to_json(made.leaks),
        "seed": 2,
        "test_share": 0.3,
        "valid_share": 0.15,
        "fold": 0,
        "folds": 0,
        "hash": made.hash,
        "unknown_artists": 2,
        "parts": made.names,
        "artists": {
            name: artist.casefold() for name, artist in zip(names, artists, strict=True) if artist
        },
    }
    assert text.count("\n") > 8  # for a reader, a name a line


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"protocol": "albums"}, "--split albums: unknown; choose one of slices, tracks, artists"),
        ({"protocol": "tracks", "test_share": 0.0}, "between 0 and 1"),
        ({"protocol": "tracks", "test_share": 1.0}, "between 0 and 1"),
        ({"protocol": "tracks", "test_share": float("nan")}, "between 0 and 1"),
        ({"protocol": "tracks", "valid_share": 1.0}, "between 0 and 1"),
        ({"protocol": "tracks", "valid_share": -0.1}, "between 0 and 1"),
        ({"protocol": "artists", "test_share": 0.001}, "the test part has no"),
        ({"protocol": "tracks", "test_share": 0.999}, "the train part has no"),
    ],
)
def test_impossible_wishes_are_refused(options, match):
    with pytest.raises(BackbeatError, match=match):
        make_split(gtzan_like(slices=2), **options)


def test_a_genre_of_one_artist_cannot_be_on_both_sides():
    examples = made_examples(
        ["rock"] * 6 + ["jazz"] * 6, ["one"] * 6 + list("abcdef"), names=map(str, range(12))
    )
    with pytest.raises(BackbeatError, match=r"has no rock; .* other artists") as caught:
        make_split(examples, "artists")
    assert "--seed" in str(caught.value)


def test_one_genre_is_no_choice():
    with pytest.raises(BackbeatError, match="only one genre"):
        make_split(made_examples(["rock"] * 10), "tracks")


def test_the_published_split_is_that_of_its_authors():
    parts = gtzan.filtered_parts()
    counts = {part: list(parts.values()).count(part) for part in ("train", "valid", "test")}
    assert counts == {"train": 443, "valid": 197, "test": 290}
    lists = Path(__file__).parents[2] / "shared" / "gtzan" / "splits"
    if not lists.exists():
        pytest.skip("../shared/gtzan/splits is absent")
    for part in counts:
        published = (lists / f"{part}_filtered.txt").read_text().split()
        assert {gtzan.track_id(name) for name in published} == {
            track for track, of in parts.items() if of == part
        }


def test_the_published_split_leaves_out_what_it_does_not_name():
    of = gtzan.filtered_parts()
    faulty = next(f"jazz.{number:05d}" for number in range(100) if f"jazz.{number:05d}" not in of)
    names = [*sorted(of), f"{faulty}.wav", "not of gtzan"]
    genres = sorted({name.partition(".")[0] for name in of})
    y = np.array([max(genres.index(n.partition(".")[0]), 0) if n in of else 0 for n in names])
    made = Examples(
        x=np.zeros((len(names), 1, 1), np.float32),
        y=y,
        track=np.arange(len(names)),
        slice=np.zeros(len(names), np.int64),
        names=tuple(names),
        artists=("",) * len(names),
        albums=("",) * len(names),
        digests=("",) * len(names),
        genres=tuple(genres),
    )
    split = make_split(made, "gtzan-filtered", seed=3)
    assert {part: len(split.rows(part)) for part in PARTS} == {
        "train": 442,  # without jazz.00054
        "valid": 197,
        "test": 290,
    }
    assert list(split.part[-2:]) == [-1, -1]
    assert sum(map(len, split.names.values())) == 929
    assert split.hash == make_split(made, "gtzan-filtered", seed=4).hash
    assert not is_leaking(split.leaks)


def test_the_published_split_may_lack_the_songs_to_test_on():
    kept = sorted(name for name, part in gtzan.filtered_parts().items() if part != "test")
    genres = [name.partition(".")[0] for name in kept]
    split = make_split(made_examples(genres, names=kept), "gtzan-filtered")
    assert (len(split.names["train"]), len(split.names["test"])) == (442, 0)
    no_valid = [name for name in kept if gtzan.filtered_parts()[name] == "train"]
    genres = [name.partition(".")[0] for name in no_valid]
    with pytest.raises(BackbeatError, match="the valid part has no"):
        make_split(made_examples(genres, names=no_valid), "gtzan-filtered")


def test_what_means_several_splits():
    assert is_crossvalidation("artists", 5)
    assert is_crossvalidation("gtzan-folds", None)
    assert not is_crossvalidation("artists", None)
    assert not is_crossvalidation("gtzan-folds:2", None)
