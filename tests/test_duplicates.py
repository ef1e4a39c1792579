"""Near duplicates are found whatever their level, offset and encoding; other songs are not."""

import dataclasses
import functools

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.features.duplicates import (
    _COARSE_STEP,
    MIN_SECONDS,
    THRESHOLD,
    NearDuplicate,
    _screen,
    find_near_duplicates,
)
from backbeat.features.store import Examples
from backbeat.frontend import LogMel, Mfcc, as_input, mfcc_slices
from sounds import GTZAN, need_gtzan, write

RATE = 22_050
FRONTENDS = (Mfcc(), LogMel())


@functools.cache
def tune(seed, seconds=52.0):
    """Mono music of nothing but chance: notes of any pitch, length, timbre and noise."""
    random = np.random.default_rng(seed)
    samples = np.zeros(round(seconds * RATE), np.float32)
    start = 0
    while start < len(samples):
        length = int(random.uniform(0.08, 0.5) * RATE)
        time = np.arange(length) / RATE
        overtones = np.arange(1, 9)
        strength = random.uniform(0, 1, 8) ** 2 / overtones**0.5
        waves = np.sin(2 * np.pi * random.uniform(80, 900) * overtones[:, None] * time)
        note = (strength[:, None] * waves).sum(0)
        hiss = np.convolve(random.standard_normal(length), random.standard_normal(6), "same")
        note += random.uniform(0, 0.2) * hiss
        note *= 0.12 * random.uniform(0.2, 1) * np.exp(-time * random.uniform(0, 8))
        samples[start : start + length] += note[: len(samples) - start].astype(np.float32)
        start += length
    return samples


def part(samples, start, seconds=30.0):
    """`seconds` of a tune from `start` on."""
    return samples[round(start * RATE) :][: round(seconds * RATE)]


def examples_of(tracks, frontend):
    """Examples of tracks given as samples, or as lists of windows of samples; and their lengths."""
    tracks = [track if isinstance(track, list) else [track] for track in tracks]
    x = [np.concatenate([extracted(w, frontend) for w in windows]) for windows in tracks]
    seconds = [sum(map(len, windows)) / RATE for windows in tracks]
    return made_examples(x), np.array(seconds)


def extracted(samples, frontend):
    return as_input(frontend.extract(samples), frontend, "mfcc")


def made_examples(tracks):
    """Examples of tracks given as arrays (slices, frames, coefficients)."""
    n = len(tracks)
    empty = np.zeros((0, 125, 13), np.float32)
    counts = [len(track) for track in tracks]
    track = np.repeat(np.arange(n), counts)
    return Examples(
        x=np.concatenate([empty, *tracks]) if n == 0 else np.concatenate(tracks),
        y=np.zeros(len(track), np.int64),
        track=track,
        slice=np.concatenate([np.zeros(0, np.int64), *map(np.arange, counts)]),
        names=tuple(f"song {row}" for row in range(n)),
        artists=("",) * n,
        albums=("",) * n,
        digests=("",) * n,
        genres=("any",),
    )


def found_in(tracks, frontend, **options):
    examples, seconds = examples_of(tracks, frontend)
    return find_near_duplicates(examples, frontend, seconds=seconds, **options)


def pairs(found):
    return [(pair.first, pair.second) for pair in found]


@pytest.fixture(scope="module")
def noise():
    """MFCC slices of 6 made-up songs, as smooth as MFCCs are: (6, 10, 125, 13)."""
    random = np.random.default_rng(0)
    steps = random.standard_normal((6, 1254, 13))
    smooth = np.lib.stride_tricks.sliding_window_view(steps, 5, axis=1).mean(-1)
    return (10 * smooth).astype(np.float32).reshape(6, 10, 125, 13)


# --- What is found ---


@pytest.mark.slow
@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_other_songs_are_not_found(frontend):
    assert found_in([part(tune(seed), 0) for seed in range(8)], frontend) == ()


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_the_same_song_is_found_with_itself(frontend):
    song = part(tune(0), 0)
    (pair,) = found_in([song, part(tune(1), 0), song], frontend)
    assert (pair.first, pair.second) == (0, 2)
    assert pair.correlation == pytest.approx(1, abs=1e-5)
    assert pair.offset == pytest.approx(0, abs=1e-6)
    assert pair.seconds == pytest.approx(29, rel=0.08)
    assert pair.score == pytest.approx(pair.correlation * pair.seconds / (pair.seconds + 1))


