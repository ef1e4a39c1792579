"""Features made elsewhere come in exactly, or are refused with the file and the field."""

import io
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbeat import frontend
from backbeat.errors import BackbeatError
from backbeat.features.importing import import_features
from backbeat.features.store import open_features
from backbeat.frontend import LogMel, Mfcc
from made_features import made_mfcc, made_npz
from sounds import GTZAN


def made_maps(tracks=6, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (tracks, 128, 387), np.uint8)


def logmel_npz(path, **changes):
    fields = {
        "X": made_maps(),
        "y": np.array([0, 1, 0, 1, 0, 1], np.uint8),
        "names": np.array([f"song {row}" for row in range(6)]),
        "genres": np.array(["rock", "blues"]),
    } | changes
    np.savez_compressed(path, **fields)
    return path


def test_maps_come_in_exactly(tmp_path):
    features = import_features(logmel_npz(tmp_path / "maps.npz"), tmp_path / "f", frontend="logmel")
    assert features.frontend == LogMel()
    assert features.genres == ("blues", "rock")
    assert features.table.genre == ("rock", "blues") * 3
    decibels = made_maps().astype(np.float64).transpose(0, 2, 1) / 256 * 80 - 80
    assert np.array_equal(np.asarray(features.array[:])[:, 0], decibels)
    examples = open_features(tmp_path / "f").examples("logmel")
    assert np.array_equal(examples.x, frontend.standardise(decibels.astype(np.float32)))
    assert examples.y.tolist() == [1, 0] * 3
    assert features.examples("mfcc").x.shape == (60, 37, 13)


def test_mfccs_come_in_exactly(tmp_path):
    x, y = made_mfcc()
    features = import_features(made_npz(tmp_path / "m.npz"), tmp_path / "f", frontend="mfcc")
    assert features.frontend.slices == 4
    assert features.frontend.shape == (4, 125, 13)
    assert features.table.artist[:3] == ("artist 0 of 0", "artist 0 of 1", "artist 0 of 2")
    examples = features.examples("mfcc")
    assert np.array_equal(examples.x, x.reshape(120, 125, 13))
    assert examples.y.tolist() == np.repeat(y, 4).tolist()
    assert examples.slice.tolist() == [0, 1, 2, 3] * 30


def test_one_slice_a_track_and_larger_slices_are_cut(tmp_path):
    x = np.random.default_rng(0).standard_normal((30, 130, 20)).astype(np.float64)
    source, dropped = made_npz(tmp_path / "m.npz", X=x, bpm=np.zeros(30)), []
    features = import_features(source, tmp_path / "f", frontend="mfcc", on_dropped=dropped.append)
    assert dropped == [
        "the last 5 of 130 frames of each track (1 x 125 are kept)",
        "the last 7 of 20 coefficients",
        "the field bpm",
    ]
    assert features.frontend == Mfcc(seconds=features.frontend.seconds, slices=1)
    assert features.frontend.frames == 125
    assert np.array_equal(features.examples("mfcc").x, x[:, :125, :13].astype(np.float32))


def test_whole_songs_are_cut_into_slices(tmp_path, cli):
    x = np.random.default_rng(0).standard_normal((30, 1_292, 40)).astype(np.float32)
    source = made_npz(tmp_path / "m.npz", X=x)
    options = ("--frontend", "mfcc", "--rows-are-songs")
    status, out, err = cli("import-features", source, "-o", tmp_path / "f", *options)
    assert status == 0
    assert out.startswith(
        "30 songs in 3 genres: blues 10, jazz 10, rock 10.\nNext: backbeat train "
    )
    assert err == (
        "dropped: the last 42 of 1,292 frames of each track (10 x 125 are kept)\n"
        "dropped: the last 27 of 40 coefficients\n"
        "How these features were made is not known. A model of them says so before it classifies "
        "audio; --made says how (docs/formats.md).\n"
    )
    features = open_features(tmp_path / "f")
    assert features.frontend == Mfcc()  # ten slices of 2.9 s, as the paper's
    assert features.table.slices.tolist() == [10] * 30
    assert np.array_equal(features.array[:].reshape(30, 1_250, 13), x[:, :1_250, :13])


