import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from tinytag import TinyTag

from backbeat.errors import BackbeatError
from backbeat.jam import GENRES, SAMPLE_RATE, SECONDS, Song, compose, generate
from backbeat.jam.arrange import arrange
from backbeat.jam.artists import ARTISTS, draw_artist
from backbeat.jam.basics import LENGTH, generator
from backbeat.jam.drums import Kit, hit
from backbeat.jam.faults import FAULTS
from backbeat.jam.harmony import parse_chord, voicing
from backbeat.jam.instruments import Tone
from backbeat.jam.orchestra import AMPLIFIERS, INSTRUMENTS, play
from backbeat.jam.perform import _DRUM_LEVELS, _STROKES, paste
from backbeat.jam.style import Part, Style
from backbeat.jam.styles import NEIGHBOURS, STYLES

ALL_STYLES = [style for styles in STYLES.values() for style in styles]


@pytest.fixture(scope="module")
def songs() -> dict[str, Song]:
    return {genre: compose(genre, 1) for genre in GENRES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("jam") / "out"
    generate(out, per_genre=1, workers=1, with_faults=True)
    return out


@pytest.mark.parametrize("genre", GENRES)
def test_songs_fill_the_clip_with_sound(songs: dict[str, Song], genre: str) -> None:
    samples = songs[genre].samples
    assert samples.dtype == np.float32
    assert samples.shape == (SAMPLE_RATE * SECONDS,)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() < 0.995
    rms = 20 * np.log10(np.sqrt(np.mean(samples**2)))
    assert -36 < rms < -9
    seconds = np.sqrt(np.mean(samples.reshape(SECONDS, -1) ** 2, axis=1))
    assert (seconds > 1e-3).mean() > 0.9  # at most three seconds of rest
    assert abs(samples.mean()) < 1e-3


def test_the_same_arguments_give_the_same_samples(songs: dict[str, Song]) -> None:
    again = compose("metal", 1)
    np.testing.assert_array_equal(again.samples, songs["metal"].samples)
    assert again.title == songs["metal"].title
    assert not np.array_equal(compose("metal", 1, seed=1).samples, again.samples)


def test_songs_of_an_artist_differ_and_artists_differ(songs: dict[str, Song]) -> None:
    other = compose("jazz", 1 + ARTISTS)
    assert other.artist == songs["jazz"].artist
    assert other.album != songs["jazz"].album
    assert not np.array_equal(other.samples, songs["jazz"].samples)
    drawn = [draw_artist(genre, number, 0) for genre in GENRES for number in range(ARTISTS)]
    assert len({artist.name for artist in drawn}) == len(drawn)
    assert len({artist.tilt for artist in drawn}) == len(drawn)
    assert all(len(artist.albums) in (2, 3) for artist in drawn)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="polka"):
        compose("polka", 0)
    with pytest.raises(ValueError, match="negative"):
        compose("pop", -1)


