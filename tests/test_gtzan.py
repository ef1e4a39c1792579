"""GTZAN's facts are right, and `fetch` gets it whole from any source, or says what to do."""

import contextlib
import gzip
import hashlib
import http.server
import io
import re
import tarfile
import threading
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat.collections import gtzan
from backbeat.collections.collection import read_collection
from backbeat.collections.gtzan import fetching
from backbeat.collections.gtzan.fetching import fetch
from backbeat.errors import BackbeatError
from sounds import GTZAN

# --- Facts


@pytest.mark.parametrize(
    ("name", "track"),
    [
        ("blues/blues.00000.wav", "blues.00000"),
        ("blues_00000.flac", "blues.00000"),
        ("genres/blues.00099.au", "blues.00099"),
        ("Hip-Hop/Hip-Hop.00012.mp3", "hiphop.00012"),
        ("hip_hop_00012.wav", "hiphop.00012"),
        ("C:\\music\\rock.00001.wav", "rock.00001"),
        ("jazz.00054", "jazz.00054"),
        ("blues.00100.wav", None),
        ("blues.0000.wav", None),
        ("polka.00000.wav", None),
        ("._blues.00000.au", None),
        ("blues.00000.wav.txt", None),
        ("blues/song.wav", None),
        ("", None),
    ],
)
def test_track_id(name, track):
    assert gtzan.track_id(name) == track


@given(st.text())
def test_track_id_of_nonsense(name):
    track = gtzan.track_id(name)
    assert track is None or re.fullmatch(r"[a-z]+\.000\d\d", track)


def test_artists_and_titles():
    tracks = [f"{genre}.{number:05}" for genre in gtzan.GENRES for number in range(100)]
    assert sum(bool(gtzan.artist_of(track)) for track in tracks) == 919
    assert gtzan.artist_of("blues.00000") == "John Lee Hooker"
    assert gtzan.title_of("blues.00000") == "One Bourbon, One Scotch And One Beer"
    assert (gtzan.artist_of("blues.00004"), gtzan.title_of("blues.00004")) == (
        "John Lee Hooker",
        "",
    )
    assert (gtzan.artist_of("pop.00014"), gtzan.title_of("pop.00014")) == (
        "",
        "I'll Be Watching You",
    )
    assert gtzan.artist_of("nothing") == ""
    assert gtzan.artist_of("metal.00090") == "Black Sabbath"


def test_artists_agree_with_their_source():
    index = GTZAN / "GTZANindex.txt"
    if not index.is_file():
        pytest.skip("Sturm's index (../shared/gtzan/GTZANindex.txt) is not here")
    respelt = set()
    for line in index.read_text(encoding="ascii").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        name, artist, title = (part.strip() for part in line.split(":::"))
        track = gtzan.track_id(name)
        assert gtzan.title_of(track) == title
        if gtzan.artist_of(track) != artist:
            respelt.add(artist)
    assert respelt == {"Earth Wind and Fire", "Rage Against The Machine"}


def test_excluded():
    assert list(gtzan.EXCLUDED) == ["jazz.00054"]


# --- Fetching: a made-up archive of the true one's shape


def sound(track):
    return track.encode() * 2_000


TRACKS = [f"{genre}.{number:05}" for genre in ("blues", "hiphop", "jazz") for number in range(4)]