def test_longer_slices_are_cut_each_by_itself(tmp_path):
    x = np.random.default_rng(0).standard_normal((30, 2, 251, 13)).astype(np.float32)
    source, dropped = made_npz(tmp_path / "m.npz", X=x), []
    features = import_features(source, tmp_path / "f", frontend="mfcc", on_dropped=dropped.append)
    assert dropped == ["the last 1 of 251 frames of each slice (2 x 125 are kept)"]
    assert np.array_equal(features.array[:].reshape(30, 2, 250, 13), x[:, :, :250])


def test_musicnns_features_are_not_taken_for_mfccs(tmp_path, cli):
    source = made_npz(tmp_path / "m.npz")
    status, out, err = cli("import-features", source, "-o", tmp_path / "f", "--frontend", "musicnn")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "--frontend musicnn: only mfcc, logmel, vectors can be imported" in err
    assert not (tmp_path / "f").exists()


def test_artists_may_be_unknown_and_equal_features_have_equal_digests(tmp_path):
    x, _ = made_mfcc()
    x[7] = x[3]
    source = made_npz(tmp_path / "m.npz", X=x, artists=None)
    table = import_features(source, tmp_path / "f", frontend="mfcc").table
    assert set(table.artist) == {""}
    assert table.digest[7] == table.digest[3]
    assert len(set(table.digest)) == 29


def test_genres_keep_their_spelling_and_the_commonest_of_several_is_shown(tmp_path):
    genres = np.array(["trip hop", "Blues", "Trip-Hop", "BLUES", " Zouk"])
    source = made_npz(tmp_path / "m.npz", genres=genres, y=np.array([0, 2, 2, 1, 3, 4] * 5))
    store = import_features(source, tmp_path / "f", frontend="mfcc")
    assert store.genres == ("Blues", "Trip-Hop", "Zouk")
    assert store.table.genre == ("Trip-Hop", "Trip-Hop", "Trip-Hop", "Blues", "Blues", "Zouk") * 5


def refused(source, tmp_path, *words, kind="mfcc"):
    with pytest.raises(BackbeatError) as caught:
        import_features(source, tmp_path / "store", frontend=kind)
    message = str(caught.value)
    assert message.startswith(f"{source}: ")
    assert "\n" not in message
    for word in words:
        assert word in message
    left = {path.name for path in tmp_path.iterdir()} - {source.name}
    assert left == set(), "something was left behind"


@pytest.mark.parametrize("field", ["X", "y", "genres"])
def test_a_missing_field_is_named(tmp_path, field):
    source = made_npz(tmp_path / "m.npz", **{field: None})
    refused(source, tmp_path, f"lacks the field {field}")


