"""A few windows spread over a song are those of the whole song, whatever the format."""

import os
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from backbeat import audio
from backbeat.classify.windows import SongWindows
from backbeat.frontend import LogMel
from sounds import FORMATS, LOST_PAGES, MORE_FORMATS, cut, lose_pages, music, write

FRONT = LogMel()
RATE = FRONT.sample_rate
SECONDS = 330.0


def counting(rate):
    """A song whose pitch gives the time: 200 Hz and 10 Hz more each second."""
    time = np.arange(round(SECONDS * rate)) / rate
    pitch = 200 + 10 * np.floor(time)
    return (0.4 * np.sin(2 * np.pi * np.cumsum(pitch) / rate)).astype(np.float32)[:, None]


def heard_at(samples):
    """The second of `counting` that a window begins with."""
    part = samples[: RATE // 2]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
    return (np.fft.rfftfreq(len(part), 1 / RATE)[spectrum.argmax()] - 200) / 10


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in ("m4a", "opus") else name
        for name in FORMATS
    ],
)
def song(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("song") / f"song.{request.param}"
    rate = FORMATS[request.param]
    return write(path, counting(rate), rate)


def test_windows_spread_over_a_song_begin_where_they_say(song):
    with audio.open_source(song) as source:
        listening = SongWindows(source, FRONT, 4)
        windows = list(listening)
    assert [window.start for window in windows] == [30.0, 120.0, 180.0, 270.0]
    for window in windows:
        assert len(window.samples) == FRONT.window_samples
        # An MP3's or WMA's packets divide the time more coarsely.
        assert abs(heard_at(window.samples) - window.start) <= 1.0
    assert listening.seconds == pytest.approx(SECONDS, abs=0.2)


def test_all_windows_are_heard_if_all_are_wanted_or_few_are_there(song):
    for most in (None, 11):
        with audio.open_source(song) as source:
            listening = SongWindows(source, FRONT, most)
            starts = [window.start for window in listening]
        # A WMA is a little shorter than it says, and the last window ends with it.
        assert starts == pytest.approx([30.0 * number for number in range(11)], abs=0.1)
        assert listening.seconds == pytest.approx(SECONDS, abs=0.2)


def test_plain_samples_are_the_same_to_the_last(tmp_path):
    path = write(tmp_path / "song.wav", counting(RATE), RATE)
    whole = audio.read(path, sample_rate=RATE)
    with audio.open_source(path) as source:
        for window in SongWindows(source, FRONT, 3):
            start = round(window.start * RATE)
            assert np.array_equal(window.samples, whole[start : start + len(window.samples)])


def test_what_lies_between_is_not_decoded(tmp_path):
    path = write(tmp_path / "song.mp3", counting(RATE), RATE)
    with audio.open_source(path) as source:
        taken = []
        watched = replace(source, since=lambda start: counted(source.since(start), taken))
        list(SongWindows(watched, FRONT, 2))
    assert sum(taken) < 90 * RATE  # two windows, and the block that each ends in


def counted(blocks, taken):
    for block in blocks:
        taken.append(len(block))
        yield block


def test_a_song_that_ends_before_its_header_says_is_heard_as_far_as_it_goes(tmp_path):
    path = write(tmp_path / "song.mp3", counting(RATE), RATE)
    os.truncate(path, path.stat().st_size // 3)  # its header still counts all frames
    with audio.open_source(path) as source:
        listening = SongWindows(source, FRONT, 4)
        windows = list(listening)
    assert [window.start for window in windows] == [30.0]
    assert (listening.asked, listening.read) == (120.0, 30.0)
    assert listening.note == "30 of 120 s could be read"
    os.truncate(path, path.stat().st_size // 5)
    with audio.open_source(path) as source:
        windows = list(SongWindows(source, FRONT, 2))
    assert [window.start for window in windows] == [0.0]
    assert 15 * RATE < len(windows[0].samples) < 30 * RATE


def test_a_wav_cut_short_is_heard_to_its_end(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, counting(RATE), RATE)
    os.truncate(path, path.stat().st_size // 2)
    with audio.open_source(path) as source:
        listening = SongWindows(source, FRONT, 2)
        windows = list(listening)
    assert [window.start for window in windows] == [60.0]  # and not at 240 s
    assert listening.note == "30 of 60 s could be read"
    assert all(abs(heard_at(window.samples) - window.start) <= 1 for window in windows)


def test_the_last_of_a_few_windows_ends_with_the_song(tmp_path):
    path = write(tmp_path / "song.wav", counting(RATE)[: 171 * RATE], RATE)
    with audio.open_source(path) as source:
        windows = list(SongWindows(source, FRONT, 4))
    assert [window.start for window in windows] == [0.0, 30.0, 90.0, 141.0]
    assert abs(heard_at(windows[-1].samples) - 141) <= 1
    assert len(windows[-1].samples) == FRONT.window_samples


# --- What could be read of what was asked for


def read_of(path, most=4):
    with audio.open_source(path) as source:
        windows = SongWindows(source, FRONT, most)
        list(windows)
    return windows


@pytest.mark.parametrize("suffix", [*FORMATS, *MORE_FORMATS])
def test_a_cut_song_is_said_to_be_cut(tmp_path, suffix):
    path = tmp_path / f"song.{suffix}"
    write(path, music(12.0, (FORMATS | MORE_FORMATS)[suffix]))
    whole = read_of(path)
    assert (whole.asked, whole.note) == (whole.read, "")
    assert whole.read == whole.seconds == pytest.approx(12.0, abs=0.1)
    if suffix == "m4a":
        # Its index lies at the end here, so that nothing of a cut one can be read.
        return
    found = read_of(cut(path))
    if suffix in ("ogg", "opus"):
        assert found.note == "truncated: it breaks off within a page"
        assert found.asked == found.read
    else:
        assert found.asked == found.seconds == pytest.approx(12.0, abs=0.1)
        assert found.note == f"{found.read:.0f} of 12 s could be read"
    assert 4.5 < found.read < 7.0


@pytest.mark.parametrize("most", [4, None])
@pytest.mark.parametrize("lost", LOST_PAGES)
@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_lost_pages_are_said_to_be_missing(tmp_path, suffix, lost, most):
    path = write(tmp_path / f"song.{suffix}", music(60.0, FORMATS[suffix]))
    lose_pages(path, LOST_PAGES[lost])
    found = read_of(path, most)
    assert found.asked == pytest.approx(60.0, abs=0.25)
    share = {"every second": 0.5, "every third": 2 / 3}.get(lost, 0.25)
    assert found.read == pytest.approx(60 * share, abs=4)
    assert found.note == f"{found.read:.0f} of 60 s could be read"


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_lost_pages_are_missing_in_each_of_a_few_windows(tmp_path, suffix):
    path = write(tmp_path / f"song.{suffix}", counting(FORMATS[suffix]), FORMATS[suffix])
    lose_pages(path, LOST_PAGES["every third"])
    with audio.open_source(path) as source:
        windows = SongWindows(source, FRONT, 4)
        found = list(windows)
    assert [window.start for window in found] == [30.0, 120.0, 180.0, 270.0]
    # Each holds what is left of its own half minute, and nothing of the next.
    for window in found:
        assert len(window.samples) / RATE == pytest.approx(20.0, abs=4.0)
        assert -1 <= heard_at(window.samples) - window.start <= 3
        assert heard_at(window.samples[-RATE // 2 :]) - window.start <= 33
    assert windows.asked == 120.0
    assert windows.note == f"{windows.read:.0f} of 120 s could be read"


def test_a_little_is_not_said_to_be_missing(tmp_path):
    path = write(tmp_path / "song.wav", music(12.0))
    content = path.read_bytes()
    path.write_bytes(content[: -2 * RATE // 5])  # 0.2 s
    assert read_of(path).note == ""
    path.write_bytes(content[: -2 * RATE * 2 // 5])
    assert read_of(path).note == "11.6 of 12.0 s could be read"
