"""Sound that others write is read as what it is, or refused with the reason."""

import struct
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile

from backbeat import audio
from backbeat.audio import ogg
from backbeat.audio.containers import sample_bytes
from backbeat.audio.integrity import inspect
from backbeat.classify.windows import SongWindows
from backbeat.frontend import LogMel
from sounds import cut, free_format, music, write

RATE = 22_050


def encoded(path, samples, rate, codec, container, **options):
    """Write samples, shape (frames, channels), by FFmpeg; gives the path."""
    layout = {1: "mono", 2: "stereo", 8: "7.1"}[samples.shape[1]]
    with av.open(str(path), "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.layout = layout
        stream.bit_rate = 128_000 if samples.shape[1] < 8 else 384_000
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        size = stream.codec_context.frame_size or 1024
        resampler = av.AudioResampler(stream.format, layout, rate, size)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            file.mux(stream.encode(part))
    return path


def in_wav(path, content, rate=44_100):
    """Write bytes as the samples of a WAV of 16 bits and two channels; gives the path."""
    content = content[: len(content) // 4 * 4]
    coding = struct.pack("<IHHIIHH", 16, 1, 2, rate, rate * 4, 4, 16)
    head = b"WAVEfmt " + coding + b"data" + struct.pack("<I", len(content))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(head) + len(content)) + head + content)
    return path


def tone(pitch, seconds, rate):
    time = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)[:, None]


def pitch(samples, rate=RATE):
    """The loudest pitch (Hz) of mono samples."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()]


def opened(path):
    """The file's info, its notes, and all its native samples."""
    with audio.open_source(path) as source:
        blocks = list(source)
        return source.info, source.notes, np.concatenate(blocks)


# --- The other order of bytes


@pytest.mark.parametrize(
    ("suffix", "coding", "order"),
    [
        *((".wav", coding, "BIG") for coding in ("PCM_16", "PCM_24", "FLOAT")),
        (".au", "PCM_24", "LITTLE"),
    ],
)
def test_the_other_order_of_bytes_gives_the_same_samples(tmp_path, suffix, coding, order):
    samples = music(5.0, channels=2)
    usual = write(tmp_path / f"usual{suffix}", samples, subtype=coding)
    other = write(tmp_path / f"other{suffix}", samples, subtype=coding, endian=order)
    assert other.read_bytes()[:4] in (b"RIFX", b"dns.")
    np.testing.assert_array_equal(opened(other)[2], opened(usual)[2])
    assert inspect(other, min_seconds=1.0).findings == ()
    [finding] = inspect(cut(other), min_seconds=1.0).findings
    assert finding.kind == "truncated"


# --- Compressed sound under a header of samples


def test_ac3_in_a_wav_is_played(tmp_path):
    path = encoded(tmp_path / "a.ac3", music(6.0, 44_100, 2), 44_100, "ac3", "ac3")
    inside = in_wav(tmp_path / "inside.wav", path.read_bytes())
    info, _, samples = opened(inside)
    assert (info.codec, info.seconds) == ("ac3", None)  # the header counts the bytes as samples
    np.testing.assert_array_equal(samples, opened(path)[2])


def test_a_coding_that_a_wav_cannot_hold_is_damage(tmp_path):
    path = encoded(tmp_path / "a.wav", music(6.0, 44_100, 2), 44_100, "aac", "wav")
    with pytest.raises(audio.AudioError, match=r"damaged: .* packets cannot be decoded"):
        opened(path)


