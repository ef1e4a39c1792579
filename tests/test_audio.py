"""Every format plays, alike to librosa, in bounded memory; errors name the file."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from backbeat import audio
from sounds import FORMATS, music, raw_mp3, write


@pytest.fixture(params=FORMATS)
def sound(request, tmp_path):
    return write(tmp_path / f"song.{request.param}")


def test_every_format_plays(sound):
    with audio.open_source(sound) as source:
        blocks = list(source)
        info = source.info
    assert info.sample_rate == FORMATS[sound.suffix[1:]]
    assert info.channels == 1
    assert all(block.dtype == np.float32 and block.shape[1] == 1 for block in blocks)
    # Lossy encoders pad; WMA's decoder keeps a frame of 2,048 samples back.
    assert sum(map(len, blocks)) / info.sample_rate == pytest.approx(3.0, abs=0.06)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus", "aiff"])
@pytest.mark.parametrize("wanted", [22_050, 16_000, 44_100])
def test_equals_librosa(tmp_path, suffix, wanted):
    librosa = pytest.importorskip("librosa")
    # Longer than two blocks: what is lost at a block's edge would show.
    rate = 48_000 if suffix == "opus" else 22_050
    path = write(tmp_path / f"song.{suffix}", music(11.3, rate, channels=2), rate)
    expected, _ = librosa.load(path, sr=wanted)
    samples = audio.read(path, sample_rate=wanted)
    assert samples.dtype == np.float32
    assert samples.shape == expected.shape
    np.testing.assert_allclose(samples, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("coding", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "ULAW", "MS_ADPCM"])
def test_codings_of_wav(tmp_path, coding):
    path = write(tmp_path / "song.wav", music(6.0), subtype=coding)
    whole, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(audio.read(path, sample_rate=22_050), whole)


def test_high_resolution_stereo_flac(tmp_path):
    samples = music(2.0, 96_000, channels=2)
    path = write(tmp_path / "song.flac", samples, 96_000, subtype="PCM_24")
    with audio.open_source(path) as source:
        assert source.info == audio.AudioInfo(96_000, 2, 2.0, "flac")
        native = np.concatenate(list(source))
    np.testing.assert_allclose(native, samples, atol=2**-23)
    assert audio.read(path, sample_rate=22_050).shape == (44_100,)


def test_reads_the_beginning_only(tmp_path):
    path = write(tmp_path / "song.wav", music(4.0))
    whole = audio.read(path, sample_rate=22_050)
    np.testing.assert_array_equal(
        audio.read(path, sample_rate=22_050, seconds=1.5), whole[: round(1.5 * 22_050)]
    )


def test_the_beginning_costs_only_itself(tmp_path, monkeypatch):
    path = write(tmp_path / "song.wav", music(60.0))
    read = []
    original = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile,
        "read",
        lambda self, frames, **options: read.append(frames) or original(self, frames, **options),
    )
    audio.read(path, sample_rate=22_050, seconds=2.0)
    assert sum(read) <= 32 * 22_050  # one block


def test_the_content_decides_not_the_suffix(tmp_path):
    right = write(tmp_path / "song.wav")
    for suffix in ("mp3", "raw", "txt", "m4a"):
        wrong = tmp_path / f"song.{suffix}"
        wrong.write_bytes(right.read_bytes())
        np.testing.assert_array_equal(
            audio.read(wrong, sample_rate=22_050), audio.read(right, sample_rate=22_050)
        )
    flac = tmp_path / "flac.wav"
    flac.write_bytes(write(tmp_path / "song.flac").read_bytes())
    assert len(audio.read(flac, sample_rate=22_050)) == 3 * 22_050


def test_mono_is_the_mean_of_the_channels(tmp_path):
    for channels in (2, 3, 6):
        samples = music(0.5, channels=channels)
        path = write(tmp_path / f"{channels}.wav", samples, subtype="FLOAT")
        np.testing.assert_allclose(
            audio.read(path, sample_rate=22_050), samples.mean(axis=1), atol=1e-6
        )


@pytest.mark.parametrize("second", [-1.0, -0.97])
@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3", "ogg", "opus", "m4a", "wma"])
def test_channels_that_cancel_leave_the_louder(tmp_path, suffix, second):
    rate = FORMATS[suffix]
    one = music(4.3, rate)
    written = write(tmp_path / f"song.{suffix}", np.hstack([one, one * second]), rate)
    alone = write(tmp_path / f"alone.{suffix}", np.hstack([one, one]), rate)
    mono = audio.read(written, sample_rate=22_050)
    wanted = audio.read(alone, sample_rate=22_050)
    assert len(mono) == len(wanted)
    assert np.square(mono - wanted).sum() < 0.1 * np.square(wanted).sum()
    with audio.open_source(written) as source:
        later = np.concatenate(list(audio.mono_blocks(source.since(2.0), source.info, 22_050)))
    assert np.square(later).mean() > 0.9 * np.square(wanted).mean()


def test_of_six_channels_that_cancel_a_loud_one_is_taken():
    one = music(2.0)[:, 0]
    block = np.stack([0.2 * one, one, -one, 0.5 * one, -0.7 * one, 0 * one], axis=1)
    mono = np.concatenate(
        list(audio.mono_blocks([block], audio.AudioInfo(22_050, 6, None, ""), 22_050))
    )
    np.testing.assert_array_equal(mono, one)


def wide(seconds):
    """Stereo that nearly cancels: a correlation of about -0.8."""
    shared, left, right = music(seconds), music(seconds, seed=1), music(seconds, seed=2)
    return np.hstack([shared + 0.5 * left, -shared + 0.5 * right])


@pytest.mark.parametrize(
    "samples",
    [
        wide(3.0),
        music(3.0, channels=2),
        np.eye(64, dtype=np.float32)[5] * music(3.0),
        music(0.0, channels=2),
    ],
)
def test_channels_that_do_not_cancel_are_averaged_to_the_last_bit(samples):
    info = audio.AudioInfo(22_050, samples.shape[1], None, "")
    parts = list(audio.mono_blocks(np.array_split(samples, 7), info, 22_050))
    expected = (
        (samples[:, 0] + samples[:, 1]) / 2 if samples.shape[1] == 2 else samples.mean(axis=1)
    )
    np.testing.assert_array_equal(np.concatenate([*parts, np.zeros(0, np.float32)]), expected)


@pytest.mark.parametrize("pieces", [1, 7, 4_000])
def test_where_channels_cancel_does_not_depend_on_the_blocks(pieces):
    one = music(5.6)
    # The cancelling seconds are those that are so for the most part: the third and the last.
    signs = np.where(
        (np.arange(len(one)) // 11_025 // 2 == 2) | (np.arange(len(one)) > 4 * 22_050), -1, 1
    )
    stereo = np.hstack([one, one * signs[:, None]]).astype(np.float32)
    info = audio.AudioInfo(22_050, 2, None, "")
    mono = np.concatenate(list(audio.mono_blocks(np.array_split(stereo, pieces), info, 22_050)))
    np.testing.assert_array_equal(mono, one[:, 0])


def test_resampling_in_blocks_is_resampling_in_one():
    samples = music(7.0, 44_100)
    info = audio.AudioInfo(44_100, 1, None, "")
    one = np.concatenate(list(audio.mono_blocks([samples], info, 22_050)))
    many = np.concatenate(list(audio.mono_blocks(np.array_split(samples, 50), info, 22_050)))
    np.testing.assert_allclose(one, many, atol=1e-6)
    assert one.shape == (7 * 22_050,)


@pytest.mark.parametrize("frames", [0, 1, 2, 100, 4_411])
def test_length_after_resampling(frames):
    info = audio.AudioInfo(44_100, 1, None, "")
    parts = list(audio.mono_blocks([np.ones((frames, 1), np.float32)], info, 16_000))
    assert sum(map(len, parts)) == -(-frames * 16_000 // 44_100)


def test_many_channels_make_short_blocks(tmp_path):
    path = write(tmp_path / "song.wav", np.zeros((48_000 * 3, 64), np.float32), 48_000)
    with audio.open_source(path) as source:
        assert max(block.size for block in source) <= audio.BLOCK_SAMPLES


NO_AUDIO = {
    "empty.mp3": b"",
    "text.mp3": b"this is a text, not a song\n" * 500,
    "byte.wav": b"R",
    "head.wav": b"RIFF\0\0\0\0WAVE",
    "noise.mp3": np.random.default_rng(1).bytes(50_000),
    "list.mp3": b"#EXTM3U\n#EXTINF:3,\nsong.aac\n#EXT-X-ENDLIST\n",
    "concat.m4a": b"ffconcat version 1.0\nfile 'song.wav'\n",
    "page.wma": b"<html><body>Not found</body></html>",
    "picture.ogg": b"\x89PNG\r\n\x1a\n" + bytes(100),
}


@pytest.mark.parametrize("name", NO_AUDIO)
def test_what_is_not_audio(tmp_path, name, capfd):
    write(tmp_path / "song.wav")
    path = tmp_path / name
    path.write_bytes(NO_AUDIO[name])
    with pytest.raises(audio.AudioError) as caught:
        audio.read(path, sample_rate=22_050)
    assert caught.value.kind == ("unreadable" if name.startswith("empty") else "not-audio")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert ("empty" if name.startswith("empty") else "not audio") in message
    assert capfd.readouterr() == ("", "")


def test_missing_and_folder(tmp_path):
    with pytest.raises(audio.AudioError, match=r"gone\.wav: no such file$"):
        audio.read(tmp_path / "gone.wav", sample_rate=22_050)
    with pytest.raises(audio.AudioError, match="is a folder, not an audio file"):
        audio.read(tmp_path, sample_rate=22_050)
    with pytest.raises(audio.AudioError, match=r"cannot be read: .*null"):
        audio.read(tmp_path / "a\0b.wav", sample_rate=22_050)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(audio.AudioError, match="not a regular file"):
        audio.read(tmp_path / "pipe.wav", sample_rate=22_050)


@pytest.mark.parametrize(("rate", "channels"), [(22_050, 65), (900, 1), (4_000_000, 1)])
def test_absurd_headers(tmp_path, rate, channels):
    path = write(tmp_path / "song.wav", np.zeros((2_000, channels), np.float32), rate)
    with pytest.raises(audio.AudioError, match="its header claims"):
        audio.read(path, sample_rate=22_050)


def test_names_of_every_kind(tmp_path):
    names = ["with spaces.wav", "émoji 🎸.flac", "new\nline.mp3", "concat:x|y.wav", "50%03d.ogg"]
    if sys.platform.startswith("linux"):
        names += [os.fsdecode(b"bytes\xff.mp3"), os.fsdecode(b"bytes\xfe.wav")]
    for name in names:
        path = tmp_path / name
        plain = write(tmp_path / f"plain{path.suffix}")
        plain.rename(path)
        assert len(audio.read(path, sample_rate=22_050)) == 3 * 22_050


def test_relative_names(tmp_path, monkeypatch):
    write(tmp_path / "song.ogg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.ogg").rename("concat:a|b.ogg")
    assert len(audio.read(Path("concat:a|b.ogg"), sample_rate=22_050)) == 3 * 22_050


def test_messages_stay_one_line(tmp_path):
    path = tmp_path / os.fsdecode(b"a\nb\x1b[31m\xff.wav")
    with pytest.raises(audio.AudioError) as caught:
        audio.read(path, sample_rate=22_050)
    message = str(caught.value)
    assert message == rf"{tmp_path}/a\x0ab\x1b[31m\xff.wav: no such file"
    message.encode("utf-8")


def test_errors_travel_between_processes(tmp_path):
    error = audio.AudioError(tmp_path / "a.wav", "no\nuse", "not-audio")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.kind) == (str(error), "not-audio")
    assert str(error).endswith("a.wav: no use")


def test_a_damaged_packet_is_passed_over(tmp_path):
    path = write(tmp_path / "song.flac", music(20.0))
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    path.write_bytes(content)
    assert len(audio.read(path, sample_rate=22_050)) >= 19 * 22_050


def test_raw_mp3_plays(tmp_path):
    samples = audio.read(raw_mp3(tmp_path / "raw.mp3"), sample_rate=44_100)
    assert len(samples) / 44_100 == pytest.approx(3.0, abs=0.1)


def test_duration(tmp_path):
    assert audio.duration(write(tmp_path / "song.wav")) == 3.0
    assert audio.duration(write(tmp_path / "song.m4a")) == pytest.approx(3.0, abs=0.05)


HOUR = """
import resource, sys
from pathlib import Path
import numpy as np, soundfile, soxr
from backbeat import audio
path = Path(sys.argv[1])
rate = 22_050
with soundfile.SoundFile(path, "w", rate, 2) as file:
    block = (np.random.default_rng(0).standard_normal((rate * 10, 2)) * 0.1).astype("float32")
    for _ in range(360):
        file.write(block)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with audio.open_source(path) as source:
    length = sum(map(len, audio.mono_blocks(source, source.info, 11_025)))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(length, (after - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's memory counts")
def test_an_hour_in_bounded_memory(tmp_path):
    run = [sys.executable, "-c", HOUR, str(tmp_path / "hour.wav")]
    length, megabytes = subprocess.run(run, check=True, capture_output=True).stdout.split()
    (tmp_path / "hour.wav").unlink()
    assert int(length) == 3600 * 11_025
    assert int(megabytes) < 60


def test_import_is_light():
    code = "import sys, backbeat.audio; print([m for m in ('librosa', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_to_nothing_is_called_that(tmp_path):
    (tmp_path / "link.wav").symlink_to(tmp_path / "gone.wav")
    with pytest.raises(audio.AudioError, match=r"link\.wav: a link to a file that is not there$"):
        audio.read(tmp_path / "link.wav", sample_rate=22_050)
