"""Whatever other programs left in a file stays as it is, byte for byte and in its order."""

import json
import re
import struct
from dataclasses import replace
from pathlib import Path

import mutagen
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backbeat.library.tags import formats, frames, other_files, raw
from backbeat.library.tags.log import LogWriter, read_log
from backbeat.library.tags.plan import Change
from backbeat.library.tags.rewriting import TagError
from backbeat.library.tags.writing import Undone, Written, apply, undo
from odd_tags import (
    ODD,
    TITLE,
    Odd,
    chunk,
    frame,
    id3,
    mp3,
    odd_songs,
    riff,
    said,
    sound,
    synchsafe,
)


def in_order(content, pieces):
    """Whether these bytes stand in a content one after another."""
    place = 0
    for piece in pieces:
        place = content.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return True


@pytest.mark.parametrize("suffix", ODD)
def test_the_genre_alone_changes_and_comes_back(tmp_path, suffix):
    for name, odd in odd_songs(suffix).items():
        assert in_order(odd.content, odd.kept), name
        song = tmp_path / name
        song.write_bytes(odd.content)
        assert formats.read(song).genres == odd.genres, name
        formats.write(song, ("Hip-Hop",))
        assert formats.read(song).values == ("Hip-Hop",), name
        assert in_order(song.read_bytes(), odd.kept), name
        song.write_bytes(odd.content)
        log, genres = LogWriter(tmp_path / f"{name}.jsonl", {}), ("Rock", "Müsic 物")
        change = Change(song, formats.read(song), genres, 0.9)
        assert list(apply([change], log)) == [Written(song, genres)]
        assert formats.read(song).values in (genres, ("/".join(genres),)), name
        assert in_order(song.read_bytes(), odd.kept), name
        if name.endswith("_v1.mp3"):
            assert song.read_bytes()[-1] == 17  # Rock
        log.close()
        assert list(undo(read_log(log.path))) == [Undone(song, "byte for byte")]
        assert song.read_bytes() == odd.content, name


@pytest.mark.parametrize("name", ["chapters.mp3", "v22_sort.mp3", "latin1.flac", "kept.m4a"])
def test_mutagen_reads_what_was_written(tmp_path, name):
    song, odd = tmp_path / name, odd_songs(name.partition(".")[2])[name]
    song.write_bytes(odd.content)
    formats.write(song, ("Rock",))
    tags = mutagen.File(song).tags
    key = {"mp3": "TCON", "m4a": "\xa9gen"}.get(name[-3:], "GENRE")
    assert list(tags[key]) == ["Rock"]
    formats.write(song, ())
    assert formats.read(song).genres == ()
    assert in_order(song.read_bytes(), odd.kept)


@pytest.mark.parametrize("name", ["v22_sort", "chapters", "broken_lyrics"])
@pytest.mark.parametrize("genres", [("",), (" ",), ("a/b",), ("Ä", ""), ("Ａ\uffffÿ",)])
def test_any_genre_can_be_put_back(tmp_path, name, genres):
    song = tmp_path / "song.mp3"
    song.write_bytes(odd_songs("mp3")[f"{name}.mp3"].content)
    assert formats.write(song, genres) == formats.read(song).values
    assert formats.read(song).values in (genres, ("/".join(genres),))


def test_there_is_room_for_a_genre_in_padding(tmp_path):
    for name, padded in (
        ("song.mp3", mp3(TITLE, padding=40)),
        ("v22.mp3", mp3(said(b"TT2", "A", 2), version=2)),
    ):
        song = tmp_path / name
        song.write_bytes(padded.content)
        formats.write(song, ("Rock",))
        assert song.stat().st_size == len(padded.content)


@pytest.mark.parametrize(("suffix", "order"), [("wav", "<"), ("aiff", ">")])
def test_sizes_of_chunks_are_right(tmp_path, suffix, order):
    for name, odd in odd_songs(suffix).items():
        song, old = tmp_path / name, odd.content
        song.write_bytes(old)
        formats.write(song, ("Rock",))
        new = song.read_bytes()
        (before,), (after,) = (struct.unpack(order + "I", one[4:8]) for one in (old, new))
        missing = 1 if name.startswith("cut") else 0
        if before in (0, 0xFFFFFFFF):
            assert before == after
            if "rf64" in name:
                assert struct.unpack("<Q", new[20:28])[0] == len(new) - 8 + missing
        else:
            behind = {"zeros_behind.wav": 7, "id3_behind.aiff": len(old) - before - 8}
            assert 8 + after == len(new) - behind.get(name, 0) + missing, name
        unsure = re.match("piped_[^f]|cut|size_too_small", name)
        if unsure or ("chunk" not in name and "stray" not in name):
            sound_at = new.find(b"SSND" if order == ">" else b"data")
            assert (new.find(b"TCON") < sound_at) == bool(unsure), name


