"""The genre is written in each format's own way, and nothing else changes."""

import struct
import subprocess
import sys

import mutagen
import pytest
from mutagen import apev2, id3, mp4

from backbeat.library.tags import formats
from backbeat.library.tags.rewriting import TagError, same_sound
from sounds import music, write
from tagged import SUFFIXES, add_tags, copy_of, cover, make_songs, sound

NAMES = {
    **dict.fromkeys(("mp3", "wav", "aiff"), "ID3v2.4"),
    **dict.fromkeys(("flac", "ogg", "opus"), "Vorbis comment"),
    **{"m4a": "MP4", "wma": "ASF"},
}


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A song in each format, with tags and cover art; not to be changed."""
    return make_songs(tmp_path_factory.mktemp("songs"))


def everything_else(path):
    """All tags but the genre, and the pictures, as mutagen reads them."""
    file = mutagen.File(path)
    if isinstance(file.tags, id3.ID3):
        tags = id3.ID3(path, translate=False) if path.suffix == ".mp3" else file.tags
        return sorted((k, repr(v)) for k, v in tags.items() if k != "TCON")
    pictures = [picture.write() for picture in getattr(file, "pictures", ())]
    if path.suffix == ".wma":
        return sorted((k, repr(v)) for k, v in file.tags if k != "WM/Genre")
    pairs = [(k.lower(), [str(one) for one in v]) for k, v in file.tags.items()]
    return sorted(p for p in pairs if p[0] not in ("genre", "\xa9gen")), pictures


@pytest.mark.parametrize("genres", [("Hip-Hop",), ("Rock", "Músic 物"), ()])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_but_the_genre_changes(songs, tmp_path, suffix, genres):
    song = copy_of(songs[suffix], tmp_path)
    others, before = everything_else(song), sound(song)
    assert len(str(others)) > 1000  # the cover is in it
    assert formats.read(song).genres == ()
    assert formats.write(song, genres) == genres
    present = formats.read(song)
    assert (present.format, present.values, present.genres) == (NAMES[suffix], genres, genres)
    assert everything_else(song) == others
    assert sound(song) == before
    assert same_sound(songs[suffix], song)
    # Written over, and taken out again.
    assert formats.write(song, ("Jazz",)) == ("Jazz",)
    assert formats.write(song, ()) == ()
    assert everything_else(song) == others
    assert sound(song) == before


def raw_genres(path):
    """How a player that splits nothing sees the genre."""
    file = mutagen.File(path)
    if isinstance(file.tags, id3.ID3):
        return file.tags["TCON"].text
    return [
        str(one)
        for one in file.tags[{"m4a": "\xa9gen", "wma": "WM/Genre"}.get(path.suffix[1:], "genre")]
    ]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_genres_are_several_values(songs, tmp_path, suffix):
    song = copy_of(songs[suffix], tmp_path)
    formats.write(song, ("Rock", "Metal"))
    assert raw_genres(song) == ["Rock", "Metal"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_any_tag_gets_one(tmp_path, suffix):
    song = write(tmp_path / f"bare.{suffix}")
    before = sound(song)
    assert formats.read(song).values == ()
    formats.write(song, ("Rock",))
    assert formats.read(song).values == ("Rock",)
    assert sound(song) == before


@pytest.mark.parametrize("suffix", ["mp3", "wav", "aiff"])
@pytest.mark.parametrize("version", [3, 4])
def test_id3_keeps_its_version(tmp_path, suffix, version):
    song = add_tags(write(tmp_path / f"song.{suffix}"), cover(), ["(17)"], version=version)
    assert formats.read(song).format == f"ID3v2.{version}"
    assert formats.read(song).values == ("(17)",)
    assert formats.read(song).genres == ("Rock",)
    written = formats.write(song, ("Jazz", "Blues"))
    assert written == (("Jazz/Blues",) if version == 3 else ("Jazz", "Blues"))
    assert formats.read(song).format == f"ID3v2.{version}"
    assert b"ID3" + bytes([version, 0]) in song.read_bytes()
    tags = type(mutagen.File(song))(song, translate=False).tags
    # Several values of other frames, against the rules of 2.3, stay apart.
    assert tags["TPE1"].text == ["One", "Two"]
    assert tags["POPM:a@b"].count == 3


def v1(title=b"An old title", genre=255):
    fields = [b"TAG", title.ljust(30, b"\0"), b"Who".ljust(30, b"\0"), bytes(30), b"1999"]
    return b"".join(fields) + b"a comment".ljust(30, b"\0") + bytes([genre])


@pytest.mark.parametrize(("genre", "number"), [("Hip-Hop", 7), ("Trip Hip Hop", 255)])
def test_id3v1_gets_the_number_alone(tmp_path, genre, number):
    song = add_tags(write(tmp_path / "song.mp3"), cover())
    song.write_bytes(song.read_bytes() + v1())
    formats.write(song, (genre, "Rock"))
    assert song.read_bytes()[-128:] == v1(genre=number)
    assert str(mutagen.File(song).tags["TIT2"]) == "Ütle"


def test_what_only_id3v1_says_is_seen_beside_the_new_genre(tmp_path):
    song = write(tmp_path / "song.mp3")
    song.write_bytes(song.read_bytes() + v1(genre=8))
    assert formats.read(song).genres == ("Jazz",)
    formats.write(song, ("Rock",))
    assert song.read_bytes()[-128:] == v1(genre=17)
    tags = id3.ID3(song, load_v1=False)
    assert (str(tags["TIT2"]), str(tags["TCON"])) == ("An old title", "Rock")


def test_genres_of_tags_that_are_not_written_count(tmp_path):
    song = write(tmp_path / "song.mp3")
    ape = apev2.APEv2()
    ape["Genre"] = ["Ska", "Dub"]
    ape.save(song)
    assert formats.read(song).values == ()
    assert formats.read(song).genres == ("Ska", "Dub")
    wav = write(tmp_path / "song.wav")
    chunk = b"INFO" + b"IGNR" + struct.pack("<I", 4) + b"Ska\0"
    content = wav.read_bytes() + b"LIST" + struct.pack("<I", len(chunk)) + chunk
    wav.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])
    assert formats.read(wav).values == ()
    assert formats.read(wav).genres == ("Ska",)


def test_an_mp4_genre_by_number_is_read(songs, tmp_path):
    song = copy_of(songs["m4a"], tmp_path)
    atom = b"gnre" + struct.pack(">I4sIIH", 18, b"data", 0, 0, 18)
    number = struct.pack(">I", 4 + len(atom)) + atom
    tags = mp4.MP4(song)
    tags["\xa9gen"] = ["1234567890"]  # room of the same length, overwritten below
    tags.save()
    content = song.read_bytes()
    named = (
        struct.pack(">I", 34)
        + b"\xa9gen"
        + struct.pack(">I4sII", 26, b"data", 1, 0)
        + b"1234567890"
    )
    free = struct.pack(">I4s", len(named) - len(number), b"skip")
    assert content.count(named) == 1 and len(named) == len(number) + len(free)
    song.write_bytes(content.replace(named, number + free))
    assert formats.read(song).genres == ("Rock",)
    formats.write(song, ("Jazz",))
    assert formats.read(song).values == ("Jazz",)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "m4a"])
def test_where_there_is_room_the_file_keeps_its_length(songs, tmp_path, suffix):
    song = copy_of(songs[suffix], tmp_path)
    formats.write(song, ("Rock",))  # makes room
    size = song.stat().st_size
    formats.write(song, ("Classical", "Hip-Hop"))
    assert song.stat().st_size == size


def test_blank_genres_are_none(tmp_path, songs):
    song = copy_of(songs["flac"], tmp_path)
    formats.write(song, ("", " "))
    assert formats.read(song).values == ("", " ")
    assert formats.read(song).genres == ()


def test_what_has_no_tags_is_refused(tmp_path):
    with pytest.raises(TagError, match=r"a\.au: has a format whose tags cannot be written"):
        formats.read(write(tmp_path / "a.au"))
    text = tmp_path / "text.mp3"
    text.write_text("no song at all")
    with pytest.raises(TagError, match="tags cannot be read"):
        formats.read(text)
    with pytest.raises(FileNotFoundError):
        formats.read(tmp_path / "missing.mp3")


def test_other_sound_is_told(songs, tmp_path):
    for suffix in SUFFIXES:
        other = write(tmp_path / f"other.{suffix}", music(1.0, seed=99))
        assert same_sound(songs[suffix], songs[suffix])
        assert not same_sound(songs[suffix], other)
    text = tmp_path / "text.mp3"
    text.write_text("no song at all")
    assert not same_sound(text, text)


def test_without_mutagen_one_line_says_what_to_install(songs):
    code = f"""
import sys
sys.modules["mutagen"] = None
sys.argv = ["backbeat", "tag", {str(songs["mp3"])!r}]
from backbeat.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "backbeat: reading and writing tags needs mutagen: pip install 'backbeat[library]'\n"
    )