def tar_gz(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                content.name = name
                tar.addfile(content)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


ORIGINAL = tar_gz(
    [(f"genres/{t.partition('.')[0]}/{t}.au", sound(t)) for t in TRACKS]
    + [("genres/._blues.00000.au", b"apple"), ("genres/bextract.mf", b"text")]
)
MD5 = hashlib.md5(ORIGINAL).hexdigest()


def contents(out):
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def expected(suffix="au"):
    return {f"genres/{t.partition('.')[0]}/{t}.{suffix}": sound(t) for t in TRACKS}


class Server:
    """A web server on this machine, with faults on request."""

    def __init__(self, content, *, break_after=None, status=200):
        self.content = content
        self.break_after = break_after  # bytes an answer, None for all
        self.status = status
        self.requests = 0

    @contextlib.contextmanager
    def running(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/genres.tar.gz"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def answer(self, handler):
        self.requests += 1
        if self.status != 200:
            handler.send_error(self.status)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        handler.wfile.write(self.content[: self.break_after])


def test_download(tmp_path):
    reports = []
    with Server(ORIGINAL).running() as url:
        genres = fetch(
            tmp_path / "gtzan",
            urls=[url],
            md5=MD5,
            on_progress=lambda *report: reports.append(report),
        )
    assert genres == tmp_path / "gtzan/genres"
    assert contents(tmp_path / "gtzan") == expected()
    assert ("download", len(ORIGINAL), len(ORIGINAL)) in reports
    assert reports[-1] == ("unpack", 12, None)
    assert read_collection(tmp_path / "gtzan").kind == "gtzan"


def test_what_is_there_is_not_downloaded_again(tmp_path):
    server = Server(ORIGINAL)
    with server.running() as url:
        fetch(tmp_path, urls=[url], md5=MD5)
        fetch(tmp_path, urls=[url], md5=MD5)
    assert server.requests == 1


def test_killed_before_unpacking(tmp_path):
    (tmp_path / "genres.tar.gz.part").write_bytes(ORIGINAL)
    (tmp_path / ".genres-unpacking/blues").mkdir(parents=True)
    (tmp_path / ".genres-unpacking/blues/blues.00000.au").write_bytes(b"half")
    fetch(tmp_path, urls=[], md5=MD5)
    assert contents(tmp_path) == expected()


@pytest.mark.parametrize(
    "left", [ORIGINAL[:100], b"x" * len(ORIGINAL), b"x" * 9999], ids=["part", "other", "longer"]
)
def test_what_a_killed_download_left_is_replaced(tmp_path, left):
    (tmp_path / "genres.tar.gz.part").write_bytes(left)
    with Server(ORIGINAL).running() as url:
        fetch(tmp_path, urls=[url], md5=MD5)
    assert contents(tmp_path) == expected()


def error_of(*args, **options):
    with pytest.raises(BackbeatError) as caught:
        fetch(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_connection_that_breaks_off(tmp_path):
    with Server(ORIGINAL, break_after=200).running() as url:
        message = error_of(tmp_path, urls=[url], md5=MD5)
    assert "the connection broke off" in message
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_checksum(tmp_path):
    other = tar_gz([("genres/blues/blues.00000.au", b"forged")])
    with Server(other).running() as url:
        message = error_of(tmp_path, urls=[url], md5=MD5)
    assert "it sends has a wrong checksum" in message
    assert list(tmp_path.iterdir()) == []


def test_the_next_address_is_tried(tmp_path):
    wrong, gone, right = Server(b"<html>"), Server(b"", status=404), Server(ORIGINAL)
    with wrong.running() as one, gone.running() as two, right.running() as three:
        fetch(tmp_path, urls=[one, two, three], md5=MD5)
    assert contents(tmp_path) == expected()


def test_all_addresses_dead(tmp_path):
    with Server(b"", status=404).running() as gone:
        pass  # nobody listens there any more
    with Server(b"", status=503).running() as busy:
        message = error_of(tmp_path / "my data", urls=[gone, busy], md5=MD5)
    assert message.startswith("GTZAN cannot be downloaded (127.0.0.1:")
    assert "refused" in message
    assert "it answers 503 Service Unavailable" in message
    assert "get genres.tar.gz or Kaggle's archive" in message
    assert f"backbeat data gtzan -o {tmp_path}/my data --from FILE" in message


# --- From an archive


def test_original_archive(tmp_path):
    (tmp_path / "genres.tar.gz").write_bytes(ORIGINAL)
    fetch(tmp_path / "out", source=tmp_path / "genres.tar.gz")
    assert contents(tmp_path / "out") == expected()


def test_kaggles_archive(tmp_path):
    members = [(f"Data/genres_original/{t.partition('.')[0]}/{t}.wav", sound(t)) for t in TRACKS]
    members += [("Data/images_original/blues/blues00000.png", b"png")]
    members += [("Data/images_original/blues/blues.00001.png", b"png")]
    members += [("Data/features_30_sec.csv", b"filename,length\n")]
    (tmp_path / "archive.zip").write_bytes(zipped(members))
    fetch(tmp_path / "out", source=tmp_path / "archive.zip")
    assert contents(tmp_path / "out") == expected("wav")
    assert read_collection(tmp_path / "out").kind == "gtzan"


def link(kind, target="/etc/passwd"):
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member


def zip_link():
    member = zipfile.ZipInfo("genres/blues/blues.00001.au")
    member.external_attr = 0o120777 << 16
    return member


GOOD = ("genres/blues/blues.00000.au", b"sound")
HOSTILE = {
    "outside.tar": (tar_gz([GOOD, ("../blues/blues.00001.au", b"x")]), "leads outside"),
    "absolute.tar": (tar_gz([GOOD, ("/tmp/blues/blues.00001.au", b"x")]), "leads outside"),
    "link.tar": (tar_gz([GOOD, ("blues/blues.00001.au", link(tarfile.SYMTYPE))]), "a link"),
    "hard.tar": (tar_gz([GOOD, ("blues/blues.00001.au", link(tarfile.LNKTYPE))]), "a link"),
    "device.tar": (tar_gz([GOOD, ("blues/blues.00001.au", link(tarfile.CHRTYPE))]), "device"),
    "pipe.tar": (tar_gz([GOOD, ("blues/blues.00001.au", link(tarfile.FIFOTYPE))]), "device"),
    "outside.zip": (zipped([GOOD, ("../blues/blues.00001.au", b"x")]), "leads outside"),
    "windows.zip": (zipped([GOOD, ("..\\blues\\blues.00001.au", b"x")]), "leads outside"),
    "link.zip": (zipped([GOOD, (zip_link(), b"/etc/passwd")]), "a link"),
    "cut.tar": (ORIGINAL[: len(ORIGINAL) // 2], "not a whole archive"),
    "cut.zip": (zipped([GOOD])[:-20], "not a whole archive"),
    "text.tar": (b"this is no archive" * 100, "not an archive (tar.gz, zip); get"),
    "songs.parquet": (b"PAR1" + bytes(200) + b"PAR1", "not an archive (tar.gz, zip); get genres"),
    "empty.tar": (b"", "not a whole archive"),
    "other.zip": (zipped([("songs/a.mp3", b"x")]), "no tracks of GTZAN"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_archives_that_are_refused(tmp_path, name):
    content, words = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    out = tmp_path / "deep" / "out"
    message = error_of(out, source=tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: ")
    assert words in message
    assert [path.name for path in tmp_path.iterdir()] == [name]  # no empty folder is left


def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_BYTES", 1_000_000)
    monkeypatch.setattr(fetching, "MAX_MEMBERS", 20)
    big = [(f"blues/blues.0000{i}.au", bytes(400_000)) for i in range(3)]
    many = [(f"blues/{i}.txt", b"") for i in range(21)]
    for name, pack in (("bomb.tar.gz", tar_gz), ("bomb.zip", zipped)):
        (tmp_path / name).write_bytes(pack(big))
        assert "unpacks to more than" in error_of(tmp_path / "out", source=tmp_path / name)
        (tmp_path / name).write_bytes(pack(many))
        assert "more than 20 members" in error_of(tmp_path / "out", source=tmp_path / name)
    assert contents(tmp_path / "out") == {}


def test_what_is_passed_over_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_BYTES", 1_000_000)
    archive = tmp_path / "bomb.tar.gz"
    archive.write_bytes(tar_gz([GOOD, ("README", bytes(1_000_000))]))
    assert "unpacks to more than" in error_of(tmp_path / "out", source=archive)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_that_would_fill_the_memory(tmp_path, kind):
    header = tarfile.TarInfo("long")
    header.type, header.size = kind, 16 * 2**20
    for before in (b"", tar_gz([GOOD])):
        plain = gzip.decompress(before).rstrip(b"\0") if before else b""
        plain += bytes(-len(plain) % 512) + header.tobuf() + bytes(header.size)
        for name, content in (("a.tar.gz", gzip.compress(plain, 1)), ("a.tar", plain)):
            (tmp_path / name).write_bytes(content)
            assert "not a whole archive" in error_of(tmp_path / "out", source=tmp_path / name)


def test_no_such_archive(tmp_path):
    assert "gone.zip: No such file" in error_of(tmp_path / "out", source=tmp_path / "gone.zip")


# --- From a folder at hand


def lay_out(folder, suffix="wav"):
    for track in TRACKS:
        path = folder / track.partition(".")[0] / f"{track}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sound(track))


def test_folder(tmp_path):
    lay_out(tmp_path / "kaggle/Data/genres_original")
    (tmp_path / "kaggle/Data/features_30_sec.csv").touch()
    (tmp_path / "kaggle/Data/genres_original/blues/notes.txt").touch()
    reports = []
    fetch(
        tmp_path / "out",
        source=tmp_path / "kaggle",
        on_progress=lambda *report: reports.append(report),
    )
    assert contents(tmp_path / "out") == expected("wav")
    assert reports[-1] == ("copy", 12, 12)


def test_copying_goes_on(tmp_path, monkeypatch):
    lay_out(tmp_path / "mine")
    copied = []
    original = fetching.shutil.copyfile

    def copy(source, target):
        copied.append(source.name)
        if len(copied) == 5:
            raise OSError(28, "No space left on device", str(target))
        original(source, target)

    monkeypatch.setattr(fetching.shutil, "copyfile", copy)
    message = error_of(tmp_path / "out", source=tmp_path / "mine")
    assert "No space left on device" in message
    assert not (tmp_path / "out/genres").exists()
    fetch(tmp_path / "out", source=tmp_path / "mine")
    assert len(copied) == 5 + 8  # the fifth once more, and the others behind it
    assert contents(tmp_path / "out") == expected("wav")


def test_missing_tracks_are_added(tmp_path):
    lay_out(tmp_path / "mine")
    fetch(tmp_path / "out", source=tmp_path / "mine")
    (tmp_path / "out/genres/jazz/jazz.00001.wav").unlink()
    fetch(tmp_path / "out", source=tmp_path / "mine")
    assert contents(tmp_path / "out") == expected("wav")


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "songs/polka").mkdir(parents=True)
    assert "no folders of GTZAN's genres" in error_of(tmp_path / "out", source=tmp_path / "songs")
