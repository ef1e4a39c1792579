"""Every fault of a file is found and described, and nothing is said of good ones."""

import os
import re
import struct
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbeat import audio
from backbeat.audio import containers
from backbeat.audio.integrity import Inspector, find_duplicates, inspect
from sounds import (
    FORMATS,
    GTZAN,
    LOST_PAGES,
    MORE_FORMATS,
    cut,
    lose_pages,
    music,
    need_gtzan,
    raw_mp3,
    silent_opus,
    write,
)

ALL_FORMATS = FORMATS | MORE_FORMATS


def kinds(path, min_seconds=1.0):
    return [(one.level, one.kind) for one in inspect(path, min_seconds=min_seconds).findings]


def reasons(path, min_seconds=1.0):
    return [one.reason for one in inspect(path, min_seconds=min_seconds).findings]


@pytest.mark.parametrize("suffix", ALL_FORMATS)
def test_a_whole_file_has_no_findings(tmp_path, suffix):
    path = write(tmp_path / f"song.{suffix}", music(6.0, ALL_FORMATS[suffix]))
    inspection = inspect(path, min_seconds=5.0)
    assert inspection.findings == ()
    assert inspection.usable
    assert inspection.seconds == pytest.approx(6.0, abs=0.06)
    assert (inspection.sample_rate, inspection.channels) == (ALL_FORMATS[suffix], 1)
    assert len(inspection.digest) == 32


