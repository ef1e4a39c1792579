"""Small files that expand to much, and headers that claim the absurd, for the tests."""

import functools
import io
import struct
import zlib

import numpy as np

WEEK = 7 * 24 * 3600


def week_of_wav(path, rate=8_000):
    """Write a week of 8-bit samples as RF64, 4.8 GB of which nearly all is a hole in the file.

    Noise of two minutes stands at each fortieth of it.
    """
    size = WEEK * rate
    coding = struct.pack("<HHIIHH", 1, 1, rate, rate, 1, 8)
    head = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<IQQQI", 28, size + 72, size, size, 0)
    head += b"fmt " + struct.pack("<I", len(coding)) + coding + b"data\xff\xff\xff\xff"
    noise = np.random.default_rng(0).integers(90, 166, 120 * rate, np.uint8).tobytes()
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + size)
        for number in range(40):
            file.seek(len(head) + size * number // 40)
            file.write(noise)
    return path


def constant_flac(path, seconds, *, rate=8_000, declared=True):
    """Write a FLAC of which each 8 s are one constant: a week is 1.1 MB."""
    block = 65_535
    count = -(-seconds * rate // block)
    total = count * block if declared else 0
    head = struct.pack(">HH6xQ16x", block, block, rate << 44 | 15 << 36 | total)
    parts = [b"fLaC\x80", len(head).to_bytes(3, "big"), head]
    for number in range(count):
        frame = b"\xff\xf8\x74\x08" + _utf8(number) + struct.pack(">H", block - 1)
        frame += _crc(frame, 0x07, 8) + b"\0" + struct.pack(">h", number * 997 % 20_000 - 10_000)
        parts.append(frame + _crc(frame, 0x8005, 16))
    path.write_bytes(b"".join(parts))
    return path


def _utf8(number):
    return chr(number).encode("utf-8", "surrogatepass")


def _crc(content, polynomial, bits):
    value, mask = 0, (1 << bits) - 1
    for byte in content:
        value = value << 8 & mask ^ _table(polynomial, bits)[value >> bits - 8 ^ byte]
    return value.to_bytes(bits // 8, "big")


@functools.cache
def _table(polynomial, bits):
    values = []
    for value in range(256):
        value <<= bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> bits - 1 else 0)
            value &= (1 << bits) - 1
        values.append(value)
    return values


def large_png(pixels=12_000):
    """Give a black picture of so many pixels each way, as PNG: of 12,000, 140 kB for 144 MB."""
    packer = zlib.compressobj(1)
    row = bytes(1 + pixels)
    data = b"".join([*(packer.compress(row) for _ in range(pixels)), packer.flush()])
    head = struct.pack(">IIBBBBB", pixels, pixels, 8, 0, 0, 0, 0)
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    for kind, content in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b"")):
        checksum = zlib.crc32(kind + content)
        file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum))
    return file.getvalue()


def wav(path, *, coding=1, channels=1, rate=22_050, bits=16, promised=None):
    """Write a WAV of four seconds of noise with the header fields given."""
    noise = np.random.default_rng(0).standard_normal(4 * 22_050) * 3_000
    data = noise.astype("<i2").tobytes()
    per_second = rate * channels * bits // 8 & 0xFFFFFFFF
    align = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", coding, channels, rate, per_second, align, bits)
    size = len(data) if promised is None else promised
    head = b"RIFF" + struct.pack("<I", 36 + size & 0xFFFFFFFF) + b"WAVEfmt "
    head += struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
    path.write_bytes(head + data)
    return path


def au(path, *, channels=1, rate=22_050, size=176_400, offset=24):
    """Write a Sun AU of four seconds of noise with the header fields given."""
    noise = np.random.default_rng(0).standard_normal(4 * 22_050) * 3_000
    head = b".snd" + struct.pack(">5I", offset, size, 3, rate, channels)
    path.write_bytes(head + noise.astype(">i2").tobytes())
    return path


def caf(path, *, channels=1, rate=22_050.0):
    """Write a CAF of two seconds of silence with the header fields given."""
    form = struct.pack(">d4s5I", rate, b"lpcm", 0, 2 * channels & 0xFFFFFFFF, 1, channels, 16)
    data = bytes(4 + 2 * 44_100)
    file = b"caff" + struct.pack(">HH", 1, 0) + b"desc" + struct.pack(">q", len(form)) + form
    path.write_bytes(file + b"data" + struct.pack(">q", len(data)) + data)
    return path
