"""The HTTP API of a real server, asked by a client over a socket of this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from backbeat import __version__, classify
from backbeat.bundle.archive import read_bundle
from backbeat.web.schemas import ClassifyResponse
from servers import serving
from sounds import FORMATS, cut, music, write

LIMITS = ("--megabytes", "2", "--minutes", "0.5")


@pytest.fixture(scope="module")
def server(bundle, tmp_path_factory):
    """A server with the tiny bundle; not to be stopped."""
    with serving(tmp_path_factory.mktemp("server"), "--model", bundle, *LIMITS) as served:
        yield served


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.address, timeout=60) as client:
        yield client


def send(client, path, **options):
    with path.open("rb") as file:
        return client.post("/api/classify", files={"file": (path.name, file)}, **options)


def test_health(client):
    reply = client.get("/api/health")
    assert (reply.status_code, reply.json()) == (
        200,
        {"status": "ok", "answering": 0, "waiting": 0},
    )


def test_version(client, bundle):
    given = client.get("/api/version").json()
    assert given["backbeat"] == __version__
    assert given["hash"] == read_bundle(bundle).hash
    assert given["genres"] == ["blues", "jazz", "rock"]
    assert (given["limits"]["megabytes"], given["limits"]["minutes"]) == (2, 0.5)


def test_an_answer_is_the_one_of_the_command_line(client, cli, bundle, songs, server):
    reply = send(client, songs / "a.wav")
    assert reply.status_code == 200
    given = reply.json()
    _, out, _ = cli(
        "classify", songs / "a.wav", "--model", bundle, "--format", "jsonl", "--timeline"
    )
    printed = json.loads(out)
    assert given.pop("file") == "a.wav"
    assert (printed.pop("path"), printed.pop("status")) == (str(songs / "a.wav"), "answered")
    assert given.pop("tags") == []
    assert len(given.pop("ranking")) == 3
    assert len(printed.pop("ranking")) == 3
    assert given == printed
    assert server.left() == {}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_is_taken_whatever_its_name(client, tmp_path, suffix):
    path = write(tmp_path / f"song.{suffix}", music(6.0, FORMATS[suffix]))
    reply = client.post("/api/classify", files={"file": ("song", path.read_bytes())})
    assert (reply.status_code, reply.json()["verdict"]) == (200, "not calibrated")


def test_what_could_not_be_read_is_said(client, tmp_path):
    answer = send(client, cut(write(tmp_path / "cut.wav", music(12.0)))).json()
    assert (answer["seconds"], answer["seconds_asked"], answer["seconds_read"]) == (12, 12, 6)
    assert answer["note"] == "6 of 12 s could be read"


def test_tags(client, songs):
    tags = send(client, songs / "a.wav", params={"tags": "true"}).json()["tags"]
    assert len(tags) == 50
    assert tags[0]["fit"] >= tags[-1]["fit"]


def refused(reply, status, words):
    """Tell whether a reply is a refusal of one line with these words."""
    error = reply.json()["error"]
    assert reply.status_code == status, error
    assert words in error
    assert "\n" not in error
    return True


def test_refusals(client, server, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("these are words")
    assert refused(send(client, text), 415, "notes.txt: not audio")
    empty = tmp_path / "empty.wav"
    empty.touch()
    assert refused(send(client, empty), 422, "empty.wav: empty")
    short = write(tmp_path / "short.wav", music(1.0))
    assert refused(send(client, short), 422, "short.wav: too short: this model needs 2.9 s")
    long = write(tmp_path / "long.mp3", music(33.0))
    assert refused(send(client, long), 413, "long.mp3: too long")
    large = write(tmp_path / "large.wav", music(60.0))
    assert refused(send(client, large), 413, "too large; at most 2 MB")
    assert refused(client.post("/api/classify"), 422, "file: Field required")
    assert refused(client.post("/api/classify", data={"file": "words"}), 422, "file: ")
    assert client.get("/api/nothing").status_code == 404
    assert server.left() == {}


def test_many_at_once_are_each_answered_as_alone(client, bundle, tmp_path):
    paths = [write(tmp_path / f"{i}.wav", music(6.0, seed=i)) for i in range(8)]
    alone = classify.load(bundle)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda path: send(client, path), paths))
    for path, reply in zip(paths, replies, strict=True):
        wanted = ClassifyResponse.of(alone.classify(path)).model_dump(mode="json")
        assert reply.json() == {**wanted, "file": path.name}


def test_documentation_loads_nothing_and_describes_all(client):
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {"/api/classify", "/api/health", "/api/version"}
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path, verbs in described["paths"].items():
        assert f"<code>{path}</code>" in page.text
        for way in verbs.values():
            assert all(
                f'scope="row">{status}' in page.text for status in set(way["responses"]) - {"200"}
            )
    for field in described["components"]["schemas"]["ClassifyResponse"]["properties"]:
        assert f"<code>{field}</code>" in page.text
    assert "src=" not in page.text
    assert page.text.count("<link") == page.text.count('href="data:') == 1  # its sign


def test_gradio_gives_no_file_and_fetches_none(client, server):
    for place in ("/etc/passwd", "http://127.0.0.1:9/a.wav", f"{server.temporary}"):
        assert client.get(f"/gradio_api/file={place}").status_code in (403, 404)
    assert client.get("/gradio_api/runs").status_code == 404  # no history of visitors is kept


@pytest.mark.parametrize("stream", [False, True])
def test_no_song_is_answered_that_was_not_sent(client, server, songs, tmp_path, stream):
    """A path that a visitor names is neither read nor, as an upload that is answered, removed."""
    victim = tmp_path / "victim.wav"
    victim.write_bytes((songs / "a.wav").read_bytes())
    upload = client.post("/gradio_api/upload", files={"files": ("a.wav", b"x")}).json()[0]
    folder = Path(upload).parents[1]
    around = f"{folder}/{os.path.relpath(victim, folder)}"
    for number, path in enumerate((str(victim), around)):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}, "is_stream": stream}
        for event, data in ((0, [file, False]), (2, [file, False]), (4, [[file], None])):
            asked = {"data": data, "fn_index": event, "session_hash": f"{stream}{number}{event}"}
            assert client.post("/gradio_api/queue/join", json=asked).status_code == 200
            reply = client.get("/gradio_api/queue/data", params=asked)
            assert "process_completed" in reply.text
            assert '"success":false' in reply.text
            assert "bb-answer" not in reply.text
            assert victim.exists()
    Path(upload).unlink()


def test_nothing_is_reported_to_the_makers_of_onnxruntime(songs, bundle, tmp_path):
    # Its reports begin with a number for this machine, in this file; under CI it makes none.
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    for name in ("CI", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "backbeat", "classify", str(songs), "--model", str(bundle)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_told_in_one_line(cli, server):
    port = server.address.rpartition(":")[2]
    status, out, err = cli("serve", "--port", port)
    assert (status, out) == (1, "")
    what = "Address already in use; name another with --port"
    assert err == f"backbeat: 127.0.0.1:{port}: {what}\n"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_and_leaves_nothing(bundle, songs, tmp_path, number):
    with serving(tmp_path, "--model", bundle) as served:
        assert len(list(tmp_path.iterdir())) == 1
        with httpx.Client(base_url=served.address, timeout=60) as client:
            assert send(client, songs / "a.wav").status_code == 200
            assert client.post(
                "/gradio_api/upload", files={"files": ("a.wav", b"never answered")}
            ).is_success
            assert served.left() == {"a.wav": 14}
            assert served.stop(number) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_help_and_classifying_load_nothing_of_the_page(songs, bundle):
    code = "import sys; from backbeat.cli import main\ntry: main()\nfinally: print(sorted(" + (
        "{'gradio', 'fastapi', 'uvicorn', 'PIL', 'jinja2'} & set(sys.modules)), file=sys.stderr)"
    )
    for arguments in (["--help"], ["serve", "--help"], ["classify", songs, "--model", bundle]):
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
        )
        assert done.stderr.splitlines()[-1] == "[]"


def test_slow_uploads_do_not_hold_up_others(client, server, songs):
    port = int(server.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(
            b"POST /api/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
        start = time.monotonic()
        assert send(client, songs / "a.wav").status_code == 200
        assert time.monotonic() - start < 10
