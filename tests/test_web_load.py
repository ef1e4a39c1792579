"""The page under load: fifty clients at once, of whom most mean no good, on real sockets."""

import contextlib
import re
import socket
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from servers import serving
from sounds import music, write

SECONDS = 5  # that a request may take to come, and a song to be answered: short, for the test
MEGABYTES = 2
MOST_GROWTH = 400  # MB: sixteen songs and the workers that answer them
SLOWEST_HEALTH = 10.0  # s: CI's machines are slow, and shared
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")

HEAD = b"POST /api/classify HTTP/1.1\r\nHost: localhost\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


@pytest.fixture
def server(bundle, tmp_path):
    limits = ("--megabytes", MEGABYTES, "--seconds", SECONDS, "--minutes", 1, "--waiting", 4)
    with serving(tmp_path / "server", "--model", bundle, *limits) as served:
        yield served


class Clients:
    """What fifty visitors do, each kind of them ten times or five."""

    def __init__(self, server, song):
        self.port = int(server.address.rpartition(":")[2])
        self.address = server.address
        self.song = song
        self.replies = defaultdict(Counter)

    def all(self):
        """Every client's own function."""
        kinds = [
            (self.honest, 15),
            (self.hangs, 10),
            (self.hangs_in_the_head, 5),
            (self.leaves, 5),
            (self.promises_more, 4),
            (self.promises_terabytes, 3),
            (self.never_ends, 3),
            (self.garbage, 3),
            (self.many_parts, 2),
        ]
        return [kind for kind, count in kinds for _ in range(count)]

    def honest(self):
        """Send a song, and again whenever the answer is to try later, as its header says."""
        with httpx.Client(base_url=self.address, timeout=PATIENCE) as client:
            for _ in range(40):
                files = {"file": ("a.wav", self.song, "audio/wav")}
                reply = client.post("/api/classify", files=files)
                self.note("honest", reply.status_code, reply.text)
                if reply.status_code != 503:
                    return
                time.sleep(float(reply.headers["retry-after"]) / 10)

    def hangs(self):
        self.send("hangs", HEAD + FORM + b"Content-Length: 100000\r\n\r\n" + FILE + b"\0" * 50_000)

    def hangs_in_the_head(self):
        self.send("hangs in the head", HEAD)

    def leaves(self):
        for place in (b"/api/classify", b"/gradio_api/upload"):
            head = HEAD.replace(b"/api/classify", place)
            self.send(
                "leaves",
                head + FORM + b"Content-Length: 90000\r\n\r\n" + FILE + b"\0" * 40_000,
                reads=False,
            )

    def promises_more(self):
        """Say that more is coming, and end: such a request is closed without a word."""
        body = FILE + self.song[:10_000]
        self.send("promises more", HEAD + FORM + b"Content-Length: 70000\r\n\r\n" + body, ends=True)

    def promises_terabytes(self):
        self.send("promises terabytes", HEAD + FORM + b"Content-Length: 1000000000000\r\n\r\n")

    def never_ends(self):
        """Send in pieces, without saying how many."""
        piece = b"10000\r\n" + b"\0" * 0x10000 + b"\r\n"
        head = HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
        first = b"%x\r\n%b\r\n" % (len(FILE), FILE)
        self.send("never ends", head + first, *[piece] * 16 * (MEGABYTES + 4))

    def garbage(self):
        self.send("garbage", bytes(range(256)) * 64)

    def many_parts(self):
        """Send a form of 500 files, on either way in."""
        for place in (b"/api/classify", b"/gradio_api/upload"):
            head = HEAD.replace(b"/api/classify", place)
            part = FILE.replace(b'"file"', b'"files"') + b"\0" * 1_000 + b"\r\n"
            body = part * 500 + b"--x--\r\n"
            self.send("many parts", head + FORM + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def send(self, kind, *pieces, reads=True, ends=False):
        """Send bytes, and note the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    connection.sendall(piece)
            if not reads:
                return
            if ends:
                connection.shutdown(socket.SHUT_WR)
            reply = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65_536):
                    reply += piece
        head, _, body = reply.decode().partition("\r\n\r\n")
        status = re.match(r"HTTP/1\.1 (\d+) ", head)
        self.note(kind, int(status[1]) if status else 0, body)

    def note(self, kind, status, body):
        assert body.count("\n") == 0, body
        assert "Traceback" not in body
        self.replies[kind][status] += 1


class Watch:
    """Asks for the server's health, and looks at its memory, until it is left."""

    def __init__(self, server):
        self.server = server
        self.asked, self.slowest, self.start, self.peak = 0, 0.0, memory(server), 0.0
        self.ended = threading.Event()
        self.failed = []

    def __enter__(self):
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_error):
        self.ended.set()
        self.thread.join()

    def watch(self):
        with httpx.Client(base_url=self.server.address, timeout=PATIENCE) as client:
            while not self.ended.wait(0.1):
                begun = time.monotonic()
                reply = client.get("/api/health")
                self.slowest = max(self.slowest, time.monotonic() - begun)
                self.asked += 1
                if reply.status_code != 200:
                    self.failed.append(reply.text)
                self.peak = max(self.peak, memory(self.server))


def memory(server):
    """Give how much memory the server and its children hold, in MB."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parents[int(place.name)] = int(
                (place / "stat").read_text().rpartition(")")[2].split()[1]
            )
    family = {server.process.pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    held = 0
    for number in family:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{number}/status").read_text()
            held += int((re.search(r"VmRSS:\s+(\d+)", status) or [0, 0])[1])
    return held / 1024


@pytest.mark.slow
def test_fifty_clients_of_whom_most_mean_no_good(server, tmp_path):
    song = write(tmp_path / "a.wav", music(12.0)).read_bytes()
    clients = Clients(server, song)
    with httpx.Client(base_url=server.address, timeout=PATIENCE) as client:
        files = {"file": ("a.wav", song)}
        assert client.post("/api/classify", files=files).status_code == 200  # all is loaded now
    functions = clients.all()
    assert len(functions) == 50
    with Watch(server) as watch, ThreadPoolExecutor(50) as pool:
        for future in [pool.submit(function) for function in functions]:
            future.result()
    replies = {kind: dict(statuses) for kind, statuses in clients.replies.items()}
    print(
        f"replies {replies}; memory {watch.start:.0f} MB before, {watch.peak:.0f} at most; "
        f"{watch.asked} times healthy, the slowest {watch.slowest:.2f} s"
    )
    assert watch.failed == []
    assert watch.asked > 5
    assert watch.slowest < SLOWEST_HEALTH
    assert watch.peak - watch.start < MOST_GROWTH

    honest = replies.pop("honest")
    assert honest.pop(200) == 15
    assert set(honest) <= {503}
    assert replies == {
        "hangs": {408: 10},
        "hangs in the head": {408: 5},
        "promises more": {0: 4},
        "promises terabytes": {413: 3},
        "never ends": {413: 3},
        "garbage": {400: 3},
        "many parts": {400: 4},
    }

    with httpx.Client(base_url=server.address, timeout=PATIENCE) as client:
        assert client.post("/api/classify", files=files).status_code == 200
        assert client.get("/api/health").json() == {"status": "ok", "answering": 0, "waiting": 0}
    assert server.left() == {}
    assert server.stop() == (0, "")
