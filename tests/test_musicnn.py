"""MusiCNN gives the original's numbers, from its input on and from audio and maps to its input.

Tests that need the authors' wheel (29 MB) read it at the path in MUSICNN_WHEEL and skip without.
"""

import functools
import importlib.util
import json
import os
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest

import backbeat.frontend.musicnn
from backbeat import audio
from backbeat import frontend as slices
from backbeat.errors import BackbeatError
from backbeat.frontend.musicnn import maps, runtime, spectra
from sounds import GTZAN, need_gtzan

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from converting import network, pruning, weights

RATE = 16_000
SHIPPED = Path(backbeat.frontend.musicnn.__file__).parent / "data" / "msd_musicnn.onnx"
GOLDEN = json.loads((Path(__file__).parent / "golden" / "musicnn.json").read_text())
# Features reach 120 and float32 is summed in another order, so pooled ones differ by up to 4e-4.
TOLERANCES = {"tags": 1e-5, "embedding": 1e-4, "mean_pool": 1e-4, "max_pool": 1e-3}


def wheel():
    path = os.environ.get("MUSICNN_WHEEL")
    if not path:
        pytest.skip("MUSICNN_WHEEL names no wheel of musicnn 0.1.0")
    return Path(path)


def random(shape, seed):
    """Uniform numbers from 0 to 1 that no version of NumPy makes differently."""
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape)))
    return (raw >> np.uint64(40)).astype(np.float64).reshape(shape) / 2**24


def made_up_patches():
    """Noise, tones and beats as patches; the original's answers to them are the golden ones."""
    noise = random((187, 96), 7)
    time = np.arange(187)[:, None] * 0.016
    band = np.arange(96)[None] / 96
    tones = 2.5 * (1 + np.sin(2 * np.pi * 2 * time) * 0.5)
    tones = tones * np.exp(-(((band * 12) % 1 - 0.5) ** 2) * 20) * (1 - 0.6 * band) + 0.4 * noise
    beats = 4 * np.exp(-((time % 0.5) / 0.08)) * np.exp(-3 * band)
    beats = beats + 1.5 * np.exp(-((time % 0.25) / 0.03)) * band + 0.6 * noise
    return np.stack([noise * 4 * (1 - band), tones, beats]).astype(np.float32)


def assert_golden(outputs, model):
    """Compare outputs for `made_up_patches` with what the original says."""
    steps = {"embedding": GOLDEN["embedding_step"], "tags": 1}
    for name, tolerance in TOLERANCES.items():
        step = steps.get(name, GOLDEN["pool_step"])
        expected = np.array(GOLDEN["models"][model][name])
        np.testing.assert_allclose(outputs[name][:, ::step], expected, rtol=0, atol=tolerance)


def by_librosa(samples):
    power = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=512, hop_length=256, n_mels=96)
    return np.log10(10_000 * power.T + 1)


def sound(name, seconds=3.3):
    n = round(seconds * RATE)
    time = np.arange(n) / RATE
    made = {
        "noise": random(n, 1) - 0.5,
        "sine": 0.9 * np.sin(2 * np.pi * 440 * time),
        "click": (np.arange(n) % 5_000 == 0) * 1.0,
        "silence": np.zeros(n),
        "quiet": (random(n, 2) - 0.5) * 1e-5,
        "loud": np.sign(np.sin(2 * np.pi * 55 * time)) * 4.0,
    }
    return made[name].astype(np.float32)


