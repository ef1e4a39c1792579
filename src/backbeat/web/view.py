"""Answers as HTML: pure functions from answers to the parts of the page."""

import base64
import functools
import io
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import jinja2

from backbeat.classify import Answer, Failure, answers
from backbeat.errors import printable
from backbeat.files.text import clock, percent, probability
from backbeat.web.pictures import Picture

_TOP = 5  # genres shown at first; the others on demand
_TAGS = 8
_VERDICTS = {
    "sure": "the model is sure",
    "not calibrated": "this model's probabilities are not calibrated",
}


def lanes(answer: Answer) -> dict[str, list[tuple[float, float, float]]]:
    """Give the parts where each genre is the likeliest, the song's own genre first.

    Each part is (start, length, probability), the first two as shares of the song.
    """
    length = _length(answer)
    found: dict[str, list[tuple[float, float, float]]] = {genre: [] for genre, _ in answer.ranking}
    for moment in answer.timeline:
        share = (moment.end - moment.start) / length
        found[moment.genre].append((moment.start / length, share, moment.probability))
    return {genre: parts for genre, parts in found.items() if parts}


def ticks(seconds: float, most: int = 6) -> tuple[tuple[float, str], ...]:
    """Give at most `most` + 1 labels for an axis of time in seconds, each (share of it, text)."""
    steps = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    step = next((step for step in steps if seconds <= most * step), seconds / most)
    count = int(seconds / step) + 1
    return tuple((i * step / seconds, clock(i * step)) for i in range(count))


def answer_html(answer: Answer, pictures: Sequence[Picture] = ()) -> str:
    """Show an answer, with pictures of the song if there are any."""
    moments = [
        [moment.start, moment.end, moment.genre, round(moment.probability, 4)]
        for moment in answer.timeline
    ]
    return render(
        "answer.html",
        answer=answer,
        verdict_text=_VERDICTS.get(answer.verdict, ""),
        withheld=answer.withheld,
        top=answer.ranking[:_TOP],
        others=answer.ranking[_TOP:],
        lanes=lanes(answer),
        ticks=ticks(_length(answer)),
        length=_length(answer),
        moments=json.dumps(moments),
        tags=answer.tags[:_TAGS],
        pictures=pictures,
        picture_ticks=ticks,
    )


def refusal_html(what: str) -> str:
    """Show why there is no answer."""
    return render("refusal.html", what=what)


def table_html(results: Sequence[Answer | Failure], *, of: int) -> str:
    """Show many answers as a table, with a link to the CSV once all `of` them are there."""
    whole = len(results) == of
    # Excel takes a table for UTF-8 only if it has a byte order mark.
    content = results_csv(results).encode("utf-8-sig") if whole else b""
    return render(
        "table.html",
        results=[(isinstance(result, Answer), result) for result in results],
        of=of,
        whole=whole,
        counts=Counter(result.status for result in results if isinstance(result, Failure)),
        csv=base64.b64encode(content).decode(),
    )


def results_csv(results: Sequence[Answer | Failure]) -> str:
    """Give answers as the CSV that ``backbeat classify --format csv`` writes."""
    file = io.StringIO()
    rankings = [result.ranking for result in results if isinstance(result, Answer)]
    genres = [genre for genre, _ in max(rankings, key=len, default=())]
    writer = answers.CsvWriter(file, genres=genres, top=3, timeline=False)
    for result in results:
        if isinstance(result, Answer):
            writer.answer(result)
        else:
            writer.failure(result)
    return file.getvalue()


def _length(answer: Answer) -> float:
    """Give the song's length, or where its last slice ends if that is later."""
    return max(answer.seconds, *(moment.end for moment in answer.timeline))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("backbeat.web", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        probability=probability,
        percent=functools.partial(percent, digits=0),
        clock=clock,
        printable=printable,
    )
    return environment


def render(name: str, **values: Any) -> str:
    """Fill one of the templates of this package."""
    return _environment().get_template(name).render(**values)