def test_workers_and_the_number_of_tracks_change_nothing(folder: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    paths = generate(
        tmp_path, per_genre=2, workers=2, on_progress=lambda done, total: seen.append((done, total))
    )
    assert len(paths) == 2 * len(GENRES)
    assert seen == [(done, 20) for done in range(21)]
    for genre in GENRES:
        name = f"{genre}/jam-{genre}-000.wav"
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_clips_have_gtzans_form_and_tell_their_artist(folder: Path, songs: dict[str, Song]) -> None:
    path = folder / "blues" / "jam-blues-000.wav"
    info = sf.info(str(path))
    form = (info.format, info.subtype, info.channels, info.samplerate, info.frames)
    assert form == ("WAV", "PCM_16", 1, SAMPLE_RATE, LENGTH)
    song = compose("blues", 0)
    tag = TinyTag.get(path)
    assert (tag.artist, tag.album, tag.title) == (song.artist, song.album, song.title)
    samples, _ = sf.read(path, dtype="float32")
    np.testing.assert_allclose(samples, song.samples, atol=1e-4)
    assert "no real music" in (folder / "README.txt").read_text(encoding="utf-8")


def test_resuming_keeps_whole_clips_and_mends_others(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    paths = [tmp_path / genre / f"jam-{genre}-000.wav" for genre in GENRES]
    kept, cut, gone = paths[0], paths[1], paths[2]
    whole = {path: path.read_bytes() for path in paths}
    stamp = kept.stat().st_mtime_ns
    cut.write_bytes(whole[cut][:500_000])
    gone.unlink()
    seen: list[int] = []
    made = generate(tmp_path, per_genre=1, workers=1, on_progress=lambda done, _: seen.append(done))
    assert made == paths
    assert seen == [8, 9, 10]
    assert kept.stat().st_mtime_ns == stamp
    assert {path: path.read_bytes() for path in paths} == whole
    assert not list(tmp_path.rglob(".writing-*"))


def test_a_folder_of_another_seed_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BackbeatError, match=r"seed 0, version \d+, not seed 5.*another folder"):
        generate(folder, per_genre=1, seed=5)
    (tmp_path / "jam.json").write_text("{", encoding="utf-8")
    with pytest.raises(BackbeatError, match="unreadable"):
        generate(tmp_path, per_genre=1)
    (tmp_path / "jam.json").write_text(json.dumps({"seed": 0, "version": 0}), encoding="utf-8")
    with pytest.raises(BackbeatError, match="version 0"):
        generate(tmp_path, per_genre=1)


@pytest.mark.parametrize(("option", "value"), [("per_genre", 0), ("seed", -1)])
def test_numbers_out_of_range_are_refused(tmp_path: Path, option: str, value: int) -> None:
    with pytest.raises(BackbeatError, match=option):
        generate(tmp_path / "new", **{option: value})  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_faults_are_as_they_should_be(folder: Path) -> None:
    at = {fault.kind: fault.path(folder) for fault in FAULTS}
    assert all(path.is_file() for path in at.values())
    data = at["truncated"].read_bytes()
    promised = int.from_bytes(data[4:8], "little") + 8
    assert len(data) < 0.6 * promised
    assert at["empty"].stat().st_size == 0
    with pytest.raises(sf.LibsndfileError):
        sf.info(str(at["text"]))
    assert not sf.read(at["silent"])[0].any()
    samples, _ = sf.read(at["nan"])
    assert sf.info(str(at["nan"])).subtype == "FLOAT"
    assert np.isnan(samples).sum() == 100
    assert sf.info(str(at["short"])).duration == 1
    samples, _ = sf.read(at["clipped"])
    assert (np.abs(samples) > 0.999).mean() > 0.3
    first, _ = sf.read(folder / "reggae" / "jam-reggae-000.wav", dtype="int16")
    copy, _ = sf.read(at["duplicate"], dtype="int16")
    np.testing.assert_array_equal(first, copy)


@pytest.mark.parametrize("name", sorted(INSTRUMENTS))
def test_instruments_are_in_tune_and_end_softly(name: str) -> None:
    pitch = 220.0 if "bass" not in name else 55.0
    # No bends or vibrato here: they are meant to leave the pitch.
    tone = Tone(vibrato=0.01)
    note = play(name, [pitch], 1.5, tone, generator(7))
    assert np.isfinite(note).all()
    assert abs(note[-1]) <= 0.02 * np.abs(note).max()
    if name in ("growl", "rapper"):
        return  # they speak rather than sing
    middle = note[SAMPLE_RATE // 4 :]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    frequencies = np.fft.rfftfreq(1 << 18, 1 / SAMPLE_RATE)
    near = (frequencies > 0.9 * pitch) & (frequencies < 1.1 * pitch)
    found = frequencies[near][np.argmax(spectrum[near])]
    assert abs(1200 * np.log2(found / pitch)) < 25  # cents


def test_amplifiers_belong_to_instruments() -> None:
    assert set(AMPLIFIERS) <= set(INSTRUMENTS)


@pytest.mark.parametrize("name", sorted(_DRUM_LEVELS))
def test_drums_sound(name: str) -> None:
    stroke = hit(name, Kit(), generator(3))
    assert stroke.dtype == np.float32
    assert np.isfinite(stroke).all()
    assert 0.1 < np.abs(stroke).max() < 2.5


@pytest.mark.parametrize("style", ALL_STYLES)
def test_styles_name_things_that_exist(style: Style) -> None:
    def check(part: Part) -> None:
        assert set(part.instruments) <= set(INSTRUMENTS)
        assert part.role in {"bass", "comp", "pad", "arp", "riff", "lead", "answer"}
        for pattern in part.patterns:
            for bar in pattern.split("|"):
                assert set(bar) <= set("12345678xXspmaw.")
                assert len(bar) % style.beats == 0

    for part in style.parts:
        check(part)
    for harmony in style.harmonies:
        for numeral in harmony.bars.replace("/", " ").split():
            parse_chord(numeral)
    for groove in style.grooves:
        for line in groove:
            drum, pattern = line.split()
            assert drum in _DRUM_LEVELS
            assert set(pattern) <= {*_STROKES, "."}
            assert len(pattern) % style.beats == 0


def test_genres_have_styles_and_neighbours() -> None:
    assert tuple(STYLES) == GENRES
    assert set(NEIGHBOURS) == set(GENRES)
    assert all(genre not in others for genre, others in NEIGHBOURS.items())


def test_plans_cover_the_clip() -> None:
    for genre in GENRES:
        for number in range(6):
            artist = draw_artist(genre, number, 3)
            plan = arrange(genre, artist, generator(number))
            assert plan.bars <= len(plan.phrases) * plan.phrase_bars
            assert plan.seconds(0, 0) <= 0.5
            assert plan.seconds(plan.bars, 0) >= SECONDS - 0.5


def test_chords() -> None:
    assert parse_chord("V7").intervals == (0, 4, 7, 10)
    assert parse_chord("bVII").root == 10
    assert parse_chord("ii7").intervals == (0, 3, 7, 10)
    assert voicing(parse_chord("I"), 60, 60) == (55, 60, 64)
    with pytest.raises(ValueError, match="H7"):
        parse_chord("H7")


def test_paste_cuts_what_lies_outside() -> None:
    stem = np.zeros(10, dtype=np.float32)
    ones = np.ones(6, dtype=np.float32)
    paste(stem, ones, -3 / SAMPLE_RATE, 1.0)
    paste(stem, ones, 8 / SAMPLE_RATE, 2.0)
    paste(stem, ones, 30.0, 1.0)
    paste(stem, ones, -1.0, 1.0)
    assert stem.tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 2, 2]
