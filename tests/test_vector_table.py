"""Kaggle's tables of features come in as vectors, without what gives the genre away."""

import csv

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.features.importing import import_features
from backbeat.frontend import Vectors

GENRES = ("blues", "jazz")
HEADER = ("filename", "length", "tempo", "mfcc1_mean", "label")


def made_rows(segments=1):
    """Rows as Kaggle's: four songs of two genres, and their segments."""
    random = np.random.default_rng(0)
    return [
        [
            f"{genre}.{song:05d}.{part}.wav" if segments > 1 else f"{genre}.{song:05d}.wav",
            661_794 // segments,
            *random.normal(size=2).round(4).tolist(),
            genre,
        ]
        for genre in GENRES
        for song in range(2)
        for part in range(segments)
    ]


def made_table(path, rows=None, header=HEADER, delimiter=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *(rows or made_rows())])
    return path


def brought(source, tmp_path, **options):
    dropped = []
    store = import_features(
        *(source, tmp_path / "f"), frontend="vectors", on_dropped=dropped.append, **options
    )
    return store, dropped


@pytest.mark.parametrize(
    ("delimiter", "encoding"),
    [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-8"), (",", "utf-16")],
)
def test_a_row_a_song(tmp_path, delimiter, encoding):
    source = made_table(tmp_path / "features_30_sec.csv", delimiter=delimiter, encoding=encoding)
    store, dropped = brought(source, tmp_path)
    assert store.frontend == Vectors(size=2, columns=("tempo", "mfcc1_mean"))
    assert store.table.name == tuple(row[0] for row in made_rows())
    assert store.table.genre == ("blues", "blues", "jazz", "jazz")
    # GTZAN's index has the artists of its files.
    assert store.table.artist[0] == "John Lee Hooker"
    values = np.array([row[2:4] for row in made_rows()], np.float32)
    assert np.array_equal(np.asarray(store.array[:]).reshape(4, 2), values)
    assert store.examples("vectors").x.shape == (4, 1, 2)
    assert np.isnan(store.table.seconds).all()
    assert dropped == ["the column length, which is of the file and not of its sound"]


def test_a_row_a_segment_is_joined_by_its_name(tmp_path):
    source = made_table(tmp_path / "features_3_sec.csv", made_rows(segments=3))
    store, _ = brought(source, tmp_path, songs="name")
    assert store.table.name == ("blues.00000", "blues.00001", "jazz.00000", "jazz.00001")
    assert store.table.slices.tolist() == [3] * 4
    assert store.table.artist[0] == "John Lee Hooker"
    values = np.array([row[2:4] for row in made_rows(segments=3)], np.float32)
    assert np.array_equal(store.examples("vectors").x[:, 0], values)


def test_columns_that_give_the_genre_away_are_left_out(tmp_path):
    rows = [
        [number, *row, 7 * GENRES.index(row[-1]), "C major", 3 * number + 1]
        for number, row in enumerate(made_rows())
    ]
    header = ("", *HEADER, "label_encoded", "key", "id")
    store, dropped = brought(made_table(tmp_path / "t.csv", rows, header), tmp_path)
    assert store.frontend.columns == ("tempo", "mfcc1_mean")
    assert dropped == [
        "the column number 1, which numbers the rows",
        "the column length, which is of the file and not of its sound",
        "the column label_encoded, which is the same in all rows of a genre: it is the label again",
        "the column key, which does not hold numbers",
        "the column id, which numbers the rows",
    ]


@pytest.mark.parametrize(
    ("rows", "header", "why"),
    [
        (None, ("filename", "length", "tempo", "x", "y"), "line 1: no column label or genre among"),
        ([["a.wav", 1, 2.0, 3.0]], HEADER, "line 2: 4 cells, and line 1 names 5 columns"),
        ([["a.wav", 1, "0,3", "x", "b"]], HEADER, "no column of numbers (with a point"),
        ([["a", 1, 2, 3, "b"], ["c", 1, "", 4, "d"]], HEADER, "not finite in 1 row, the first is"),
        ([["a", 1, 2, 3, "b"], ["c", 1, 5, 4, ""]], HEADER, "row 2 has no genre"),
        ([["a", 1, 2, 3, "b"], ["a", 1, 5, 4, "d"]], HEADER, "'a' occurs twice"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, rows, header, why):
    source = made_table(tmp_path / "t.csv", rows, header)
    with pytest.raises(BackbeatError) as caught:
        brought(source, tmp_path)
    assert str(caught.value).startswith(str(source)) and why in str(caught.value)
    assert not (tmp_path / "f").exists()


def test_a_table_is_not_read_as_mfccs(tmp_path):
    source = made_table(tmp_path / "t.csv")
    with pytest.raises(BackbeatError, match=r"t\.csv: a table holds a vector a row, which --front"):
        import_features(source, tmp_path / "f", frontend="mfcc")
    for content, why in ((b"\xff\xfe\xff", "not a table in UTF-8"), (b"a\n", "no rows below")):
        source.write_bytes(content)
        with pytest.raises(BackbeatError, match=rf"t\.csv.*{why}"):
            import_features(source, tmp_path / "f", frontend="vectors")
