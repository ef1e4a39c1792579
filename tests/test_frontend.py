"""The front-ends give librosa's numbers, and windows do not depend on how a stream was cut."""

import functools
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backbeat import frontend
from backbeat.errors import BackbeatError
from backbeat.frontend import LogMel, Mfcc, Musicnn, inputs
from backbeat.frontend.musicnn.maps import maps_to_patches, spectrograms
from sounds import GTZAN, need_gtzan

RATE = 22_050
GOLDEN = Path(__file__).parent / "data" / "frontend_golden.json"


def made_up(name, seconds=29.5):
    """Half a minute of a signal that is hard in its own way."""
    random = np.random.default_rng(5)
    n = round(seconds * RATE)
    time = np.arange(n) / RATE
    if name == "noise":
        samples = random.standard_normal(n) * 0.2
    elif name == "sine":
        samples = 0.8 * np.sin(2 * np.pi * 440 * time)
    elif name == "click":
        samples = np.zeros(n)
        samples[5_000::60_000] = 1.0
    elif name == "silence":
        samples = np.zeros(n)
    elif name == "quiet":
        samples = random.standard_normal(n) * 1e-5  # -100 dBFS: below the floor of some cells
    elif name == "loud":
        samples = np.sign(np.sin(2 * np.pi * 55 * time)) * 4.0  # over full scale
    elif name == "half":
        samples = np.where(time < 13, 0.3 * np.sin(2 * np.pi * 200 * time**1.2), 0)
    return samples.astype(np.float32)


SIGNALS = ("noise", "sine", "click", "silence", "quiet", "loud", "half")


def librosa_mfcc(samples):
    """The paper's features, by librosa and a slice at a time."""
    return np.stack(
        [
            librosa.feature.mfcc(y=samples[start : start + 63_945], sr=RATE, n_mfcc=13).T
            for start in range(0, 10 * 63_945, 63_945)
        ]
    )


def librosa_logmel(samples):
    """The map, by librosa: all frames, of which the columns' are then taken."""
    power = librosa.feature.melspectrogram(y=samples, sr=RATE)
    frames = power.shape[1]
    picked = [int((column + 0.5) * (frames - 1.7) / 387) for column in range(387)]
    return librosa.power_to_db(power[:, picked], ref=np.max).T


@pytest.mark.parametrize("name", SIGNALS)
def test_mfcc_is_librosas_on_made_up_signals(name):
    samples = made_up(name)
    ours = frontend.mfcc(samples)
    assert ours.shape == (10, 125, 13)
    assert ours.dtype == np.float32
    assert np.abs(ours - librosa_mfcc(samples)).max() < 1e-3


def test_mfcc_of_silence_is_known_exactly():
    # -100 dB in each of 128 bands: a constant, so only coefficient 0.
    ours = frontend.mfcc(made_up("silence"))
    assert ours[..., 0] == pytest.approx(-100 * np.sqrt(128), rel=1e-6)
    assert np.abs(ours[..., 1:]).max() < 1e-4


@functools.cache
def clips():
    need_gtzan()
    paths = sorted((GTZAN / "clips").glob("*/*.flac"))
    assert len(paths) == 50
    return [(path.stem, soundfile.read(path, dtype="float32")[0]) for path in paths]


@pytest.mark.slow
def test_mfcc_is_librosas_on_all_500_slices_of_real_music():
    worst = {name: np.abs(frontend.mfcc(y) - librosa_mfcc(y)).max() for name, y in clips()}
    assert max(worst.values()) < 1e-3, max(worst, key=worst.get)


def test_logmel_is_the_published_maps_on_real_music():
    own = {name: frontend.logmel(samples) for name, samples in clips()}
    with np.load(GTZAN / "logmel_dev.npz", allow_pickle=False) as file:
        names, levels = [str(name) for name in file["names"]], file["X"]
    shares = []
    for name, ours in own.items():
        theirs = levels[names.index(name)].T.astype(np.float32) / 256 * 80 - 80
        assert ours.shape == theirs.shape == (387, 128)
        difference = frontend.standardise(ours) - frontend.standardise(theirs)
        shares.append(np.mean(np.abs(difference) < 0.1))
    assert np.mean(shares) >= 0.97
    assert min(shares) >= 0.92


