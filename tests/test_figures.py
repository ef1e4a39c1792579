import io
import subprocess
import sys

import numpy as np
import pytest

from backbeat import figures
from backbeat.evaluation import LEAKING, Predictions, evaluate
from backbeat.evaluation.calibration import Certainty, reliability, risk_coverage
from backbeat.evaluation.comparison import Contender, Trial, compare
from backbeat.figures.scores import text_colour

GENRES = ("blues", "R&B $x$", "rock")
HISTORY = {
    "epoch": [1, 2, 3],
    "accuracy": [0.2, 0.5, 0.75],
    "loss": [2.0, 1.0, 0.5],
    "val_accuracy": [0.2, 0.3, 0.4],
    "val_loss": [2.0, 1.5, 1.75],
}
MATRIX = [[9, 1, 0], [0, 2, 2], [0, 0, 0]]
RATE = 8000


def metrics():
    generator = np.random.default_rng(0)
    rows = generator.dirichlet(np.ones(3), 60)
    truth = np.repeat(np.arange(12) % 3, 5)
    tracks = np.repeat([f"t{i}" for i in range(12)], 5)
    return evaluate(Predictions(tracks, np.tile(np.arange(5), 12), truth, rows, GENRES))


def sound():
    generator = np.random.default_rng(0)
    wave = np.sin(np.arange(2 * RATE) * 0.3) * generator.random(2 * RATE)
    return wave, generator.random((257, 60)) * -80, generator.normal(size=(13, 60))


def texts(figure):
    """Give all texts of a figure, tick labels included."""
    figure.canvas.draw()
    found = figure.findobj(lambda part: hasattr(part, "get_text"))
    return {part.get_text() for part in found if part.get_text()}


def measured_certainty():
    random = np.random.default_rng(0)
    confidence = random.random(300)
    right = random.random(300) < confidence
    measured = reliability(confidence, right)
    curve = risk_coverage(confidence, right)
    return Certainty((1.5,), 60, measured, measured, curve, 0.2, 0.4, 0.18, 120)


def compared():
    songs = tuple(f"song {number}" for number in range(200))
    shares = {"cnn": 120, "mlp": 110, "chance": 20}
    pop = ("pop",) * 200
    return compare(
        [
            Contender(
                name,
                (Trial("a", songs, pop, pop[:n] + ("rock",) * (200 - n), songs, 0.4),),
            )
            for name, n in shares.items()
        ]
    )


def all_figures():
    wave, levels, mfcc = sound()
    return {
        "learning_curves": figures.learning_curves(HISTORY),
        "confusion": figures.confusion(MATRIX, GENRES),
        "recall_bars": figures.recall_bars([0.5, 1.0, np.nan], GENRES),
        "run_metrics": figures.run_metrics(HISTORY, metrics(), title="mlp_27"),
        "certainty": figures.certainty(measured_certainty()),
        "comparison": figures.comparison(compared()),
        "waveplot": figures.waveplot(wave, RATE),
        "spectrogram": figures.spectrogram(levels, RATE, seconds=2),
        "mfcc_map": figures.mfcc_map(mfcc, seconds=2),
        "song": figures.song(wave, RATE, title="A song", spectrogram_db=levels, mfcc=mfcc),
        "mel_filters": figures.mel_filters(np.eye(20, 257), RATE),
    }


NAMES = [name for name in dir(figures) if callable(getattr(figures, name))]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("save", "to_png")])
def test_every_figure_is_saved_as_a_png_worth_seeing(name, tmp_path):
    from matplotlib.image import imread

    figures.save(all_figures()[name], tmp_path / "deep" / "figure.png")
    pixels = imread(tmp_path / "deep" / "figure.png")
    height, width = pixels.shape[:2]
    assert width > 400 and height > 150
    assert pixels[0, 0, :3].tolist() == [1, 1, 1]  # a light ground
    assert pixels[..., :3].std() > 0.02  # and something on it
    # Nothing is cut: the outermost pixels are all ground.
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge[:, :3] == 1).all()


def test_same_figure_same_bytes():
    assert figures.to_png(figures.confusion(MATRIX, GENRES)) == figures.to_png(
        figures.confusion(MATRIX, GENRES)
    )


def test_resolution_can_be_chosen():
    from matplotlib.image import imread

    figure = figures.recall_bars([0.5, 1.0, 0.2], GENRES)
    small, great = (imread(io.BytesIO(figures.to_png(figure, dpi=dpi))) for dpi in (50, 100))
    assert great.shape[1] == pytest.approx(2 * small.shape[1], rel=0.02)


def test_learning_curves_tell_both_curves():
    figure = figures.learning_curves(HISTORY, monitored="test")
    left, right = figure.axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[20, 50, 75], [20, 30, 40]]
    assert [line.get_ydata().tolist() for line in right.lines] == [[2, 1, 0.5], [2, 1.5, 1.75]]
    assert {"training (at the end 75.0 %)", "test (at the end 40.0 %)", "epoch"} <= texts(figure)


def test_learning_curves_without_validation():
    history = {name: HISTORY[name] for name in ("epoch", "accuracy", "loss")}
    assert [len(axes.lines) for axes in figures.learning_curves(history).axes] == [1, 1]


