"""The service behind the page and the API: turns, limits, uploads, and the API without a server."""

import asyncio
import io
import os
import re
import shutil
import sys
import threading
import time
from concurrent.futures import Executor, Future
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from starlette.testclient import TestClient

from backbeat import audio
from backbeat.classify import Answer
from backbeat.cli import app
from backbeat.errors import BackbeatError
from backbeat.files.cells import escaped
from backbeat.parallel.executors import InlineExecutor
from backbeat.web import Limits, view
from backbeat.web.api import make_api
from backbeat.web.guard import Guard
from backbeat.web.intake import Intake
from backbeat.web.service import RefusedError, Service, shown_name
from backbeat.web.uploads import Arrivals, Uploads, open_uploads
from faults import faulty_environment
from sounds import music, silent_opus, write

FAULTY = ("crash.wav", "hang.wav")
BUSY, TOO_LATE = HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT


ROCK = Answer(Path("a.wav"), 12.0, (("rock", 1.0),), "sure", None, 1.0, ())


# --- The service: turns and limits


@pytest.fixture
def service(bundle):
    limits = Limits(megabytes=1, minutes=0.5, at_once=1, waiting=1)
    with Service.of_model(str(bundle), limits) as service:
        yield service


def test_it_answers_as_the_classifier_does(service, songs):
    path = songs / "a.wav"
    given = service.answer(path, "Mine.wav")
    known = service.classifier.classify(path)
    assert given.ranking == known.ranking
    assert given.path == Path("Mine.wav")


def refusal(service, path, name="x.wav"):
    with pytest.raises(RefusedError) as refused:
        service.answer(path, name)
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith(f"{name}: ")
    assert str(path) not in str(refused.value)  # where it lies here is nobody's business
    return refused.value.status, str(refused.value)


def test_what_is_refused(service, tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("this is no song")
    assert refusal(service, text)[0] == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    short = write(tmp_path / "short.wav", music(0.5))
    assert refusal(service, short)[0] == HTTPStatus.UNPROCESSABLE_ENTITY
    long = write(tmp_path / "long.mp3", music(40.0))
    status, what = refusal(service, long)
    assert status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "too long (0.7 minutes); at most 0.5 minutes" in what
    large = write(tmp_path / "large.wav", music(25.0))
    assert large.stat().st_size > 1e6
    status, what = refusal(service, large)
    assert status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "at most 1 MB" in what


def test_a_surprise_of_a_decoder_is_the_files_fault(service, songs, monkeypatch):
    def surprise(*_):
        raise ValueError(f"no\nway with {songs / 'a.wav'}")

    monkeypatch.setattr("backbeat.audio.duration", surprise)
    service.workers = InlineExecutor()
    status, what = refusal(service, songs / "a.wav")
    assert status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "could not be decoded (ValueError: no way with x.wav)" in what


def test_a_file_that_is_gone_is_asked_for_again(service, tmp_path):
    status, what = refusal(service, tmp_path / "gone.wav")
    assert (status, "send it again" in what) == (HTTPStatus.UNPROCESSABLE_ENTITY, True)


def test_an_answer_that_takes_too_long_is_stopped(bundle, tmp_path):
    hour = silent_opus(tmp_path / "hour.opus", 3000.0)
    with Service.of_model(str(bundle), Limits(minutes=60, seconds=0.01)) as service:
        start = time.monotonic()
        status, what = refusal(service, hour)
    assert (status, time.monotonic() - start < 20) == (TOO_LATE, True)
    assert "no answer within 0.01 s" in what
    assert (service.answering, service.waiting) == (0, 0)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_decoder_that_crashes_or_hangs_does_not_end_the_server(
    bundle, songs, tmp_path, monkeypatch
):
    for name, value in faulty_environment(tmp_path / "faults").items():
        monkeypatch.setenv(name, value)
    with Service.of_model(str(bundle), Limits(seconds=5, at_once=1)) as service:
        crashing, hanging = (shutil.copy(songs / "a.wav", tmp_path / n) for n in FAULTY)
        status, what = refusal(service, Path(crashing))
        assert status == HTTPStatus.UNPROCESSABLE_ENTITY
        assert what == "x.wav: could not be decoded (its process crashed (SIGSEGV))"
        status, what = refusal(service, Path(hanging))
        assert (status, "no answer within 5 s" in what) == (TOO_LATE, True)
        assert service.answer(songs / "a.wav", "a.wav").path == Path("a.wav")
        # What draws a song is as far from the server.
        with pytest.raises(RefusedError, match=r"x\.wav: could not be decoded .its process crash"):
            service.work(audio.duration, Path(crashing), "x.wav")
        assert service.work(audio.duration, songs / "a.wav", "a.wav") == 6.0
    assert (service.answering, service.waiting) == (0, 0)


class Slow(Executor):
    """Workers that answer on request."""

    def __init__(self):
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def submit(self, *_):
        self.begun.release()
        assert self.go.wait(20)
        answered = Future()
        answered.set_result(ROCK)
        return answered


def test_one_is_answered_one_waits_one_is_refused(service, songs):
    slow = service.workers = Slow()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(service.answer(songs / "a.wav", "a.wav")))
        for _ in range(2)
    ]
    threads[0].start()
    assert slow.begun.acquire(timeout=10)
    threads[1].start()
    until(lambda: service.waiting == 1)
    assert service.answering == 1
    status, what = refusal(service, songs / "a.wav")
    assert status == BUSY
    assert "busy" in what
    slow.go.set()
    for thread in threads:
        thread.join(10)
    assert [answer.genre for answer in answers] == ["rock", "rock"]
    assert (service.answering, service.waiting) == (0, 0)


