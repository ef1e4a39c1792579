"""Valid audio of each format that a folder's scan takes, and how backbeat reads audio."""

import functools
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from backbeat import audio, frontend
from backbeat.audio.containers import breaks_off, declared_seconds
from backbeat.audio.integrity import Inspector
from backbeat.classify import Classifier, load
from backbeat.collections import collection

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from bundles import make_bundle
from sounds import cut, free_format, music, raw_mp3, silent_opus, write
from tagged import add_tags, cover

SECONDS = 3.2  # the shortest song that a front-end takes is 2.9 s
_CLIPS = Path(__file__).parents[3] / "shared" / "gtzan" / "clips"

# What FFmpeg writes: container, codec, rate in Hz, channels.
_BY_FFMPEG: dict[str, tuple[str, str, int, int]] = {
    "3gp": ("3gp", "libopencore_amrnb", 8_000, 1),
    "aac": ("adts", "aac", 44_100, 1),
    "ac3": ("ac3", "ac3", 48_000, 2),
    "aifc": ("aiff", "pcm_s16le", 22_050, 2),
    "amr": ("amr", "libopencore_amrnb", 8_000, 1),
    "asf": ("asf", "wmav1", 44_100, 1),
    "avi": ("avi", "mp3", 44_100, 1),
    "eac3": ("eac3", "eac3", 48_000, 2),
    "flv": ("flv", "mp3", 44_100, 1),
    "loas": ("latm", "aac", 44_100, 1),
    "m4a-alac": ("ipod", "alac", 22_050, 1),
    "m4b": ("ipod", "aac", 44_100, 1),
    "mka": ("matroska", "flac", 22_050, 1),
    "mov": ("mov", "pcm_s16be", 22_050, 1),
    "mp2": ("mp2", "mp2", 44_100, 1),
    "mpg": ("mpeg", "mp2", 44_100, 1),
    "oga": ("oga", "flac", 22_050, 1),
    "rm": ("rm", "ac3", 44_100, 1),
    "ts": ("mpegts", "mp2", 44_100, 1),
    "tta": ("tta", "tta", 22_050, 1),
    "webm": ("webm", "libopus", 48_000, 1),
    "wav-ima": ("wav", "adpcm_ima_wav", 22_050, 2),
    "wma": ("asf", "wmav2", 44_100, 2),
    "wv": ("wv", "wavpack", 22_050, 1),
}
# What libsndfile writes: format, coding.
_BY_SNDFILE: dict[str, tuple[str, str]] = {
    "aif": ("AIFF", "PCM_24"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "caf-alac": ("CAF", "ALAC_16"),
    "nist": ("NIST", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "snd": ("AU", "ULAW"),
    "voc": ("VOC", "PCM_U8"),
    "w64": ("W64", "PCM_16"),
    "wav": ("WAV", "PCM_16"),
    "wav-24": ("WAV", "PCM_24"),
    "wav-adpcm": ("WAV", "MS_ADPCM"),
    "wav-float": ("WAV", "FLOAT"),
    "wave": ("WAVEX", "PCM_16"),
}
_TAGGED = ("flac", "m4a", "mp3", "ogg", "opus", "wma", "wav", "aiff")


def makers() -> dict[str, Callable[[Path], object]]:
    """Give, by the name of each format, what writes its seeds into a folder.

    A name is a suffix and, behind a dash, what sets it apart.
    """
    made: dict[str, Callable[[Path], object]] = {
        **{name: functools.partial(_by_ffmpeg, name) for name in _BY_FFMPEG},
        **{name: functools.partial(_by_sndfile, name) for name in _BY_SNDFILE},
        **{name: functools.partial(_tagged, name) for name in ("flac", "mp3", "ogg", "opus")},
        "m4a": functools.partial(_tagged, "m4a"),
        "mp3-raw": lambda folder: raw_mp3(folder / "seed.mp3", SECONDS),
        "mp3-free": lambda folder: free_format(folder / "seed.mp3", SECONDS),
        "mp4": _video,
        "mp4-cover": lambda folder: _tagged("m4a", folder),
        "wav-rifx": lambda folder: _other_order(folder / "seed.wav", "BIG"),
        "au-little": lambda folder: _other_order(folder / "seed.au", "LITTLE"),
        "ogg-chain": _chain,
        "ogg-eight": lambda folder: write(folder / "seed.ogg", music(SECONDS, 22_050, 8)),
        "opus-silent": lambda folder: silent_opus(folder / "seed.opus", 60.0),
        "ape": _ape,
        "dsf": _dsf,
        "mpc": _musepack,
    }
    if _CLIPS.is_dir():
        made["flac-gtzan"] = _clips
    return dict(sorted(made.items()))


def tag_makers() -> dict[str, Callable[[Path], object]]:
    """Give, by suffix, what writes songs with many tags and a cover."""
    return {name: functools.partial(_tagged, name) for name in _TAGGED}


# --- Seeds


def _by_ffmpeg(name: str, folder: Path) -> None:
    for seed in (0, 1):
        encode(folder / f"seed{seed}.{name.partition('-')[0]}", *_BY_FFMPEG[name], seed=seed)


def encode(
    path: Path,
    container: str,
    codec: str,
    rate: int,
    channels: int,
    *,
    seconds: float = SECONDS,
    seed: int = 0,
) -> Path:
    """Write music by FFmpeg."""
    import av

    layout = "mono" if channels == 1 else "stereo"
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate)
        stream.layout = layout
        if codec.startswith("wma"):
            stream.bit_rate = 128_000
        samples = np.ascontiguousarray(music(seconds, rate, channels, seed=seed).T)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.format, layout, rate, stream.frame_size or None)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            file.mux(stream.encode(part))
    return path


