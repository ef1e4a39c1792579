import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from tinytag import TinyTag

from backbeat.collections.jam import GENRES, SAMPLE_RATE, SECONDS, Song, compose, generate
from backbeat.collections.jam.artists import ARTISTS, draw_artist, generator
from backbeat.collections.jam.collection import FAULTS
from backbeat.collections.jam.compose import _STROKES, _paste, arrange
from backbeat.collections.jam.harmony import SCALES, parse_chord, voicing
from backbeat.collections.jam.mix import mix
from backbeat.collections.jam.sounds import DRUMS, INSTRUMENTS, LENGTH, Tone, hit, play
from backbeat.collections.jam.styles import ROLES, STYLES
from backbeat.errors import BackbeatError


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


def test_genres_differ_in_their_spectra_and_so_do_artists(songs: dict[str, Song]) -> None:
    def octaves(song: Song) -> np.ndarray:
        power = np.abs(np.fft.rfft(song.samples)) ** 2
        edges = np.searchsorted(np.fft.rfftfreq(LENGTH, 1 / SAMPLE_RATE), 43 * 2.0 ** np.arange(9))
        return 10 * np.log10([part.sum() / power.sum() for part in np.split(power, edges)[1:-1]])

    spectra = {genre: octaves(song) for genre, song in songs.items()}
    for one, other in itertools.combinations(GENRES, 2):
        assert np.abs(spectra[one] - spectra[other]).max() > 3  # dB in some octave
    assert np.abs(spectra["jazz"] - octaves(compose("jazz", 2))).max() > 3


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


@pytest.mark.slow
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
    with pytest.raises(BackbeatError, match=r"begun with another seed \(0\); choose another"):
        generate(folder, per_genre=1, seed=5)
    (tmp_path / "jam.json").write_text("{", encoding="utf-8")
    with pytest.raises(BackbeatError, match=r"jam.json: damaged .*; remove it, and run the same"):
        generate(tmp_path, per_genre=1)
    (tmp_path / "jam.json").write_text(json.dumps({"seed": 0, "version": 0}), encoding="utf-8")
    with pytest.raises(BackbeatError, match=r"another version \(0\)"):
        generate(tmp_path, per_genre=1)


@pytest.mark.parametrize(("option", "value"), [("per_genre", 0), ("seed", -1)])
def test_numbers_out_of_range_are_refused(tmp_path: Path, option: str, value: int) -> None:
    with pytest.raises(BackbeatError, match=option):
        generate(tmp_path / "new", **{option: value})  # type: ignore[arg-type]
    assert not (tmp_path / "new").exists()


def test_faults_are_as_they_should_be(folder: Path) -> None:
    at = {kind: folder / genre / f"jam-fault-{kind}{suffix}" for kind, genre, suffix in FAULTS}
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
    assert note.dtype == np.float32
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


@pytest.mark.parametrize("name", sorted(DRUMS))
def test_drums_sound(name: str) -> None:
    stroke = hit(name, Tone(), generator(3))
    assert stroke.dtype == np.float32
    assert np.isfinite(stroke).all()
    assert 0.1 < np.abs(stroke).max() < 2.5


@pytest.mark.parametrize("genre", GENRES)
def test_styles_name_things_that_exist(genre: str) -> None:
    style = STYLES[genre]
    assert set(style.neighbours.split()) <= set(GENRES) - {genre}
    for part in style.parts:
        assert part.role in ROLES
        assert set(part.instruments.split()) <= set(INSTRUMENTS)
        for bar in part.patterns.replace("|", " ").split():
            assert set(bar) <= set("12345678xspmw.")
            assert len(bar) % 4 == 0
    for harmony in style.harmonies:
        scale, chords = harmony.split(": ")
        assert scale in SCALES
        for numeral in chords.replace("/", " ").split():
            parse_chord(numeral)
    for groove in style.grooves:
        for line in groove.split(", "):
            drum, pattern = line.split()
            assert drum in DRUMS
            assert set(pattern) <= {*_STROKES, "."}
            assert len(pattern) % 4 == 0


def test_plans_cover_the_clip() -> None:
    for genre in GENRES:
        for number in range(6):
            plan = arrange(genre, draw_artist(genre, number, 3), generator(number))
            bars = [bar for bar, _ in plan.bars()]
            assert plan.seconds(0, 0) <= 0
            assert plan.seconds(bars[-1], 1) >= SECONDS


def test_chords() -> None:
    assert parse_chord("V7").intervals == (0, 4, 7, 10)
    assert parse_chord("bVII").root == 10
    assert parse_chord("ii7").intervals == (0, 3, 7, 10)
    assert voicing(parse_chord("I"), 60, 60) == (55, 60, 64)
    assert parse_chord("V7").interval("7") == 10
    assert parse_chord("i").interval("3") == 3


def test_paste_cuts_what_lies_outside() -> None:
    stem = np.zeros(10, dtype=np.float32)
    ones = np.ones(6, dtype=np.float32)
    _paste(stem, ones, -3 / SAMPLE_RATE, 1.0)
    _paste(stem, ones, 8 / SAMPLE_RATE, 2.0)
    _paste(stem, ones, 30.0, 1.0)
    _paste(stem, ones, -1.0, 1.0)
    assert stem.tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 2, 2]


def test_the_mix_brings_stems_to_their_levels_and_keeps_within_bounds() -> None:
    rng = generator(5)
    time = np.arange(LENGTH) / SAMPLE_RATE
    stems = [np.sin(2 * np.pi * pitch * time).astype(np.float32) for pitch in (500, 3000)]
    mixed = mix(
        [(3 * stems[0], 0.0, 0.0), (stems[1], -12.0, 0.0)],
        tilt=np.zeros(7), reverb=0.5, wet=0.0, loudness=-20.0, rng=rng,
    )  # fmt: skip
    spectrum = np.abs(np.fft.rfft(mixed))
    assert abs(20 * np.log10(spectrum[3000 * SECONDS] / spectrum[500 * SECONDS]) + 12) < 0.5
    assert abs(20 * np.log10(np.sqrt(np.mean(mixed**2))) + 20) < 0.1
    loud = mix(
        [(stems[0], 0.0, 0.3), (np.zeros(LENGTH, np.float32), 0.0, 0.3)],
        tilt=np.zeros(7), reverb=0.5, wet=0.3, loudness=6.0, rng=rng,
    )  # fmt: skip
    assert 0.9 < np.abs(loud).max() <= 0.99