@pytest.mark.parametrize("values", [[0.5], [0.5, np.nan]])
def test_a_lone_epoch_is_seen(values):
    epochs = list(range(1, len(values) + 1))
    history = {"epoch": epochs, "accuracy": values, "loss": values}
    figure = figures.learning_curves(history)
    assert all(axes.lines[0].get_marker() == "o" for axes in figure.axes)
    labels = {label.get_text() for label in figure.axes[0].get_xticklabels()}
    assert "1.02" not in labels


def test_confusion_shows_recall_in_percent():
    figure = figures.confusion(MATRIX, GENRES, title="Title")
    (axes,) = figure.axes
    cells = [text.get_text() for text in axes.texts]
    assert cells == ["90", "10", "50", "50", "–", "–", "–"]
    assert {"Title", "blues (10)", "R&B $x$ (4)", "rock (0)", "truth (count)"} <= texts(figure)


def test_cell_text_contrasts():
    assert text_colour(1.0) == "white"
    assert text_colour(0.0) != "white"


def test_of_many_genres_the_most_confused_are_drawn():
    matrix = np.eye(1000, dtype=int)
    matrix[7, 993] = 5
    figure = figures.confusion(matrix, [f"g{i}" for i in range(1000)], title="Title")
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names[:9] == [f"g{i}" for i in range(9)] and names[-1] == "g993"
    assert len(names) == 30
    assert "Title (the 30 most confused of 1,000 genres)" in texts(figure)
    # The share is of all songs of the genre, drawn or not.
    assert "83" in texts(figure)
    bars = figures.recall_bars(np.arange(1000) / 1000, [f"g{i}" for i in range(1000)], title="T")
    assert len(bars.axes[0].patches) == 30 and "T (the 30 lowest of 1,000)" in texts(bars)


def test_recall_bars_are_sorted():
    figure = figures.recall_bars([0.5, 1.0, np.nan], GENRES)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["R&B $x$", "blues", "rock"]
    assert {"100 %", "50 %", "none to find", "mean 75 %"} <= texts(figure)


def test_run_metrics_has_the_papers_four_parts():
    scores = metrics()
    figure = figures.run_metrics(HISTORY, scores, title="mlp_27", monitored="test")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "Accuracy",
        "Loss",
        "Classification report of slices",
        "Confusion matrix of slices, %",
    ]
    shown = texts(figure)
    assert {
        "mlp_27",
        "precision",
        "macro avg",
        "weighted avg",
        f"{scores.slice_accuracy:.2f}",
    } <= shown
    assert not any("LEAKING" in text for text in shown)


def test_run_metrics_warns_of_a_leak():
    assert LEAKING in texts(figures.run_metrics(HISTORY, metrics(), title="mlp_27", leaks=True))


def test_song_has_three_panels_over_one_time():
    wave, levels, mfcc = sound()
    figure = figures.song(wave, RATE, title="A $ong$", spectrogram_db=levels, mfcc=mfcc)
    panels = figure.axes[:3]
    assert {axes.get_xlim() for axes in panels} == {(0.0, 2.0)}
    figure.canvas.draw()
    assert len({tuple(np.round(axes.get_position().intervalx, 6)) for axes in panels}) == 1
    assert {"A $ong$", "Waveplot", "Spectrogram", "dB", "frequency (Hz)", "1k"} <= texts(figure)


def test_spectrogram_puts_a_tone_where_it_sounds():
    levels = np.full((513, 10), -80.0)
    levels[128] = 0  # of 0 to 4000 Hz: 1000 Hz
    (image,) = figures.spectrogram(levels, RATE, seconds=1).axes[0].images
    data = np.asarray(image.get_array())
    _, _, bottom, top = image.get_extent()
    octave = bottom + (data[:, 0].argmax() + 0.5) / len(data) * (top - bottom)
    assert 2**octave == pytest.approx(1000, rel=0.02)


def test_mfcc_bands_are_each_on_their_own_scale():
    _, _, mfcc = sound()
    mfcc[0] = 100 * mfcc[0] - 500
    (image,) = figures.mfcc_map(mfcc, seconds=2).axes[0].images
    data = np.asarray(image.get_array())
    np.testing.assert_allclose(data.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(data.std(axis=1), 1)


def test_silence_can_be_drawn():
    silent = figures.song(
        np.zeros(RATE), RATE, title="", spectrogram_db=np.full((9, 5), -80), mfcc=np.zeros((13, 5))
    )
    assert len(figures.to_png(silent)) > 1000


def test_waveplot_keeps_the_peaks():
    wave = np.zeros(100_000)
    wave[54_321] = 0.9
    axes = figures.waveplot(wave, RATE).axes[0]
    peaks = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert peaks.max() == pytest.approx(0.9)


def test_names_in_any_script_draw_without_warning(recwarn):
    figures.to_png(figures.confusion(np.eye(2), ["演歌", "🎷"]))
    assert not list(recwarn)


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.to_png(figures.confusion(MATRIX, GENRES))
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_needed():
    code = "import sys, backbeat.figures; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
