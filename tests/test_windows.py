"""A few windows spread over a song are those of the whole song, whatever the format."""

import os
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from backbeat import audio
from backbeat.classify.windows import SongWindows
from backbeat.frontend import LogMel
from sounds import FORMATS, write

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
        assert starts == [30.0 * number for number in range(11)]
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
        windows = list(SongWindows(source, FRONT, 4))
    assert [window.start for window in windows] == [30.0]
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
        windows = list(SongWindows(source, FRONT, 2))
    assert windows
    assert all(abs(heard_at(window.samples) - window.start) <= 1 for window in windows)
