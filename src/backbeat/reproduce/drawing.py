"""The pictures of a reproduction: the paper's Figures 1 to 11, and those that compare."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backbeat.audio import AUDIO_SUFFIXES
from backbeat.collections.genres import GTZAN_GENRES
from backbeat.errors import BackbeatError, needing
from backbeat.evaluation import LEAKING
from backbeat.figures.show import analyse
from backbeat.files.text import duration, percent
from backbeat.files.text import points as to_points
from backbeat.frontend import Mfcc
from backbeat.frontend.spectrum import mel_filters
from backbeat.reproduce import paper
from backbeat.reproduce.results import Result, Results
from backbeat.reproduce.series import SERIES, SERIES_OF
from backbeat.runs.report import Picture
from backbeat.runs.scoring import history_columns

_log = logging.getLogger(__name__)

_SONG_DPI = 80
"""Ten songs stand in one page: at this size all of them take some four megabytes."""

_MIN_AGREEING = 5
"""Of fewer models a median difference from the paper says nothing."""

_NAMED = ("mlp_base", "cnn_base_01", "cnn_base_02", "mlp_27", "cnn_03.8", "mlp_12.1", "cnn_02.7")


@dataclass(frozen=True)
class Drawn:
    """A figure of a reproduction."""

    name: str  # of its file, without suffix
    figure: int | None  # the paper's figure that it stands for
    picture: Picture
    png: bytes


def draw(results: Results, *, songs: Path | None = None) -> tuple[Drawn, ...]:
    """Draw all that can be drawn: models and songs that are missing are left out.

    `songs` is a folder of GTZAN's songs, at any depth and in any format, for Figures 1 to 3.
    """
    with needing("train", "drawing"):
        import backbeat.figures  # noqa: F401 - to say what is missing before anything is done
    return (
        *_songs(songs),
        _filters(results),
        *_metrics(results),
        *_comparisons(results),
        *_recalls(results),
    )


def find_songs(folder: Path) -> dict[str, Path]:
    """Find the songs of Figures 1 to 3 in a folder by the paper's names; refuse one without."""
    if not folder.is_dir():
        raise BackbeatError(f"--songs {folder}: no such folder; name the one that holds GTZAN")
    wanted = {song for songs in paper.SONG_FIGURES.values() for song in songs}
    found = {
        path.stem: path
        for path in sorted(folder.rglob("*"))
        if path.stem in wanted and path.suffix.lower() in AUDIO_SUFFIXES
    }
    if not found:
        raise BackbeatError(
            f"--songs {folder}: holds none of the songs of Figures 1 to 3, such as {min(wanted)}"
        )
    return found


def _songs(folder: Path | None) -> tuple[Drawn, ...]:
    from backbeat import figures

    if folder is None:
        return ()
    found, pictures = find_songs(folder), []
    for number, names in paper.SONG_FIGURES.items():
        for name in names:
            if name not in found:
                continue
            try:
                samples, decibels, coefficients = analyse(found[name], 30.0)
            except BackbeatError as error:
                # A damaged song costs its picture, not the report.
                _log.warning("%s", error)
                continue
            drawn = figures.song(
                samples,
                Mfcc().sample_rate,
                title=name,
                spectrogram_db=decibels,
                mfcc=coefficients,
            )
            png = figures.to_png(drawn, dpi=_SONG_DPI)
            caption = f"Waveplot, spectrogram and MFCCs of {name}"
            pictures.append(_drawn(f"figure_{number:02}_{name}", number, caption, caption, png))
    return tuple(pictures)


def _filters(results: Results) -> Drawn:
    from backbeat import figures

    standard, used = Mfcc(), results.environment.get("frontend", {})
    rate, n_fft, n_mels = (
        int(used.get(key) or getattr(standard, key)) for key in ("sample_rate", "n_fft", "n_mels")
    )
    drawn = figures.mel_filters(mel_filters(rate, n_fft, n_mels), rate)
    alt = f"{n_mels} triangular filters over the frequency, wider the higher they lie"
    png = figures.to_png(drawn)
    return _drawn("figure_04_mel_filters", 4, paper.CAPTIONS[4], alt, png)


def _drawn(name: str, figure: int | None, caption: str, alt: str, png: bytes) -> Drawn:
    return Drawn(name, figure, Picture(caption, alt, png), png)


