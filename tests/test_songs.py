"""Rows that may be segments of songs are found, never joined unasked, and not divided by songs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.features.importing import import_features
from backbeat.features.songs import rows_of_songs, why_unknown
from backbeat.features.store import open_features
from backbeat.runs.headlines import kept_apart
from backbeat.splits import make_folds, make_split
from made_features import GENRES
from sounds import GTZAN

FMA = GTZAN.parent / "fma" / "mfcc_dev.npz"
SONGS, SEGMENTS = 36, 10
OPTIONS = "--segments-per-song N, --song-from name, --rows-are-songs"


def made_segments(songs=SONGS, segments=SEGMENTS, seed=0):
    """MFCCs of `segments` stretches of each song, one after another, (songs * segments, 125, 13).

    A song has its own timbre, around that of its genre, from which its stretches differ less.
    """
    random = np.random.default_rng(seed)
    y = np.repeat(np.arange(songs) * len(GENRES) // songs, segments)
    centre = np.eye(13)[y] + np.repeat(random.standard_normal((songs, 13)), segments, axis=0)
    stretch = 0.3 * random.standard_normal((len(y), 2, 13))
    halves = np.repeat(stretch, [63, 62], axis=1) + centre[:, None]
    spread = np.repeat(np.exp(0.5 * random.standard_normal((songs, 1, 13))), segments, axis=0)
    return (halves + spread * random.standard_normal((len(y), 125, 13))).astype(np.float32), y


def write(path, **changes):
    x, y = made_segments()
    names = [f"{GENRES[genre]}.{row // SEGMENTS:05d}" for row, genre in enumerate(y)]
    fields = {
        "X": x,
        "y": y,
        "genres": np.array(GENRES),
        "names": np.array([f"{name}.{row % SEGMENTS}.wav" for row, name in enumerate(names)]),
    } | changes
    np.savez(path, **{name: value for name, value in fields.items() if value is not None})
    return path


def why(x, y, names=None):
    return why_unknown(x[:, None], y, names or [f"a{row}" for row in range(len(y))])


def test_segments_are_found_in_order_and_in_any_other_and_songs_are_not():
    x, y = made_segments()
    assert why(x, y) == "neighbouring rows are 0.24 times as far apart as others of their genre"
    shuffled = np.random.default_rng(1).permutation(len(y))
    found = why(x[shuffled], y[shuffled])
    assert found == "the nearest other row is 0.58 times as far as the halves of a row"
    songs, genres = made_segments(songs=300, segments=1)
    assert why(songs, genres) == ""
    # Whole songs of ten slices, too.
    whole = x.reshape(SONGS, SEGMENTS, 125, 13)
    assert why_unknown(whole, y[::SEGMENTS], [f"song {row}" for row in range(SONGS)]) == ""


def test_too_few_rows_and_equal_ones_are_not_measured():
    x, y = made_segments(songs=3, segments=2)
    assert why(x, y) == ""
    assert why(np.zeros_like(np.repeat(x, 6, axis=0)), np.repeat(y, 6)) == ""


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("blues.{song:05d}.{place}.wav", True),
        ("rock/{song:06d}_{place}", True),
        ("track{song}-part{place}.npy", True),
        ("blues.{row:05d}.wav", False),
        ("blues/song {row}", False),
        ("{row:06d}", False),
        ("seg{row}", False),
        # The numbers of the songs alone, each once.
        ("disc 1-{row:02d}.mp3", True),
        ("{row}-1.mp3", False),
    ],
)
def test_names_of_segments(name, segment):
    songs, genres = made_segments(songs=60, segments=1)
    names = [name.format(song=row // 5, place=row % 5, row=row) for row in range(60)]
    expected = f"names such as '{names[0]}' have a number of a segment" if segment else ""
    assert why(songs, genres, names) == expected


def test_rows_without_names_are_no_known_songs(tmp_path, cli):
    songs, genres = made_segments(songs=60, segments=1)
    source = write(tmp_path / "m.npz", X=songs, y=genres, names=None)
    arguments = ("import-features", source, "--frontend", "mfcc", "-o")
    status, out, err = cli(*arguments, tmp_path / "f")
    assert status == 0
    assert out == "60 rows in 3 genres: blues 20, jazz 20, rock 20.\n"
    assert err.splitlines()[1:] == [
        "it is not known which rows are parts of one song: the file names no songs. Splits by "
        f"tracks and artists are refused until you import them with one of {OPTIONS}"
    ]
    store = open_features(tmp_path / "f")
    assert store.table.name[:2] == ("row 00", "row 01")
    assert not store.songs_known
    assert "parts of one song" not in cli(*arguments, tmp_path / "g", "--rows-are-songs")[2]
    assert open_features(tmp_path / "g").songs_known


@pytest.mark.parametrize("protocol", ["tracks", "artists"])
def test_unknown_songs_are_never_divided(tmp_path, protocol):
    store = import_features(write(tmp_path / "m.npz"), tmp_path / "f", frontend="mfcc")
    assert len(store.table) == SONGS * SEGMENTS  # nothing is joined unasked
    examples = store.examples("mfcc")
    assert not examples.songs_known
    refused = (
        f"--split {protocol}: it is not known which rows of these features are parts of one song; "
        f"import them again with one of {OPTIONS}"
    )
    for draw in (
        lambda: make_split(examples, protocol),
        lambda: make_folds(examples, protocol, 3),
    ):
        with pytest.raises(BackbeatError) as caught:
            draw()
        assert str(caught.value) == refused
    assert make_split(examples, "slices").tracks == SONGS * SEGMENTS


def test_an_audit_says_that_songs_are_not_known(tmp_path, cli):
    store = import_features(write(tmp_path / "m.npz"), tmp_path / "f", frontend="mfcc")
    arguments = ("audit", store.path, "--no-near", "--split")
    status, out, err = cli(*arguments, "slices")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == (
        "Split slices: It is not known which rows are parts of one song. Not shared with training: "
        "exact copy. Unknown for all 108 test rows: song, artist, album."
    )
    found = json.loads(cli(*arguments, "slices", "--json")[1])["audit"]
    assert found["leaking"] is None
    song = found["leaks"][0]
    assert (song["known"], song["shared"], song["unknown_elsewhere"]) == (0, None, 252)
    status, _, err = cli(*arguments, "tracks")
    assert status == 1 and "it is not known which rows" in err


def test_rows_of_which_slices_are_shared_are_known_to_leak(tmp_path):
    x, y = made_segments(songs=20, segments=1)
    source = write(tmp_path / "m.npz", X=np.stack([x, x + 1], axis=1), y=y, names=None)
    store = import_features(source, tmp_path / "f", frontend="mfcc")
    split = make_split(store.examples("mfcc"), "slices")
    song = split.leaks[0]
    assert 0 < song.shared == song.known == song.in_training < song.songs
    assert song.unknown_elsewhere == 20 - song.songs
    assert split.divides_tracks
    assert kept_apart(split.leaks) == "LEAKING: slices of the same songs are in training"
    whole = replace(song, shared=0, in_training=0, known=0)
    assert kept_apart((whole, *split.leaks[1:])) == "rows kept apart, their songs unknown"


def test_labels_of_unknown_songs_are_not_judged_by_their_other_segments(tmp_path, cli):
    store = import_features(write(tmp_path / "m.npz"), tmp_path / "f", frontend="mfcc")
    status, _, err = cli("suspects", store.path)
    assert status == 1
    assert err.startswith(f"backbeat: {store.path}: it is not known which rows of these features")


def test_a_validation_part_of_unknown_songs_is_not_drawn_either(tmp_path):
    store = import_features(write(tmp_path / "m.npz"), tmp_path / "f", frontend="mfcc")
    table = tmp_path / "theirs.csv"
    rows = [
        f"{name},{'test' if place % 3 else 'train'}" for place, name in enumerate(store.table.name)
    ]
    table.write_text("path,part\n" + "\n".join(rows) + "\n")
    with pytest.raises(BackbeatError, match="it is not known which rows"):
        make_split(store.examples("mfcc"), f"file:{table}")
    assert make_split(store.examples("mfcc"), f"file:{table}", valid_share=0).tracks == 360


@pytest.mark.parametrize("songs", [SEGMENTS, "name"])
def test_rows_are_joined_when_asked(tmp_path, songs):
    x, y = made_segments()
    store = import_features(write(tmp_path / "m.npz"), tmp_path / "f", frontend="mfcc", songs=songs)
    assert store.songs_known
    assert np.array_equal(store.array[:], x.reshape(SONGS, SEGMENTS, 125, 13))
    first = {"name": "blues.00000"}.get(songs, "blues.00000.0.wav")
    assert store.table.name[0] == first
    assert store.table.genre == tuple(GENRES[genre] for genre in y[::SEGMENTS])
    assert store.table.slices.tolist() == [SEGMENTS] * SONGS
    assert store.table.seconds.tolist() == pytest.approx([29.0] * SONGS)
    split = make_split(store.examples("mfcc"), "tracks")
    assert split.tracks == SONGS
    assert not split.divides_tracks


def test_songs_of_too_few_segments_are_noticed(tmp_path, cli):
    arguments = ("import-features", write(tmp_path / "m.npz", names=None), "--frontend", "mfcc")
    _, _, err = cli(*arguments, "-o", tmp_path / "f", "--segments-per-song", "5")
    assert "songs of 5 rows may still be parts of one song: neighbouring rows are 0.10 " in err
    assert open_features(tmp_path / "f").songs_known  # as decided
    _, _, err = cli(*arguments, "-o", tmp_path / "g", "--segments-per-song", "10")
    assert "parts of one song" not in err


def test_songs_of_several_lengths_in_any_order_are_joined_by_name(tmp_path):
    x, y = made_segments(songs=6, segments=3)
    rows = np.array([17, 3, 5, 4, 0, 2, 1, 6, 7, 9, 10, 11, 12, 13, 15, 16])  # 8 and 14 are lost
    names = np.array([f"{row // 3}.{row % 3 + 9}" for row in rows])
    source = write(tmp_path / "m.npz", X=x[rows], y=y[rows], names=names)
    store = import_features(source, tmp_path / "f", frontend="mfcc", songs="name")
    assert store.table.name == ("5", "1", "0", "2", "3", "4")
    assert store.table.slices.tolist() == [3, 3, 3, 2, 3, 2]
    assert store.table.seconds.tolist() == pytest.approx([8.7, 8.7, 8.7, 5.8, 8.7, 5.8])
    assert np.array_equal(store.array[1], x[[3, 4, 5]])  # segment 10 comes after 9
    assert np.array_equal(store.array[3], np.stack([x[6], x[7], np.zeros((125, 13))]))
    assert len(store.examples("mfcc").x) == len(rows)


@pytest.mark.parametrize(
    ("songs", "names", "genres", "message"),
    [
        (4, "abcdef", [0] * 6, "6 rows are no multiple of it"),
        (3, "abcdef", [0, 0, 1, 1, 1, 1], "a: its 3 rows have several genres"),
        ("name", ["a.1", "a.2", "intro"], [0] * 3, "'intro' does not end with the number"),
        ("name", ["a.1", "a.2"], [0, 1], "a: its 2 rows have several genres"),
    ],
)
def test_rows_that_cannot_be_joined_are_refused(songs, names, genres, message):
    with pytest.raises(BackbeatError, match=message):
        rows_of_songs(list(names), genres, songs)


def test_a_song_has_one_artist(tmp_path):
    artists = np.array([f"artist {row // 20}" for row in range(360)])
    source = write(tmp_path / "m.npz", artists=artists)
    store = import_features(source, tmp_path / "f", frontend="mfcc", songs=10)
    assert store.table.artist[:3] == ("artist 0", "artist 0", "artist 1")
    with pytest.raises(BackbeatError, match=r"artists has several for the song 'blues.00000.0.wav"):
        import_features(source, tmp_path / "g", frontend="mfcc", songs=30)


def test_one_of_the_options_is_given(tmp_path, cli):
    arguments = ("import-features", write(tmp_path / "m.npz"), "--frontend", "mfcc", "-o")
    status, _, err = cli(*arguments, tmp_path / "f", "--song-from", "name", "--rows-are-songs")
    assert (status, "give one of them" in err) == (1, True)
    status, _, err = cli(*arguments, tmp_path / "f", "--song-from", "artist")
    assert (status, err) == (1, "backbeat: --song-from artist: only name is known\n")
    status, out, err = cli(*arguments, tmp_path / "f", "--song-from", "name")
    assert out.startswith("36 songs in 3 genres: blues 12, jazz 12, rock 12.\n")


@pytest.mark.skipif(not FMA.exists(), reason="../shared/fma/mfcc_dev.npz is not here")
def test_real_songs_in_the_order_of_albums_are_no_segments():
    with np.load(FMA) as file:
        x, y = file["X"][:, :125, :13].astype(np.float32), file["y"]
    assert why(x, y) == ""
    assert why(x[:300], y[:300]) == ""


@pytest.mark.skipif(
    not (GTZAN / "logmel_dev.npz").exists(), reason="../shared/gtzan/logmel_dev.npz is not here"
)
def test_real_segments_are_found():
    with np.load(GTZAN / "logmel_dev.npz") as file:
        x, y = file["X"][::4, :, :380].astype(np.float32).transpose(0, 2, 1), file["y"][::4]
    assert why(x, y) == ""
    segments, genres = x.reshape(-1, 38, 128), np.repeat(y, 10)
    assert "neighbouring rows are 0.58 " in why(segments, genres)
    order = np.random.default_rng(0).permutation(len(genres))
    assert "the nearest other row is 0.64 " in why(segments[order], genres[order])