X, Y = made_mfcc()
NAMES = np.array([f"song {row}" for row in range(30)])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("X", X[:29], "X holds 29 tracks and names 30"),
        ("X", X[..., :12], "at least 13 coefficients"),
        ("X", X[:, :, :124], "at least 125 frames"),
        ("X", X[:, :0], "X must be"),
        ("X", X[0, 0, 0], "X must be"),
        ("X", (X * 10).astype(np.int16), "int16"),
        ("X", X.astype(np.complex64), "complex64"),
        ("X", np.where(X > 5, np.nan, X), "X holds values that are not finite"),
        ("X", np.where(X > 5, np.inf, X), "X holds values that are not finite"),
        ("X", X.astype(np.float64) * 1e300, "X holds values that are not finite"),
        ("X", np.float32(3), "X must be"),
        ("X", X.astype(object), "X cannot be read"),
        ("y", Y[:29], "y holds 29 tracks and names 30"),
        ("y", Y + 1, "y must lie between 0 and 2"),
        ("y", Y - 1, "y must lie between 0 and 2"),
        ("y", Y + 0.5, "y must be whole numbers"),
        ("y", np.where(Y > 0, np.nan, 0.0), "y must be whole numbers"),
        ("y", Y.astype(bool), "y must be whole numbers"),
        ("y", Y[None], "y holds 1 tracks and names 30"),
        ("y", Y[:, None, None], "y must have one dimension"),
        ("y", Y.astype(object), "y cannot be read"),
        ("y", np.array([], int), "y holds 0"),
        ("names", np.arange(30), "names must be strings"),
        ("names", NAMES.astype(object), "names cannot be read"),
        ("names", NAMES[None], "names must have one dimension"),
        ("names", np.array(["song 1"] * 30), "names must be unique, and 'song 1' occurs twice"),
        ("names", np.where(NAMES == "song 3", "", NAMES), "names holds an empty string"),
        ("names", NAMES[:0], "holds no tracks"),
        ("genres", np.array(["blues", "jazz", "blues"]), "genres must be unique"),
        ("genres", np.array(["trip hop", "TripHop", "Trip-Hop"]), "a classifier needs two"),
        ("genres", np.array(["blues", "jazz"]), "y must lie between 0 and 1"),
        ("genres", np.array(["blues"]), "y must lie between 0 and 0"),
        ("genres", np.array([], "U5"), "genres is empty"),
        ("genres", np.array([1, 2, 3]), "genres must be strings"),
        ("genres", np.array("blues"), "genres must have one dimension"),
        ("genres", np.array(["blues", "jazz", ""]), "genres holds an empty string"),
        ("artists", NAMES[:29], "artists must be as many as names"),
        ("artists", np.arange(30), "artists must be strings"),
        ("artists", NAMES.astype(object), "artists cannot be read"),
    ],
)
def test_a_wrong_field_is_named(tmp_path, field, value, words):
    refused(made_npz(tmp_path / "m.npz", **{field: value}), tmp_path, field, words)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (made_maps().astype(np.float32), "float32"),
        (made_maps().transpose(0, 2, 1), "(6, 387, 128)"),
        (made_maps()[:, None], "(6, 1, 128, 387)"),
        (made_maps(5), "X holds 5 tracks and names 6"),
    ],
)
def test_wrong_maps_are_named(tmp_path, x, words):
    refused(logmel_npz(tmp_path / "m.npz", X=x), tmp_path, "X", words, kind="logmel")


def test_a_store_is_not_written_over(tmp_path):
    source = made_npz(tmp_path / "m.npz")
    import_features(source, tmp_path / "f", frontend="mfcc")
    with pytest.raises(BackbeatError, match="exists already"):
        import_features(source, tmp_path / "f", frontend="mfcc")


def test_equal_files_make_equal_stores(tmp_path):
    source = made_npz(tmp_path / "m.npz")
    trees = []
    for name in ("one", "other"):
        import_features(source, tmp_path / name, frontend="mfcc")
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert trees[0] == trees[1]


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code from a file was run')",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"X": np.zeros((30, 4, 125, 13), np.int64)}, "X must be floating point"),
        ({"X": np.zeros((30, 4, 125, 12))}, "X must be floating point"),
        ({"X": np.zeros((31, 4, 125, 13))}, "X holds 31 tracks and names 30"),
        ({"y": np.zeros((30, 2, 1), int)}, "y must have one dimension"),
        ({"artists": np.array(["a"] * 29)}, "artists must be as many as names"),
        ({"names": np.full(30, "a", "U3000000")}, "names holds more than 256 MB"),
    ],
)
def test_nothing_is_unpacked_before_the_sizes_are_right(tmp_path, monkeypatch, changes, words):
    """Whatever the sizes are: an archive may unpack to gigabytes."""
    source = made_npz(tmp_path / "m.npz", **changes)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("unpacked"))
    refused(source, tmp_path, words)