class TestFrontend:
    @pytest.mark.parametrize("name", ["noise", "sine", "click", "silence", "quiet", "loud"])
    def test_equals_librosa(self, name):
        samples = sound(name)
        ours = spectra.spectrogram(samples)
        assert ours.dtype == np.float32
        assert ours.shape == (1 + len(samples) // 256, 96)
        np.testing.assert_allclose(ours, by_librosa(samples), rtol=0, atol=1e-4)

    def test_equals_librosa_on_a_real_excerpt(self):
        need_gtzan()
        path = GTZAN / "clips" / "rock" / "rock.00000.flac"
        samples = audio.read(path, sample_rate=RATE, seconds=10)
        expected = by_librosa(librosa.load(path, sr=RATE, duration=10)[0])
        np.testing.assert_allclose(spectra.spectrogram(samples), expected, rtol=0, atol=1e-4)

    def test_patches_are_consecutive(self):
        frames = np.arange(1876 * 2, dtype=np.float32).reshape(1876, 2)
        cut = spectra.patches(frames)
        assert cut.shape == (10, 187, 2)
        np.testing.assert_array_equal(cut.reshape(-1, 2), frames[:1870])

    def test_patches_overlap_by_a_smaller_hop(self):
        frames = np.arange(2 * 300, dtype=np.float32).reshape(2, 300, 1)
        cut = spectra.patches(frames, hop=50)
        assert cut.shape == (2, 3, 187, 1)
        np.testing.assert_array_equal(cut[1, 2], frames[1, 100:287])

    def test_a_short_song_is_repeated(self):
        frames = np.arange(100, dtype=np.float32)[:, None]
        (patch,) = spectra.patches(frames)
        np.testing.assert_array_equal(patch[:, 0], np.arange(187) % 100)

    @pytest.mark.parametrize(("frames", "hop"), [(0, 187), (200, 0)])
    def test_nothing_makes_no_patch(self, frames, hop):
        with pytest.raises(ValueError, match="no patch"):
            spectra.patches(np.zeros((frames, 96), np.float32), hop=hop)


def half_silent(seed=3):
    """Half a minute that is noise with a tone first and silence then, at 44.1 kHz's thirds."""
    time = np.arange(30 * 22_050) / 22_050
    samples = 0.2 * (random(len(time), seed) - 0.5) + 0.3 * np.sin(2 * np.pi * 1000 * time)
    return np.where(time < 20, samples, 0).astype(np.float32)


class TestMaps:
    def test_shape_and_kind(self):
        made = random((2, 387, 128), 4).astype(np.float32) * -80
        patches = maps.maps_to_patches(made)
        assert patches.shape == (2, 10, 187, 96)
        assert patches.dtype == np.float32
        np.testing.assert_array_equal(patches[1], maps.maps_to_patches(made[1]))

    def test_agrees_with_the_spectrogram_of_the_audio(self, monkeypatch):
        samples = half_silent()
        made = slices.logmel(samples)
        # The level, which a map does not contain, from the audio.
        power = librosa.feature.melspectrogram(y=samples, sr=22_050)
        monkeypatch.setattr(maps, "REFERENCE_DB", float(librosa.power_to_db(power.max())))
        ours = maps.spectrograms(made)
        resampled = librosa.resample(samples, orig_sr=22_050, target_sr=RATE)
        true = spectra.spectrogram(resampled)
        assert ours.shape == true.shape
        sounding = slice(100, 1150)
        # Noise away from the tone and from the resampler's edge: 0.1 is 1 dB.
        for bands in (slice(5, 25), slice(50, 85)):
            ours_mean, true_mean = ours[sounding, bands].mean(), true[sounding, bands].mean()
            assert ours_mean == pytest.approx(true_mean, abs=0.1)
        tone = true[sounding].mean(axis=0).argmax()
        assert ours[sounding].mean(axis=0).argmax() == tone
        assert ours[sounding, tone].mean() == pytest.approx(true[sounding, tone].mean(), abs=0.2)
        assert ours[1300:].max() < 0.05

    def test_columns_stand_at_their_times(self):
        made = np.full((387, 128), -80, np.float32)
        made[200] = 0
        loud = maps.spectrograms(made).mean(axis=1)
        picked = slices.picked_frames(1 + 661_500 // 512, 387)[200]
        assert loud.argmax() * 256 / RATE == pytest.approx(picked * 512 / 22_050, abs=0.06)

    def test_a_map_and_its_stretched_and_stored_form_are_one_song(self):
        made = random((387, 128), 5).astype(np.float32) * -55 - 3
        stretched = (made - made.max()) / (made.max() - made.min()) * 80
        # Float32, at up to 55 dB over the floor of the compression.
        expected = maps.maps_to_patches(stretched)
        np.testing.assert_allclose(maps.maps_to_patches(made), expected, rtol=0, atol=1e-4)

    def test_silence_stays_silent(self):
        silent = slices.logmel(np.zeros(661_500, np.float32))
        # The floor is 80 dB down, which the compression shows as 0.003, and the texture as more.
        assert maps.maps_to_patches(silent).max() < 0.05

    def test_texture_never_changes(self):
        """Features of training and of use must not differ by NumPy's version."""
        texture = maps._texture(1876)
        np.testing.assert_allclose(texture.mean(axis=0), 1, atol=1e-4)
        np.testing.assert_allclose(texture[[0, 500, 1875], [0, 40, 95]], PINNED, rtol=1e-3)

    def test_maps_of_another_front_end(self):
        small = slices.LogMel(seconds=10, columns=100, n_mels=64)
        made = random((100, 64), 6).astype(np.float32) * -80
        assert maps.maps_to_patches(made, parameters=small).shape == (3, 187, 96)
        with pytest.raises(ValueError, match="maps are"):
            maps.maps_to_patches(made)


PINNED = [1.537883, 1.515562, 0.823765]


@functools.cache
def made_up_variables():
    """Weights of the right shapes, most front-end filters inactive, for tests without the wheel."""
    generator = np.random.default_rng(8)

    def normal(*shape):
        return generator.standard_normal(shape).astype(np.float32)

    variables = {}
    shapes = [(7, 38, 1, 204), (7, 67, 1, 204), (128, 1, 1, 51), (64, 1, 1, 51), (32, 1, 1, 51)]
    shapes += [(7, 561, 1, 64), (7, 64, 1, 64), (7, 64, 1, 64)]
    for number, shape in enumerate(shapes):
        kernel = normal(*shape) / np.sqrt(np.prod(shape[:3]))
        if number < 5:
            kernel = kernel * np.where(generator.random(shape[3]) < 0.8, 1e-30, 1)
        scope = f"conv2d_{number}" if number else "conv2d"
        variables |= {
            f"{scope}/kernel": kernel.astype(np.float32),
            f"{scope}/bias": normal(shape[3]),
        }
    for number, size in enumerate([1, 204, 204, 51, 51, 51, 64, 64, 64, 1506, 200]):
        scope = f"batch_normalization_{number}" if number else "batch_normalization"
        variables |= {f"{scope}/{part}": normal(size) for part in ("gamma", "beta", "moving_mean")}
        variables[f"{scope}/moving_variance"] = np.abs(normal(size)) + np.float32(0.5)
    for scope, shape in {"dense": (1506, 200), "dense_1": (200, 50)}.items():
        variables[f"{scope}/kernel"] = normal(*shape) / np.float32(np.sqrt(shape[0]))
        variables[f"{scope}/bias"] = normal(shape[1])
    return variables


@functools.cache
def small_network():
    """The whole network with made-up weights, for patches of 40 frames."""
    built = network.build(frames=40)
    weights.load(built, made_up_variables())
    return built


class TestNetwork:
    def test_outputs_have_their_widths(self):
        shapes = {name: tuple(tensor.shape) for name, tensor in small_network().output.items()}
        assert {name: shape[-1] for name, shape in shapes.items()} == network.WIDTHS
        assert all(shape[1:-1] in ((), (40,)) for shape in shapes.values())
        assert set(runtime.OUTPUTS) <= set(shapes)

    def test_tags_name_the_outputs(self):
        for model in weights.MODELS:
            assert len(set(weights.TAGS[model])) == network.WIDTHS["tags"]

    def test_pruned_network_answers_as_the_whole(self):
        pruned = pruning.prune(made_up_variables())
        assert sum(pruned.filters.values()) < 561 / 3
        small = network.build(frames=40, filters=pruned.filters, constant=True)
        weights.load(small, pruned.variables)
        patches = (random((4, 40, 96), 9) * 5).astype(np.float32)
        expected = small_network()(patches)
        got = dict(small(patches))
        for name in ("mean_pool", "max_pool"):
            got[name] = np.asarray(got[name])[:, pruned.index] * pruned.scale
        for name in ("logits", "embedding", "mean_pool", "max_pool", "mid_1", "mid_3"):
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-4, atol=1e-4)
        inactive = pruned.scale != 1
        assert np.asarray(expected["mean_pool"])[:, inactive].std(axis=0).max() < 1e-5


class TestWeights:
    def test_another_file_is_refused(self, tmp_path):
        other = tmp_path / weights.WHEEL_NAME
        other.write_bytes(b"PK not a wheel")
        with pytest.raises(BackbeatError, match=r"not musicnn-0\.1\.0.*pip download"):
            weights.read_wheel(other, "msd")
        with pytest.raises(BackbeatError, match="cannot be read"):
            weights.read_wheel(tmp_path / "none.whl", "msd")
        with pytest.raises(BackbeatError, match="msd, mtt"):
            weights.read_wheel(other, "vgg")

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("dense/bias", None, "lacks"),
            ("vgg/kernel", np.zeros(3, np.float32), "vgg/kernel left over"),
            ("conv2d_3/bias", np.zeros(3, np.float32), "does not fit: temporal_64"),
        ],
    )
    def test_another_checkpoint_is_refused(self, name, value, message):
        variables = dict(made_up_variables())
        if value is None:
            del variables[name]
        else:
            variables[name] = value
        with pytest.raises(BackbeatError, match=message):
            weights.load(network.build(frames=40), variables)

    @pytest.mark.parametrize("model", weights.MODELS)
    def test_published_weights_give_the_originals_answers(self, model):
        built = network.build()
        weights.load(built, weights.read_wheel(wheel(), model))
        assert_golden(built.predict(made_up_patches(), verbose=0), model)

    def test_conversion_gives_the_originals_answers_and_the_same_bytes(self, tmp_path):
        path = wheel()
        script = Path(__file__).parents[1] / "tools" / "convert_musicnn.py"
        spec = importlib.util.spec_from_file_location("convert_musicnn", script)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        content = tool.convert(path, "msd")
        assert len(content) < 1_000_000
        assert tool.convert(path, "msd") == content
        made = tmp_path / "made.onnx"
        made.write_bytes(content)
        assert_golden(vars(runtime.open_musicnn(made)(made_up_patches())), "msd")
        if SHIPPED.exists():
            assert SHIPPED.read_bytes() == content