def _by_sndfile(name: str, folder: Path) -> None:
    import soundfile

    container, coding = _BY_SNDFILE[name]
    for channels in (1, 2):
        path = folder / f"seed{channels}.{name.partition('-')[0]}"
        samples = music(SECONDS, 22_050, channels)
        soundfile.write(path, samples, 22_050, format=container, subtype=coding)


def _other_order(path: Path, order: str) -> None:
    write(path, music(SECONDS, 22_050, 2), subtype="PCM_24", endian=order)


def _chain(folder: Path) -> None:
    links = [write(folder / f"{rate}.ogg", music(2.0, rate), rate) for rate in (22_050, 44_100)]
    (folder / "seed.ogg").write_bytes(b"".join(link.read_bytes() for link in links))
    for link in links:  # each is too short for a model
        link.unlink()


def _tagged(name: str, folder: Path) -> None:
    plain = write(folder / f"plain.{name}", music(SECONDS, _rate(name)))
    tagged = write(folder / f"tagged.{name}", music(SECONDS, _rate(name), seed=1))
    add_tags(tagged, cover(16), genres=("Rock",))
    if name in ("mp3", "flac"):
        cut(write(folder / f"without-end.{name}", music(SECONDS, _rate(name), channels=2)))
    assert plain.exists()


def _rate(name: str) -> int:
    return {"opus": 48_000, "m4a": 44_100, "wma": 44_100}.get(name, 22_050)


def _clips(folder: Path) -> None:
    for clip in sorted(_CLIPS.glob("*/*.flac"))[:3]:
        (folder / clip.name).write_bytes(clip.read_bytes()[:300_000])


def _video(folder: Path) -> None:
    """Write films: the sound is read, the pictures are not."""
    import av

    for container, pictures, sound in (("mp4", "mpeg4", "aac"), ("matroska", "mjpeg", "mp3")):
        with av.open(str(folder / f"{container}.mp4"), "w", format=container) as file:
            video: Any = file.add_stream(pictures, rate=10)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            if pictures == "mjpeg":
                video.pix_fmt = "yuvj420p"
            stream: Any = file.add_stream(sound, rate=44_100)
            stream.layout = "mono"
            for number in range(int(10 * SECONDS)):
                shade = np.full((48, 64, 3), number * 7, np.uint8)
                file.mux(video.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
            file.mux(video.encode(None))
            samples = np.ascontiguousarray(music(SECONDS, 44_100).T)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44_100, 0
            resampler = av.AudioResampler(stream.format, "mono", 44_100, stream.frame_size)
            for part in (*resampler.resample(frame), *resampler.resample(None), None):
                file.mux(stream.encode(part))


# No library here writes these three: a valid header, then noise for the decoder.


def _dsf(folder: Path) -> None:
    """Write a DSF: one bit a sample, 2.8 MHz."""
    rate, block = 2_822_400, 4_096
    blocks = int(SECONDS * rate / 8 / block) + 1
    data = np.random.default_rng(0).bytes(blocks * block)
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 1, 1, rate, 1, len(data) * 8, block, 0)
    sound = struct.pack("<4sQ", b"data", 12 + len(data)) + data
    head = struct.pack("<4sQQQ", b"DSD ", 28, 28 + len(form) + len(sound), 0)
    (folder / "seed.dsf").write_bytes(head + form + sound)


def _ape(folder: Path) -> None:
    """Write a Monkey's Audio header of version 3.99 before noise."""
    noise = np.random.default_rng(0).bytes(20_000)
    described = struct.pack("<4sHHIIIIIII", b"MAC ", 3990, 0, 52, 24, 8, 0, len(noise), 0, 0)
    described += bytes(16)
    head = struct.pack("<HHIIIHHI", 2000, 0, 73_728, 20_000, 2, 16, 1, 22_050)
    table = struct.pack("<II", 84, 84 + 10_000)
    (folder / "seed.ape").write_bytes(described + head + table + noise)


def _musepack(folder: Path) -> None:
    """Write Musepack headers, of versions 7 and 8, before noise."""
    noise = np.random.default_rng(0).bytes(20_000)
    seven = b"MP+\x17" + struct.pack("<II", 130, 0x0009_0000) + bytes(12) + noise
    (folder / "seven.mpc").write_bytes(seven)
    stream_head = bytes(4) + b"\x08\x81\x00\x00\x0f\x11"
    eight = b"MPCKSH" + bytes((3 + len(stream_head),)) + stream_head
    eight += b"AP\x83\x40" + noise
    (folder / "eight.mpc").write_bytes(eight)


# --- Readers


def read_audio(path: Path) -> None:
    """Read a file as `check` and `prepare` do, and answer it as `classify` does."""
    try:
        with audio.open_source(path) as source:
            inspector = Inspector(path, source.info)
            rate = frontend.Mfcc().sample_rate
            for _ in audio.mono_blocks(inspector.watch(source), source.info, rate):
                pass
            inspector.inspection(min_seconds=2.9)
            declared_seconds(path, source.info)
    finally:
        breaks_off(path)
        classifier().classify(path)


_FOLDER = tempfile.TemporaryDirectory()  # as long as this process lives


@functools.cache
def classifier() -> Classifier:
    """Give a classifier with a tiny network that analyses four half minutes."""
    path = Path(_FOLDER.name) / "tiny.backbeat"
    return load(make_bundle(path, frontend=frontend.LogMel(), input="logmel"), windows=4)


def read_tags(path: Path) -> None:
    """Read the tags as `check`, `playlists` and `tag` do, and write a genre into them."""
    from backbeat.library.tags import formats

    collection.read_tags(path)
    formats.read(path)
    formats.write(path, ["Jazz"])
