"""A head on vectors from elsewhere is a run like any other; its bundle takes no audio."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backbeat import classify
from backbeat.bundle.archive import read_bundle
from backbeat.bundle.network import open_network
from backbeat.errors import BackbeatError
from backbeat.features.importing import import_features
from backbeat.features.store import open_features
from backbeat.frontend import Mfcc, Vectors
from backbeat.transfer import fit_vector_head, vector_network
from made_features import made_npz, made_run, small_spec
from sounds import music, write

SONGS = 30
SCALES = np.array([1e-7, 1.0, 1e6, 1.0])


def made_vectors(path, **changes):
    """Numbers of scales far apart, of which the first and third give the genre."""
    random = np.random.default_rng(0)
    y = np.arange(SONGS) % 3
    x = random.normal(size=(SONGS, 4))
    x[:, 0] += 9 * (y == 1)
    x[:, 2] += 9 * (y == 2)
    x[:, 3] = 5
    fields = {
        "X": x * SCALES,
        "y": y,
        "names": np.array([f"song {row:02d}" for row in range(SONGS)]),
        "genres": np.array(["blues", "jazz", "rock"]),
        "artists": np.array([f"artist {row // 2}" for row in range(SONGS)]),
    }
    np.savez(path, **fields | changes)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    import_features(made_vectors(folder / "v.npz"), folder / "f", frontend="vectors")
    return open_features(folder / "f")


def test_a_head_sees_numbers_of_every_scale_and_is_its_network():
    random = np.random.default_rng(1)
    y = np.arange(60) % 2
    songs = random.normal(size=(60, 3)) * [1e-8, 1.0, 1e6] + [0.0, 1e3, 0.0]
    for column in (0, 2):
        moved = songs.copy()
        moved[:, column] += 4 * y * songs[:, column].std()
        head = fit_vector_head(moved, y, 2)
        x = moved.astype(np.float32)[:, np.newaxis]
        wanted = head.outputs(x)
        assert (wanted.probabilities.argmax(axis=1) == y).mean() > 0.9
        given = open_network(vector_network(head)).in_batches(x)
        assert np.abs(given.logits - wanted.logits).max() < 1e-3
        assert np.array_equal(given.embedding, moved.astype(np.float32))
        # It is scikit-learn's, on columns of one scale.
        pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(moved, y)
        assert given.probabilities == pytest.approx(pipeline.predict_proba(moved), abs=1e-3)


def test_a_run_is_a_run_and_its_bundle_takes_no_audio(store, tmp_path, cli):
    run = tmp_path / "run"
    status, out, err = cli(
        *("train", store.path, "--model", "head", "--split", "artists", "--valid-share", 0.3),
        *("-o", run),
    )
    assert status == 0, err
    assert "Report: " in out and "classify" not in out
    bundle = read_bundle(run)
    assert bundle.description.frontend == Vectors(size=4)
    assert not bundle.description.takes_audio
    assert "cannot\nclassify audio" in bundle.card and "Caution" not in bundle.card
    # The bundle answers vectors, as the run did.
    status, out, _ = cli("evaluate", run, "--json")
    assert json.loads(out)["accuracy_track"] == 1.0
    status, out, err = cli("evaluate", "--model", run / "model.backbeat", "--on", store.path)
    assert status == 0, err
    write(tmp_path / "a.wav", music(6.0))
    for command in (
        ("classify", tmp_path / "a.wav"),
        ("similar", tmp_path / "a.wav", "--in", tmp_path),
    ):
        status, out, err = cli(*command, "--model", run)
        assert (status, out) == (1, "")
        assert "takes vectors that were made elsewhere, so it cannot classify audio" in err
    with pytest.raises(BackbeatError, match="cannot classify audio"):
        classify.load(run)
    with pytest.raises(BackbeatError, match="of 4 numbers that were made elsewhere"):
        bundle.description.frontend.extract(np.zeros(9, np.float32))


def test_other_columns_are_other_features(store, tmp_path, cli):
    other = made_vectors(tmp_path / "o.npz", X=np.random.default_rng(2).normal(size=(SONGS, 5)))
    import_features(other, tmp_path / "o", frontend="vectors")
    run = tmp_path / "run"
    cli("train", store.path, "--model", "head", "--split", "artists", "-o", run)
    status, _, err = cli("evaluate", "--model", run, "--on", tmp_path / "o")
    assert status == 1
    assert "made with another front-end" in err


def test_what_else_takes_vectors_and_what_does_not(store, tmp_path, cli):
    status, out, err = cli("audit", store.path, "--split", "artists")
    assert status == 0, err
    assert "features of --frontend vectors do not show them" in err
    status, out, err = cli("suspects", store.path, "--folds", 2)
    assert status == 0, err
    status, out, err = cli(
        *("train", store.path, "--model", "head", "--split", "artists", "--folds", 2, "-w", 1),
        *("-o", tmp_path / "folds"),
    )
    assert status == 0, err
    for model, why in (
        ("mlp_27", "which only --model head takes"),
        ("transfer", "which only --model head takes"),
    ):
        arguments = ("train", store.path, "--model", model, "--split", "artists")
        status, out, err = cli(*arguments, "-o", tmp_path / model)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert why in err
    made_npz(tmp_path / "m.npz")
    import_features(tmp_path / "m.npz", tmp_path / "m", frontend="mfcc")
    arguments = ("train", tmp_path / "m", "--model", "head", "--split", "artists")
    status, out, err = cli(*arguments, "-o", tmp_path / "head")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "--model head takes vectors" in err and "of --frontend mfcc" in err
    status, out, _ = cli("models", "head")
    assert status == 0
    assert "for slices of 1 x d and 10 genres: d is that of the vectors" in out


def test_wrong_arrays_are_no_vectors(tmp_path):
    for x in (np.zeros((SONGS, 2, 3)), np.zeros((SONGS, 0)), np.full((SONGS, 2), "a")):
        source = made_vectors(tmp_path / "v.npz", X=x)
        with pytest.raises(BackbeatError, match=r"X must be numbers .* a vector a row, and is"):
            import_features(source, tmp_path / "f", frontend="vectors")
    source = made_vectors(tmp_path / "v.npz")
    with pytest.raises(BackbeatError, match="--made: goes with mfcc and logmel"):
        import_features(source, tmp_path / "f", frontend="vectors", made="librosa")


# --- How features were made


@pytest.mark.slow
def test_how_mfccs_were_made_travels_to_the_bundle(tmp_path, cli):
    source = made_npz(tmp_path / "m.npz")
    write(tmp_path / "a.wav", music(15.0))
    printed = {}
    for made in (None, "librosa, hop_length=256"):
        folder = tmp_path / str(made)
        folder.mkdir()
        option = () if made is None else ("--made", made)
        status, _, err = cli(
            *("import-features", source, "--frontend", "mfcc", "--rows-are-songs"),
            *("-o", folder / "f", *option),
        )
        assert status == 0, err
        assert ("is not known" in err) == (made is None)
        status, out, _ = cli(
            *("import-features", source, "--frontend", "mfcc", "--json"),
            *("-o", folder / "g", *option),
        )
        assert json.loads(out)["made"] == made  # null: unknown
        run = made_run(open_features(folder / "f"), folder / "run", spec=small_spec(epochs=1))
        described = read_bundle(run).description
        assert ("Caution: " in read_bundle(run).card) == (made is None)
        status, _, err = cli("classify", tmp_path / "a.wav", "--model", run)
        assert status == 0, err
        printed[made] = err.splitlines()[0]
        assert described.frontend.hop_length == (256 if made else 512)
        assert described.frontend.shape == Mfcc(seconds=11.6, slices=4).shape
    warning = "it was trained on the features of m.npz, and it is not known how these were made"
    assert [warning in line for line in printed.values()] == [True, False]


@pytest.mark.parametrize(
    "made",
    [
        "essentia",
        "",
        "librosa,",
        "librosa,hop=256",
        "librosa,hop_length",
        "librosa,hop_length=0",
        "librosa,hop_length=2",
        "librosa,sample_rate=0",
        "librosa,n_mels=5",
        "librosa,top_db=nan",
    ],
)
@pytest.mark.parametrize("frontend", ["mfcc", "logmel"])
def test_another_making_is_refused(tmp_path, made, frontend):
    if (made, frontend) == ("librosa,hop_length=2", "logmel"):
        return  # its columns are picked, whatever the hop
    x = {"X": np.random.default_rng(0).integers(0, 255, (30, 128, 387), np.uint8)}
    source = made_npz(tmp_path / "m.npz", **(x if frontend == "logmel" else {}))
    with pytest.raises(BackbeatError, match="--made ") as caught:
        import_features(source, tmp_path / "f", frontend=frontend, made=made)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "f").exists()


def test_librosas_own_mfccs_are_those_that_are_expected(tmp_path):
    """What docs/formats.md shows, cut as it is there, is what `prepare` makes of the samples."""
    librosa = pytest.importorskip("librosa")
    front = Mfcc(seconds=2.9, slices=1)
    samples = music(2.9, front.sample_rate)[:, 0].astype(np.float32)
    made = librosa.feature.mfcc(y=samples, sr=22_050, n_mfcc=13, n_fft=2048, hop_length=512).T
    assert made.shape == (125, 13)
    assert np.abs(front.extract(samples)[0] - made).max() < 1e-2
