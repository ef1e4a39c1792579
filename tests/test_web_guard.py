"""Who may ask the server, for what, and how much they may send, without a server."""

import asyncio
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from uvicorn.server import ServerState

from backbeat.web import Limits, intake
from backbeat.web.connections import connection_class, max_connections
from backbeat.web.forms import bound_forms_of_page
from backbeat.web.guard import Guard
from backbeat.web.intake import Intake
from backbeat.web.uploads import Uploads

HERE = "http://127.0.0.1:7860"


async def answers(scope, receive, send):
    await JSONResponse({"place": scope["path"]})(scope, receive, send)


def asked(headers=None, names=(), place="/api/health", method="GET"):
    client = TestClient(Guard(answers, names), base_url=HERE)
    return client.request(method, place, headers=headers or {})


# --- By which name


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:7860", "LOCALHOST", "127.0.0.1:7860", "[::1]:7860", "192.168.1.5",
     "music.localhost", "localhost.:80", "Music.example.org", "music.example.org:443"],
)  # fmt: skip
def test_it_answers_to_its_names(host):
    assert asked({"Host": host}, ["music.example.ORG"]).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "localhost.example.org", "127.0.0.1.example.org", "", "evil@localhost.evil",
     "[::1", "xlocalhost", "\xff"],
)  # fmt: skip
def test_a_site_whose_name_leads_here_is_refused(host):
    reply = asked({"Host": host.encode("latin-1")})
    assert reply.status_code == 421
    assert "--name" in reply.json()["error"]


def test_without_names_it_answers_to_any():
    assert asked({"Host": "example.org"}, None).status_code == 200


# --- From which site


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a program
        {"Origin": HERE},
        {"Origin": HERE, "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://music.example.org", "Sec-Fetch-Site": "same-origin"},  # by a proxy
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_its_own_page_and_programs_may_ask(headers):
    assert asked(headers, method="POST", place="/api/classify").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},  # a file, or a frame in a box
        {"Origin": "http://127.0.0.1:7861"},  # another server of this machine
        {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},  # a form sent from there
    ],
)
def test_pages_of_other_sites_may_not(headers):
    for method in ("POST", "OPTIONS"):
        reply = asked(headers, method=method, place="/api/classify")
        assert reply.status_code == 403
        assert not [name for name in reply.headers if name.startswith("access-control")]
    assert asked(headers).status_code == 403


def test_a_link_from_another_site_leads_to_the_page_and_no_further():
    linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert asked(linked, place="/").status_code == 200
    assert asked(linked, place="/docs").status_code == 200
    assert asked(linked, place="/api/version").status_code == 403
    assert asked({**linked, "Sec-Fetch-Mode": "cors"}, place="/").status_code == 403


# --- What for


def test_only_what_the_page_needs_is_there():
    for place in ("/", "/assets/a.js", "/gradio_api/queue/join", "/gradio_api/file=/tmp/a.wav"):
        assert asked(place=place).status_code == 200
    for place in (
        "/monitoring",
        "/dev/reload",
        "/etc",
        "/gradio_api/vibe-edit",
        "/gradio_api/proxy=http://a",
        "/gradio_api/run/predict",
        "/gradio_api/process_recording",
    ):
        reply = asked(place=place)
        assert (reply.status_code, reply.json()) == (404, {"error": "not found"})


def test_what_was_sent_is_given_back_in_a_box():
    policy = asked(place="/gradio_api/file=/tmp/a.html").headers["content-security-policy"]
    assert "sandbox" in policy
    assert "script-src" not in policy


def test_below_a_path_of_a_proxy():
    client = TestClient(Guard(answers, ()), base_url=HERE, root_path="/music")
    assert client.get("/music/api/health").status_code == 200
    assert client.get("/music/").status_code == 200
    assert client.get("/music/monitoring").status_code == 404


def test_a_visitor_who_left_is_no_error():
    async def left(scope, receive, send):
        raise ClientDisconnect

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(Guard(left)(scope, None, None))


def test_a_mistake_is_told_in_one_line_here_and_there(caplog):
    async def mistaken(scope, receive, send):
        raise ValueError("no\nway")

    with caplog.at_level("ERROR", "uvicorn.error"):
        reply = TestClient(Guard(mistaken), base_url=HERE).get("/api/health")
    assert reply.status_code == 500
    assert reply.json() == {"error": "internal error; the server's log has the details"}
    (record,) = caplog.records
    assert record.exc_info is None
    said = record.getMessage()
    assert said.startswith("'/api/health': ValueError: no way (")
    assert "test_web_guard.py, line " in said
    assert "\n" not in said


# --- How much, and how fast


