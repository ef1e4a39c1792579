"""Small sound files of every format, whole and faulty, for the tests."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

GTZAN = Path(__file__).resolve().parents[2] / "shared" / "gtzan"

# Formats whose header shows that the end is missing, with a sample rate that suits them.
FORMATS = {
    "wav": 22_050,
    "au": 22_050,
    "aiff": 22_050,
    "flac": 22_050,
    "mp3": 22_050,
    "ogg": 22_050,
    "opus": 48_000,
    "m4a": 44_100,
    "wma": 44_100,
}


# Others whose length is declared.
MORE_FORMATS = {"caf": 22_050, "w64": 22_050, "tta": 44_100, "wv": 44_100}


def need_gtzan():
    """Skip the test where the real excerpts are absent."""
    if not (GTZAN / "clips").is_dir():
        pytest.skip("the GTZAN excerpts (../shared/gtzan/clips) are not here")


def music(seconds=3.0, rate=22_050, channels=1, seed=0):
    """A chord over noise: float32 of shape (frames, channels), peak about 0.6."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * (pitch + 5 * seed) * time) for pitch in (220, 277, 330))
    noise = random.standard_normal((len(time), channels)) * 0.03
    return (0.15 * chord[:, None] + noise).astype(np.float32)


def write(path, samples=None, rate=None, **options):
    """Write a sound in the format of the suffix, by libsndfile or by FFmpeg; gives the path."""
    suffix = path.suffix.lower().removeprefix(".")
    rate = rate or (FORMATS | MORE_FORMATS).get(suffix, 22_050)
    samples = music(rate=rate) if samples is None else samples
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix in ("m4a", "wma", "aac", "tta", "wv", "ac3", "eac3"):
        _write_ffmpeg(path, samples, rate)
    elif suffix == "opus":
        soundfile.write(path, samples, rate, format="OGG", subtype="OPUS")
    elif suffix == "ogg":
        # In parts: libsndfile dies of minutes of Vorbis at once.
        with soundfile.SoundFile(path, "w", rate, samples.shape[1]) as file:
            for start in range(0, len(samples), rate):
                file.write(samples[start : start + rate])
    else:
        soundfile.write(path, samples, rate, **options)
    return path


def _write_ffmpeg(path, samples, rate):
    import av

    container, codec = {
        ".m4a": ("ipod", "aac"),
        ".wma": ("asf", "wmav2"),
        ".aac": ("adts", "aac"),
        ".tta": ("tta", "tta"),
        ".wv": ("wv", "wavpack"),
        ".ac3": ("ac3", "ac3"),
        ".eac3": ("eac3", "eac3"),
    }[path.suffix]
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 128_000
        if path.suffix in (".tta", ".wv"):
            stream.format = "s16" if path.suffix == ".tta" else "s16p"
        for start in range(0, len(samples), 2048):
            piece = np.ascontiguousarray(samples[start : start + 2048].T)
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def cut(path, share=0.5):
    """Leave a file's first part only."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def lose_pages(path, kept):
    """Flip a bit in each page of an Ogg whose number from 3 on is not `kept`: its checksum fails.

    Decoders leave such a page out.
    """
    content = bytearray(path.read_bytes())
    pages = [found.start() for found in re.finditer(b"OggS", content)]
    for number, at in enumerate(pages[3:], start=3):
        if not kept(number, len(pages)):
            content[at + 27 + content[at + 26] + 10] ^= 1
    path.write_bytes(content)
    return path


LOST_PAGES = {
    "every second": lambda number, _: number % 2,
    "every third": lambda number, _: number % 3,
    "the last three quarters": lambda number, pages: number < pages // 4,
    "all but the last": lambda number, pages: number < pages // 4 or number == pages - 1,
}


def raw_mp3(path, seconds=3.0, rate=44_100):
    """Write an MP3 without the Info frame with its length."""
    import av

    samples = music(seconds, rate)
    with av.open(
        str(path), "w", format="mp3", options={"write_xing": "0", "id3v2_version": "0"}
    ) as f:
        stream = f.add_stream("libmp3lame", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.T.copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        f.mux(stream.encode(frame))
        f.mux(stream.encode(None))
    return path


def free_format(path, seconds=3.0):
    """Write an MP3 whose frames do not declare their bit rate: at 24 kHz they are of one size."""
    content = bytearray(raw_mp3(path, seconds, 24_000).read_bytes())
    size = content.index(content[:2], 2)
    for at in range(0, len(content) - 3, size):
        assert content[at] == 0xFF
        content[at + 2] &= 0x0F
    path.write_bytes(content)
    return path


def silent_opus(path, seconds):
    """Write a silent Opus file, page by page: encoding hours of silence takes a minute."""
    packet = bytes((0xFB, 6)) + b"\xff\xfe" * 6  # six silent CELT frames of 20 ms, mono (RFC 6716)
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    pages = [_ogg_page([head], 0, 0, 2), _ogg_page([tags], 1, 0, 0)]
    left = round(seconds / 0.12)
    granule = 0
    while left:
        count = min(left, 255)
        left -= count
        granule += count * 5760
        pages.append(_ogg_page([packet] * count, len(pages), granule, 0 if left else 4))
    path.write_bytes(b"".join(pages))
    return path


def _ogg_page(packets, number, granule, flags):
    """One page of Ogg (RFC 3533) that holds whole packets, each under 255 bytes."""
    lengths = bytes(map(len, packets))
    page = struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, 7, number, 0, len(packets))
    page += lengths + b"".join(packets)
    checksum = 0
    for byte in page:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ _CRC[checksum >> 24 ^ byte]
    return page[:22] + struct.pack("<I", checksum) + page[26:]


def _crc_of(byte):
    value = byte << 24
    for _ in range(8):
        value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value & 0xFFFFFFFF


_CRC = [_crc_of(byte) for byte in range(256)]