@pytest.mark.parametrize("seconds", [28.8, 30.0, 30.6])
@pytest.mark.parametrize("name", SIGNALS)
def test_logmel_is_librosas_on_made_up_signals(name, seconds):
    samples = made_up(name, seconds)
    ours = frontend.logmel(samples)
    assert ours.shape == (387, 128)
    assert ours.dtype == np.float32
    assert ours.max() == 0
    assert ours.min() >= -80
    assert np.abs(ours - librosa_logmel(samples)).max() < 1e-3


@pytest.mark.parametrize(
    "parameters",
    [
        Mfcc(n_fft=1024, hop_length=300, n_mels=40, n_mfcc=20, slices=4, seconds=8.0),
        Mfcc(sample_rate=16_000, top_db=40.0, seconds=10.0, slices=2),
    ],
)
def test_other_parameters_are_librosas_too(parameters):
    p = parameters
    samples = made_up("half")[: p.window_samples]
    theirs = [
        librosa.feature.mfcc(
            S=librosa.power_to_db(
                librosa.feature.melspectrogram(
                    y=part,
                    sr=p.sample_rate,
                    n_fft=p.n_fft,
                    hop_length=p.hop_length,
                    n_mels=p.n_mels,
                ),
                top_db=p.top_db,
            ),
            n_mfcc=p.n_mfcc,
        ).T
        for part in samples.reshape(p.slices, -1)
    ]
    ours = p.extract(samples)
    assert ours.shape == p.shape
    assert np.abs(ours - np.stack(theirs)).max() < 1e-3


def test_picked_frames_are_the_formulas():
    for frames in (1_200, 1_292, 1_293, 1_294, 1_308):
        picked = frontend.picked_frames(frames, 387)
        assert picked.tolist() == [int((j + 0.5) * (frames - 1.7) / 387) for j in range(387)]
        assert picked.min() >= 0
        assert picked.max() < frames
    # Fewer frames than columns: each is taken more than once, none is out of range.
    assert set(frontend.picked_frames(3, 8).tolist()) <= {0, 1, 2}
    assert frontend.picked_frames(1, 2).tolist() == [0, 0]


def test_the_papers_shapes():
    paper = Mfcc()
    assert (paper.slice_samples, paper.window_samples, paper.frames) == (63_945, 639_450, 125)
    assert paper.shape == (10, 125, 13)
    assert paper.slice_seconds == pytest.approx(2.9)
    assert LogMel().shape == (1, 387, 128)
    assert LogMel().window_samples == 661_500


@pytest.mark.parametrize(
    ("parameters", "rate", "window", "slack", "least", "least_answer", "seconds"),
    [
        (Mfcc(), 22_050, 639_450, 0, 639_450, 63_945, 2.9),
        (Mfcc(sample_rate=8_000, slices=4, seconds=10.0), 8_000, 80_000, 0, 80_000, 20_000, 2.5),
        (LogMel(), 22_050, 661_500, 22_050, 639_450, 66_150, 30.0),
        (LogMel(sample_rate=8_000, seconds=12.0), 8_000, 96_000, 3_200, 92_800, 24_000, 12.0),
        (Musicnn(), 16_000, 480_000, 16_000, 464_000, 48_000, 3.0),
    ],
)
def test_lengths_are_what_they_are_said_to_be(
    parameters, rate, window, slack, least, least_answer, seconds
):
    assert parameters.sample_rate == rate
    assert (parameters.window_samples, parameters.slack_samples) == (window, slack)
    assert (parameters.min_samples, parameters.min_answer_samples) == (least, least_answer)
    assert parameters.slice_seconds == pytest.approx(seconds)


def test_mfcc_takes_whole_slices_only():
    samples = made_up("noise")
    whole = frontend.mfcc(samples)
    assert np.array_equal(frontend.mfcc(samples[: 3 * 63_945 + 63_944]), whole[:3])
    assert np.array_equal(frontend.mfcc(samples[: 10 * 63_945]), whole)
    with pytest.raises(ValueError, match="63944 samples are less than a slice of 63945"):
        frontend.mfcc(samples[:63_944])