def taking(tmp_path, **limits):
    async def take(request):
        return JSONResponse({"bytes": len(await request.body())})

    places = ("/api/classify", "/gradio_api/upload", "/gradio_api/queue/join")
    app = Starlette(routes=[Route(place, take, methods=["POST"]) for place in places])
    return Intake(app, Limits(**limits), Uploads(tmp_path))


def refused(reply, status, words):
    error = reply.json()["error"] if reply.text.startswith("{") else reply.text
    assert reply.status_code == status, error
    assert words in error
    assert "\n" not in error
    return True


def test_each_way_in_takes_what_it_needs_and_no_more(tmp_path):
    client = TestClient(taking(tmp_path, megabytes=1))
    megabyte = b"\0" * 2**20
    assert client.post("/api/classify", content=megabyte).json() == {"bytes": 2**20}
    assert refused(client.post("/api/classify", content=megabyte * 2), 413, "at most 1 MB")
    assert client.post("/gradio_api/upload", content=megabyte * 2).json() == {"bytes": 2**21}
    assert refused(client.post("/gradio_api/upload", content=megabyte * 11), 413, "at most 10 MB")
    assert refused(client.post("/gradio_api/queue/join", content=megabyte * 2), 413, "too large")


def test_what_has_no_length_is_counted(tmp_path):
    client = TestClient(taking(tmp_path, megabytes=1))
    pieces = (b"\0" * 100_000 for _ in range(20))
    assert refused(client.post("/api/classify", content=pieces), 413, "at most 1 MB")


def test_a_disk_is_not_filled(tmp_path, monkeypatch):
    app = taking(tmp_path, megabytes=1)
    client = TestClient(app)
    (tmp_path / "left.wav").write_bytes(b"\0" * app.limits.stored_bytes)
    reply = client.post("/api/classify", content=b"\0" * 1000)
    assert refused(reply, 503, "too much is waiting")
    assert reply.headers["retry-after"] == "5"
    (tmp_path / "left.wav").unlink()
    assert client.post("/api/classify", content=b"\0" * 1000).status_code == 200
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=2**28))
    assert refused(client.post("/api/classify", content=b"\0" * 1000), 503, "too much is waiting")


def test_more_senders_than_it_can_hold_are_told_to_try_later(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "_MAX_REQUESTS", 0)
    client = TestClient(taking(tmp_path))
    assert refused(client.post("/api/classify", content=b"x"), 503, "too many are sending")
    assert client.post("/gradio_api/queue/join", content=b"x").status_code == 200


def exchange(app, pieces, seconds_between=0.0):
    """Send pieces of a body, and never its end; gives the messages of the answer."""
    sent = []
    left = list(pieces)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        await asyncio.sleep(seconds_between)
        return {"type": "http.request", "body": left.pop(0), "more_body": True}

    async def send(message):
        sent.append(message)

    head = {"type": "http", "method": "POST", "path": "/api/classify", "query_string": b""}
    head["headers"] = [(b"content-length", b"100000"), (b"host", b"localhost")]
    asyncio.run(app(head, receive, send))
    return sent


def test_who_sends_nothing_more_is_answered_and_the_connection_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "_DRAIN_SECONDS", 0.05)
    start, *rest = exchange(taking(tmp_path, seconds=0.1), [b"abc"])
    assert start["status"] == 408
    assert (b"connection", b"close") in [(k.lower(), v) for k, v in start["headers"]]
    assert b"".join(message["body"] for message in rest).startswith(b"too slow")
    assert [message.get("more_body", False) for message in rest][-1] is False


def test_who_trickles_is_stopped_and_who_is_slow_but_steady_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "_DRAIN_SECONDS", 0.05)
    app = taking(tmp_path, seconds=0.2)
    trickle = exchange(app, [b"x"] * 1000, seconds_between=0.02)
    assert trickle[0]["status"] == 408
    # 2 KiB each 0.02 s: six times the slowest pace that is taken.
    steady = iter([b"x" * 2048] * 40)
    bodies = []

    async def take(scope, receive, send):
        while (message := await receive())["more_body"]:
            bodies.append(message["body"])

    async def receive():
        await asyncio.sleep(0.02)
        body = next(steady, b"")
        return {"type": "http.request", "body": body, "more_body": bool(body)}

    app.app = take
    scope = {"type": "http", "path": "/api/classify"}
    asyncio.run(app({**scope, "headers": [(b"content-length", b"81920")]}, receive, None))
    assert len(bodies) == 40


def test_who_takes_nothing_of_an_answer_is_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "_SEND_SECONDS", 0.05)

    async def stuck(message):
        await asyncio.Event().wait()

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    app = Intake(answers, Limits(), Uploads(tmp_path))
    with pytest.raises(ClientDisconnect):  # of which the guard says nothing
        asyncio.run(app(scope, None, stuck))


# --- Connections


