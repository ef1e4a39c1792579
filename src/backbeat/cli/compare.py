"""The verb compare."""

from pathlib import Path
from typing import Annotated

import typer

from backbeat.cli.console import say, say_json, say_sentence, table
from backbeat.cli.options import Json
from backbeat.files.tables import Column
from backbeat.files.text import number, p_value, percent, plural


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Runs and cross-validations, from train.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="PAGE", help="Write a report too, such as compare.html."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Test which of several models is better, and whether the difference is significant.

    Accuracy of songs, balanced accuracy and macro-F1 with 95 % intervals by whole artists (none for
    fewer than five); McNemar's test and, over folds or
    seeds, the corrected resampled t; Holm's correction over all pairs. Runs of one model on several
    folds or with several seeds are its trials.
    """
    from dataclasses import asdict

    from backbeat.evaluation.comparison import MIN_GROUPS
    from backbeat.runs.contenders import compare_runs, write_comparison
    from backbeat.runs.headlines import score_row
    from backbeat.splits import leak_sentence, leaks_to_json

    compared, leaks, copies, collection = compare_runs(runs)
    sentence = leak_sentence(leaks, songs=compared.songs)
    if out:
        write_comparison(out, compared, leaks, copies, collection)
    if as_json:
        say_json({"leaks": leaks_to_json(leaks), "copies": copies, **asdict(compared)})
        return
    artist = next(leak for leak in leaks if leak.kind == "artist")
    title = f"{plural(compared.songs, 'song')} "
    if not artist.known:
        title += "of unknown artists"
    else:
        unknown = " or songs of unknown ones" if artist.known < artist.songs else ""
        title += f"by {plural(compared.groups, 'artist')}{unknown}"
    columns = (
        *(Column("model", shorten="end"), "songs correct", "95 % interval"),
        *(Column("balanced accuracy", optional=2), Column("macro-F1", optional=3)),
        Column("trials", optional=4),
    )
    table(title, columns, [score_row(score) for score in compared.scores])
    if compared.groups < MIN_GROUPS:
        few = "artists" if artist.known else "songs"
        say_sentence(f"Fewer than {MIN_GROUPS} {few}: no 95 % interval can be given.")
    elif not compared.scores[0].by_genre.balanced_interval:
        one = "songs of one artist" if artist.known else "one song"
        say_sentence(f"A genre has {one} only: its mean with others has no 95 % interval.")
    common = compared.scores[0].by_genre
    say_sentence(
        f"Always answering {common.commonest}, the most frequent genre, gets "
        f"{percent(common.commonest_share)} of songs."
    )
    say("")
    for pair in compared.pairs:
        say_sentence(pair.sentence)
        t = pair.resampled_t
        if t:
            say_sentence(
                f"  Beside it, over {t.trials} trials: corrected resampled t {number(t.t, 2)}, "
                f"{p_value(t.p)}."
            )
    for line in (*copies, sentence):
        say_sentence(line)