def another_network():
    """An ONNX network that gives what it takes."""
    from onnx import TensorProto, helper

    patch, same = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 187, 96])
        for name in ("patch", "same")
    )
    node = helper.make_node("Identity", ["patch"], ["same"])
    graph = helper.make_graph([node], "another", [patch], [same])
    opsets = [helper.make_opsetid("", 15)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


class TestRuntime:
    def test_what_is_no_musicnn_is_refused(self, tmp_path):
        with pytest.raises(BackbeatError, match="cannot be read"):
            runtime.open_musicnn(tmp_path / "none.onnx")
        damaged = tmp_path / "damaged.onnx"
        damaged.write_bytes(b"not a network")
        with pytest.raises(BackbeatError, match="not an ONNX network"):
            runtime.open_musicnn(damaged)
        damaged.write_bytes(another_network())
        with pytest.raises(BackbeatError, match="not a MusiCNN"):
            runtime.open_musicnn(damaged)

    def test_shipped_network_gives_the_originals_answers(self):
        if not SHIPPED.exists():
            pytest.skip("src/backbeat/frontend/musicnn/data/msd_musicnn.onnx is not here")
        opened = runtime.open_musicnn(SHIPPED)
        assert_golden(vars(opened(made_up_patches())), "msd")
        assert opened(np.zeros((0, 187, 96), np.float32)).embedding.shape == (0, 200)
        many = opened(np.repeat(made_up_patches(), 3, axis=0))
        assert_golden({name: values[::3] for name, values in vars(many).items()}, "msd")
