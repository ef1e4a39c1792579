"""The README's example runs, its commands exist, and it is short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_page_is_short() -> None:
    assert len(README.splitlines()) <= 110


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    share, genre = done.stdout.splitlines()
    assert re.fullmatch(r"\d+% of the test songs", share)
    assert genre in {"blues", "classical", "country", "disco", "hiphop"} | {
        "jazz",
        "metal",
        "pop",
        "reggae",
        "rock",
    }
    assert (tmp_path / "run" / "model.backbeat").exists()


def test_every_option_in_a_command_is_known() -> None:
    import typer

    from backbeat.cli import app

    known = typer.main.get_command(app)
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [line.split("#")[0].split() for line in lines if line.startswith("backbeat ")]
    assert len(commands) > 10
    for words in commands:
        command = known
        rest = words[1:]
        while hasattr(command, "commands"):
            command = command.commands[rest.pop(0)]
        options = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in rest if word.startswith("-")} <= options, words
