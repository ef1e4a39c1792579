"""Arrays as their makers get them wrong come in as they were meant, or are refused with a remedy.

The files are those of the trials of public notebooks (`npz_faults.py`): 12 rows of two genres.
"""

import json

import numpy as np
import pytest

from backbeat.errors import BackbeatError
from backbeat.features.importing import import_features

N = 12
GENRES = np.array(["blues", "jazz"])
Y = np.arange(N) % 2
NAMES = np.array([f"s{row}" for row in range(N)])
LABELS = ("blues", "jazz") * (N // 2)


def made_x(frames=130, coefficients=13):
    return np.random.default_rng(0).normal(size=(N, frames, coefficients)).astype(np.float32)


X = made_x()


def brought(tmp_path, **changes):
    """Import the file with some fields changed (None: absent); with what was dropped."""
    fields = {"X": X, "y": Y, "names": NAMES, "genres": GENRES} | changes
    source, dropped = tmp_path / "made.npz", []
    np.savez(source, **{name: value for name, value in fields.items() if value is not None})
    store = import_features(
        source, tmp_path / "f", frontend="mfcc", songs="rows", on_dropped=dropped.append
    )
    return store, dropped


@pytest.mark.parametrize(
    "changes",
    [
        {"y": np.eye(2)[Y]},
        {"y": np.eye(2, dtype=bool)[Y]},
        {"y": GENRES[Y]},
        {"y": GENRES[Y], "genres": None},
        {"y": GENRES[Y].astype("S"), "genres": GENRES.astype("S")},
        {"y": Y.astype(float)},
        {"y": Y[:, None].astype(float)},
        {"names": NAMES.astype("S")},
        {"X": X[..., None]},
        {"X": X.reshape(N, 1, 130, 13, 1)},
        {"X": made_x(coefficients=40)},
        # The best-known tutorial's names of genres on Windows.
        {"genres": np.array(["genres\\blues", "genres\\jazz"])},
    ],
)
def test_what_can_only_be_meant_one_way_is_read_so(tmp_path, changes):
    store, _ = brought(tmp_path, **changes)
    assert store.genres == ("blues", "jazz")
    assert store.table.genre == LABELS
    assert store.table.name == tuple(NAMES)
    wanted = changes.get("X", X).reshape(N, 130, -1)[:, :125, :13]
    assert np.array_equal(np.asarray(store.array[:])[:, 0], wanted)


def test_a_genre_without_rows_is_dropped_and_said_so(tmp_path):
    store, dropped = brought(tmp_path, genres=np.array(["blues", "jazz", "rock"]))
    assert store.genres == ("blues", "jazz")
    assert "the genre rock, which no row has" in dropped


def test_rows_without_names_are_numbered(tmp_path):
    store, _ = brought(tmp_path, names=None)
    assert store.table.name[::11] == ("row 00", "row 11")
    assert store.table.genre == LABELS


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"X": X.swapaxes(1, 2)}, "the other way round: save X.swapaxes(-1, -2)"),
        ({"X": X.reshape(N, -1)}, "reshape it, or give --frontend vectors, for --model head"),
        ({"X": X[:, :87]}, "at least 125 frames"),
        ({"X": np.zeros_like(X)}, "the same values in every frame of every row"),
        ({"X": np.tile(X[:1, :1], (N, 130, 1))}, "the same values in every frame of every row"),
        (
            {"X": np.where(Y[:, None, None] == 1, np.nan, X)},
            "not finite in 6 rows, the first is 's1'; leave these rows out",
        ),
        (
            {"X": np.array([row[: 125 + n] for n, row in enumerate(X)], dtype=object)},
            "rows of different lengths); cut all rows to one length",
        ),
        ({"y": Y + 1}, "y must lie between 0 and 1, as genres has it; it begins at 1: save y - 1"),
        ({"y": Y + 2}, "y must lie between 0 and 1, as genres has it"),
        ({"y": np.eye(3)[Y]}, "a column for each of the 2 genres"),
        ({"y": np.eye(2)[Y] * 0}, "a single 1 in each row"),
        ({"y": np.eye(2)[Y] * 0.9}, "a single 1 in each row"),
        ({"y": np.array(["blues", "rock"])[Y]}, "y holds 'rock', which genres lacks"),
        ({"y": np.array(["blues", ""])[Y], "genres": None}, "row 2 has no genre (''); add one"),
        ({"y": np.array(["blues", "nan"])[Y], "genres": None}, "row 2 has no genre ('nan')"),
        ({"genres": np.array(["blues", "None"])}, "row 2 has no genre ('None')"),
        ({"y": np.zeros(N, int)}, "the rows are all of blues; a classifier needs two genres"),
        ({"genres": None}, "add genres=np.array(['blues', 'jazz', ...])"),
        ({"names": np.array(["s"] * N)}, "'s' occurs twice"),
        ({"names": np.array([b"\xff%d" % row for row in range(N)])}, "bytes that are not UTF-8"),
        ({"names": np.arange(N)}, "names must be strings, and is int64; save names.astype(str)"),
    ],
)
def test_what_is_wrong_is_refused_with_the_remedy(tmp_path, changes, why):
    with pytest.raises(BackbeatError) as caught:
        brought(tmp_path, **changes)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'made.npz'}: ")
    assert why in message and "\n" not in message
    assert not (tmp_path / "f").exists()


@pytest.mark.slow
def test_such_a_store_is_trained_and_audited(tmp_path, cli):
    store, _ = brought(tmp_path, y=np.eye(2)[Y], genres=np.array(["genres\\blues", "genres\\jazz"]))
    status, _, err = cli(
        *("train", store.path, "--model", "mlp_27", "--split", "tracks", "--epochs", 2),
        *("-o", tmp_path / "run"),
    )
    assert status == 0, err
    status, out, err = cli("audit", store.path, "--split", "tracks", "--json")
    assert status == 0, err
    assert json.loads(out)["audit"]["tracks"] == N
