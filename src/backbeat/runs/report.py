"""Self-contained HTML pages about a run, a cross-validation and a comparison.

A page needs no network, no script and no font of its own; pictures are inside it. It reads on a
phone, in the dark, on paper and by a screen reader. All pages, that of a reproduction too, extend
``base.html``: the result as title, what was measured, warnings, great numbers, sections.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backbeat import __version__
from backbeat.errors import BackbeatError, needing
from backbeat.evaluation import Metrics, Scores, most_confused
from backbeat.evaluation.comparison import Comparison, Interval
from backbeat.files.text import number, p_value, percent, points
from backbeat.runs.evaluation import Evaluation
from backbeat.runs.headlines import (
    certainty_lines,
    comparison_measured,
    comparison_verdict,
    confusion_line,
    first_lines,
    measured,
    points_of,
    result_warnings,
    score_row,
    span,
    spread_line,
    verdict,
)
from backbeat.splits import Leaks, is_leaking, leak_sentence

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_GENRES = 30  # of a confusion matrix, as of its figure
WITHOUT_LEAK = "This split cannot show the accuracy without the leak."

Headline = tuple[str, str, str]
"""A great number: its name, the value, and what it says."""


@dataclass(frozen=True)
class Picture:
    """A figure for a page."""

    caption: str
    alt: str  # what it shows, for those who do not see it
    png: Path | bytes

    @property
    def uri(self) -> str:
        """Give it as a URI that holds it; refuse what is no PNG."""
        try:
            data = self.png if isinstance(self.png, bytes) else self.png.read_bytes()
        except OSError as error:
            raise BackbeatError(f"{self.png!s}: cannot be read ({error.strerror})") from error
        if not data.startswith(_PNG_SIGNATURE):
            name = "a figure" if isinstance(self.png, bytes) else self.png
            raise BackbeatError(f"{name}: is no PNG picture")
        return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def render(
    template: str,
    *,
    kind: str,
    title: str,
    measured: str,
    facts: Mapping[str, str] | None = None,
    headlines: Sequence[Headline] = (),
    warnings: Sequence[str] = (),
    **parts: Any,
) -> str:
    """Make a page: `kind` says what is reported on, `title` the result, `measured` of what."""
    with needing("train", "the report"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backbeat.runs", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "number": number}
    page: str = environment.get_template(template).render(
        kind=kind,
        title=title,
        measured=measured,
        facts=facts or {},
        headlines=headlines,
        warnings=warnings,
        version=__version__,
        **parts,
    )
    return page.replace(" %", "\N{NO-BREAK SPACE}%")


def run_report(evaluated: Evaluation, pictures: Mapping[str, Picture]) -> str:
    """Make the page of a run, or of a cross-validation; `pictures` by what they are of."""
    metrics = evaluated.metrics
    leak = leak_sentence(evaluated.leaks, songs=metrics.n_tracks)
    leaking = is_leaking(evaluated.leaks)
    kept = most_confused(metrics.track_confusion, _MAX_GENRES).tolist()
    return render(
        "run.html",
        kind=f"{'Cross-validation' if evaluated.folds else 'Run'} of {evaluated.model}",
        title=verdict(evaluated),
        measured=measured(evaluated),
        warnings=[*([f"{leak} {WITHOUT_LEAK}"] if leaking else []), *result_warnings(evaluated)],
        headlines=_headlines(evaluated),
        opening=[line for line in first_lines(evaluated) if not (leaking and line == leak)],
        folds=evaluated.folds,
        confused=confusion_line(metrics),
        confusion={
            "genres": [metrics.genres[place] for place in kept],
            "rows": [
                (
                    metrics.genres[row],
                    [(metrics.track_confusion[row][column], row == column) for column in kept],
                )
                for row in kept
            ],
            "all": len(metrics.genres),
        },
        spread=spread_line(metrics),
        by_genre=_by_genre(metrics),
        certainty=certainty_lines(evaluated),
        pictures=pictures,
        training=_training(evaluated),
        facts=evaluated.facts,
    )


def comparison_report(
    compared: Comparison,
    leaks: Leaks,
    copies: Sequence[str],
    collection: str,
    picture: Picture,
) -> str:
    """Make the page of a comparison: its result, each model's figures, each pair's test."""
    leak = leak_sentence(leaks, songs=compared.songs)
    first = compared.scores[0].by_genre
    return render(
        "comparison.html",
        kind=f"Comparison of {number(len(compared.scores))} models",
        title=comparison_verdict(compared),
        measured=comparison_measured(compared, leaks, collection),
        warnings=[f"{leak} {WITHOUT_LEAK}"] if is_leaking(leaks) else [],
        scores=[score_row(score) for score in compared.scores],
        pairs=[
            (
                f"{pair.first} and {pair.second}",
                points(pair.difference),
                points_of(pair.interval),
                f"{number(pair.mcnemar.only_first)} and {number(pair.mcnemar.only_second)}",
                p_value(pair.p),
                "" if pair.resampled_t is None else p_value(pair.resampled_t.p),
                f"{pair.first} {pair.verdict}" if pair.verdict == "better" else pair.verdict,
            )
            for pair in compared.pairs
        ],
        common=(first.commonest, percent(first.commonest_share)),
        lines=(*copies, *([] if is_leaking(leaks) else [leak])),
        picture=picture,
    )


def _headlines(evaluated: Evaluation) -> list[Headline]:
    metrics, means = evaluated.metrics, evaluated.by_genre

    def sure(interval: Interval | None) -> str:
        return f"; 95 % interval {span(interval)}" if interval else ""

    songs = f"of {number(metrics.n_tracks)}{sure(evaluated.interval)}"
    return [
        ("Songs correct", percent(metrics.track_accuracy), songs),
        (
            "Balanced accuracy",
            percent(means.balanced_accuracy),
            f"mean recall of genres, songs{sure(means.balanced_interval)}",
        ),
        ("Macro-F1", percent(means.macro_f1), f"mean of genres, songs{sure(means.f1_interval)}"),
        (
            "For comparison",
            percent(means.commonest_share),
            f"of songs by always answering {means.commonest}",
        ),
        ("Slices correct", percent(metrics.slice_accuracy), f"of {number(metrics.n_slices)}"),
    ]


def _by_genre(metrics: Metrics) -> list[list[tuple[str, float, list[str]]]]:
    """Give a row a genre, the best recall of songs first, then their means, for a table."""

    def row(name: str, songs: Scores, slices: Scores) -> tuple[str, float, list[str]]:
        cells = [
            cell
            for one in (songs, slices)
            for cell in (
                *(percent(value, 0) for value in (one.recall, one.precision, one.f1)),
                number(one.support),
            )
        ]
        return name, songs.recall or 0.0, cells

    genres = [row(*own) for own in zip(metrics.genres, metrics.tracks, metrics.slices, strict=True)]
    songs, slices = metrics.track_report, metrics.slice_report
    means = [row("mean of genres", songs.macro_avg, slices.macro_avg)]
    return [sorted(genres, key=lambda one: one[1], reverse=True), means]


def _training(evaluated: Evaluation) -> list[tuple[str, str, str]]:
    """Give loss and accuracy after the first and after the last epoch; nothing of one epoch."""
    if len(evaluated.history) < 2:
        return []
    first, last = evaluated.history[0], evaluated.history[-1]
    rows = []
    for name, own in (("training", ""), (evaluated.monitored, "val_")):
        ends = [getattr(epoch, f"{own}accuracy") for epoch in (first, last)]
        rows.append((f"accuracy in {name}", percent(ends[0]), percent(ends[1])))
        losses = [number(getattr(epoch, f"{own}loss"), 3) for epoch in (first, last)]
        rows.append((f"loss in {name}, nats", losses[0], losses[1]))
    return rows