async def talk(seconds, most, *conversations):
    """Serve, hold these conversations at once, and give what is said to each until its end."""
    config = uvicorn.Config(answers, lifespan="off")
    kind = connection_class(seconds, most)
    state = ServerState()
    make = partial(kind, config=config, server_state=state, app_state={})
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def one(pieces):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        reading = asyncio.create_task(reader.read())
        for piece in pieces:
            if not reading.done():
                writer.write(piece)
                await asyncio.sleep(seconds / 10)
        said = await asyncio.wait_for(reading, 20)
        writer.close()
        return said.decode()

    async with server:
        said = await asyncio.gather(*map(one, conversations))
    assert state.connections == set()
    return said


def test_a_connection_that_asks_for_nothing_is_ended():
    asking = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    trickling = [bytes([byte]) for byte in asking[:6]]  # none after the end, which would reset it
    silent, half, slow = asyncio.run(talk(0.3, 10, [], [asking], trickling))
    for said in (silent, half, slow):
        assert said.startswith("HTTP/1.1 408 Request Timeout\r\n")
        assert said.endswith('{"error": "too slow: no request came in time"}')


def test_a_second_request_has_its_time_too():
    asking = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    (said,) = asyncio.run(talk(0.4, 10, [asking + b"\r\n", asking]))
    first, second = said.split("HTTP/1.1 ")[1:]
    assert (first[:3], second[:3]) == ("200", "408")


def test_more_connections_than_it_can_hold_are_told_to_try_later():
    whole = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    said = asyncio.run(talk(0.3, 2, [], [], [whole], [whole]))
    assert sorted(words[9:12] for words in said) == ["408", "408", "503", "503"]
    refused = next(words for words in said if "503" in words)
    assert "Retry-After: 5\r\n" in refused
    assert refused.endswith('{"error": "busy: try again soon"}')


def test_fewer_connections_than_files():
    assert 1 <= max_connections() <= 512


# --- Gradio's uploads


@pytest.fixture
def page_form(tmp_path):
    """Read a form as Gradio does, within our limits; gives its files."""
    gradio = pytest.importorskip("gradio")
    bound_forms_of_page(3)

    async def read(body):
        async def stream():
            for start in range(0, len(body), 1000):
                yield body[start : start + 1000]
            if not body.endswith(b"--x--\r\n"):
                raise ClientDisconnect

        headers = Headers({"content-type": "multipart/form-data; boundary=x"})
        parser = gradio.route_utils.GradioMultiPartParser(
            headers, stream(), max_files=1000, upload_dir=str(tmp_path), max_file_size=5000
        )
        return (await parser.parse()).getlist("files")

    return lambda body: asyncio.run(read(body))


def part(name, content, filename=None):
    named = f'; filename="{filename}"' if filename else ""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def test_files_of_the_page_are_closed_as_soon_as_they_are_whole(page_form, tmp_path):
    files = page_form(
        part("files", b"a" * 2500, "a.wav") + part("files", b"b", "b.wav") + b"--x--\r\n"
    )
    assert [file.file.closed for file in files] == [True, True]
    assert [Path(file.file.name).stat().st_size for file in files] == [2500, 1]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (part("files", b"a", "a.wav") * 4 + b"--x--\r\n", MultiPartException),
        (part("words", b"a" * 70_000) + b"--x--\r\n", MultiPartException),
        (part("words", b"a") * 9 + b"--x--\r\n", MultiPartException),
        (part("files", b"a" * 6000, "a.wav") + b"--x--\r\n", MultiPartException),
        (part("files", b"a", "a.wav") + part("files", b"a" * 3000, "b.wav"), ClientDisconnect),
    ],
    ids=["files", "a field", "fields", "bytes", "left"],
)
def test_of_a_form_that_is_refused_nothing_is_left(page_form, tmp_path, body, error):
    with pytest.raises(error):
        page_form(body)
    assert list(tmp_path.iterdir()) == []


def test_gradio_remembers_no_more_than_the_last_uploads():
    statuses = pytest.importorskip("gradio.routes").file_upload_statuses
    bound_forms_of_page(3)
    for number in range(1100):
        statuses.track(str(number))
    assert len(statuses._statuses) == len(statuses._signals) == 1024
    assert statuses.is_done("1099") is False


def test_a_song_sent_again_while_it_is_read_is_another_file(tmp_path):
    uploads = Uploads(tmp_path)
    song = tmp_path / "hash" / "a.wav"
    song.parent.mkdir()
    song.write_bytes(b"first")
    with uploads.held([song]) as (own,):
        (tmp_path / "new").write_bytes(b"again")
        (tmp_path / "new").rename(song)
        assert own.read_bytes() == b"first"
        assert own != song
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []
    with uploads.held([song]) as (own,):  # swept before
        assert own == song
