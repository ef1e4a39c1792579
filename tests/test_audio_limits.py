"""Absurd headers, bombs, a week of sound and samples that are none: one line, bounded memory."""

import sys
from pathlib import Path

import numpy as np
import pytest

from backbeat import audio
from backbeat.audio.integrity import inspect
from backbeat.classify.windows import SongWindows
from backbeat.frontend import LogMel
from bombs import WEEK, au, caf, constant_flac, large_png, wav, week_of_wav
from sounds import music, write

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from fuzzing.cases import peak, reset_peak
from fuzzing.sounds import classifier, encode

on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads Linux's memory counts"
)

HEADERS = {
    "channels.wav": lambda path: wav(path, channels=65_535),
    "no-channels.wav": lambda path: wav(path, channels=0),
    "rate.wav": lambda path: wav(path, rate=10**9),
    "largest-rate.wav": lambda path: wav(path, rate=2**32 - 1),
    "no-rate.wav": lambda path: wav(path, rate=0),
    "no-bits.wav": lambda path: wav(path, bits=0),
    "bits.wav": lambda path: wav(path, bits=65_535),
    "coding.wav": lambda path: wav(path, coding=0x7ABC),
    "channels.au": lambda path: au(path, channels=2**31),
    "rate.au": lambda path: au(path, rate=10**9),
    "no-rate.au": lambda path: au(path, rate=0),
    "all.au": lambda path: au(path, rate=2**32 - 1, channels=2**32 - 1),
    "nan.caf": lambda path: caf(path, rate=float("nan")),
    "inf.caf": lambda path: caf(path, rate=float("inf")),
    "minus.caf": lambda path: caf(path, rate=-44_100.0),
    "huge.caf": lambda path: caf(path, rate=1e300),
    "channels.caf": lambda path: caf(path, channels=2**31),
}


@pytest.mark.parametrize("name", HEADERS)
def test_absurd_headers(tmp_path, name, capfd):
    path = HEADERS[name](tmp_path / name)
    with pytest.raises(audio.AudioError) as caught:
        audio.read(path, sample_rate=22_050)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("promised", [2**31 - 10, 2**32 - 1])
def test_a_header_that_promises_more_gives_what_is_there(tmp_path, promised):
    path = wav(tmp_path / "a.wav", promised=promised)
    assert len(audio.read(path, sample_rate=22_050)) == 4 * 22_050


def test_a_header_that_promises_less_gives_all_that_is_there(tmp_path):
    path = wav(tmp_path / "a.wav", promised=44_100)
    assert len(audio.read(path, sample_rate=22_050)) == 88_200


def test_an_offset_beyond_the_end_gives_nothing(tmp_path):
    assert not len(audio.read(au(tmp_path / "a.au", offset=2**31 - 1), sample_rate=22_050))


def test_a_stream_whose_coding_is_not_known(tmp_path):
    path = encode(tmp_path / "song.mov", "mov", "pcm_s16be", 22_050, 1)
    path.write_bytes(path.read_bytes().replace(b"twos", b"xyzw"))
    with pytest.raises(audio.AudioError, match=r"song\.mov: .* \(its codec is not known\)$"):
        audio.read(path, sample_rate=22_050)


def test_a_stream_that_appears_while_reading_is_left_aside(tmp_path):
    path = encode(tmp_path / "a.flv", "flv", "mp3", 44_100, 1, seconds=12.0)
    whole = audio.read(path, sample_rate=44_100)
    picture = b"\x12" + bytes(40)
    tag = b"\x09" + len(picture).to_bytes(3, "big") + (12_000).to_bytes(3, "big") + bytes(4)
    with path.open("ab") as file:
        file.write(tag + picture + (11 + len(picture)).to_bytes(4, "big"))
    np.testing.assert_array_equal(audio.read(path, sample_rate=44_100), whole)