def test_mfcc_slices_are_the_cepstrum_of_a_maps_columns():
    maps = np.stack([frontend.logmel(made_up("noise", 30)), frontend.logmel(made_up("half", 30))])
    slices = frontend.mfcc_slices(maps)
    assert slices.shape == (2, 10, 37, 13)
    for row, number in ((0, 0), (1, 4), (1, 9)):
        part = maps[row, 37 * number : 37 * (number + 1)]
        theirs = librosa.feature.mfcc(S=part.T, n_mfcc=13).T
        assert np.abs(slices[row, number] - theirs).max() < 1e-3
    assert frontend.mfcc_slices(maps[:, :150], n_mfcc=20).shape == (2, 4, 37, 20)


def test_standardise_gives_mean_0_and_variance_1():
    random = np.random.default_rng(1)
    maps = (random.standard_normal((3, 2, 40, 16)) * 7 - 55).astype(np.float32)
    standard = frontend.standardise(maps)
    assert standard.dtype == np.float32
    assert np.abs(standard.mean(axis=(-2, -1), dtype=np.float64)).max() < 1e-5
    assert np.abs(standard.var(axis=(-2, -1), dtype=np.float64) - 1).max() < 1e-5
    # Each map by itself, and neither its level nor its scale matters.
    assert np.array_equal(frontend.standardise(maps[1, :1]), standard[1, :1])
    assert np.abs(frontend.standardise(maps * 2 + 3) - standard).max() < 1e-4


def test_standardise_makes_zeros_of_silence():
    silent = frontend.logmel(made_up("silence"))
    assert not frontend.standardise(silent).any()
    assert not frontend.standardise(np.full((2, 387, 128), -33.3, np.float32)).any()


def test_a_short_song_fills_a_map_by_repeating():
    samples = made_up("noise", 4.0)
    parameters = LogMel()
    (ours,) = parameters.extract(samples)
    filled = np.tile(samples, 8)[: parameters.min_samples]
    assert np.array_equal(ours, frontend.logmel(filled))


def test_maps_of_other_parameters_are_the_functions():
    parameters = LogMel(sample_rate=8_000, n_fft=512, hop_length=200, n_mels=20, columns=50)
    samples = made_up("noise", 15.0)[: parameters.min_samples]
    (ours,) = parameters.extract(samples)
    assert ours.shape == parameters.shape[1:] == (50, 20)
    assert np.array_equal(ours, frontend.logmel(samples, parameters))
    assert not np.array_equal(ours, frontend.logmel(samples)[:50, :20])


def test_as_input_fits_what_a_network_takes():
    slices = frontend.mfcc(made_up("noise"))
    assert frontend.as_input(slices, Mfcc(), "mfcc") is slices
    maps = LogMel().extract(made_up("half"))
    assert np.array_equal(frontend.as_input(maps, LogMel(), "logmel"), frontend.standardise(maps))
    seen = frontend.as_input(np.concatenate([maps, maps * 0.5]), LogMel(), "mfcc")
    assert np.array_equal(seen[:10], frontend.mfcc_slices(maps[0]))
    assert np.array_equal(seen[10:], frontend.mfcc_slices(maps[0] * 0.5))
    again = "prepare the collection again with --frontend logmel$"
    with pytest.raises(
        BackbeatError, match=f"^this model takes log-mel maps and these features are MFCCs: {again}"
    ):
        frontend.as_input(slices, Mfcc(), "logmel")
    features = np.zeros((10, 1, 1706), np.float32)
    assert frontend.as_input(features, Musicnn(), "musicnn") is features
    with pytest.raises(
        BackbeatError,
        match=f"^these features are MusiCNN's, which only --model transfer takes: {again}",
    ):
        frontend.as_input(features, Musicnn(), "mfcc")


def test_maps_are_cut_in_pieces_after_they_are_standardised():
    maps = np.concatenate([LogMel().extract(made_up(name)) for name in ("half", "noise")])
    standard = frontend.standardise(maps)
    thirds = frontend.as_input(maps, LogMel(), "logmel_10s")
    assert thirds.shape == (6, 129, 128)
    assert np.array_equal(thirds.reshape(2, 387, 128), standard)
    slices = frontend.as_input(maps, LogMel(), "logmel_3s")
    assert slices.shape == (20, 37, 128)
    assert np.array_equal(slices.reshape(2, 370, 128), standard[:, :370])


