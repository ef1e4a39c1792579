"""Songs in every format that has tags, with titles, odd tags and cover art, for the tests."""

import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
from mutagen import aiff, asf, flac, id3, mp3, mp4, oggopus, oggvorbis, wave
from PIL import Image

from backbeat import audio
from sounds import FORMATS, music, write

SUFFIXES = ("mp3", "wav", "aiff", "m4a", "flac", "ogg", "opus", "wma")


def cover(size=64):
    """A picture that does not compress, as JPEG."""
    pixels = np.random.default_rng(size).integers(0, 255, (size, size, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=95)
    return content.getvalue()


def frames(art):
    """ID3 frames of many kinds: the cover stands first, where mutagen would not put it."""
    return [
        id3.APIC(encoding=0, mime="image/jpeg", type=3, desc="front", data=art),
        id3.TXXX(encoding=1, desc="MOOD", text=["wistful — 物の哀れ"]),
        id3.TIT2(encoding=1, text=["Ütle"]),
        id3.TPE1(encoding=0, text=["One", "Two"]),
        id3.COMM(encoding=0, lang="eng", desc="", text=["said"]),
        id3.POPM(email="a@b", rating=200, count=3),
        id3.PRIV(owner="who", data=bytes(range(256))),
        id3.UFID(owner="http://x", data=b"\x00\x01"),
        id3.TRCK(encoding=0, text=["3/9"]),
        id3.TBPM(encoding=0, text=["120"]),
    ]


def add_tags(path, art, genres=(), version=4):
    """Put tags of many kinds and cover art into a song."""
    kind = {
        ".mp3": mp3.MP3,
        ".wav": wave.WAVE,
        ".aiff": aiff.AIFF,
        ".m4a": mp4.MP4,
        ".flac": flac.FLAC,
        ".ogg": oggvorbis.OggVorbis,
        ".opus": oggopus.OggOpus,
        ".wma": asf.ASF,
    }[path.suffix]
    file = kind(path)
    if file.tags is None:
        file.add_tags()
    picture = flac.Picture()
    picture.type, picture.mime, picture.data = 3, "image/jpeg", art
    if path.suffix in (".mp3", ".wav", ".aiff"):
        for frame in frames(art):
            file.tags.add(frame)
        if genres:
            file.tags.add(id3.TCON(encoding=0, text=list(genres)))
        file.tags.save(path, v2_version=version, v23_sep=None)
        return path
    if path.suffix == ".m4a":
        file["\xa9nam"], file["\xa9ART"], file["trkn"] = ["Ütle"], ["One", "Two"], [(3, 9)]
        file["covr"] = [mp4.MP4Cover(art, mp4.MP4Cover.FORMAT_JPEG)]
        file["----:com.apple.iTunes:MOOD"] = [b"wistful"]
        key = "\xa9gen"
    elif path.suffix == ".wma":
        file["Title"], file["WM/Mood"], file["WM/Picture"] = (
            ["Ütle"],
            ["wistful"],
            [asf.ASFByteArrayAttribute(b"\x03" + art)],
        )
        key = "WM/Genre"
    else:
        file["Title"], file["ARTIST"], file["mood"] = ["Ütle"], ["One", "Two"], ["wistful"]
        if path.suffix == ".flac":
            file.add_picture(picture)
        else:
            import base64

            file["metadata_block_picture"] = [base64.b64encode(picture.write()).decode()]
        key = "genre"
    if genres:
        file[key] = list(genres)
    file.save()
    return path


def make_songs(folder, seconds=1.0, art_size=64, genres=()):
    """A song in each format, by its suffix."""
    art = cover(art_size)
    songs = {}
    for seed, suffix in enumerate(SUFFIXES):
        samples = music(seconds, FORMATS[suffix], seed=seed)
        path = write(folder / f"{suffix}.{suffix}", samples)
        songs[suffix] = add_tags(path, art, genres)
    return songs


def copy_of(path, folder, name=None):
    """A copy to be changed."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy2(path, folder / (name or path.name)))


def sound(path):
    """The hash of a song's samples, decoded."""
    with audio.open_source(path) as source:
        digest = hashlib.sha256(str(source.info).encode())
        for block in source:
            digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()