@pytest.mark.parametrize("offset", [0.7, -3.3, 8.02, -15.5, 22.04])
@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_a_later_or_earlier_excerpt_is_found_with_its_offset(frontend, offset):
    first, second = part(tune(2), max(0, -offset)), part(tune(2), max(0, offset))
    (pair,) = found_in([part(tune(3), 0), first, second], frontend)
    assert (pair.first, pair.second) == (1, 2)
    assert pair.offset == pytest.approx(offset, abs=0.02)
    assert pair.seconds == pytest.approx(29 - abs(offset), abs=2.5)


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_level_and_clipping_do_not_matter(frontend):
    song = part(tune(4), 0)
    loud = np.clip(song * 2 / np.abs(song).max(), -1, 1)
    found = found_in([song, part(tune(5), 0), song / 4, loud], frontend)
    assert pairs(found) == [(0, 2), (0, 3), (2, 3)]
    assert found[0].correlation > 0.99


@pytest.mark.parametrize("suffix", ["mp3", "opus"])
@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_lossy_copies_are_found(frontend, suffix, tmp_path):
    cut = part(tune(6), 2.25)
    rate = {"mp3": RATE, "opus": 24_000}[suffix]
    path = write(tmp_path / f"copy.{suffix}", cut[:, None], rate)
    decoded, _ = soundfile.read(path, dtype="float32")
    (pair,) = found_in([part(tune(6), 0), part(tune(7), 0), decoded[: 30 * RATE]], frontend)
    # As Opus knows no rate of 22,050 Hz, the copy is the same samples called 24,000 Hz.
    assert (pair.first, pair.second) == (0, 2)
    assert pair.offset == pytest.approx(2.25, abs=0.06)


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_a_recording_in_the_midst_of_another_is_found(frontend):
    medley = np.concatenate([part(tune(8), 0, 9), part(tune(0), 5, 13), part(tune(8), 30, 8)])
    (pair,) = found_in([part(tune(0), 0), part(tune(1), 0), medley], frontend)
    assert (pair.first, pair.second) == (0, 2)
    assert pair.offset == pytest.approx(5 - 9, abs=0.02)
    assert pair.seconds == pytest.approx(13, abs=2.5)
    assert found_in([part(tune(0), 0), medley], frontend, min_seconds=16.0) == ()


def test_each_pair_of_three_copies_is_found_once_and_in_order():
    song, other = tune(0), tune(1)
    tracks = [part(song, 4), part(other, 0), part(song, 0), part(other, 3), part(song, 2)]
    found = found_in(tracks, LogMel())
    assert pairs(found) == [(0, 2), (0, 4), (1, 3), (2, 4)]
    assert [pair.offset for pair in found] == pytest.approx([-4, -2, 3, 2], abs=0.02)


