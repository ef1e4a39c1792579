"""A store gives back what was put in, and damage is reported, never passed on as numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from backbeat import frontend
from backbeat.errors import BackbeatError
from backbeat.features.store import (
    TrackTable,
    array_in,
    create_store,
    open_features,
    open_group,
    write_table,
)
from backbeat.frontend import LogMel, Mfcc

SMALL_MFCC = Mfcc(
    sample_rate=1000, seconds=3.0, slices=3, n_fft=64, hop_length=32, n_mels=8, n_mfcc=4
)
SMALL_LOGMEL = LogMel(
    sample_rate=1000, seconds=3.0, n_fft=64, hop_length=32, n_mels=16, columns=387
)


def made_table(slices):
    n = len(slices)
    return TrackTable(
        name=tuple(f"song {row}" for row in range(n)),
        genre=tuple(("rock", "blues")[row % 2] for row in range(n)),
        artist=tuple("ABCD"[row % 4] if row else "" for row in range(n)),
        album=("",) * n,
        seconds=np.linspace(3.0, 4.0, n),
        digest=tuple(f"{row:032x}" for row in range(n)),
        slices=np.array(slices, np.int64),
        finding=tuple("short" if count < max(slices) else "" for count in slices),
    )


def made_store(path, front, slices, windows=1, block=2):
    """A finished store with seeded numbers; gives the numbers."""
    values = np.random.default_rng(1).standard_normal(
        (len(slices), front.shape[0] * windows, *front.shape[1:])
    )
    values = (values * 10 - 40).astype(np.float16).astype(np.float32)  # exact in half precision
    for row, count in enumerate(slices):
        values[row, count:] = 0
    attributes = {"frontend": front.model_dump(), "genres": ["blues", "rock"], "fingerprint": "f"}
    group = create_store(path, shape=values.shape, block=block, attributes=attributes)
    array_in(group, "features")[:] = values
    write_table(group, made_table(slices))
    return values


def test_mfcc_slices_come_back(tmp_path):
    values = made_store(tmp_path / "f", SMALL_MFCC, [3, 3, 0, 3, 3])
    features = open_features(tmp_path / "f")
    assert features.frontend == SMALL_MFCC
    assert features.genres == ("blues", "rock")
    assert features.table.seconds.tolist() == np.linspace(3.0, 4.0, 5).tolist()
    examples = features.examples("mfcc")
    # Song 2 was left out: the others keep their order, and their rows are numbered anew.
    assert examples.names == ("song 0", "song 1", "song 3", "song 4")
    assert examples.artists == ("", "B", "D", "A")
    assert examples.digests == tuple(f"{row:032x}" for row in (0, 1, 3, 4))
    assert np.array_equal(examples.x, values[[0, 1, 3, 4]].reshape(12, *values.shape[2:]))
    assert examples.x.dtype == np.float32
    assert examples.y.tolist() == [1] * 3 + [0] * 3 + [0] * 3 + [1] * 3
    assert examples.track.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert examples.slice.tolist() == [0, 1, 2] * 4
    assert examples.track_genres.tolist() == [1, 0, 0, 1]


def test_maps_come_back_standardised_or_as_slices(tmp_path):
    values = made_store(tmp_path / "f", SMALL_LOGMEL, [2, 1, 0, 2], windows=2)
    features = open_features(tmp_path / "f")
    kept = np.stack([values[0, 0], values[0, 1], values[1, 0], values[3, 0], values[3, 1]])
    maps = features.examples("logmel")
    assert np.array_equal(maps.x, frontend.standardise(kept))
    assert maps.track.tolist() == [0, 0, 1, 2, 2]
    assert maps.slice.tolist() == [0, 1, 0, 0, 1]
    assert maps.y.tolist() == [1, 1, 0, 0, 0]
    cut = features.examples("mfcc")
    assert np.array_equal(cut.x, frontend.mfcc_slices(kept).reshape(cut.x.shape))
    assert cut.track.tolist() == [0] * 20 + [1] * 10 + [2] * 20
    assert cut.slice.tolist() == [*range(20), *range(10), *range(20)]


def test_mfccs_are_no_maps(tmp_path):
    made_store(tmp_path / "f", SMALL_MFCC, [3, 3])
    with pytest.raises(BackbeatError, match="--frontend logmel"):
        open_features(tmp_path / "f").examples("logmel")


def test_names_of_any_kind_are_kept(tmp_path):
    path = tmp_path / "f"
    attributes = {"frontend": SMALL_MFCC.model_dump(), "genres": ["rock"], "fingerprint": "f"}
    group = create_store(path, shape=(2, *SMALL_MFCC.shape), block=1, attributes=attributes)
    table = TrackTable(
        name=("Sigur Rós/Ágætis 🎵", "undecodable \udcff"),
        genre=("rock", "rock"),
        artist=("", 'AC/DC, "live"\n'),
        album=("", ""),
        seconds=np.zeros(2),
        digest=("", ""),
        slices=np.ones(2, np.int64),
        finding=("", ""),
    )
    write_table(group, table)
    read = open_features(path).table
    assert read.name == ("Sigur Rós/Ágætis 🎵", "undecodable \\xff")
    assert read.artist == table.artist


def refused(path, match):
    with pytest.raises(BackbeatError, match=match) as caught:
        open_features(path).examples("mfcc")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_store_is_refused(tmp_path):
    refused(tmp_path / "nothing", "no such feature store")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file", "no such feature store")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "not a feature store")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "zarr.json").write_text("{}")
    refused(tmp_path / "other", "not a feature store")
    for text in ("", "[]", "nonsense", '{"zarr_format": 3, "node_type": "group"}', "[" * 100_000):
        (tmp_path / "other" / "zarr.json").write_text(text)
        refused(tmp_path / "other", "not a feature store")
    (tmp_path / "other" / "zarr.json").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path / "other", "not a feature store")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "f"
    made_store(path, SMALL_MFCC, [3] * 6)
    return path


@pytest.fixture
def copy(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "f"))


def change(path, **attributes):
    file = path / "zarr.json"
    content = json.loads(file.read_text())
    content["attributes"].update(attributes)
    content["attributes"] = {k: v for k, v in content["attributes"].items() if v is not None}
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("attributes", "match"),
    [
        ({"complete": False}, "unfinished; run the same `backbeat prepare` again"),
        ({"complete": None}, "unfinished"),
        ({"version": 2}, "format version 2, this backbeat reads 1"),
        ({"version": "1.0"}, "format version"),
        ({"version": None}, "format version"),
        ({"format": "backbeat-something"}, "not a feature store"),
        ({"format": None}, "not a feature store"),
        ({"frontend": {"name": "mfcc", "wavelets": 3}}, "damaged feature store"),
        ({"frontend": None}, "damaged feature store"),
        ({"frontend": 5}, "damaged feature store"),
        ({"frontend": Mfcc().model_dump()}, "damaged feature store"),
        ({"genres": ["blues"]}, "damaged feature store"),
        ({"genres": None}, "damaged feature store"),
        ({"genres": 7}, "damaged feature store"),
        ({"genres": [["blues"], ["rock"]]}, "damaged feature store"),
    ],
)
def test_wrong_attributes_are_refused(copy, attributes, match):
    change(copy, **attributes)
    refused(copy, match)


@pytest.mark.parametrize("gone", ["tracks", "features", "tracks/genre", "tracks/slices"])
def test_missing_parts_are_refused(copy, gone):
    shutil.rmtree(copy / gone)
    refused(copy, "damaged feature store")


@pytest.mark.parametrize("column", ["genre", "artist", "album", "slices"])
def test_a_missing_chunk_of_a_column_is_refused(copy, column):
    # Zarr itself would fill it with zeros, or empty strings.
    shutil.rmtree(copy / "tracks" / column / "c")
    refused(copy, "damaged feature store")


def test_features_of_nothing_but_zeros_are_not_taken_for_missing(tmp_path):
    made_store(tmp_path / "f", SMALL_MFCC, [0, 0, 0, 0, 3, 3])
    assert open_features(tmp_path / "f").examples("mfcc").names == ("song 4", "song 5")


@pytest.mark.parametrize("count", [-1, 4, 10**9])
def test_impossible_counts_of_slices_are_refused(copy, count):
    array_in(open_group(copy, "r+")["tracks"], "slices")[2] = count
    refused(copy, "damaged feature store")


def chunks(path):
    return sorted(file for file in (path / "features" / "c").rglob("*") if file.is_file())


def test_a_flipped_byte_of_a_chunk_is_found_wherever_it_is(copy, whole):
    examples = open_features(whole).examples("mfcc")
    file = chunks(copy)[1]
    content = file.read_bytes()
    messages = set()
    for place in range(0, len(content), max(1, len(content) // 60)):
        flipped = bytes([content[place] ^ 0x10])
        file.write_bytes(content[:place] + flipped + content[place + 1 :])
        try:
            found = open_features(copy).examples("mfcc")
        except BackbeatError as error:
            messages.add(str(error).split(":")[1])
            assert "\n" not in str(error)
        else:
            assert np.array_equal(found.x, examples.x)  # a byte that says nothing
    assert any("features cannot be read" in words for words in messages)


@pytest.mark.parametrize("damage", ["cut", "empty", "noise", "other", "gone"])
def test_a_damaged_chunk_is_refused(copy, damage):
    file = chunks(copy)[1]
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    elif damage == "other":
        file.write_bytes((copy / "tracks" / "seconds" / "c" / "0").read_bytes())
    else:
        noise = np.random.default_rng(0).bytes(300)
        file.write_bytes({"cut": content[:-9], "empty": b"", "noise": noise}[damage])
    refused(copy, "features cannot be read")


def test_equal_content_makes_equal_bytes(whole, tmp_path):
    made_store(tmp_path / "again", SMALL_MFCC, [3] * 6)
    assert tree(tmp_path / "again") == tree(whole)


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
