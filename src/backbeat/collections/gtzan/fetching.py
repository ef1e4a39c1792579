"""Getting GTZAN onto the disk: from the web, from an archive, or from a folder.

The original's addresses come and go, so a copy that the user has is as good a source as any; where
no address answers, the error says what to do by hand.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import lzma
import shutil
import stat
import struct
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from backbeat.audio import AUDIO_SUFFIXES
from backbeat.collections.gtzan import MD5, SOURCES, find_genres, track_id
from backbeat.errors import BackbeatError, message_of, one_line, printable
from backbeat.files.locks import locked
from backbeat.files.text import number

Progress = Callable[[str, int, int | None], None]
"""Called with ``"download"``, ``"unpack"`` or ``"copy"``, how much is done, and of how much (None:
not known): bytes of a download, files otherwise."""

# The original unpacks to 1.3 GB in 1,000 files, Kaggle's copy to 1.4 GB in 2,000.
MAX_BYTES = 4 * 10**9
MAX_MEMBERS = 5_000

TIMEOUT = 30.0  # seconds without a byte
PIECE = 1 << 20

_COPIES = (
    "genres.tar.gz or Kaggle's archive (andradaolteanu/gtzan-dataset-music-genre-classification)"
)


def fetch(
    out: Path,
    *,
    source: Path | None = None,
    urls: Sequence[str] = SOURCES,
    md5: str = MD5,
    on_progress: Progress | None = None,
) -> Path:
    """Get GTZAN into a folder and return ``out/genres``; nothing is done again that is done.

    `source`, an archive (tar, tar.gz, zip) or a folder of a copy in any known layout, is used
    instead of a download. `urls` are addresses of the archive with checksum `md5`, tried in turn.
    """
    report = on_progress or (lambda what, done, total: None)
    try:
        with locked(out):
            out.mkdir(parents=True, exist_ok=True)
            _fetch(out, source, urls, md5, report)
    except OSError as error:
        error.filename = error.filename or out
        raise BackbeatError(printable(message_of(error))) from None
    return out / "genres"


def _fetch(out: Path, source: Path | None, urls: Sequence[str], md5: str, report: Progress) -> None:
    if source is not None and source.is_dir():
        _copy_folder(source, out, report)
    elif (out / "genres").is_dir():  # it appears only when it is whole
        return
    elif source is not None:
        _unpack(source, out, report)
    else:
        archive = out / "genres.tar.gz.part"
        _download(archive, urls, md5, report)
        _unpack(archive, out, report)
        archive.unlink()


# --- Download


def _download(archive: Path, urls: Sequence[str], md5: str, report: Progress) -> None:
    """Download the archive with this checksum from the first address that has it."""
    if archive.exists() and _md5(archive) == md5:  # killed before it was unpacked
        return
    failures = []
    for url in urls:
        try:
            _save(url, archive, report)
            if _md5(archive) == md5:
                return
            failure = "the file that it sends has a wrong checksum"
        except urllib.error.HTTPError as error:
            failure = f"it answers {error.code} {error.reason}"
        except (http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            failure = " ".join(str(reason).split()) or "it does not answer"
        archive.unlink(missing_ok=True)
        failures.append(f"{urllib.parse.urlsplit(url).netloc}: {failure}")
    raise BackbeatError(
        f"GTZAN cannot be downloaded ({'; '.join(failures) or 'no address'}): get {_COPIES} by"
        f" hand, then run: backbeat data gtzan -o {printable(archive.parent)} --from FILE"
    )


def _save(url: str, archive: Path, report: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "backbeat"})
    # Only of the addresses of this package.
    with (
        urllib.request.urlopen(request, timeout=TIMEOUT) as answer,  # nosec B310
        archive.open("wb") as file,
    ):
        total = answer.length
        done = 0
        while piece := answer.read(PIECE):
            done += len(piece)
            if done > MAX_BYTES:
                raise http.client.HTTPException("it sends more than GTZAN can be")
            file.write(piece)
            report("download", done, total)
    if total is not None and done < total:
        raise http.client.HTTPException("the connection broke off")


def _md5(path: Path) -> str:
    """Compute a file's MD5 (against damage, not against forgers)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


# --- Archives

_BROKEN_ARCHIVE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError),  # cut short; packed in a way that Python does not know
    *(IndexError, ValueError, OverflowError, struct.error),  # damaged names, places and numbers
)