def test_a_joined_input_holds_each_piece_and_the_patches_spread_over_it():
    maps = np.concatenate([LogMel().extract(made_up(name)) for name in ("half", "noise")])
    joined = frontend.as_input(maps, LogMel(), "joined")
    assert str(inputs.unpacked_shapes()) == "((129, 128), (187, 96))"  # whole numbers
    assert joined.shape == (6, 1, 129 * 128 + 3 * 187 * 96)
    pieces, spectra = np.split(joined[:, 0], [129 * 128], axis=1)
    assert np.array_equal(pieces.reshape(2, 387, 128), frontend.standardise(maps))
    # 1,876 frames make three pieces of 625; of each the first, the middle and the last 187 or so.
    whole = spectrograms(maps, parameters=LogMel())
    assert whole.shape == (2, 1876, 96)
    wanted = [
        whole[song, 625 * piece + 219 * patch :][:187]
        for song in range(2)
        for piece in range(3)
        for patch in range(3)
    ]
    assert np.array_equal(spectra.reshape(18, 187, 96), np.stack(wanted))


def test_maps_are_seen_as_musicnns_patches_or_left_as_they_are():
    maps = np.concatenate([LogMel().extract(made_up(name)) for name in ("half", "noise")])
    assert frontend.as_input(maps, LogMel(), "maps") is maps
    patches = frontend.as_input(maps, LogMel(), "musicnn")
    assert patches.shape == (20, 187, 96)
    assert np.array_equal(patches[10:], maps_to_patches(maps[1], parameters=LogMel()))


@pytest.mark.parametrize(
    ("seconds", "most", "wanted"),
    [
        (None, 3, (0, 1, 2)),
        (0.0, 2, (0, 1)),
        (119.9, 4, (0, 1, 2, 3)),
        (120.0, 4, (0, 1, 2, 3)),
        (150.0, 4, (0, 1, 3, 4)),
        (600.0, 4, (2, 7, 12, 17)),
        (600.0, 1, (10,)),
        (59.9, 1, (0,)),
        (3_600.0, 3, (20, 60, 100)),
    ],
)
def test_windows_are_spread_over_a_long_song(seconds, most, wanted):
    assert frontend.spread(seconds, LogMel(), most) == wanted


@pytest.mark.parametrize(
    ("seconds", "patches"), [(2, 1), (3, 1), (10, 3), (28.9, 9), (29, 10), (30, 10), (31, 10)]
)
def test_musicnns_patches_are_spread_over_the_window(seconds, patches):
    from backbeat.frontend.musicnn import spectra as musicnn

    samples = np.random.default_rng(0).normal(0, 0.1, int(seconds * 16_000)).astype(np.float32)
    given = Musicnn(output="patches").extract(samples)
    assert given.shape == (patches, 187, 96)
    spectrogram = musicnn.spectrogram(samples)
    if seconds > 3:
        assert np.array_equal(given[0], spectrogram[:187])
        assert np.array_equal(given[-1], spectrogram[-187:] if patches > 1 else spectrogram[:187])
    else:
        assert np.array_equal(given[0, : len(spectrogram)], spectrogram[:187])
    features = Musicnn().extract(samples)
    assert features.shape == (patches, 1, 1706)
    assert np.isfinite(features).all()
    if patches == 10:
        assert Musicnn().seconds == 30
        assert Musicnn().shape == features.shape
        assert Musicnn(output="patches").shape == given.shape


@pytest.mark.parametrize("parameters", [Mfcc(), Mfcc(seconds=5.8, slices=2), LogMel()])
@pytest.mark.parametrize("kind", ["mfcc", "logmel"])
def test_input_shape_is_that_of_as_input(parameters, kind):
    if isinstance(parameters, Mfcc) and kind == "logmel":
        pytest.skip("MFCCs no longer hold a map")
    window = made_up("noise", 30)[: parameters.window_samples]
    made = frontend.as_input(parameters.extract(window), parameters, kind)
    assert frontend.input_shape(parameters, kind) == made.shape