@pytest.mark.parametrize("mark", ["7ffe8001", "fe7f0180", "72f81f4e", "0b77" * 8])
def test_samples_that_look_compressed_by_chance_stay_samples(tmp_path, mark):
    content = (music(3.0, 44_100, 2) * 2**15).astype("<i2").tobytes()
    content = content[:2000] + bytes.fromhex(mark) + content[2000 + len(mark) // 2 :]
    path = in_wav(tmp_path / "a.wav", content)
    wanted = np.frombuffer(content, "<i2").reshape(-1, 2).astype(np.float32) / 2**15
    np.testing.assert_array_equal(opened(path)[2], wanted)


def test_old_wavpack_is_refused_with_the_reason(tmp_path):
    noise = np.random.default_rng(0).bytes(400_000)
    path = in_wav(tmp_path / "song.wv", b"wvpk" + struct.pack("<IHHI", 22, 3, 0, 0) + noise)
    with pytest.raises(audio.AudioError, match=r"Data is in WAVPACK format\)$"):
        audio.read(path, sample_rate=RATE)


# --- Another sample rate in the middle


@pytest.fixture(scope="module")
def two_rates(tmp_path_factory):
    """Two minutes each of 440 Hz at 44,100 and of 880 Hz at 22,050 samples a second."""
    folder = tmp_path_factory.mktemp("rates")
    one = encoded(folder / "1.mp3", tone(440, 120.0, 44_100), 44_100, "libmp3lame", "mp3")
    two = encoded(folder / "2.mp3", tone(880, 120.0, RATE), RATE, "libmp3lame", "mp3")
    path = folder / "song.mp3"
    path.write_bytes(one.read_bytes() + two.read_bytes())
    return path


def test_another_rate_in_the_middle_is_resampled(two_rates):
    mono = audio.read(two_rates, sample_rate=RATE)
    assert len(mono) / RATE == pytest.approx(240.0, abs=0.3)
    assert pitch(mono[110 * RATE : 111 * RATE]) == 440
    assert pitch(mono[130 * RATE : 131 * RATE]) == 880
    inspection = inspect(two_rates, min_seconds=3.0)
    assert inspection.findings == ()
    assert inspection.seconds == pytest.approx(240.0, abs=0.3)


@pytest.mark.parametrize("most", [4, None])
def test_windows_reach_what_has_another_rate(two_rates, most):
    with audio.open_source(two_rates) as source:
        windows = SongWindows(source, LogMel(), most)
        pitches = [pitch(window.samples) for window in windows]
    half = (most or 8) // 2
    assert pitches == pytest.approx([440.0] * half + [880.0] * half, abs=0.1)
    assert windows.read == pytest.approx(windows.asked, abs=0.5)
    assert windows.errors == []


def test_a_resampled_part_makes_no_larger_blocks():
    from backbeat.audio.source import resampled

    blocks = resampled([np.zeros((15_000, 8), np.float32)], 1_000, 700_000, 8)
    sizes = [block.size for block in blocks]
    assert sum(sizes) == 15_000 * 700 * 8
    assert max(sizes) < 1.3 * audio.BLOCK_SAMPLES


@pytest.fixture
def chain(tmp_path):
    """An Ogg of 440 Hz at 22,050, then of 880 Hz at 48,000 samples a second, then of 660 Hz."""
    parts = [(440, RATE, 10.0), (880, 48_000, 5.0), (660, RATE, 5.0)]
    path = tmp_path / "song.ogg"
    links = [
        write(tmp_path / f"{hertz}.ogg", tone(hertz, seconds, rate), rate).read_bytes()
        for hertz, rate, seconds in parts
    ]
    path.write_bytes(b"".join(links))
    return path


def test_a_chain_of_ogg_is_read_whole(chain):
    assert [end - start for start, end in ogg.links(chain)] == [
        (chain.parent / f"{hertz}.ogg").stat().st_size for hertz in (440, 880, 660)
    ]
    assert ogg.links(chain.parent / "440.ogg") == []
    assert audio.duration(chain) == pytest.approx(20.0, abs=0.01)
    mono = audio.read(chain, sample_rate=RATE)
    assert len(mono) == 20 * RATE
    np.testing.assert_array_equal(
        mono[: 10 * RATE], audio.read(chain.parent / "440.ogg", sample_rate=RATE)
    )
    assert [pitch(mono[at * RATE : (at + 1) * RATE]) for at in (5, 12, 17)] == [440, 880, 660]
    assert inspect(chain, min_seconds=3.0).findings == ()


@pytest.mark.parametrize(("start", "hertz"), [(2.0, 440), (9.0, 440), (11.0, 880), (16.0, 660)])
def test_every_moment_of_a_chain_is_found(chain, start, hertz):
    with audio.open_source(chain) as source:
        later = np.concatenate(list(audio.mono_blocks(source.since(start), source.info, RATE)))
    assert len(later) / RATE == pytest.approx(20.0 - start, abs=0.05)
    assert pitch(later[: RATE // 2]) == hertz


def test_a_chain_whose_page_is_damaged_is_read_on(chain):
    content = bytearray(chain.read_bytes())
    at = content.index(b"OggS", 5_000)
    content[at : at + 4] = b"XXXX"
    chain.write_bytes(content)
    assert len(ogg.links(chain)) == 3
    assert len(audio.read(chain, sample_rate=RATE)) > 15 * RATE


@pytest.mark.parametrize("container", ["IRCAM", "PVF", "AVR", "VOC", "NIST", "SVX", "W64"])
def test_rare_containers_are_played(tmp_path, container):
    path = tmp_path / "song.snd"
    soundfile.write(path, music(5.0), RATE, format=container, subtype="PCM_16")
    wanted = soundfile.read(path, dtype="float32", always_2d=True)[0]
    np.testing.assert_array_equal(opened(path)[2], wanted)


@pytest.mark.parametrize("coding", ["GSM610", "PCM_24"])
def test_a_moment_is_found_where_libsndfile_cannot_seek(tmp_path, coding):
    path = write(tmp_path / "song.wav", music(95.0), subtype=coding)
    _, _, whole = opened(path)
    with audio.open_source(path) as source:
        for start, seconds in ((60.0, 3.0), (20.0, None), (94.0, 3.0)):
            blocks = list(source.since(start, seconds))
            assert len(blocks[0]) <= round((seconds or 32.0) * RATE)
            np.testing.assert_array_equal(np.concatenate(blocks), whole[round(start * RATE) :])
        starts = [window.start for window in SongWindows(source, LogMel(), 2)]
    assert starts == pytest.approx([0.0, 65.0], abs=0.1)  # the last ends with the song


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_blocks_are_as_long_as_asked_for(tmp_path, suffix):
    path = write(tmp_path / f"song.{suffix}", music(20.0))
    with audio.open_source(path) as source:
        lengths = [len(block) / RATE for block in source.since(2.0, 6.0)]
        assert lengths[:-1] == pytest.approx([6.0] * 2, abs=0.5)
        [one] = source.since(1.0, 60.0)
    assert len(one) / RATE == pytest.approx(19.0, abs=0.1)


# --- Headers of another length

_SIZE = {  # where a header has its sizes, and the factor from bytes of samples
    "wav": [(b"data", 4, "<I", 0)],
    "wavex": [(b"data", 4, "<I", 0)],
    "rf64": [(b"ds64", 16, "<Q", 0)],
    "rifx": [(b"data", 4, ">I", 0)],
    "aiff": [(b"SSND", 4, ">I", 8)],
    "au": [(b".snd", 8, ">I", 0)],
    "caf": [(b"data", 4, ">q", 4)],
}


@pytest.mark.parametrize("seconds", [0, 2])
@pytest.mark.parametrize("kind", _SIZE)
def test_a_header_that_declares_too_little_hides_nothing(tmp_path, kind, seconds):
    samples = music(8.0, channels=2)
    options = {"format": {"rifx": "WAV"}.get(kind, kind.upper()), "subtype": "PCM_16"}
    if kind == "rifx":
        options["endian"] = "BIG"
    path = write(tmp_path / "song.wav", samples, **options)
    whole = opened(path)
    assert whole[1] == []
    content = bytearray(path.read_bytes())
    for mark, at, layout, lead in _SIZE[kind]:
        struct.pack_into(layout, content, content.index(mark) + at, seconds * RATE * 4 + lead)
    if kind == "aiff":
        struct.pack_into(">I", content, content.index(b"COMM") + 10, seconds * RATE)
    path.write_bytes(content)
    info, notes, read = opened(path)
    np.testing.assert_array_equal(read, whole[2])
    assert info == whole[0]
    declared = "2.0 s" if seconds else "no length"
    assert notes == [f"its header is wrong: it declares {declared}, 8.0 s are there"]
    with audio.open_source(path) as source:
        np.testing.assert_array_equal(np.concatenate(list(source.since(5.0))), read[5 * RATE :])
    [finding] = inspect(path, min_seconds=3.0).findings
    assert (finding.level, finding.kind, finding.reason) == ("suspicious", "header", notes[0])


@pytest.mark.parametrize(
    "after",
    [
        b"LIST" + struct.pack("<I", 100_000) + bytes(100_000),
        b"ID3\x03\0\0" + bytes(100_000),
        b"APETAGEX" + bytes(100_000),
        np.random.default_rng(0).bytes(60_000),
    ],
)
def test_what_follows_the_samples_is_no_sound(tmp_path, after):
    path = write(tmp_path / "song.wav", music(3.0))
    with path.open("ab") as file:
        file.write(after)
    _, notes, samples = opened(path)
    assert len(samples) == 3 * RATE
    assert notes == []


def test_a_caf_chunk_that_goes_back_is_not_followed(tmp_path):
    path = write(tmp_path / "song.caf", music(1.0))
    content = bytearray(path.read_bytes())
    struct.pack_into(">q", content, content.index(b"free") + 4, -24)
    path.write_bytes(content)
    with path.open("rb") as file:
        assert sample_bytes(file) is None


# --- What libsndfile plays and FFmpeg does not


def test_free_format_mp3_is_played(tmp_path, capfd):
    path = free_format(tmp_path / "song.mp3", 40.0)
    capfd.readouterr()
    info, _, samples = opened(path)
    with audio.open_source(path) as source:
        later = next(source.since(25.0))
    assert capfd.readouterr() == ("", "")
    assert info.sample_rate == 24_000
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    # In blocks as in one piece: the decoder's memory of earlier frames is not lost between them.
    np.testing.assert_allclose(samples, whole, atol=1e-6)
    assert len(samples) == pytest.approx(40 * 24_000, abs=3 * 576)
    np.testing.assert_allclose(later, whole[25 * 24_000 :][: len(later)], atol=1e-6)


# --- Eight channels and more


@pytest.mark.parametrize(
    ("suffix", "rate"), [("m4a", 44_100), ("opus", 48_000), ("ogg", RATE), ("wv", RATE)]
)
def test_eight_channels_are_mixed(tmp_path, suffix, rate):
    levels = np.array([0.9, 0.9, 0.6, 0, 0.3, 0.3, 0.2, 0.2], np.float32)
    samples = tone(440, 4.0, rate) * levels
    path = tmp_path / f"song.{suffix}"
    if suffix == "ogg":
        write(path, samples[:, [0, 2, 1, 6, 7, 4, 5, 3]], rate)  # in Vorbis' order
    else:
        codec, container = {
            "m4a": ("aac", "ipod"), "opus": ("libopus", "ogg"), "wv": ("wavpack", "wv")
        }[suffix]  # fmt: skip
        encoded(path, samples, rate, codec, container)
    info, _, read = opened(path)
    assert info.channels == read.shape[1] == 2
    mono = audio.read(path, sample_rate=RATE)
    assert len(mono) / RATE == pytest.approx(4.0, abs=0.05)
    assert pitch(mono[RATE : 2 * RATE]) == 440
    # Front, centre, back and sides, as ITU-R BS.775 weighs them; the low effects are left out.
    level = 0.4 * (levels[0] + np.sqrt(0.5) * (levels[2] + levels[4] + levels[6]))
    assert np.abs(mono[RATE : 2 * RATE]).max() == pytest.approx(level, rel=0.1)
    assert inspect(path, min_seconds=3.0).seconds == pytest.approx(4.0, abs=0.05)


def test_eight_channels_that_cancel_leave_the_louder(tmp_path):
    levels = np.array([1, -1, 0, 0, 0, 0, 0, 0], np.float32)
    path = tmp_path / "song.opus"
    encoded(path, tone(440, 3.0, 48_000) * levels, 48_000, "libopus", "ogg")
    mono = audio.read(path, sample_rate=RATE)
    assert np.abs(mono[RATE : 2 * RATE]).max() == pytest.approx(0.4, rel=0.1)


@pytest.mark.parametrize(
    ("gain", "kinds"), [(-1.0, ["cancelling"]), (-0.5, []), (1.0, []), (0.0, [])]
)
@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_check_says_that_channels_cancel(tmp_path, suffix, gain, kinds):
    one = music(6.0)
    path = write(tmp_path / f"song.{suffix}", np.hstack([one, gain * one]))
    findings = inspect(path, min_seconds=3.0).findings
    assert [finding.kind for finding in findings] == kinds
    assert all(finding.level == "suspicious" for finding in findings)


# --- A window that cannot be read


def failing(source, *, after):
    """The source, of which nothing can be decoded from `after` (s) on."""

    def blocks(start, inner):
        for block in inner:
            left = round((after - start) * source.info.sample_rate)
            if len(block) > left:
                yield block[: max(0, left)]
                raise audio.AudioError(source.path, f"damaged after {after} s")
            yield block
            start += len(block) / source.info.sample_rate

    return replace(
        source, blocks=blocks(0.0, source.blocks), since=lambda at: blocks(at, source.since(at))
    )


def test_a_window_that_cannot_be_read_is_not_passed_over_in_silence(tmp_path):
    path = write(tmp_path / "song.wav", music(180.0))
    with audio.open_source(path) as source:
        windows = SongWindows(failing(source, after=120.0), LogMel(), 2)
        starts = [window.start for window in windows]
    assert starts == [30.0]
    assert (windows.asked, windows.read) == (60.0, 30.0)
    assert [str(error) for error in windows.errors] == [f"{path}: damaged after 120.0 s"]


def test_a_song_that_breaks_off_is_analysed_as_far_as_it_goes(tmp_path):
    path = write(tmp_path / "song.wav", music(80.0))
    with audio.open_source(path) as source:
        windows = SongWindows(failing(source, after=45.0), LogMel())
        lengths = [len(window.samples) / RATE for window in windows]
    assert lengths[0] == 30.0
    assert (windows.asked, windows.read) == (80.0, 45.0)
    assert len(windows.errors) == 1


def test_a_song_of_which_nothing_can_be_read_is_an_error(tmp_path):
    path = write(tmp_path / "song.wav", music(40.0))
    with audio.open_source(path) as source, pytest.raises(audio.AudioError, match="damaged after"):
        list(SongWindows(failing(source, after=0.0), LogMel()))
