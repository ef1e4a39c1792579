"""The verbs of honest evaluation: audit, compare."""

from pathlib import Path
from typing import Annotated

import typer

from backbeat.cli.console import say, table


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Runs and cross-validations, from train.")],
    figure: Annotated[
        Path | None, typer.Option("--figure", "-o", metavar="PNG", help="Draw it too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say which of several models is better, and whether that can be told at all.

    Accuracy of songs with a 95 % interval, drawing whole artists; McNemar's test and, over folds or
    seeds, the corrected resampled t; Holm's correction over all pairs. Runs of one model on several
    folds or with several seeds are its trials.
    """
    import json
    from dataclasses import asdict

    from backbeat.contenders import compare_runs

    compared, leaks = compare_runs(runs)
    if figure:
        from backbeat import figures

        figures.save(figures.comparison(compared, leak="; ".join(leaks)), figure)
    if as_json:
        say(json.dumps({"leaks": leaks, **asdict(compared)}, indent=1))
        return
    rows = [
        (
            score.name,
            f"{score.accuracy:.1%}",
            f"{100 * score.interval.low:.1f} to {100 * score.interval.high:.1f}",
            ", ".join(f"{trial:.1%}" for trial in score.trials) if len(score.trials) > 1 else "",
        )
        for score in compared.scores
    ]
    title = f"{compared.songs:,} songs, drawn by {compared.groups:,} artists (or songs alone)"
    table(title, ("model", "songs right", "95 % interval", "trials"), rows)
    say("")
    for pair in compared.pairs:
        say(pair.sentence)
        t = pair.resampled_t
        if t:
            say(f"  over {t.trials} trials: corrected t {t.t:.2f}, p = {t.p:.3f}")
    for leak in leaks:
        say(leak)