def test_parameters_travel():
    for parameters in (
        Mfcc(),
        LogMel(),
        Mfcc(seconds=2.9, slices=1),
        LogMel(columns=100),
        Musicnn(output="patches"),
    ):
        there = json.loads(json.dumps(parameters.model_dump()))
        assert frontend.from_dict(there) == parameters
    assert [frontend.by_name(name).name for name in frontend.NAMES] == ["mfcc", "logmel", "musicnn"]
    assert frontend.by_name("mfcc") == Mfcc()


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"name": "cepstra"},
        {"name": "mfcc", "hop": 512},
        {"name": "logmel", "n_mfcc": 13},
        {"name": "mfcc", "n_fft": 0},
        {"name": "mfcc", "top_db": -1},
        {"name": "mfcc", "seconds": float("nan")},
        {"name": "mfcc", "seconds": float("inf")},
        {"name": "logmel", "columns": "many"},
        {"name": "logmel", "columns": 10**9},
        {"name": "logmel", "sample_rate": 10**9},
        {"name": "logmel", "n_fft": 2**30},
        {"name": "mfcc", "n_mels": 10**8},
        {"name": "mfcc", "slices": 10**9},
        {"name": "mfcc", "seconds": 1e12},
        {"name": "mfcc", "hop_length": 10**8},
        {"name": "mfcc", "seconds": 0.0001},
        {"name": "mfcc", "n_mfcc": 200},
        {"name": "logmel", "seconds": 1.0},
    ],
)
def test_wrong_parameters_are_refused(wrong):
    # They come from files too (stores and bundles), so none may ask for all memory either.
    with pytest.raises(ValidationError):
        frontend.from_dict(wrong)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValidationError):
        frontend.by_name("cqt")


# Small numbers: a window of 60 samples, 2 of slack, at least 58, or 6 for a whole song.
SMALL_LOGMEL = LogMel(sample_rate=2, seconds=30.0, n_fft=8, hop_length=2, n_mels=2, columns=5)
SMALL_MFCC = Mfcc(sample_rate=10, seconds=3.0, slices=3, n_fft=8, hop_length=2, n_mels=2, n_mfcc=2)


def expected_windows(length, parameters):
    """Where windows begin and end, said without a stream."""
    size, spans, start = parameters.window_samples, [], 0
    slack = 2 if isinstance(parameters, LogMel) else 0
    while length - start > size + slack:
        spans.append((start, start + size))
        start += size
    if isinstance(parameters, LogMel) and spans:
        spans.append((min(start, length - size), length))
    elif length - start >= (10 if isinstance(parameters, Mfcc) else 6):
        spans.append((start, length))
    return spans


@given(
    length=st.integers(0, 400),
    cuts=st.lists(st.integers(0, 400), max_size=30),
    parameters=st.sampled_from([SMALL_LOGMEL, SMALL_MFCC]),
)
@settings(max_examples=300)
def test_windows_do_not_depend_on_the_blocks(length, cuts, parameters):
    samples = np.arange(length, dtype=np.float32)
    blocks = np.split(samples, sorted(min(cut, length) for cut in cuts))
    given_windows = list(frontend.windows(blocks, parameters))
    expected = [(a, samples[a:b].tolist()) for a, b in expected_windows(length, parameters)]
    assert [(start, window.tolist()) for start, window in given_windows] == expected


def test_windows_of_songs_of_known_lengths():
    def lengths(seconds, parameters):
        blocks = np.array_split(np.zeros(round(seconds * RATE), np.float32), 7)
        return [round(len(w) / RATE, 1) for _, w in frontend.windows(blocks, parameters)]

    assert lengths(30.4, LogMel()) == [30.4]
    assert lengths(29.2, LogMel()) == [29.2]
    assert lengths(31.1, LogMel()) == [30.0, 30.0]
    assert lengths(61.0, LogMel()) == [30.0, 31.0]
    assert lengths(3.1, LogMel()) == [3.1]
    assert lengths(2.9, LogMel()) == []
    assert lengths(30.0, Mfcc()) == [29.0]
    assert lengths(32.0, Mfcc()) == [29.0, 3.0]
    assert lengths(60.0, Mfcc()) == [29.0, 29.0]
    assert lengths(2.8, Mfcc()) == []
    assert list(frontend.windows([], Mfcc())) == []


@pytest.mark.parametrize("parameters", [LogMel(), Musicnn()])
def test_the_last_window_ends_with_the_song(parameters):
    def spans(seconds):
        rate = parameters.sample_rate
        windows = frontend.windows([np.zeros(round(seconds * rate), np.float32)], parameters)
        return [(start / rate, (start + len(window)) / rate) for start, window in windows]

    assert spans(30.0) == [(0, 30)]
    assert spans(30.9) == [(0, 30.9)]
    assert spans(45.0) == [(0, 30), (15, 45)]
    assert spans(171.0)[-2:] == [(120, 150), (141, 171)]


