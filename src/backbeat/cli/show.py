"""The verb show."""

from pathlib import Path
from typing import Annotated

import typer

from backbeat.cli.console import say, say_json
from backbeat.cli.options import Json


def show(
    song: Annotated[Path, typer.Argument(help="An audio file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for the pictures.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="How much of its beginning.")] = 30.0,
    as_json: Json = False,
) -> None:
    """Draw a song's waveplot, spectrogram, mel filters and MFCCs (the paper's Figures 1 to 4)."""
    from backbeat.figures.show import show as draw

    pictures = draw(song, out, seconds=seconds)
    if as_json:
        say_json({"pictures": [str(path) for path in pictures]})
    else:
        say("\n".join(map(str, pictures)))
