"""The best-known tutorial's data.json comes in segment by segment, or is refused by its name."""

import json
import tracemalloc

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.features import data_json
from backbeat.features.importing import import_features

MAPPING = ["blues", "classical", "jazz"]
LABELS = [0, 0, 1, 1, 2, 2]
SEGMENTS = np.random.default_rng(0).normal(size=(6, 130, 13))


def made_json(path, *, indent=None, **changes):
    content = {"mapping": MAPPING, "labels": LABELS, "mfcc": SEGMENTS.tolist()} | changes
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept, indent=indent))
    return path


@pytest.mark.parametrize("indent", [None, 4])  # its author writes with indent=4
@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_segments_come_in_exactly(tmp_path, monkeypatch, indent, chunk):
    monkeypatch.setattr(data_json, "_CHUNK", chunk)
    segments = SEGMENTS if chunk > 7 else SEGMENTS[:, :125].round(1)
    labels = [0, 0, 1, 1, 12, 12]
    mapping = [f"genre {n}" for n in range(13)]
    source = made_json(
        tmp_path / "data.json",
        **{"indent": indent, "labels": labels, "mapping": mapping, "mfcc": segments.tolist()},
    )
    store = import_features(source, tmp_path / "f", frontend="mfcc", songs=2)
    assert store.genres == ("genre 0", "genre 1", "genre 12")
    assert store.table.name == ("row 0", "row 2", "row 4")
    assert np.array_equal(
        np.asarray(store.array[:]).reshape(6, 125, 13), segments[:, :125].astype(np.float32)
    )


def test_names_and_artists_are_taken_and_other_keys_named(tmp_path):
    names, artists = [f"song {row}" for row in range(6)], ["a", "b", "c", "d", "e", "f"]
    source, dropped = tmp_path / "data.json", []
    made_json(source, names=names, artists=artists, files=["x"], rate=22050, empty=[], more={})
    store = import_features(source, tmp_path / "f", frontend="mfcc", on_dropped=dropped.append)
    assert store.table.name == tuple(names)
    assert store.table.artist == tuple(artists)
    assert dropped[1:] == ["the field files", "the field rate", "the field more"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mfcc": None}, "it has mapping, labels, and lacks mfcc"),
        ({"mapping": []}, "lacks mapping"),
        ({"labels": LABELS[:5]}, "X holds 6 tracks and y 5"),
        ({"labels": [0, 0, 1, 1, 2, 3]}, "y must lie between 0 and 2"),
        ({"mapping": [1, 2, 3]}, "genres must be strings"),
        ({"mfcc": [*SEGMENTS.tolist()[:5], SEGMENTS[5, :129].tolist()]}, "number 6 is 129 x 13"),
        ({"mfcc": [*SEGMENTS.tolist()[:5], "loud"]}, "not JSON with the lists"),
        ({"mfcc": [[1, 2], [1]]}, "number 2 is 1"),
        ({"mfcc": SEGMENTS[:, :100].tolist()}, "at least 125 frames"),
        ({"mfcc": np.where(SEGMENTS > 3, np.nan, SEGMENTS).tolist()}, "not finite"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, changes, why):
    source = made_json(tmp_path / "data.json", **changes)
    with pytest.raises(BackbeatError, match=r"data\.json: ") as caught:
        import_features(source, tmp_path / "f", frontend="mfcc")
    assert why in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"mfcc"',
        b'{"mfcc": [',
        b'{"mfcc": [[1, 2], ',
        b'{"mfcc": [1 2]}',
        b"{1: 2}",
        b'{"mfcc": ' + b"[" * 100_000,
        b"\xff\xfe{",
    ],
)
def test_what_is_no_such_json_is_refused(tmp_path, content):
    source = tmp_path / "data.json"
    source.write_bytes(content)
    with pytest.raises(BackbeatError, match=r"data\.json: not JSON with the lists mapping, labels"):
        import_features(source, tmp_path / "f", frontend="mfcc")
    source.unlink()
    with pytest.raises(BackbeatError, match="no such file"):
        import_features(source, tmp_path / "f", frontend="mfcc")


def test_memory_is_that_of_the_numbers_and_not_of_their_text(tmp_path):
    segment = json.dumps(SEGMENTS[0].tolist(), indent=4)
    source = tmp_path / "data.json"
    with source.open("w") as file:
        file.write('{"mapping": ["a", "b"], "labels": ' + json.dumps([0, 1] * 200) + ', "mfcc": [')
        file.write(", ".join([segment] * 400) + "]}")
    tracemalloc.start()
    fields, _ = data_json.read_data_json(source)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    numbers = fields["X"].nbytes
    assert fields["X"].shape == (400, 130, 13)
    assert most < 2 * numbers + 12 * 2**20 < source.stat().st_size


def test_a_segment_of_any_length_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(data_json, "_MAX_CHARACTERS", 10_000)
    source = made_json(tmp_path / "data.json")
    monkeypatch.setattr(data_json, "_CHUNK", 1_000)
    with pytest.raises(BackbeatError, match="not JSON with the lists"):
        import_features(source, tmp_path / "f", frontend="mfcc")