@pytest.mark.parametrize("suffix", ALL_FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_cut_file_is_truncated(tmp_path, suffix, share):
    path = cut(write(tmp_path / f"song.{suffix}", music(6.0, ALL_FORMATS[suffix])), share)
    assert kinds(path, 0.0)[0] == ("unusable", "truncated")
    if suffix not in ("ogg", "opus", "m4a", "mp3"):
        assert reasons(path)[0].startswith("truncated: the header declares 6.0 s, ")


@pytest.mark.parametrize("lost", LOST_PAGES)
@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_lost_pages_of_an_ogg_are_missing(tmp_path, suffix, lost):
    path = write(tmp_path / f"song.{suffix}", music(60.0, FORMATS[suffix]))
    lose_pages(path, LOST_PAGES[lost])
    assert kinds(path, 0.0) == [("unusable", "truncated")]
    assert reasons(path)[0].startswith("truncated: the header declares 60.0 s, ")


def test_a_stream_that_begins_in_the_middle_has_no_promise(tmp_path):
    # A recording of a station: its positions count from when the station began.
    path = write(tmp_path / "song.opus", music(6.0, 48_000))
    content = bytearray(path.read_bytes())
    info = audio.AudioInfo(48_000, 1, None, "opus")
    assert containers.declared_seconds(path, info) == pytest.approx(6.0, abs=0.01)
    for found in list(re.finditer(b"OggS", content))[2:]:
        at = found.start() + 6
        position = int.from_bytes(content[at : at + 8], "little") + 3_600 * 48_000
        content[at : at + 8] = position.to_bytes(8, "little")
    path.write_bytes(content)
    assert containers.declared_seconds(path, info) is None


@pytest.mark.parametrize("suffix", ["ac3", "eac3"])
@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_a_frame_of_ac3_that_is_cut_shows(tmp_path, suffix, rate):
    path = write(tmp_path / f"song.{suffix}", music(3.0, rate), rate)
    assert kinds(path) == []
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert reasons(path) == ["truncated: it breaks off within a frame"]
    assert kinds(cut(path, 0.501)) == [("unusable", "truncated")]


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
def test_lengths_in_either_order_of_bytes(tmp_path, order):
    info = audio.AudioInfo(22_050, 1, None, "pcm_16")
    for name in ("song.wav", "song.au"):
        path = write(tmp_path / name, music(6.0), endian=order)
        assert containers.declared_seconds(cut(path), info) == 6.0


def test_the_words_of_a_cut(tmp_path):
    path = cut(write(tmp_path / "song.wav", music(30.0)))
    assert reasons(path) == ["truncated: the header declares 30.0 s, 15.0 s are there"]
    path = cut(write(tmp_path / "song.ogg", music(6.0)))
    assert reasons(path)[0].startswith("truncated: it")
    path = cut(write(tmp_path / "song.m4a", music(6.0, 44_100)))
    assert reasons(path)[0].startswith("truncated: it breaks off, ")
    assert reasons(path)[0].endswith(" bytes are missing")


def test_a_raw_mp3_promises_nothing(tmp_path):
    # Documented as not detectable: it must at least not be called faulty when it is whole.
    path = raw_mp3(tmp_path / "raw.mp3")
    assert kinds(path) == []
    assert kinds(cut(path)) == []


def test_a_little_missing_is_tolerated(tmp_path):
    path = write(tmp_path / "song.wav", music(30.0))
    content = path.read_bytes()
    path.write_bytes(content[: -2 * 22_050 * 28 // 100])  # 0.28 s of 30 s
    assert kinds(path) == []
    path.write_bytes(content[: -2 * 22_050 * 35 // 100])
    assert kinds(path) == [("unusable", "truncated")]


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, 0x80000000])
def test_streamed_wav_has_no_promise(tmp_path, size):
    path = write(tmp_path / "song.wav")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(content)
    assert "truncated" not in [kind for _, kind in kinds(path)]


@pytest.mark.parametrize("container", ["RF64", "WAVEX"])
def test_other_headers_of_wav(tmp_path, container):
    path = write(tmp_path / "song.wav", music(6.0), format=container)
    assert kinds(path) == []
    assert kinds(cut(path)) == [("unusable", "truncated")]


def test_unknown_size_of_au(tmp_path):
    path = write(tmp_path / "song.au")
    content = bytearray(path.read_bytes())
    content[8:12] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert kinds(path) == []


def test_tags_before_and_after_the_sound(tmp_path):
    path = write(tmp_path / "song.mp3", music(6.0))
    tag = b"ID3\x04\0\0\0\0\x07\x68" + bytes(1000)
    path.write_bytes(tag + path.read_bytes() + b"TAG" + bytes(125))
    assert kinds(path) == []
    assert kinds(cut(path)) == [("unusable", "truncated")]


def test_empty_file(tmp_path):
    (tmp_path / "song.wav").touch()
    assert kinds(tmp_path / "song.wav") == [("unusable", "unreadable")]
    assert reasons(tmp_path / "song.wav") == ["empty: the file has no bytes"]


def test_text_named_mp3(tmp_path):
    (tmp_path / "song.mp3").write_text("no song, but words\n" * 300)
    assert kinds(tmp_path / "song.mp3") == [("unusable", "not-audio")]


def test_missing_file_and_folder(tmp_path):
    assert reasons(tmp_path / "gone.wav") == ["no such file"]
    assert reasons(tmp_path) == ["is a folder, not an audio file"]


WITHOUT_RIGHTS = """
import os, sys
from pathlib import Path
import soundfile
from backbeat.audio.integrity import inspect
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(inspect(Path(sys.argv[1]), min_seconds=1.0).findings[0].reason)
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="no such permissions on this system")
def test_file_without_permission():
    # Not in tmp_path, whose folders are closed to the other user that root becomes.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = write(Path(folder) / "song.wav")
        path.chmod(0)
        run = [sys.executable, "-c", WITHOUT_RIGHTS, str(path)]
        done = subprocess.run(run, capture_output=True, text=True)
        path.chmod(0o600)
    if "setuid" in done.stderr or "setgid" in done.stderr:
        pytest.skip("root may not become another user here")
    assert done.stdout == "no permission to read it\n", done.stderr


def test_too_short(tmp_path):
    path = write(tmp_path / "song.wav", music(0.99))
    assert kinds(path, 29.0) == [("unusable", "too-short")]
    assert reasons(path, 29.0) == ["0.99 s long, the front-end needs 29.0 s"]
    assert kinds(path, 0.99) == []


def test_no_samples(tmp_path):
    path = write(tmp_path / "song.wav", np.zeros((0, 1), np.float32))
    assert kinds(path) == [("unusable", "too-short")]
    assert inspect(path, min_seconds=1.0).digest == ""


@pytest.mark.parametrize(
    ("peak", "expected"),
    [(0.0, ["silent: only zeros"]), (3e-5, ["silent: peak −90 dBFS"]), (2e-4, [])],
)
def test_silent(tmp_path, peak, expected):
    path = write(tmp_path / "song.wav", music(2.0) / 0.7 * peak, subtype="FLOAT")
    if peak:
        samples = music(2.0)
        write(path, samples / np.abs(samples).max() * np.float32(peak), subtype="FLOAT")
    assert reasons(path) == expected


def test_not_finite(tmp_path):
    samples = music(2.0)
    samples[100:103] = np.nan
    samples[200] = np.inf
    path = write(tmp_path / "song.wav", samples, subtype="FLOAT")
    assert kinds(path) == [("unusable", "not-finite")]
    assert reasons(path) == ["4 samples are not numbers, or too large for any sound"]


def test_eight_bits_are_usable(tmp_path):
    path = write(tmp_path / "song.wav", subtype="PCM_U8")
    assert kinds(path) == []


@pytest.mark.parametrize("afterwards", [1.0, 0.5])
def test_clipped(tmp_path, afterwards):
    clipped = np.clip(music(3.0) * 4, -1, 1) * np.float32(afterwards)
    path = write(tmp_path / "song.wav", clipped, subtype="FLOAT")
    assert kinds(path) == [("suspicious", "clipped")]
    assert inspect(path, min_seconds=1.0).usable
    at_limit = np.abs(clipped[:, 0]) >= 0.9999 * afterwards
    runs = [len(list(run)) for top, run in groupby(at_limit) if top]
    share = sum(run for run in runs if run >= 3) / len(clipped)
    assert reasons(path) == [f"clipped: {100 * share:.1f} % of its samples are at the limit"]


def test_a_limiter_is_not_clipping(tmp_path):
    # Two neighbouring samples at full scale, 2 % of all: what a limiter leaves.
    samples = np.clip(music(3.0), -0.99, 0.99)
    samples[::100] = samples[1::100] = 1.0
    assert kinds(write(tmp_path / "song.wav", samples)) == []


@pytest.mark.parametrize("pitch", [20, 110, 3_000])
def test_a_pure_tone_is_not_clipped(tmp_path, pitch):
    tone = np.sin(2 * np.pi * pitch * np.arange(66_150) / 22_050)[:, None]
    assert kinds(write(tmp_path / "song.wav", tone)) == []


def test_a_peak_in_a_later_block_forgets_the_former_plateau(tmp_path):
    samples = np.clip(music(12.0) * 4, -0.3, 0.3)
    assert kinds(write(tmp_path / "song.wav", samples)) == [("suspicious", "clipped")]
    samples[-10_000] = 0.9
    assert kinds(write(tmp_path / "song.wav", samples)) == []


def test_digest_is_of_the_samples(tmp_path):
    samples = (music(2.0, channels=2) * 32_000).astype(np.int16)
    same = {
        inspect(write(tmp_path / f"song.{suffix}", samples), min_seconds=1.0).digest
        for suffix in ("wav", "au", "aiff", "flac")
    }
    assert len(same) == 1
    others = [
        inspect(write(tmp_path / "rate.wav", samples, 44_100), min_seconds=1.0).digest,
        inspect(write(tmp_path / "mono.wav", samples[:, :1]), min_seconds=1.0).digest,
        inspect(write(tmp_path / "flat.wav", samples.reshape(-1, 1)), min_seconds=1.0).digest,
        inspect(write(tmp_path / "part.wav", samples[:-1]), min_seconds=1.0).digest,
    ]
    assert len({*same, *others}) == 5


def test_watching_changes_nothing(tmp_path):
    path = write(tmp_path / "song.wav", music(11.0))
    with audio.open_source(path) as source:
        inspector = Inspector(path, source.info)
        watched = np.concatenate(list(inspector.watch(source)))
    np.testing.assert_array_equal(watched[:, 0], audio.read(path, sample_rate=22_050))
    assert inspector.inspection(1.0) == inspect(path, min_seconds=1.0)


def test_an_error_in_the_middle(tmp_path):
    path = write(tmp_path / "song.wav", music(6.0))

    def broken():
        yield music(2.0)
        raise audio.AudioError(path, "damaged after 2.0 s (bad block)")

    inspector = Inspector(path, audio.AudioInfo(22_050, 1, 6.0, "pcm_16"))
    with pytest.raises(audio.AudioError):
        list(inspector.watch(broken()))
    found = inspector.inspection(1.0)
    assert [one.kind for one in found.findings] == ["truncated", "unreadable"]
    assert found.seconds == 2.0


def test_any_error_of_a_decoder_is_a_finding(tmp_path, monkeypatch):
    def fail(self, *args, **options):
        raise MemoryError("decoder went mad")

    path = write(tmp_path / "song.wav")
    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    found = inspect(path, min_seconds=1.0)
    assert not found.usable
    words = "cannot be decoded (MemoryError: decoder went mad)"
    assert words in [one.reason for one in found.findings]


def test_find_duplicates():
    digests = {"c": "1", "a": "1", "b": "2", "d": "1", "e": "", "f": ""}
    assert find_duplicates(digests) == {"c": "a", "d": "a"}


THREE_HOURS = """
import resource, sys
from pathlib import Path
import av, soundfile
from backbeat.audio.integrity import inspect
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = inspect(Path(sys.argv[1]), min_seconds=29.0)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(found.seconds, [one.reason for one in found.findings], (after - before) // 1024, sep="|")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's memory counts")
def test_three_silent_hours(tmp_path):
    path = silent_opus(tmp_path / "song.opus", 3 * 3600)
    done = subprocess.run(
        [sys.executable, "-c", THREE_HOURS, str(path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    seconds, found, megabytes = done.stdout.strip().split("|")
    assert (float(seconds), found) == (10_800.0, "['silent: only zeros']")
    assert int(megabytes) < 80


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), suffix=st.sampled_from(sorted(FORMATS)))
def test_damage_never_raises(wholes, data, suffix):
    content = bytearray(wholes[suffix])
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers are where damage does the most harm.
        far = data.draw(st.booleans())
        at = data.draw(st.integers(0, len(content) - 1 if far else 63))
        content[at] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"song.{suffix}"
        path.write_bytes(content)
        found = inspect(path, min_seconds=0.5)
    assert all("\n" not in one.reason for one in found.findings)


@given(
    content=st.binary(max_size=400),
    magic=st.sampled_from(
        [b"OggS", b"\0\0\0\x18ftyp", b"ID3", b"caff", b"\x0bw", b"RIFX", b"riff"]
    ),
)
@settings(max_examples=100)
def test_layouts_of_nonsense(content, magic):
    info = audio.AudioInfo(44_100, 2, None, "mp3")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song"
        path.write_bytes(magic + content)
        containers.breaks_off(path)
        containers.declared_seconds(path, info)


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wholes")
    return {
        suffix: write(folder / f"song.{suffix}", music(1.0, rate)).read_bytes()
        for suffix, rate in FORMATS.items()
    }


def test_real_music_has_no_findings():
    need_gtzan()
    clips = sorted((GTZAN / "clips").glob("*/*.flac"))
    assert len(clips) == 50
    for clip in clips[::5]:
        assert inspect(clip, min_seconds=29.0).findings == (), clip.name
