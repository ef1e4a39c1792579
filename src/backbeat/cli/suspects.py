"""The verb suspects."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from backbeat.cli.console import progress, say, say_json, table, warn
from backbeat.cli.options import MAX_SEED, Json, Store
from backbeat.errors import printable
from backbeat.files.tables import Column
from backbeat.files.text import number, percent

_ROWS = 30


def suspects(
    features: Store,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="CSV", help="Write the list to a file.")
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, help="The most suspects to list (default: all).")
    ] = None,
    by: Annotated[
        Literal["tracks", "artists"],
        typer.Option(help="tracks: finds single wrong labels; artists: whole albums of them."),
    ] = "tracks",
    folds: Annotated[
        int, typer.Option(min=2, max=1000, help="Each part of the songs is judged by all others.")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the folds.")] = 0,
    as_json: Json = False,
) -> None:
    """List songs whose labels are probably wrong, the worst first, each with its reason.

    Each song is judged by classifiers that were not trained on it; exact copies with different
    labels are always named.
    """
    from dataclasses import asdict

    from backbeat.features.store import open_features
    from backbeat.library.suspects import find_suspects, write_suspects

    with progress("describing songs", "") as show:
        found = find_suspects(
            open_features(features), by=by, folds=folds, seed=seed, on_progress=show
        )
    listed = found.suspects[:top]
    if out:
        write_suspects(out, listed)
    if found.unjudged:
        what = "songs" if by == "tracks" else "artists"
        small = ", ".join(f"{genre} ({number(songs)})" for genre, songs in found.unjudged.items())
        warn(f"not judged, with fewer than {folds} different {what}: {printable(small)} songs")
    if as_json:
        content = {
            "caveat": found.caveat or None,
            "tracks": found.tracks,
            "suspects": len(found.suspects),
            "agreement": round(found.agreement, 6),
            "unjudged": found.unjudged,
            "listed": [asdict(suspect) for suspect in listed],
        }
        say_json(content)
        return
    if found.caveat:
        warn(found.caveat)
    # Of a long list the beginning, unless a number was asked for.
    shown = listed if top else listed[:_ROWS]
    if shown:
        rows = [(s.name, s.genre, s.reason) for s in shown]
        columns = (Column("track", shorten="middle"), Column("label", shorten="end"), "why")
        table("Suspicious labels, the worst first", columns, rows)
        say("")
    if len(shown) < len(found.suspects):
        rest = "" if top else "; the file holds all" if out else "; -o writes all to a file"
        say(f"The first {number(len(shown))} of {number(len(found.suspects))}{rest}.")
    say(
        f"{number(len(found.suspects))} of {number(found.tracks)} songs look mislabelled; "
        f"{percent(found.agreement, 0)} sound most like their labels."
    )
    if out:
        say(f"List: {out}")
