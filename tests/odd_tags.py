"""Songs with tags as other people's programs write them, each with what must stay as it is."""

import io
import struct
import tempfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
from mutagen import mp4, ogg

from sounds import music, write

SECONDS = 3.0
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(40)


@dataclass(frozen=True)
class Odd:
    """A song, the bytes in it that must stay in this order, and the genres that it has."""

    content: bytes
    kept: tuple = ()
    genres: tuple = ()


@cache
def sound(suffix, channels=1):
    """The bytes of a song without tags."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / f"song.{suffix}", music(SECONDS, 44_100, channels), 44_100)
        content = path.read_bytes()
    if suffix == "mp3" and content.startswith(b"ID3"):
        content = content[10 + int.from_bytes(content[8:10]) :]
    return content


# --- ID3


def synchsafe(number):
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


def frame(name, body, version=3, flags=0):
    if version == 2:
        return name + len(body).to_bytes(3) + body
    size = synchsafe(len(body)) if version == 4 else struct.pack(">I", len(body))
    return name + size + struct.pack(">H", flags) + body


def said(name, words, version=3):
    return frame(name, b"\0" + words.encode("latin-1"), version)


def id3(frames, version=3, padding=500, flags=0):
    body = b"".join(frames) + bytes(padding)
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(body)) + body


def v1(genre):
    return b"TAG" + b"A title".ljust(30, b"\0") + bytes(94) + bytes([genre])


def ape(items):
    body = b"".join(struct.pack("<II", len(v), flag) + k + b"\0" + v for k, v, flag in items)

    def end(flags):
        head = struct.pack("<IIII", 2000, len(body) + 32, len(items), flags)
        return b"APETAGEX" + head + bytes(8)

    return end(0xA0000000) + body + end(0x80000000)


def mp3(*frames, version=3, behind=b"", genres=(), **options):
    content = id3(frames, version, **options) if frames else b""
    kept = tuple(one for one in frames if not one.startswith((b"TCON", b"TCO")))
    return Odd(content + sound("mp3") + behind, (*kept, sound("mp3")[:-200]), genres)


TITLE = said(b"TIT2", "A title")
TITLE4 = said(b"TIT2", "A title", 4)


def chapter(number, title, *more):
    times = struct.pack(">4I", number * 500, number * 500 + 500, 0xFFFFFFFF, 0xFFFFFFFF)
    return frame(b"CHAP", b"ch%d\0" % number + times + said(b"TIT2", title) + b"".join(more))


def id3_songs():
    cover = b"\0image/jpeg\0\3c\0" + JPEG * 50
    packed = struct.pack(">I", len(cover)) + zlib.compress(cover)
    twice = [
        said(b"TIT2", "In 2 Deep"),
        frame(b"COMM", b"\0\0\0\0\0Said"),
        frame(b"POPM", b"W\0\xff"),
    ]
    again = [twice[0], frame(b"COMM", b"\0\0\0\0\0"), frame(b"POPM", b"W\0\0")]
    podcast = chapter(0, "Intro", frame(b"APIC", cover), frame(b"WXXX", b"\0url\0http://x.org/"))
    yield (
        "v22_sort",
        mp3(
            *(said(k, k.decode() + " text", 2) for k in (b"TT2", b"TST", b"TSP", b"TSA", b"TS2")),
            version=2,
        ),
    )
    yield (
        "v22_volume",
        mp3(said(b"TT2", "A title", 2), frame(b"RVA", b"\0\x10\x10\x10\0\x10\0", 2), version=2),
    )
    yield "v22_genre", mp3(said(b"TCO", "(8)", 2), version=2, genres=("Jazz",))
    yield (
        "chapters",
        mp3(
            *(TITLE, frame(b"CTOC", b"toc\0\3\3ch0\0ch1\0ch2\0")),
            *(chapter(number, title) for number, title in enumerate(("ABCD", "ABCDEF", "A"))),
        ),
    )
    yield "auphonic", mp3(TITLE, frame(b"CTOC", b"toc\0\3\1ch0\0"), podcast)
    for version in (3, 4):
        empty = frame(b"TPE3", b"\1\xff\xfe\0\0", version)
        yield f"empty_utf16_{version}", mp3(said(b"TIT2", "A", version), empty, version=version)
    yield (
        "broken_lyrics",
        mp3(
            *(TITLE4, frame(b"SYLT", b"\1eng\2\1\xff\xfeL\0\0\0\xff\xfeL\0a\0", 4)),
            *(frame(b"USLT", b"\3\xc4\x80gWords", 4), said(b"TALB", "Behind", 4)),
            version=4,
        ),
    )
    yield "cover_without_end", mp3(TITLE, frame(b"APIC", b"\1image/jpeg\0\3d\0" + JPEG + b"\1"))
    yield "grouped_album", mp3(TITLE, frame(b"TALB", b"\7\0Album", flags=0x20))
    yield (
        "packed",
        mp3(
            TITLE,
            frame(b"APIC", packed, flags=0x80),
            frame(b"GEOB", b"\1" + b"SECRET" * 4, flags=0x40),
        ),
    )
    yield "behind_junk", mp3(TITLE, bytes(10), said(b"TPE1", "Lost artist"))
    yield "small_letter", mp3(TITLE, frame(b"TRc\0", b"\0x"), said(b"TPE1", "An artist"))
    yield "bad_year", mp3(TITLE4, said(b"TDRC", "13/05/1997", 4), said(b"TDOR", "?", 4), version=4)
    yield "dates", mp3(TITLE, said(b"TDRC", "2001-02-03"), said(b"TYER", "2001"))
    yield "tag_twice", mp3(*twice, *again)
    yield (
        "two_comments",
        mp3(
            *(TITLE, frame(b"COMM", b"\0engx\0one"), frame(b"COMM", b"\0engx\0two")),
            *(frame(b"GEOB", b"\0a\0f\0Serato Markers_\0one"), frame(b"PRIV", b"x\0a")),
            *(frame(b"GEOB", b"\0a\0f\0Serato Markers_\0two"), frame(b"PRIV", b"x\0b")),
        ),
    )
    yield "genre_between", mp3(TITLE, said(b"TCON", "Ska"), said(b"TALB", "x"), genres=("Ska",))
    itunes = b"APIC" + struct.pack(">I", len(cover)) + b"\0\0" + cover
    yield "itunes_sizes", mp3(TITLE4, itunes, said(b"TALB", "Album", 4), version=4)
    unsync = frame(b"APIC", b"\0image/jpeg\0\3c\0" + b"\xff\0\xe0\xff\0\0" * 30)
    size = len(unsync) - 10 - 60
    unsync = unsync[:4] + struct.pack(">I", size) + unsync[8:]
    for padding in (0, 300):
        yield f"unsynchronised_{padding}", mp3(TITLE, unsync, flags=0x80, padding=padding)
    extended = b"\0\0\0\6\1\0"
    whole = b"ID3\4\0\x40" + synchsafe(len(extended + TITLE4) + 40) + extended + TITLE4 + bytes(40)
    yield "extended", Odd(whole + sound("mp3"), (extended + TITLE4, sound("mp3")))
    foot = b"\4\0\x10" + synchsafe(len(TITLE4))
    yield "footer", Odd(b"ID3" + foot + TITLE4 + b"3DI" + foot + sound("mp3"), (TITLE4, b"3DI"))
    yield "v1_genre", mp3(TITLE, behind=v1(8), genres=("Jazz",))
    yield "v1_alone", mp3(behind=v1(8), genres=("Jazz",))
    second = id3([said(b"TIT2", "B title", 4), said(b"TCON", "Jazz", 4)], 4, 50)
    yield "two_tags", Odd(id3([TITLE]) + second + sound("mp3"), (TITLE, second), ("Jazz",))
    lyrics = b"LYRICSBEGININD0000200LYR00004Said000041LYRICS200"
    for name, junk in (
        ("lyrics3", lyrics),
        ("zeros", bytes(1000)),
        ("frame", sound("mp3")[-300:-99]),
    ):
        yield f"{name}_v1", mp3(TITLE, behind=junk + v1(255))
    gain = (b"REPLAYGAIN_TRACK_GAIN", b"-7 dB", 0)
    for name, item in (
        ("bad_key", (b"", b"x", 0)),
        ("latin1", (b"Artist", b"Bj\xf6rk", 0)),
        ("cover", (b"Cover Art (Front)", b"c.jpg\0" + JPEG, 2)),
        ("binary_genre", (b"Genre", b"\xff\xfe", 2)),
    ):
        yield f"ape_{name}", mp3(TITLE, behind=ape([item, gain]))
    yield "ape_genre", mp3(behind=ape([(b"", b"x", 0), (b"GENRE", b"Jazz", 0)]), genres=("Jazz",))


# --- WAV and AIFF


def chunk(name, content, order="<"):
    return name + struct.pack(order + "I", len(content)) + content + bytes(len(content) % 2)


def riff(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def wav_songs():
    whole = sound("wav")
    form, data = whole[12:36], whole[44:]
    odd = data[:-1]
    head = form + b"data" + struct.pack("<I", len(odd))
    tag = id3([TITLE, said(b"TCON", "Jazz")], padding=1)
    infos = b"INFO" + chunk(b"INAM", b"A title\0") + chunk(b"IGNR", b"Jazz\0")
    listed, stray = chunk(b"LIST", infos), b"\0n\0i" + bytes(4)
    yield "odd_no_pad", Odd(riff(head, odd), (head + odd,))
    yield "odd_pad_claimed", Odd(riff(head, odd, size=4 + len(head + odd) + 1), (head + odd,))
    yield "odd_padded", Odd(riff(head, odd + b"\0"), (head + odd + b"\0",))
    yield "info_no_pad", Odd(riff(whole[12:], chunk(b"iXML", b"<x/>\n")[:-1]), (data, b"<x/>\n"))
    for unknown in (0, 0xFFFFFFFF):
        piped = riff(form, b"data", struct.pack("<I", unknown), data, size=unknown)
        yield f"piped_{unknown}", Odd(piped, (form, piped[36:]))
        yield f"piped_form_{unknown}", Odd(riff(whole[12:], size=unknown), (whole[36:],))
    endless = form + b"data\xff\xff\xff\xff" + data
    yield "piped_data", Odd(riff(endless), (form, endless[24:]))
    long = struct.pack("<QQQI", len(whole) + 28, len(data), len(data) // 2, 0)
    rf64 = riff(chunk(b"ds64", long), endless, size=0xFFFFFFFF).replace(b"RIFF", b"RF64", 1)
    yield "rf64", Odd(rf64, (form, endless[24:]))
    yield "cut_rf64", Odd(rf64[:-1], (form, endless[24:-1]))
    yield "cut", Odd(whole[:-1], (whole[36:-1],))
    small = whole[:40] + struct.pack("<I", len(data) // 2) + data
    yield "size_too_small", Odd(small, (small[36:],))
    yield "zeros_behind", Odd(whole + bytes(7), (whole[36:], bytes(7)))
    for name in (b"ID3 ", b"id3 "):
        tagged = riff(whole[12:], chunk(name, tag))
        yield f"chunk_{name.decode().strip()}", Odd(tagged, (data, TITLE), ("Jazz",))
    for number, parts in enumerate(([whole[12:], stray, listed], [listed, whole[12:]])):
        yield f"list_{number}", Odd(riff(*parts), tuple(parts), ("Jazz",))
    yield "stray_id3", Odd(riff(whole[12:], stray, chunk(b"id3 ", tag)), (stray, TITLE), ("Jazz",))


def aiff_songs():
    whole = sound("aiff")
    place = whole.find(b"SSND")
    odd = whole[place + 8 : -1]
    head = whole[12:place] + b"SSND" + struct.pack(">I", len(odd))
    body = b"AIFF" + head + odd
    yield "no_pad", Odd(b"FORM" + struct.pack(">I", len(body)) + body, (head + odd,))
    yield "cut", Odd(whole[:-1], (whole[place:-1],))
    behind = id3([TITLE, said(b"TCON", "Jazz")])
    yield "id3_behind", Odd(whole + behind, (whole[place:], behind), ("Jazz",))


# --- Vorbis comments


def comments(*entries):
    parts = [b"test", struct.pack("<I", len(entries)), *entries]
    sized = [
        one if number == 1 else struct.pack("<I", len(one)) + one
        for number, one in enumerate(parts)
    ]
    return b"".join(sized)


def flac(*blocks, before=b"", behind=b"", genres=(), kept=()):
    whole, place = sound("flac"), 4
    while not whole[place] & 0x80:
        place += 4 + int.from_bytes(whole[place + 1 : place + 4])
    place += 4 + int.from_bytes(whole[place + 1 : place + 4])
    parts = [(0, whole[8:42]), *blocks]
    last = len(parts) - 1
    content = b"".join(
        bytes([kind | (0x80 if number == last else 0)]) + len(body).to_bytes(3) + body
        for number, (kind, body) in enumerate(parts)
    )
    audio = whole[place:]
    return Odd(before + b"fLaC" + content + audio + behind, (*kept, audio + behind), genres)


def flac_songs():
    tags = [b"ARTIST=Somebody", b"TITLE=A title", b"REPLAYGAIN_TRACK_GAIN=-7.03 dB"]
    pad = (1, bytes(4096))
    for name, odd in (
        ("latin1", ["ARTIST=Björk".encode("latin-1"), b"TITLE=J\xf3ga"]),
        ("no_equals", [b"Ripped by me in 2004"]),
        ("umlaut_name", ["KÜNSTLER=Jemand".encode()]),
        ("empty_name", [b"=ARTIST=Tchaikovsky", b"A~B=x", b"COMPOSER="]),
        ("long", [b"LYRICS=" + b"x" * 70_000]),
    ):
        yield name, flac((4, comments(*tags, *odd)), pad, kept=(*tags, *odd))
    yield "no_padding", flac((4, comments(*tags)), kept=tags)
    yield "no_comments", flac(pad)
    yield "two_blocks", flac((4, comments(b"X=y")), (4, comments(*tags)), pad, kept=(b"X=y", *tags))
    yield (
        "two_blocks_genre",
        flac(
            (4, comments()), (4, comments(*tags, b"GENRE=Jazz")), pad, genres=("Jazz",), kept=tags
        ),
    )
    first = id3([TITLE, said(b"TCON", "Techno")])
    around = {"before": first, "behind": v1(18), "kept": (first, *tags)}
    yield "id3_around", flac((4, comments(*tags)), pad, genres=("Techno",), **around)
    yield "application", flac((2, b"riffDATA"), (4, comments(*tags)), kept=(b"riffDATA", *tags))


def ogg_with(entries, suffix="ogg"):
    """A song whose comments are these."""
    file = io.BytesIO(sound(suffix))
    first, page = ogg.OggPage(file), ogg.OggPage(file)
    pages = [page]
    while not (pages[-1].complete or len(pages[-1].packets) > 1):
        pages.append(ogg.OggPage(file))
    packets = ogg.OggPage.to_packets(pages)
    packets[0] = packets[0][:7] + comments(*entries) + b"\1"
    ogg.OggPage.replace(file, pages, ogg.OggPage.from_packets(packets, first.sequence + 1))
    return file.getvalue()


def ogg_songs():
    entries = [b"ARTIST=Bj\xf6rk", "KÜNSTLER=Jemand".encode(), b"no equals sign", b"=x"]
    yield "latin1", Odd(ogg_with(entries), (*entries,))
    before = id3([TITLE])
    yield "id3_before", Odd(before + ogg_with(entries), (before, *entries))
    jazz = id3([TITLE, said(b"TCON", "Jazz")])
    yield "id3_genre_before", Odd(jazz + ogg_with(entries), (jazz, *entries), ("Jazz",))
    yield "v1_behind", Odd(ogg_with(entries) + v1(255), (*entries, v1(255)))
    big = [b"COVERART=" + b"x" * 200_000, *entries]
    yield "many_pages", Odd(ogg_with(big), (*entries,))


# --- MP4 and ASF


def data_atom(kind, value):
    return struct.pack(">I4sII", 16 + len(value), b"data", kind, 0) + value


def mp4_with(entries):
    """A song with a list of these atoms."""
    file = io.BytesIO(sound("m4a"))

    class Raw(mp4.MP4Tags):
        def _render(self, key, value):
            return value

    tags = Raw()
    tags["all"] = b"".join(entries)
    tags.save(file)
    return file.getvalue()


def atom(name, content):
    return struct.pack(">I4s", 8 + len(content), name) + content


def mp4_songs():
    free = b"".join(
        atom(name, bytes(4) + value)
        for name, value in ((b"mean", b"com.apple.iTunes"), (b"name", b"GENRE"))
    )
    kept = (
        atom(b"\xa9nam", data_atom(1, b"J\xf3ga")),
        atom(b"covr", data_atom(12, b"GIF89a") + data_atom(0, JPEG)),
        atom(b"\xa9ART", data_atom(1, b"A")),
        atom(b"cpil", data_atom(0, b"\1")),
        atom(b"disk", data_atom(0, bytes([0, 0, 0, 1, 0, 2, 0, 0]))),
        atom(b"odd!", b"no data"),
        atom(b"\xa9ART", data_atom(1, b"B")),
    )
    yield "kept", Odd(mp4_with(kept), kept)
    number = atom(b"gnre", data_atom(0, b"\0\x12"))
    yield "number", Odd(mp4_with([*kept[:3], number, *kept[3:]]), kept, ("Rock",))
    freeform = atom(b"----", free + data_atom(1, b"Jazz"))
    yield "quicktime", remuxed("mov")
    yield "mobile", remuxed("3gp")
    yield "fragments", remuxed("mp4", movflags="frag_keyframe", frag_duration="500000")
    yield "freeform", Odd(mp4_with([*kept, freeform]), (*kept, freeform), ("Jazz",))


def remuxed(form, **options):
    """The same sound with a genre as FFmpeg writes it."""
    content = io.BytesIO()
    with (
        av.open(io.BytesIO(sound("m4a"))) as old,
        av.open(content, "w", format=form, options=options) as new,
    ):
        stream = new.add_stream_from_template(old.streams.audio[0])
        new.metadata.update(title="A title", genre="Jazz")
        for packet in old.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return Odd(content.getvalue(), (b"A title",), ("Jazz",))


def asf_songs():
    whole = sound("wma")
    place = whole.find(bytes.fromhex("4052d1861d31d011a3a400a0c90348f6"))
    size = int.from_bytes(whole[place + 16 : place + 24], "little")
    # FFmpeg counts one object of the header too few, and this is the last.
    yield "ffmpeg", Odd(whole, (whole[place : place + size],))


ODD = {
    "mp3": id3_songs,
    "wav": wav_songs,
    "aiff": aiff_songs,
    "flac": flac_songs,
    "ogg": ogg_songs,
    "m4a": mp4_songs,
    "wma": asf_songs,
}


@cache
def odd_songs(suffix):
    """All of a format, by their file names."""
    return {f"{name}.{suffix}": odd for name, odd in ODD[suffix]()}