@pytest.mark.parametrize("declared", ["(10**9, 4, 125, 13)", "(-30, 4, 125, 13)", "(30, 4, 125)"])
def test_an_array_that_is_not_what_its_header_declares_is_refused(tmp_path, declared):
    source = made_npz(tmp_path / "m.npz")
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    written = "(30, 4, 125, 13), }"
    shape = f"{eval(declared)}, }}".ljust(len(written) + 20)
    was = written.encode() + b" " * 20
    assert was in members["X.npy"]
    members["X.npy"] = members["X.npy"].replace(was, shape.encode(), 1)
    with zipfile.ZipFile(source, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(source, tmp_path, "X is cut or damaged")


def test_no_code_of_a_file_is_run(tmp_path):
    source = tmp_path / "m.npz"
    np.savez(source, X=np.array([Evil()], dtype=object), y=[0], names=["a"], genres=["b", "c"])
    refused(source, tmp_path, "X cannot be read")


def test_what_is_no_npz_is_refused(tmp_path):
    source = tmp_path / "m.npz"
    refused(source, tmp_path, "no such file")
    np.save(io_file := io.BytesIO(), X)
    for content in (b"", b"PK\x03\x04", io_file.getvalue(), b"\x80\x04K\x01.", b"names,y\n"):
        source.write_bytes(content)
        refused(source, tmp_path, "not an npz file")
    source.unlink()
    source.mkdir()
    refused(source, tmp_path, "not an npz file")


@given(
    content=st.binary(max_size=300), head=st.sampled_from([b"", b"PK\x03\x04", b"\x93NUMPY\x01"])
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_refused(tmp_path, content, head):
    source = tmp_path / "m.npz"
    source.write_bytes(head + content)
    refused(source, tmp_path)


@given(data=st.data())
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_are_refused_or_do_no_harm(tmp_path, data):
    source, out = tmp_path / "m.npz", tmp_path / "f"
    x = np.zeros((2, 1, 125, 13), np.float16) + 3
    x[1] = 4
    np.savez_compressed(source, X=x, y=[0, 1], names=["a", "b"], genres=["blues", "rock"])
    content = source.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = bytes([content[place] ^ data.draw(st.integers(1, 255))])
    source.write_bytes(content[:place] + flipped + content[place + 1 :])
    try:
        features = import_features(source, out, frontend="mfcc")
    except BackbeatError as error:
        assert str(error).startswith(f"{source}: ")
        assert "\n" not in str(error)
        return
    assert np.array_equal(features.examples("mfcc").x, x[:, 0])
    shutil.rmtree(out)


@pytest.mark.slow
@pytest.mark.skipif(
    not (GTZAN / "logmel_dev.npz").exists(), reason="../shared/gtzan/logmel_dev.npz is not here"
)
def test_gtzans_maps_come_in(tmp_path):
    features = import_features(GTZAN / "logmel_dev.npz", tmp_path / "f", frontend="logmel")
    assert len(features.table) == 639
    assert len(features.genres) == 10
    with np.load(GTZAN / "logmel_dev.npz") as file:
        names, genres, y = file["names"], file["genres"], file["y"]
        some = file["X"][[0, 300, 638]].astype(np.float32)
    assert features.table.name == tuple(names.tolist())
    assert features.table.genre == tuple(genres[y].tolist())
    # The published index knows the artists of most excerpts.
    assert sum(bool(artist) for artist in features.table.artist) > 500
    stored = np.asarray(features.array.oindex[[0, 300, 638]])[:, 0].astype(np.float32)
    assert np.array_equal(stored.transpose(0, 2, 1), some / 256 * 80 - 80)


FMA = GTZAN.parent / "fma" / "mfcc_dev.npz"


@pytest.mark.slow
@pytest.mark.skipif(not FMA.exists(), reason="../shared/fma/mfcc_dev.npz is not here")
def test_fmas_mfccs_come_in(tmp_path):
    features = import_features(FMA, tmp_path / "f", frontend="mfcc")
    with np.load(FMA) as file:
        x, names, genres, y = file["X"], file["names"], file["genres"], file["y"]
    assert features.table.name == tuple(names.tolist())
    assert len(features.table) == len(x) > 100
    assert features.table.genre == tuple(genres[y].tolist())
    stored = np.asarray(features.array[:5])
    assert np.array_equal(stored.reshape(5, -1, 13), x[:5, ..., :125, :13].reshape(5, -1, 13))