def _unpack(archive: Path, out: Path, report: Progress) -> None:
    """Unpack an archive's tracks beside ``out/genres``, and name them so when all are there."""
    shown = printable(archive)
    staging = out / ".genres-unpacking"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    try:
        members = _zip_members if zipfile.is_zipfile(archive) else _tar_members
        found = 0
        room = MAX_BYTES
        for name, content in members(archive):
            target = _target(staging, name)
            if target is None or target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            room = _write(content, target, room, shown)
            found += 1
            report("unpack", found, None)
        if not found:
            raise BackbeatError(f"{shown}: no tracks of GTZAN in it (such as blues/blues.00000.au)")
        staging.rename(out / "genres")
    except _BROKEN_ARCHIVE as error:
        if not _begins_as_archive(archive):
            raise BackbeatError(
                f"{shown}: not an archive (tar.gz, zip); get {_COPIES}, then use --from"
            ) from None
        reason = one_line(error, 120).rstrip(":") or "cut short"
        raise BackbeatError(
            f"{shown}: not a whole archive ({reason}); download it again, then use --from"
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _begins_as_archive(path: Path) -> bool:
    """Whether a file begins as one of the archives that can be read, broken or cut off."""
    with path.open("rb") as file:
        head = file.read(262)
    compressed = (b"PK", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
    return not head or head.startswith(compressed) or head[257:] == b"ustar"


def _target(folder: Path, name: str) -> Path | None:
    """Give the place of an archive's member; None if it is not a track.

    Only a genre's name and a file's name that are known to be GTZAN's are ever used.
    """
    path = PurePosixPath(name)
    identity = track_id(path.name)
    if identity is None or path.suffix.lower() not in AUDIO_SUFFIXES:
        return None
    genre = identity.partition(".")[0]
    # Kaggle's archive has other things by track as well, in folders of other names.
    if track_id(f"{path.parent.name}.00000") != f"{genre}.00000":
        return None
    return folder / genre / path.name


def _write(content: IO[bytes], target: Path, room: int, shown: str) -> int:
    """Write a member, and return how many of the `room` bytes are left."""
    with target.open("wb") as file:
        while piece := content.read(PIECE):
            room -= len(piece)
            if room < 0:
                raise _too_much(shown)
            file.write(piece)
    return room


def _too_much(shown: str) -> BackbeatError:
    return BackbeatError(f"{shown}: unpacks to more than 4 GB, so it is not GTZAN")


class _Bounded:
    """A stream for `tarfile`, which reads headers in one piece however long they say they are."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 8 * PIECE:
            raise tarfile.ReadError("a header is too long")
        content: bytes = self._file.read(size)
        return content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Tar(tarfile.TarFile):
    """A tar archive whose headers are bounded; `open` decompresses it first."""

    def __init__(self, name: Any, mode: Any, fileobj: Any, **options: Any) -> None:
        super().__init__(name, mode, cast(IO[bytes], _Bounded(fileobj)), **options)


def _check_member(archive: Path, name: str, count: int, plain: bool) -> None:
    """Refuse a member that leads outside of the folder, a link or device, or too many members."""
    shown = printable(archive)
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[:1]:
        raise BackbeatError(f"{shown}: unsafe: a member leads outside ({printable(name)})")
    if not plain:
        raise BackbeatError(f"{shown}: unsafe: a link or device in it ({printable(name)})")
    if count > MAX_MEMBERS:
        raise BackbeatError(f"{shown}: more than {number(MAX_MEMBERS)} members, so it is not GTZAN")


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Give a tar archive's files, one at a time."""
    size = 0
    with archive.open("rb") as file, _Tar.open(fileobj=file) as tar:
        for count, member in enumerate(tar, 1):
            _check_member(archive, member.name, count, member.isfile() or member.isdir())
            size += member.size  # skipped members are unpacked, too
            if size > MAX_BYTES:
                raise _too_much(printable(archive))
            content = tar.extractfile(member)
            if content is not None:
                with content:
                    yield member.name, content


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Give a zip archive's files, one at a time."""
    with zipfile.ZipFile(archive) as zipped:
        for count, member in enumerate(zipped.infolist(), 1):
            kind = stat.S_IFMT(member.external_attr >> 16)
            plain = kind in (0, stat.S_IFREG, stat.S_IFDIR)
            _check_member(archive, member.filename, count, plain)
            if member.flag_bits & 1:
                raise BackbeatError(f"{printable(archive)}: encrypted; unpack it by hand first")
            if not member.is_dir():
                with zipped.open(member) as content:
                    yield member.filename, content


# --- Folders


def _copy_folder(source: Path, out: Path, report: Progress) -> None:
    """Copy a folder's tracks one by one, passing over those that are there."""
    inner = find_genres(source)
    if inner is None:
        raise BackbeatError(
            f"{printable(source)}: no folders of GTZAN's genres in it (blues, classical, ...)"
        )
    genres = out / "genres"
    if genres.is_dir() and inner.samefile(genres):
        return
    # Until it is whole it has another name, under which the next run continues.
    folder = genres if genres.is_dir() else out / ".genres-copying"
    files = sorted(path for path in inner.glob("*/*") if path.is_file())
    pairs = [(path, target) for path in files if (target := _target(folder, path.as_posix()))]
    for done, (path, target) in enumerate(pairs, 1):
        if not (target.exists() and target.stat().st_size == path.stat().st_size):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.part")
            shutil.copyfile(path, beside)
            beside.replace(target)
        report("copy", done, len(pairs))
    if not pairs:
        raise BackbeatError(f"{printable(inner)}: no tracks of GTZAN in it")
    if folder != genres:
        folder.rename(genres)