def test_the_index_of_fragments_is_right(tmp_path):
    song = tmp_path / "song.m4a"
    song.write_bytes(odd_songs("m4a")["fragments.m4a"].content)
    formats.write(song, ("A genre with a name so long that all that follows it moves" * 40,))
    content = song.read_bytes()
    entries = content[content.find(b"tfra") + 20 : content.find(b"mfro") - 4]
    places = [place for _, place in struct.iter_unpack(">QQ3x", entries)]
    assert len(places) > 3
    assert all(content[place + 4 : place + 8] == b"moof" for place in places)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (
            mp3(TITLE, frame(b"GEOB", b"")[:6] + b"\xff" * 9, said(b"TCON", "(17)")),
            "its ID3 tag is damaged, and a genre stands behind the damage",
        ),
        (mp3(frame(b"TCON", b"\7genre words")), "the genre in its ID3 tag is broken"),
        (Odd(b"ID3\5" + id3([TITLE])[4:] + sound("mp3")), r"ID3v2\.5 is not known"),
        (Odd(riff(sound("wav")[12:], chunk(b"id3 ", id3([TITLE])[:99]))), "its ID3 tag is cut"),
        (Odd(b"RF64" + b"\xff" * 4 + b"WAVEds64" + bytes(9)), "they are cut"),
        (Odd(b"fLaC" + bytes(3)), "its blocks are cut"),
    ],
)
def test_what_cannot_be_read_is_left_alone(tmp_path, odd, words):
    song = tmp_path / "song.mp3"
    song.write_bytes(odd.content)
    with pytest.raises(TagError, match=f"its tags cannot be read .*{words}"):
        formats.read(song)


def test_a_checksum_of_frames_is_not_left_wrong(tmp_path):
    song = tmp_path / "song.mp3"
    extended = struct.pack(">IHII", 10, 0x8000, 0, 1234)
    tag = b"ID3\3\0\x40" + synchsafe(len(extended + TITLE)) + extended + TITLE
    song.write_bytes(tag + sound("mp3"))
    with pytest.raises(TagError, match="its ID3 tag has a checksum"):
        formats.write(song, ("Rock",))
    assert song.read_bytes() == tag + sound("mp3")


def test_quicktimes_own_tags_are_left_alone(tmp_path):
    song = tmp_path / "song.m4a"
    content = odd_songs("m4a")["kept.m4a"].content
    song.write_bytes(content.replace(b"mdirappl", b"mdtaappl"))
    with pytest.raises(TagError, match="QuickTime"):
        formats.read(song)


def test_a_tag_that_would_lose_something_is_not_written(tmp_path, monkeypatch):
    having, listed = raw.Comments.having, other_files._mp4_list

    def forgetful(comments, genres):
        kept = having(comments, genres)
        return replace(kept, entries=kept.entries[1:]) if genres else kept

    monkeypatch.setattr(raw.Comments, "having", forgetful)
    monkeypatch.setattr(other_files, "_mp4_list", lambda file: listed(file)[2:])
    for name, lost in (("latin1.ogg", "ARTIST"), ("kept.m4a", r"moov\.udta\.meta\.ilst\..nam")):
        song = tmp_path / name
        song.write_bytes(odd_songs(song.suffix[1:])[name].content)
        with pytest.raises(TagError, match=f"other tags would not all stay as they are: {lost}"):
            formats.write(song, ("Rock",))


@given(st.binary(max_size=200), st.sampled_from([2, 3, 4]), st.integers(0, 255))
def test_a_tag_in_pieces_is_the_tag(body, version, flags):
    tag = b"ID3" + bytes([version, 0, flags & 0xEF]) + synchsafe(len(body)) + body
    assume(not re.search(b"TCO", body))
    assert frames.id3(tag).joined() == tag


@given(st.binary(), st.lists(st.binary()), st.binary())
def test_comments_in_pieces_are_the_comments(vendor, entries, rest):
    whole = raw.Comments(vendor, tuple(entries), rest)
    assert raw.comments(whole.joined()) == whole


@pytest.mark.slow
def test_every_verb_takes_the_files_of_others(cli, bundle, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    songs = {name: odd for suffix in ODD for name, odd in odd_songs(suffix).items()}
    folder = tmp_path / "music" / "jazz"
    folder.mkdir(parents=True)
    for name, odd in songs.items():
        (folder / name).write_bytes(odd.content)
    assert cli("check", folder.parent, "--yes", "--json")[0] == 0  # all can be read
    status, _, err = cli("classify", folder, "--model", bundle)
    assert status == 0 and err.endswith(f"\n{len(songs)} answered, 0 failed\n")
    log, some = tmp_path / "log.jsonl", ("--yes", "--min-confidence", "0", "--json")
    status, out, _ = cli("tag", folder, "--model", bundle, "--log", log, *some)
    done = json.loads(out)
    tagged = {Path(one["path"]).name for one in done["changes"]}
    assert (status, done["failures"]) == (0, [])
    assert tagged == {name for name, odd in songs.items() if not odd.genres}
    for name, odd in songs.items():
        content = (folder / name).read_bytes()
        assert in_order(content, odd.kept) and (content == odd.content) == bool(odd.genres), name
    assert cli("tag", "--undo", log)[0] == 0
    assert {one.name: one.read_bytes() for one in folder.iterdir()} == {
        name: odd.content for name, odd in songs.items()
    }