def until(true, seconds=10.0):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_turn_that_never_comes_is_refused(bundle, songs):
    service = Service.of_model(str(bundle), Limits(at_once=1, waiting=1, seconds=0.2))
    slow = service.workers = Slow()
    first = threading.Thread(target=lambda: service.answer(songs / "a.wav", "a.wav"))
    first.start()
    assert slow.begun.acquire(timeout=10)
    status, what = refusal(service, songs / "a.wav")
    assert (status, "its turn did not come" in what) == (BUSY, True)
    slow.go.set()
    first.join(10)


def test_names_are_cut_to_their_end():
    assert shown_name("C:\\music\\a.wav") == "a.wav"
    assert shown_name("../../etc/a.wav") == "a.wav"
    assert shown_name("") == "file"
    assert shown_name("a\nb.wav") == r"a\x0ab.wav"
    assert len(shown_name("a" * 500)) == 120


def test_a_name_with_direction_marks_is_shown_whole_and_once(service, songs, tmp_path):
    from backbeat.web.page import _answered

    name, shown = "left\u200f\u202eright.wav", r"left\xe2\x80\x8f\xe2\x80\xaeright.wav"
    good, bad = (_answered(service, path, name) for path in (songs / "a.wav", tmp_path / "no"))
    assert (good.path, bad.path) == (Path(name), Path(name))
    table = view.table_html([good, bad], of=2)
    assert table.count(f">{shown}<") == 2
    assert "u202e" not in table
    assert shown in view.answer_html(good)
    assert view.results_csv([good, bad]).count(escaped(name)) == 2


# --- Uploads


def test_an_upload_is_there_until_it_is_answered():
    with open_uploads() as uploads:
        assert uploads.folder.stat().st_mode & 0o777 == 0o700
        with uploads.kept(io.BytesIO(b"song")) as path:
            assert path.read_bytes() == b"song"
        assert list(uploads.folder.iterdir()) == []
    assert not uploads.folder.exists()


def test_the_same_file_of_two_visitors_is_removed_after_the_second(tmp_path):
    uploads = Uploads(tmp_path)
    path = tmp_path / "hash" / "a.wav"
    path.parent.mkdir()
    path.touch()
    arrivals = Arrivals(uploads)
    arrivals.update([str(path)])
    arrivals.update([str(path)])
    uploads.forget(path)
    assert path.exists()
    uploads.forget(path)
    assert not path.exists()
    uploads.forget(path)  # gone already


def test_nothing_outside_is_ever_removed(tmp_path):
    song = tmp_path / "song.wav"
    song.touch()
    (tmp_path / "uploads").mkdir()
    uploads = Uploads(tmp_path / "uploads")
    (tmp_path / "uploads" / "link").symlink_to(tmp_path)
    for path in (song, uploads.folder / ".." / "song.wav", uploads.folder / "link" / "song.wav"):
        uploads.forget(path)
        assert song.exists()
        with pytest.raises(BackbeatError, match=r"song\.wav: was not sent"), uploads.held([path]):
            pass
    for odd in ("a\0b", "a" * 5000, "\ud800", str(uploads.folder)):
        assert not uploads.holds(Path(odd))
    assert song.exists()


def test_sweeping_removes_what_is_old(tmp_path):
    uploads = Uploads(tmp_path)
    old, new = tmp_path / "old" / "a.wav", tmp_path / "new" / "b.wav"
    for path in (old, new):
        path.parent.mkdir()
        path.touch()
    for path in (old, old.parent):
        os.utime(path, (0, 0))
    assert uploads.sweep(60) == 1
    assert not old.exists()
    assert new.exists()
    os.utime(old.parent, (0, 0))  # emptying it made it new
    uploads.sweep(60)
    assert not old.parent.exists()


