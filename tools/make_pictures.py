"""Make the pictures of the documents from real output.

python tools/make_pictures.py CLIPS --work WORK [--gallery FOLDER]

CLIPS are GTZAN excerpts, in a folder a genre. Runs that are in WORK already are not trained again;
all else takes some ten minutes of two cores. With --gallery it takes those of every verb and every
report for a designer's eye instead, which are not kept. Wants the extra dev, and Chromium.
"""

import argparse
import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import typer
from PIL import Image
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

from backbeat.cli import app

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
BACKBEAT = Path(sys.executable).with_name("backbeat")

SONGS = (
    *("blues.00002", "country.00002", "disco.00003", "hiphop.00004"),
    *("jazz.00000", "metal.00005", "reggae.00001", "rock.00006"),
)
JAM_SONGS = {"jam-jazz": "jazz/jam-jazz-002", "jam-reggae": "reggae/jam-reggae-003"}
SONG = "blues/blues.00002.flac"
RUNS = {
    "leaking": "train features --model cnn_03.5 --split slices",
    "cnn": "train features --model cnn_base_01 --split artists --folds 3",
    "mlp": "train features --model mlp_27 --split artists --folds 3",
    "transfer": "train embeddings --model transfer --split artists --folds 3",
}

VERBS = tuple(typer.main.get_command(app).commands)
SCREENS = (
    *("data jam -o jam --per-genre 8 --seed 1", "check jam", "prepare songs -o features"),
    *("classify Music", "classify Music/rock.00006.flac --timeline", "tag Music --dry-run"),
    *("similar Music/rock.00006.flac --in Music", "playlists Music -o playlists"),
    *("suspects features", "show Music/rock.00006.flac -o song", "models", "models cnn_03.5"),
    "train features --model mlp_01 --epochs 5 --split artists -o small",
    *("evaluate leaking", "evaluate cnn", "audit features --split tracks"),
    "compare cnn mlp transfer -o compare.html",
    "reproduce sears2021 features -o paper --only mlp_01,mlp_27 --epochs-scale 0.02",
    "reproduce sears2021 features -o splits --only mlp_01 --epochs-scale 0.02 --split all",
)