@pytest.mark.parametrize(
    ("seconds", "most", "wanted"),
    [
        (30.9, 4, None),
        (45.0, 4, None),  # all of it, in two windows
        (45.0, 1, (15.0,)),
        (121.0, 4, None),
        (125.0, 4, (0.0, 30.0, 60.0, 95.0)),
        (150.9, 4, (0.0, 30.0, 90.0, 120.0)),
        (171.0, 4, (0.0, 30.0, 90.0, 141.0)),
        (330.0, 4, (30.0, 120.0, 180.0, 270.0)),
    ],
)
def test_where_a_few_windows_begin(seconds, most, wanted):
    assert frontend.starts(seconds, LogMel(), most) == wanted


def test_slices_of_mfccs_need_no_whole_window_at_the_end():
    assert frontend.starts(144.9, Mfcc(), 4) is None
    assert frontend.starts(145.0, Mfcc(), 4) == (0.0, 29.0, 87.0, 116.0)
    assert frontend.starts(171.0, Mfcc(), 4) == (0.0, 29.0, 87.0, 142.0)


@pytest.mark.parametrize("parameters", [Mfcc(), LogMel()])
def test_windows_of_an_hour_hold_little(parameters):
    block = np.zeros(5 * RATE, np.float32)
    tracemalloc.start()
    try:
        for _ in frontend.windows((block.copy() for _ in range(720)), parameters):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    window = 4 * parameters.window_samples
    assert peak < 4 * window, f"{peak / window:.1f} windows"


HOUR = """
import sys
from pathlib import Path
from backbeat import audio, frontend
front = frontend.by_name(sys.argv[2])
count = 0
with audio.open_source(Path(sys.argv[1])) as source:
    mono = audio.mono_blocks(source, source.info, front.sample_rate)
    for _, window in frontend.windows(mono, front):
        assert front.extract(window).shape == front.shape
        count += 1
status = Path("/proc/self/status").read_text()
print(count, int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the most memory held is read from /proc")
def test_an_hour_long_song_takes_little_memory(tmp_path):
    path = tmp_path / "hour.wav"
    block = (made_up("noise", 10.0) * 32_767).astype(np.int16)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(360):
            file.write(block)
    run = [sys.executable, "-c", HOUR, str(path), "logmel"]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    count, megabytes = map(int, output.split())
    assert count == 120
    assert megabytes < 400
    path.unlink()


def golden_signal():
    """Thirty seconds that a formula gives, so that no library's random numbers matter."""
    n = np.arange(30 * RATE)
    time = n / RATE
    sweep = np.sin(2 * np.pi * (80 * time + 90 * time**2))
    noise = ((n * 7_919 + n * n % 65_537 * 31) % 8_191) / 8_191 - 0.5
    beat = np.exp(-(((n % 11_025) / 1_500) ** 2))
    return (0.3 * sweep + 0.2 * noise * beat).astype(np.float32)


def golden_numbers():
    samples = golden_signal()
    coefficients, maps = frontend.mfcc(samples), frontend.logmel(samples)
    slices = frontend.mfcc_slices(maps)
    return {
        "mfcc": coefficients[[0, 3, 9]][:, [0, 62, 124]][..., [0, 1, 2, 12]].tolist(),
        "mfcc_mean": coefficients.mean(axis=(0, 1), dtype=np.float64).tolist(),
        "logmel": maps[[0, 100, 386]][:, [0, 20, 64, 127]].tolist(),
        "logmel_mean": float(maps.mean(dtype=np.float64)),
        "standardised": frontend.standardise(maps)[[5, 200]][:, [3, 90]].tolist(),
        "slices": slices[[0, 9]][:, [0, 36]][..., [0, 1, 12]].tolist(),
    }


def test_the_numbers_have_not_drifted():
    # Written by `python tests/test_frontend.py`; a change here changes every model ever trained.
    wanted = json.loads(GOLDEN.read_text())
    found = golden_numbers()
    assert found.keys() == wanted.keys()
    for name, numbers in wanted.items():
        assert np.asarray(found[name]) == pytest.approx(np.asarray(numbers), abs=1e-3), name


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(golden_numbers(), indent=1) + "\n")


def test_all_front_ends_need_songs_of_the_same_length():
    """So `check` need not know which of them is meant."""
    fronts = [frontend.by_name(name) for name in frontend.NAMES]
    assert {front.min_samples / front.sample_rate for front in fronts} == {29.0}
