"""The verb playlists."""

from pathlib import Path
from typing import Annotated

import typer

from backbeat.cli.answering import AnswerOptions, answer_songs
from backbeat.cli.console import (
    failures_json,
    list_failures,
    list_notes,
    notes_json,
    say,
    say_json,
    warn,
)
from backbeat.cli.options import (
    Again,
    Cluster,
    IndexPath,
    Json,
    Model,
    Songs,
    Windows,
    Workers,
)
from backbeat.errors import printable
from backbeat.files.text import plural


def playlists(
    paths: Songs,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the playlists.")],
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out songs whose genre is less probable.")
    ] = 0.0,
    model: Model = "gtzan",
    windows: Windows = None,
    index: IndexPath = None,
    again: Again = False,
    as_json: Json = False,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Write a playlist a genre (M3U8), the surest songs first.

    Songs without a sure answer have lists of their own, "unsure" and "out of genre". Songs are
    named relative to the folder, so that it can be moved with the music. Exit status 1 if a file
    cannot be read; one that is too short or silent is skipped.
    """
    from backbeat.library.playlists import by_label, entry_of, file_names, write_playlist

    options = AnswerOptions(model, windows, again, workers, cluster)
    answers, failures, others = answer_songs(paths, options, index)
    chosen = [answer for answer in answers if answer.probability >= min_confidence]
    out.mkdir(parents=True, exist_ok=True)
    unnamed: list[Path] = []
    written = []
    lists = by_label(chosen)
    names = file_names(lists)
    for label, songs in lists.items():
        file = out / names[label]
        left_out = write_playlist(file, label, [entry_of(answer) for answer in songs])
        unnamed += left_out
        listed = len(songs) - len(left_out)
        written.append({"path": str(file), "label": label, "songs": listed})
        if not as_json:
            say(f"{file}: {plural(listed, 'song')}")
    if as_json:
        say_json(
            {
                "playlists": written,
                "failures": failures_json(failures),
                "notes": notes_json(answers),
                "unnamed": [str(path) for path in unnamed],
                "other_files": dict(others),
            }
        )
    list_notes(answers)
    failed = list_failures(failures, others)
    warn_of_unnamed(unnamed)
    raise typer.Exit(int(failed or bool(unnamed)))


def warn_of_unnamed(songs: "list[Path] | tuple[Path, ...]") -> None:
    """List the songs that no playlist can hold."""
    for path in songs:
        warn(f"left out: {printable(path)}: its name cannot be written in a playlist; rename it")