# Rich's own fetches its font; this takes the reader's, and is a dark window on any page.
TERMINAL = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px
  ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: bold 16px sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def backbeat(work: Path, words: str) -> str:
    """Run a command in WORK, and return what it prints."""
    done = subprocess.run(
        [BACKBEAT, *words.split()],
        cwd=work,
        env=own_cache(work),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout


def own_cache(work: Path) -> dict[str, str]:
    """Give the environment with a cache in WORK, so that no answer is known before."""
    return {**os.environ, "XDG_CACHE_HOME": str((work / "cache").resolve())}


def terminal(work: Path, clips: Path) -> None:
    """Draw a terminal in which songs are classified."""
    music = work / "Music"
    music.mkdir(exist_ok=True)
    for name in SONGS:
        shutil.copyfile(clips / name.split(".")[0] / f"{name}.flac", music / f"{name}.flac")
    for name, song in JAM_SONGS.items():
        shutil.copyfile(work / "jam" / f"{song}.wav", music / f"{name}.wav")
    (music / "empty.mp3").touch()
    console = Console(record=True, width=106, file=(work / "terminal.txt").open("w"))
    for command in ("classify Music", "classify Music/rock.00006.flac --timeline"):
        console.print(Text(f"$ backbeat {command}", style="bold #6db7ea"))
        console.print(Text(backbeat(work, command).rstrip("\n")), soft_wrap=True)
    drawing = TERMINAL.replace("TITLE", html.escape("A terminal: backbeat classify Music"))
    console.save_svg(
        str(PICTURES / "terminal.svg"), title="", code_format=drawing, unique_id="terminal"
    )


def figures(work: Path, clips: Path) -> None:
    """Take figures that backbeat draws: of a song, a run, a cross-validation, a comparison."""
    backbeat(work, f"show {(clips / SONG).resolve()} -o song")
    chosen = {
        "song": "song/song.png",
        "confusion": "cnn/figures/confusion_tracks.png",
        "certainty": "cnn/figures/certainty.png",
        "recall": "cnn/figures/recall.png",
        "curves": "leaking/figures/curves.png",
    }
    for name, figure in chosen.items():
        image = Image.open(work / figure).convert("RGB")
        palette = image.quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        palette.save(PICTURES / f"{name}.png", optimize=True)


def report(work: Path) -> None:
    """Take the page of a cross-validation as a browser shows it, in light and dark."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1000, "height": 1100}, color_scheme=scheme)
            page.goto((work / "cnn" / "report.html").resolve().as_uri())
            page.screenshot(path=PICTURES / f"report-{scheme}.png")
        backbeat(work, "compare cnn mlp transfer -o compare.html")
        page.goto((work / "compare.html").resolve().as_uri())
        page.locator("figure img").screenshot(path=PICTURES / "compare.png")
        browser.close()


def left_on_screen(output: str) -> list[str]:
    """Give the lines that a terminal shows at the end, without the bars that were drawn over."""
    lines, row = [""], 0
    for piece in re.split(r"(\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[hl])", output):
        if piece == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif piece.endswith("A") and piece.startswith("\x1b"):
            row -= int(piece[2:-1] or 1)
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif piece != "\r" and not piece.startswith("\x1b[?25"):
            lines[row] += piece
    return lines


def gallery(work: Path, folder: Path) -> None:
    """Take each verb's help and result at 80 columns, and each report wide, narrow and printed."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(work / "small", ignore_errors=True)
    for number, command in enumerate((*SCREENS, *(f"{verb} --help" for verb in VERBS))):
        console = Console(record=True, width=80, file=(work / "terminal.txt").open("w"))
        console.print(Text(f"$ backbeat {command}", style="bold"))
        shown = subprocess.run(  # nosec B607 # util-linux's, wherever it is
            ["script", "-qec", f"stty cols 80 rows 40; {BACKBEAT} {command}", "/dev/null"],
            cwd=work,
            env=own_cache(work),
            capture_output=True,
        )
        for line in left_on_screen(shown.stdout.decode()):
            text = Text.from_ansi(line)
            for start in range(0, max(1, len(text)), 80):  # as a terminal breaks it
                console.print(text[start : start + 80], soft_wrap=True)
        name = f"{number:02}-{command.split()[0]}"
        console.save_svg(str(folder / f"{name}.svg"), title="", code_format=TERMINAL)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for path in (*sorted(work.glob("*/report.html")), work / "compare.html"):
            name = path.parent.name if path.name == "report.html" else path.stem
            for width in (390, 1280):
                for scheme in ("light", "dark"):
                    size = {"width": width, "height": 900}
                    page = browser.new_page(viewport=size, color_scheme=scheme)
                    page.goto(path.resolve().as_uri())
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
            page.pdf(path=folder / f"{name}.pdf", format="A4")
        browser.close()


def main() -> None:
    """Make all pictures but those of the page, which docs/web.md shows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gallery", type=Path)
    arguments = parser.parse_args()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "jam").exists():
        backbeat(work, "data jam -o jam --per-genre 8 --seed 1")
    if not (work / "songs").exists():
        backbeat(work, "data jam -o songs --per-genre 16")
    backbeat(work, "prepare songs -o features")
    backbeat(work, "prepare songs --frontend musicnn -o embeddings")
    for name, command in RUNS.items():
        if not (work / name).exists():
            shown = backbeat(work, f"{command} -o {name}")
            if not (work / name / "report.html").exists():
                sys.exit(shown)
    terminal(work, arguments.clips)
    if arguments.gallery:
        gallery(work, arguments.gallery)
        return
    figures(work, arguments.clips)
    report(work)


if __name__ == "__main__":
    main()