def _metrics(results: Results) -> tuple[Drawn, ...]:
    from backbeat import figures

    pictures = []
    for number, model in paper.METRIC_FIGURES.items():
        if model not in results.results:
            continue
        run = results.results[model].runs[0]
        seed = f" (seed {run.seed})" if len(results.results[model].runs) > 1 else ""
        drawn = figures.run_metrics(
            history_columns(run.history),
            run.metrics,
            title=f"Metrics for model {model}",
            monitored=monitored(results),
            leaks=results.divides_songs,
        )
        png = figures.to_png(drawn, dpi=110)
        name = f"figure_{number:02}_{model}"
        alt = (
            f"{model}: accuracy and loss by epoch, classification report and confusion matrix; "
            f"{percent(run.metrics.slice_accuracy)} of slices correct at the end"
        )
        pictures.append(_drawn(name, number, paper.CAPTIONS[number] + seed, alt, png))
    return tuple(pictures)


def monitored(results: Results) -> str:
    """Name the part that the histories' ``val_`` columns are of."""
    return "validation" if results.valid else "test"


def _comparisons(results: Results) -> tuple[Drawn, ...]:
    from backbeat import figures
    from backbeat.figures.reproduction import Point, agreement, time_against_accuracy

    order = {series.key: place for place, series in enumerate(SERIES)}
    found = sorted(results.found, key=lambda one: order[SERIES_OF[one.name]])
    if not found:
        return ()
    points = [
        Point(
            one.name,
            SERIES_OF[one.name],
            one.minutes,
            one.accuracy,
            paper.ROWS[one.name].minutes,
            paper.ROWS[one.name].accuracy / 100,
        )
        for one in found
    ]
    leak = LEAKING if results.divides_songs else ""
    best = max(found, key=lambda one: one.accuracy)
    named = list(dict.fromkeys((best.name, *_NAMED)))
    times = (
        _drawn(
            "time_accuracy",
            None,
            "Processing time against accuracy of every model, ours and the paper's",
            f"Two scatter plots. Ours: {len(points)} models, the best {best.name} with "
            f"{percent(best.accuracy)} in {duration(60 * best.minutes)}; the paper's go up to "
            f"{percent(max(point.paper_accuracy for point in points))}",
            figures.to_png(time_against_accuracy(points, named=named, leak=leak)),
        ),
    )
    if len(points) < _MIN_AGREEING:
        return times
    differences = [point.accuracy - point.paper_accuracy for point in points]
    return (
        *times,
        _drawn(
            "agreement",
            None,
            "Accuracy of every model, ours against the paper's; named are those that differ most "
            "from the median difference",
            f"A scatter plot of {len(points)} models; the median difference of ours to the paper's "
            f"is {to_points(float(np.median(differences)))}",
            figures.to_png(agreement(points, leak=leak), dpi=100),
        ),
    )


def _recalls(results: Results) -> tuple[Drawn, ...]:
    from backbeat import figures
    from backbeat.figures.reproduction import recall_panels

    leak = LEAKING if results.divides_songs else ""
    pictures = []
    for table, family in zip(paper.RECALL_TABLES, ("MLPs", "CNNs"), strict=True):
        models = [results.results.get(row.model) for row in table.rows]
        there = [model for model in models if model is not None]
        if not there:
            continue
        drawn = recall_panels(
            {one.name: list(one.recalls.values()) for one in there},
            results.genres,
            printed=_printed_recalls(there, results) if results.papers_genres else None,
            deviations={one.name: math.sqrt(one.variance) for one in there},
            title=f"Recall by genre: the best and base {family}",
            leak=leak,
        )
        caption = f"Recall of each genre's slices, the best and base {family}, and the paper's"
        means = (
            f"{one.name} {percent(float(np.nanmean(list(one.recalls.values()))))}" for one in there
        )
        alt = f"Bars of recall by genre; on average {', '.join(means)}"
        png = figures.to_png(drawn, dpi=110)
        pictures.append(_drawn(f"recall_{family.lower()}", None, caption, alt, png))
    return tuple(pictures)


def _printed_recalls(models: list[Result], results: Results) -> Mapping[str, list[float]]:
    places = [GTZAN_GENRES.index(genre) for genre in results.genres]
    return {
        one.name: (np.array(paper.RECALLS[one.name].recalls)[places] / 100).tolist()
        for one in models
    }
