"""The Docker image: checked as far as possible without Docker; with it, that it answers."""

import re
import shutil
import subprocess
import time
from fnmatch import fnmatch
from pathlib import Path

import httpx
import pytest

from sounds import music, write

ROOT = Path(__file__).resolve().parents[1]
IMAGE = "backbeat-test"


def instructions():
    """The Dockerfile's instructions as (word, arguments), lines that go on joined."""
    text = (ROOT / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines()]


def of(word):
    return [arguments for found, arguments in instructions() if found == word]


def ignored(path):
    """Whether .dockerignore keeps a path out; its last pattern that fits decides."""
    out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or path == pattern):
            out = not line.startswith("!")
    return out


def test_what_is_copied_is_there_and_is_sent_to_docker():
    copied = [
        source
        for arguments in of("COPY")
        if not arguments.startswith("--from")
        for source in arguments.split()[:-1]
    ]
    assert "src" in copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not ignored(source.split("/")[0]), source
    for other in (".git", ".venv", "tests", "docs"):
        assert ignored(other), other


def test_the_image_is_of_a_fixed_python_and_without_privileges():
    base = of("FROM")[-1]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    assert of("FROM")[0] == f"{base} AS build"  # what is compiled there runs here
    last_stage = [word for word, _ in instructions()][::-1]
    assert last_stage.index("USER") < last_stage.index("COPY")
    user = of("USER")[-1].split(":")[0]
    assert int(user) > 0
    assert any("--constraint constraints.txt" in run for run in of("RUN"))


def test_its_command_and_health_check_are_of_this_backbeat(cli):
    assert of("ENTRYPOINT") == ['["backbeat"]']
    assert of("CMD") == ['["serve", "--host", "0.0.0.0"]']
    status, out, _ = cli("serve", "--help")
    assert (status, "--host" in out) == (0, True)
    port = of("EXPOSE")[-1]
    assert f"[default: {port};" in out
    assert f"http://127.0.0.1:{port}/api/health" in of("HEALTHCHECK")[0]


@pytest.fixture(scope="module")
def container():
    """The image, built and running; gives its address and name."""
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "info"], capture_output=True).returncode
    ):
        pytest.skip("no Docker engine runs here")
    subprocess.run(["docker", "build", "--tag", IMAGE, str(ROOT)], check=True)
    narrow = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
    name = docker("run", "--detach", *narrow, "--publish", "127.0.0.1::7860", IMAGE)
    try:
        yield f"http://{docker('port', name, '7860')}", name
    finally:
        docker("rm", "--force", name)


def docker(*arguments):
    return subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_image_answers(container, tmp_path):
    address, name = container
    for _ in range(120):
        health = docker("inspect", "--format", "{{.State.Health.Status}}", name)
        if health == "healthy":
            break
        time.sleep(1)
    assert health == "healthy"
    song = write(tmp_path / "a.wav", music(6.0))
    reply = httpx.post(f"{address}/api/classify", files={"file": song.open("rb")}, timeout=60)
    assert reply.status_code == 200
    assert docker("exec", name, "id", "-u") == "10001"