def test_what_is_being_answered_is_not_swept(tmp_path):
    uploads = Uploads(tmp_path)
    song = tmp_path / "a.wav"
    song.touch()
    os.utime(song, (0, 0))
    with uploads.held([song]):
        assert uploads.sweep(60) == 0
        assert song.exists()
    assert not song.exists()


# --- The API, without a server


@pytest.fixture
def client(service, tmp_path):
    uploads = Uploads(tmp_path)
    app = Guard(Intake(make_api(service, uploads), service.limits, uploads))
    return TestClient(app, raise_server_exceptions=False)


def test_busy_says_when_to_try_again(client, service, songs, tmp_path):
    service.limits = Limits(at_once=1, waiting=0)
    service._places = threading.Semaphore(0)
    reply = client.post("/api/classify", files={"file": (songs / "a.wav").open("rb")})
    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "5"
    assert reply.json()["error"].startswith("a.wav: busy")
    assert list(tmp_path.iterdir()) == []


def test_a_large_request_is_refused_while_it_comes(client):
    def endless():
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(100):
            yield b"\0" * 100_000

    kind = {"content-type": "multipart/form-data; boundary=x"}
    reply = client.post("/api/classify", content=endless(), headers=kind)
    assert (reply.status_code, "at most 1 MB" in reply.json()["error"]) == (413, True)


def test_headers_keep_a_browser_at_home(client):
    policy = client.get("/api/health").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "*" not in policy


def test_an_error_that_is_no_refusal_shows_nothing_of_the_machine(client, service, songs):
    service.answer = lambda *_, **__: 1 / 0
    reply = client.post("/api/classify", files={"file": (songs / "a.wav").open("rb")})
    assert reply.status_code == 500
    assert "division" not in reply.text


def test_without_the_extra_one_line_says_what_to_install(cli, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("backbeat.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    status, out, err = cli("serve")
    assert (status, out) == (1, "")
    assert err == "backbeat: the page needs uvicorn: pip install 'backbeat[web]'\n"


def test_a_root_path_begins_with_a_slash(cli):
    status, _, err = cli("serve", "--root-path", "music")
    assert (status, err) == (1, "backbeat: --root-path music: must begin with a slash\n")


def test_the_documentation_tells_every_option_with_its_default():
    page = (Path(__file__).parents[1] / "docs" / "web.md").read_text("utf-8")
    documented = {}
    for options, defaults in re.findall(r"^\| (`--.+?) \| (.*?) \|", page, re.MULTILINE):
        values = defaults.replace("`", "").replace("none", "").split(", ")
        documented.update(zip(re.findall(r"--[a-z-]+", options), values, strict=True))
    verb = typer.main.get_command(app).commands["serve"]
    known = {one.opts[0]: str(one.default or "") for one in verb.params if one.name != "help"}
    assert documented == known


def test_no_folder_for_uploads_is_told(monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(BackbeatError, match="No space left on device"), open_uploads():
        pass


def test_a_song_is_what_was_sent(tmp_path):
    from backbeat.web.page import _sent_only

    async def take(place):
        return place

    uploads = Uploads(tmp_path)
    component = _sent_only(SimpleNamespace(async_move_resource_to_block_cache=take), uploads)
    sent = str(tmp_path / "hash" / "a.wav")
    assert asyncio.run(component.async_move_resource_to_block_cache(sent)) == sent
    for place in ("HTTP://example.com/a.wav", "/etc/passwd", f"{tmp_path}/../a.wav", "a.wav"):
        with pytest.raises(Exception, match="send the file itself"):
            asyncio.run(component.async_move_resource_to_block_cache(place))


def test_a_body_that_cannot_be_read_is_told_in_a_line(bundle, tmp_path, capfd):
    from starlette.testclient import TestClient

    from backbeat.web.limits import Limits
    from backbeat.web.server import make_app
    from backbeat.web.service import Service
    from backbeat.web.uploads import Uploads

    app = make_app(Service.of_model(str(bundle), Limits()), Uploads(tmp_path))
    client = TestClient(app, base_url="http://localhost")
    for place in ("/gradio_api/queue/join", "/api/classify"):
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            for body in (b"\xff\xfe no text", b"{", b"[" * 100_000, b"--x\r\n\0"):
                reply = client.post(place, content=body, headers={"content-type": kind})
                assert reply.status_code in (400, 422), (place, kind, body[:9])
                assert len(reply.text) < 300
    edge = f"multipart/form-data; boundary={'x' * 300}"
    for place in ("/gradio_api/upload", "/api/classify"):
        reply = client.post(place, content=b"--x\r\n", headers={"content-type": edge})
        assert reply.status_code == 400
        assert reply.json()["error"].isprintable()
    assert capfd.readouterr().err == ""