def test_pairs_of_any_two_blocks_are_found(noise):
    """Windows are compared 32 by 32, and those of one block with each other too."""
    random = np.random.default_rng(1)
    x = 10 * random.standard_normal((70, 10, 125, 13), dtype=np.float32)
    for first, second in ((0, 69), (3, 40), (33, 34), (64, 65)):
        x[second] = x[first] + random.standard_normal(x.shape[1:])
    calls = []
    found = find_near_duplicates(
        made_examples(list(x)), Mfcc(), on_progress=lambda *done: calls.append(done)
    )
    assert pairs(found) == [(0, 69), (3, 40), (33, 34), (64, 65)]
    assert calls[-1] == (70 * 69 // 2, 70 * 69 // 2)
    assert calls == sorted(calls)


# --- Windows ---


def test_each_window_of_a_track_is_compared_by_itself():
    """The windows of a long song lie apart, so no stretch reaches from one into the next."""
    song, other = tune(0), tune(1)
    first = [part(song, 0), part(other, 20)]
    second = [part(tune(2), 0), part(song, 3)]
    (pair,) = found_in([first, second], LogMel())
    assert pair.offset == pytest.approx(3, abs=0.02)
    halves = [part(tune(3), 0, 30), part(tune(3), 26, 26)]
    # The song goes on from the end of one window to the start of the next, 2 s of each.
    torn = [
        np.concatenate([part(tune(4), 0, 28), part(song, 0, 2)]),
        np.concatenate([part(song, 2, 2), part(tune(5), 0, 28)]),
    ]
    assert found_in([halves[0], [part(song, 0)], torn], LogMel(), min_seconds=3.0) == ()


def test_the_two_windows_that_are_most_alike_speak_for_their_tracks():
    random = np.random.default_rng(0)
    song, other = tune(0), tune(1)
    hissing = part(song, 3) + 0.003 * random.standard_normal(30 * RATE).astype(np.float32)
    (clean,) = found_in([[part(song, 0)], [hissing]], LogMel())
    for first, second in (([0, 1], [0, 1]), ([1, 0], [0, 1])):
        windows = [part(song, 0), part(other, 20)], [hissing, part(other, 20)]
        (pair,) = found_in(
            [[windows[0][at] for at in first], [windows[1][at] for at in second]], LogMel()
        )
        assert pair.correlation == pytest.approx(1, abs=1e-4) and clean.correlation < 0.98
        assert pair.offset == pytest.approx(0, abs=1e-6)


def test_repeats_within_a_track_are_no_duplicates():
    song = part(tune(0), 0)
    assert found_in([[song, song, song], part(tune(1), 0)], LogMel()) == ()


def test_clips_of_other_lengths_are_compared_by_their_seconds():
    """A log-mel map has as many columns for 29.05 as for 30.95 s."""
    tracks = [part(tune(0), 0, 30.95), part(tune(0), 1.9, 29.05)]
    examples, seconds = examples_of(tracks, LogMel())
    (known,) = find_near_duplicates(examples, LogMel(), seconds=seconds)
    assert known.offset == pytest.approx(1.9, abs=0.03)
    assert known.seconds > 25
    unknown = find_near_duplicates(examples, LogMel())
    assert max((pair.score for pair in unknown), default=0) < known.score - 0.1


def test_short_overlaps_are_left_to_chance():
    tracks = [part(tune(0), 0), part(tune(0), 22)]
    assert pairs(found_in(tracks, Mfcc())) == [(0, 1)]
    assert found_in(tracks, Mfcc(), min_seconds=9.0) == ()


def test_windows_shorter_than_a_stretch_give_nothing(noise):
    front = Mfcc(seconds=2.9, slices=1)
    examples = made_examples([noise[0, :1], noise[0, :1]])
    assert find_near_duplicates(examples, front) == ()
    assert pairs(find_near_duplicates(examples, front, min_seconds=2.0)) == [(0, 1)]


# --- Numbers ---


def test_constants_of_the_coefficients_do_not_matter(noise):
    """A constant filter adds a constant to each coefficient, the level one to the first."""
    filtered = noise[0] + np.arange(13, dtype=np.float32) * 7 - 20
    louder = noise[0].copy()
    louder[:, :, 0] = 0
    found = find_near_duplicates(made_examples([noise[0], filtered, louder, noise[1]]), Mfcc())
    assert pairs(found) == [(0, 1), (0, 2), (1, 2)]
    assert [pair.correlation for pair in found] == pytest.approx([1, 1, 1], abs=1e-4)


@settings(max_examples=20)
@given(scale=st.floats(0.2, 50), degree=st.floats(0, 0.8))
def test_the_scale_of_the_coefficients_does_not_matter(noise, scale, degree):
    changed = np.cos(degree) * noise[0] + np.sin(degree) * noise[1]
    plain = made_examples([noise[0], changed])
    scaled = made_examples([noise[0], scale * changed])
    limits = {"threshold": 0.05, "min_seconds": 2.0}
    (expected,) = find_near_duplicates(plain, Mfcc(), **limits)
    (got,) = find_near_duplicates(scaled, Mfcc(), **limits)
    for field in dataclasses.fields(NearDuplicate):
        assert getattr(got, field.name) == pytest.approx(
            getattr(expected, field.name), rel=1e-3, abs=1e-3
        )


def test_the_threshold_is_one_for_correlation_and_length(noise):
    mixed = 0.9 * noise[0] + 0.44 * noise[1]
    examples = made_examples([noise[0], mixed])
    (pair,) = find_near_duplicates(examples, Mfcc())
    assert pair.correlation == pytest.approx(0.9, abs=0.02)
    assert pair.score < pair.correlation
    assert find_near_duplicates(examples, Mfcc(), threshold=pair.score + 0.01) == ()
    assert find_near_duplicates(examples, Mfcc(), threshold=pair.score - 0.01) == (pair,)
    assert 0 < THRESHOLD < 1 < MIN_SECONDS


def test_screening_agrees_with_the_definition():
    """By hand, a lag at a time; the windows sound in parts only, so each overlap has its norm."""
    random = np.random.default_rng(2)
    x = random.standard_normal((6, 94, 12)).astype(np.float32)
    for number, window in enumerate(x):
        window[10 * number : 10 * number + 25] = 0
    x[3, 40:] += x[1, :54]
    least = int(np.ceil(MIN_SECONDS / _COARSE_STEP))

    def score(first, second, lag):
        n = 94 - abs(lag)
        a, b = first[max(0, lag) :][:n], second[max(0, -lag) :][:n]
        norms = [np.sqrt(max(np.sum(part**2), 12 * least)) for part in (a, b)]
        return np.sum(a * b) / norms[0] / norms[1] * n / (n + 1 / _COARSE_STEP)

    track = np.arange(6)
    for first in range(6):
        for second in range(first + 1, 6):
            scores = {lag: score(x[first], x[second], lag) for lag in range(least - 94, 95 - least)}
            best = max(scores, key=scores.get)
            two = [x[first], x[second]]
            (got,) = _screen(two, track[:2], scores[best] - 1e-4, MIN_SECONDS)
            assert got == (0, 1, pytest.approx(best * _COARSE_STEP))
            assert list(_screen(two, track[:2], scores[best] + 1e-4, MIN_SECONDS)) == []


# --- What is no music, or hardly any ---


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(noise, count):
    assert find_near_duplicates(made_examples(list(noise[:count])), Mfcc()) == ()


def test_tracks_without_variation_are_no_duplicates(noise):
    """Silence is not a recording; and no division by its strength (a warning fails the test)."""
    still = np.zeros_like(noise[0])
    tone = still + np.float32(123.4)
    rounding = tone + np.float32(1e-5) * noise[0]
    tracks = [still, still, tone, tone, rounding, rounding, noise[0]]
    assert find_near_duplicates(made_examples(tracks), Mfcc()) == ()


RESTS = {
    "begins late": [(0, 9)],
    "a gap": [(8, 22)],
    "mostly silent": [(0, 14), (16, 30)],
    "on and off": [(second, second + 2) for second in range(0, 30, 4)],
}


@pytest.mark.parametrize("rests", RESTS.values(), ids=RESTS.keys())
def test_common_rests_are_no_likeness(noise, rests):
    """From silence, of a flat spectrum, to music, mostly dull, it is the same step in any song."""
    time = (np.arange(10)[:, None] * 63_945 + np.arange(125) * 512) / RATE
    songs = noise + np.array([0, 120, 30, 20, 10, *[5] * 8], np.float32)
    for start, end in rests:
        songs[:, (time >= start) & (time < end)] = 0
    assert find_near_duplicates(made_examples(list(songs)), Mfcc()) == ()
    copied = find_near_duplicates(made_examples([*songs, songs[2]]), Mfcc())
    sounding = 29 - sum(min(end, 29) - start for start, end in rests)
    assert pairs(copied) == ([(2, 6)] if sounding > MIN_SECONDS else [])


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_a_song_with_a_gap_is_found(frontend):
    torn = part(tune(0), 0).copy()
    torn[8 * RATE : 22 * RATE] = 0
    (pair,) = found_in([torn, part(tune(1), 0), part(tune(0), 1)], frontend)
    assert (pair.first, pair.second) == (0, 2)
    assert pair.offset == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_one_click_in_silence_is_no_recording(frontend):
    click = np.zeros(30 * RATE, np.float32)
    click[9 * RATE : 9 * RATE + 400] = tune(0)[:400]
    assert found_in([click, click], frontend) == ()


def test_a_few_common_clicks_are_no_recording(noise):
    """Such as a scratch on a record: strong, but a small part of the time."""
    random = np.random.default_rng(0)
    tracks = [noise[0].reshape(-1, 13).copy(), noise[1].reshape(-1, 13).copy()]
    for frame in range(40, 1250, 300):
        click = 300 * random.standard_normal(13)
        for track in tracks:
            track[frame : frame + 2] += click
    examples = made_examples([track.reshape(10, 125, 13) for track in tracks])
    assert find_near_duplicates(examples, Mfcc()) == ()


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_loops_of_one_tempo_are_told_apart(frontend):
    """Bars of 2 s that repeat all through: alike in rhythm, not in sound."""
    loops = [np.tile(tune(seed)[: 2 * RATE], 15) for seed in range(8)]
    found = found_in([*loops, part(np.tile(tune(3)[: 2 * RATE], 16), 0.5)], frontend)
    assert pairs(found) == [(3, 8)]
    # Any bar is as good as another.
    assert (found[0].offset - 0.5) % 2 == pytest.approx(0, abs=0.05) or (
        found[0].offset - 0.5
    ) % 2 == pytest.approx(2, abs=0.05)


# --- Refusals, stores ---


def test_refusals(noise):
    examples = made_examples(list(noise))
    with pytest.raises(ValueError, match="not of this front-end"):
        find_near_duplicates(examples, LogMel())
    with pytest.raises(ValueError, match="above 0"):
        find_near_duplicates(examples, Mfcc(), threshold=0)
    with pytest.raises(ValueError, match="above 0"):
        find_near_duplicates(examples, Mfcc(), min_seconds=0)


def test_front_ends_with_next_to_nothing_in_them(noise):
    level_only = Mfcc(n_mfcc=1)
    tracks = [track[:, :, :1] for track in noise[:2]]
    assert find_near_duplicates(made_examples(tracks), level_only) == ()
    few = LogMel(columns=40)
    assert found_in([part(tune(0), 0), part(tune(1), 0), part(tune(2), 0)], few) == ()


def test_a_store_goes_through(store):
    examples = store.examples("mfcc")
    assert find_near_duplicates(examples, store.frontend) == ()
    x = examples.x.copy()
    x[examples.track == 7] = x[examples.track == 3]
    copied = dataclasses.replace(examples, x=x)
    assert pairs(find_near_duplicates(copied, store.frontend)) == [(3, 7)]


# --- Real music ---


@pytest.mark.slow
def test_no_two_maps_of_gtzan_are_of_one_recording():
    """The published lists leave out the duplicates of GTZAN; what is left has none."""
    path = GTZAN / "logmel_dev.npz"
    if not path.exists():
        pytest.skip("the GTZAN maps (../shared/gtzan/logmel_dev.npz) are not here")
    with np.load(path, allow_pickle=False) as file:
        maps = file["X"].transpose(0, 2, 1) / np.float32(256) * 80 - 80
    # One more, cut from a map, shows that they would be seen; no other pair is near the threshold.
    later = np.concatenate([maps[100, 50:], maps[200, :50]])
    tracks = [*mfcc_slices(maps), mfcc_slices(later)]
    limit = THRESHOLD - 0.1
    found = find_near_duplicates(made_examples(tracks), LogMel(), threshold=limit)
    assert pairs(found) == [(100, len(maps))]
    pair = found[0]
    assert pair.offset == pytest.approx(50 * 0.0775, abs=0.02)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Five excerpts, and of each a copy cut by 3.3 s, 6 dB softer, through a small MP3."""
    need_gtzan()
    folder = tmp_path_factory.mktemp("copies")
    paths = sorted((GTZAN / "clips").glob("*/*.flac"))[::10]
    songs = [soundfile.read(path, dtype="float32")[0] for path in paths]
    copies = []
    for number, song in enumerate(songs):
        cut = song[round(3.3 * RATE) :] / 2
        copy = np.concatenate([cut, songs[number - 1][: len(song) - len(cut)]])[:, None]
        path = folder / f"{number}.mp3"
        write(path, copy, bitrate_mode="CONSTANT", compression_level=0.6)
        assert path.stat().st_size * 8 < 30 * 80_000
        copies.append(soundfile.read(path, dtype="float32")[0])
    return songs, copies


@pytest.mark.parametrize("frontend", FRONTENDS, ids=lambda front: front.name)
def test_copies_of_real_excerpts_are_found(frontend, real):
    songs, copies = real
    n = len(songs)
    found = found_in([*songs, *copies], frontend)
    assert pairs(found) == [(number, n + number) for number in range(n)]
    assert [pair.offset for pair in found] == pytest.approx([3.3] * n, abs=0.06)