# --- Samples


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38, -1e10])
def test_samples_that_are_no_sound(tmp_path, value, recwarn, capfd):
    samples = music(6.0, channels=2)
    samples[70_000:70_050] = value
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(audio.AudioError, match="samples that are not numbers, or far too large"):
        audio.read(path, sample_rate=16_000)
    with pytest.raises(audio.AudioError, match="samples that are not numbers, or far too large"):
        classifier().classify(path)
    [finding] = inspect(path, min_seconds=3.0).findings
    assert finding.kind == "not-finite"
    assert finding.reason.startswith("100 samples are not numbers")
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_opposite_infinities(tmp_path, recwarn):
    samples = music(4.0, channels=2)
    samples[100] = np.inf, -np.inf
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(audio.AudioError, match="not numbers"):
        classifier().classify(path)
    assert not recwarn.list


def test_floats_on_the_scale_of_integers_are_sound(tmp_path):
    samples = music(4.0) * 2.0**31
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    assert np.isfinite(classifier().classify(path).probability)


def test_what_an_inspector_passes_on_is_sound(tmp_path):
    from backbeat.audio.integrity import Inspector

    samples = music(1.0)
    samples[5] = np.nan
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with audio.open_source(path) as source:
        passed = np.concatenate(list(Inspector(path, source.info).watch(source)))
    assert passed[5] == 0
    np.testing.assert_array_equal(np.delete(passed, 5), np.delete(samples, 5))


# --- Bombs, and a week


def grown(call):
    """Give by how many MB the process grows at its peak."""
    before = reset_peak()
    call()
    return (peak() - before) / 1024


@on_linux
@pytest.mark.parametrize("suffix", ["mp3", "flac", "m4a"])
def test_a_cover_that_expands_to_144_megabytes(tmp_path, suffix):
    from mutagen import flac, id3, mp4

    from backbeat.library.tags.rewriting import same_sound

    path = write(tmp_path / f"song.{suffix}", music(3.2, 44_100), 44_100)
    classifier().classify(path)  # what only the first song costs
    picture = large_png()
    if suffix == "mp3":
        tag = id3.ID3()
        tag.add(id3.APIC(encoding=0, mime="image/png", type=3, desc="", data=picture))
        tag.save(path)
    elif suffix == "flac":
        file = flac.FLAC(path)
        cover = flac.Picture()
        cover.type, cover.mime, cover.data = 3, "image/png", picture
        file.add_picture(cover)
        file.save()
    else:
        file = mp4.MP4(path)
        file["covr"] = [mp4.MP4Cover(picture, mp4.MP4Cover.FORMAT_PNG)]
        file.save()
    assert grown(lambda: classifier().classify(path)) < 60
    assert grown(lambda: same_sound(path, path)) < 60


@on_linux
@pytest.mark.parametrize("make", [week_of_wav, lambda path: constant_flac(path, WEEK)])
def test_a_week_is_answered_by_four_half_minutes(tmp_path, make):
    path = make(tmp_path / "week.audio")
    answers = []
    assert grown(lambda: answers.append(classifier().classify(path))) < 60
    assert answers[0].seconds == pytest.approx(WEEK, rel=1e-4)
    assert len(answers[0].timeline) == 4
    assert answers[0].timeline[-1].start > WEEK * 0.8


def test_few_windows_of_a_song_that_declares_no_length(tmp_path):
    path = constant_flac(tmp_path / "a.flac", 1_800, declared=False)
    with audio.open_source(path) as source:
        assert source.info.seconds is None
        listening = SongWindows(source, LogMel(), 4)
        starts = [window.start for window in listening]
    assert starts == pytest.approx([210, 660, 1_110, 1_560], abs=30)
    assert listening.seconds == pytest.approx(1_802, abs=10)


def test_a_short_song_that_declares_no_length_is_heard_whole(tmp_path):
    path = constant_flac(tmp_path / "a.flac", 100, declared=False)
    with audio.open_source(path) as source:
        listening = SongWindows(source, LogMel(), 4)
        assert [window.start for window in listening][:3] == [0, 30, 60]
        assert (listening.asked, listening.note) == (listening.read, "")


def test_blocks_of_a_bomb_are_no_larger_than_others(tmp_path):
    path = constant_flac(tmp_path / "hours.flac", 4 * 3600)
    assert path.stat().st_size < 30_000
    with audio.open_source(path) as source:
        largest = max(block.nbytes for block in source)
    assert largest <= 4 * audio.BLOCK_SAMPLES
