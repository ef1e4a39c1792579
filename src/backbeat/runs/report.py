"""One self-contained HTML page about a run: the scores, the figures, and how to read them.

The page needs no network, no script and no font of its own; pictures are inside it. It reads on a
phone, in the dark, on paper and by a screen reader.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbeat import __version__
from backbeat.errors import BackbeatError, needing
from backbeat.evaluation import LEAKING, Metrics
from backbeat.evaluation.comparison import GenreMeans, Interval
from backbeat.files.text import percent
from backbeat.runs.headlines import span

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def run_report(
    *,
    title: str,
    facts: Mapping[str, str],
    metrics: Metrics,
    figures: Mapping[str, Path | bytes],
    leaks: bool,
    history: Mapping[str, Sequence[float]] | None = None,
    opening: Sequence[str] = (),
    interval: Interval | None = None,
    by_genre: GenreMeans | None = None,
    certainty: Sequence[str] = (),
) -> str:
    """Make the page of a run.

    `figures` are PNG files or their bytes, by caption, which a screen reader reads too. `leaks`
    says whether slices of one song are on both sides of the split: the page then opens with a
    warning. `history` has the columns of `scoring.history_columns`. `opening` and `certainty` are
    sentences.
    """
    page: str = template("run.html").render(
        title=title,
        opening=opening,
        certainty=certainty,
        facts=facts,
        metrics=metrics,
        weakest=_weakest(metrics),
        headlines=_headlines(metrics, interval, by_genre),
        recalls=_recalls(metrics),
        reports={"Slices": metrics.slice_report.rows(), "Tracks": metrics.track_report.rows()},
        figures=[(caption, data_uri(picture)) for caption, picture in figures.items()],
        training=_training(history or {}),
        leaking=LEAKING if leaks else "",
        version=__version__,
    )
    return page


def template(name: str) -> Any:
    """Load a page's template; `needing` jinja2."""
    with needing("train", "the report"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backbeat.runs", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    return environment.get_template(name)


def _headlines(
    metrics: Metrics, interval: Interval | None, by_genre: GenreMeans | None
) -> list[tuple[str, str, str]]:
    """Give the great numbers: name, value, and what it says."""

    def sure(interval: Interval | None) -> str:
        return f"; 95 % interval {span(interval)}" if interval else ""

    means = []
    if by_genre:
        means = [
            (
                "Balanced accuracy",
                percent(by_genre.balanced_accuracy),
                f"mean recall of genres, tracks{sure(by_genre.balanced_interval)}",
            ),
            (
                "Macro-F1",
                percent(by_genre.macro_f1),
                f"mean F1 of genres, tracks{sure(by_genre.f1_interval)}",
            ),
            (
                "Commonest genre",
                percent(by_genre.commonest_share),
                f"of tracks by always answering {by_genre.commonest}",
            ),
        ]
    return [
        ("Slice accuracy", percent(metrics.slice_accuracy), f"of {metrics.n_slices:,} slices"),
        (
            "Track accuracy",
            percent(metrics.track_accuracy),
            f"of {metrics.n_tracks:,} tracks{sure(interval)}",
        ),
        *means,
        ("Variance of recall", percent(metrics.recall_variance), "between genres, by slices"),
        ("Log-loss", f"{metrics.log_loss:.3f}", "nats a slice"),
    ]


def _recalls(metrics: Metrics) -> list[dict[str, Any]]:
    """Give each genre's recalls, the best track recall first; a genre without tracks comes last."""
    rows = [
        {"genre": genre, "slices": slices, "tracks": tracks}
        for genre, slices, tracks in zip(
            metrics.genres, metrics.slices, metrics.tracks, strict=True
        )
    ]

    def rank(row: dict[str, Any]) -> tuple[float, float]:
        of_tracks, of_slices = row["tracks"].recall, row["slices"].recall
        return (-1.0 if of_tracks is None else of_tracks, of_slices or 0.0)

    return sorted(rows, key=rank, reverse=True)


def _weakest(metrics: Metrics) -> tuple[str, float] | None:
    """Name the genres whose tracks are found worst, with their recall; None if all are alike."""
    recalls = {row["genre"]: row["tracks"].recall for row in _recalls(metrics)}
    known = {genre: recall for genre, recall in recalls.items() if recall is not None}
    worst = min(known.values(), default=0.0)
    names = [genre for genre, recall in known.items() if recall == worst]
    if len(names) == len(known):
        return None
    more = [f"{len(names) - 3:,} more"] if len(names) > 3 else []
    *some, last = names[:3] + more if more else names
    return f"{', '.join(some)} and {last}" if some else last, worst


def _training(history: Mapping[str, Sequence[float]]) -> list[tuple[str, str, str]]:
    """Give each column of the history: name, value after the first and after the last epoch."""
    names = {
        "accuracy": "accuracy in training",
        "val_accuracy": "accuracy, monitored",
        "loss": "loss in training",
        "val_loss": "loss, monitored",
    }
    rows = []
    for column, name in names.items():
        if values := list(history.get(column, [])):
            show = percent if "accuracy" in column else "{:.3f}".format
            rows.append((name, show(values[0]), show(values[-1])))
    return rows


def data_uri(picture: Path | bytes) -> str:
    """Give a PNG, or the content of a PNG file, as a URI that holds it; refuse anything else."""
    if isinstance(picture, Path):
        try:
            data = picture.read_bytes()
        except OSError as error:
            raise BackbeatError(f"{picture}: cannot be read ({error.strerror})") from error
        name = str(picture)
    else:
        data, name = picture, "a figure"
    if not data.startswith(_PNG_SIGNATURE):
        raise BackbeatError(f"{name}: is no PNG picture")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")
