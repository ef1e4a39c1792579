"""What a model answers when the recording changes and the music does not."""

import json

import numpy as np
import pytest

from backbeat.bundle.archive import read_bundle, write_bundle
from backbeat.classify import sounds
from backbeat.features.importing import import_features
from backbeat.frontend import LogMel
from bundles import make_bundle, make_description
from sounds import music, write


def bright_or_dark(path, trained_on=()):
    """A bundle that calls a song rock if its upper bands are loud beside the lower ones."""
    make_bundle(path, genres=("blues", "rock"), frontend=LogMel(), input="logmel")
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(read_bundle(path).network)
    for tensor in model.graph.initializer:
        values = np.zeros(numpy_helper.to_array(tensor).shape, np.float32)
        if tensor.name == "weights":
            values[110:, 1] = 1.0  # from 6.9 kHz
            values[:64, 0] = 0.3
        else:
            values[1] = 6.0
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    description = make_description(genres=("blues", "rock"), frontend=LogMel(), input="logmel")
    update = {"trained_on": tuple(trained_on)}
    write_bundle(path, description.model_copy(update=update), model.SerializeToString())
    return path


def maps_of(folder, songs=4):
    """A store of songs in turn dark (blues) and bright (rock)."""
    x = np.full((songs, 128, 387), 60, np.uint8)
    x[:, :64, ::3] = 200
    x[1::2, 110:, ::3] = 250
    names = [f"song {number}" for number in range(songs)]
    y = np.arange(songs, dtype=np.uint8) % 2
    np.savez(folder / "m.npz", X=x, y=y, names=np.array(names), genres=np.array(["blues", "rock"]))
    import_features(folder / "m.npz", folder / "maps", frontend="logmel")
    return folder / "maps"


def test_what_a_low_pass_takes_is_counted_against_its_genre(tmp_path, cli):
    model, store = bright_or_dark(tmp_path / "m.backbeat", ["song 0"]), maps_of(tmp_path)
    status, out, err = cli("stress", model, "--on", store, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    rows = {row["change"]: row for row in found["rows"]}
    assert len(rows) == 11
    assert (found["songs"], found["new_songs"]) == (4, 3)
    assert rows["none"]["correct"] == rows["none"]["kept"] == 1.0
    low = rows["low-pass 5.5 kHz"]
    # Bright songs 1 and 3 are called blues; song 2 stays, and song 0 counts for staying alone.
    assert low["correct"] == pytest.approx(1 / 3)
    assert low["kept"] == 0.5
    assert low["recall"] == {"blues": 1.0, "rock": 0.0}
    assert low["worst"] == "rock"
    assert rows["low-pass 10 kHz"]["correct"] == 1.0
    assert low["answered"] is None  # the bundle is not calibrated


def test_the_first_line_has_the_worst_change(tmp_path, cli):
    model, store = bright_or_dark(tmp_path / "m.backbeat"), maps_of(tmp_path)
    status, out, _ = cli("stress", model, "--on", store)
    assert status == 0
    first = "tiny: 100.0 % of 4 songs correct unchanged, 50.0 % at worst (low-pass 8 kHz)."
    assert out.splitlines()[0] == first
    assert "The model does not record which songs it was trained on" in out


def test_songs_trained_on_say_nothing_of_how_often_it_is_correct(tmp_path, cli):
    names = [f"song {number}" for number in range(4)]
    model, store = bright_or_dark(tmp_path / "m.backbeat", names), maps_of(tmp_path)
    out = cli("stress", model, "--on", store)[1]
    assert out.startswith("tiny: at worst 50.0 % of 4 songs keep their answer (low-pass 8 kHz).")
    assert "trained or validated on 4 of 4 songs (4 by name), which count only for" in out
    assert "correct is not known" in out
    rows = json.loads(cli("stress", model, "--on", store, "--json")[1])["rows"]
    assert {row["correct"] for row in rows} == {None}


def test_a_store_of_mfccs_cannot_be_changed(store, bundle, cli):
    status, _, err = cli("stress", bundle, "--on", store.path)
    assert status == 1
    assert "holds mfcc features, in which a recording cannot be changed" in err


def test_songs_are_changed_one_by_one(tmp_path, cli):
    only = "low-pass 5*,MP3 at 128*"
    noise = np.random.default_rng(0).standard_normal(30 * 22_050).astype(np.float32) / 10
    write(tmp_path / "songs" / "rock" / "bright.wav", noise[:, None])
    write(tmp_path / "songs" / "blues" / "dark.wav", music(30.0))
    (tmp_path / "songs" / "blues" / "no.wav").write_bytes(b"no sound")
    model = bright_or_dark(tmp_path / "m.backbeat")
    status, out, err = cli("stress", model, "--on", tmp_path / "songs", "--only", only, "--json")
    assert status == 1
    assert "no.wav" in err
    found = json.loads(out)
    rows = {row["change"]: row for row in found["rows"]}
    assert found["songs"] == 2
    assert [*rows] == ["none", "low-pass 5.5 kHz", "MP3 at 128 kbit/s"]
    assert rows["none"]["correct"] == 1.0
    assert rows["MP3 at 128 kbit/s"]["kept"] == 1.0
    assert rows["low-pass 5.5 kHz"]["recall"] == {"blues": 1.0, "rock": 0.0}


def test_what_matches_no_change_is_refused(tmp_path, cli):
    model, store = bright_or_dark(tmp_path / "m.backbeat"), maps_of(tmp_path)
    status, _, err = cli("stress", model, "--on", store, "--only", "echo")
    assert (status, err[:42]) == (1, "backbeat: --only echo: matches none of low")
    status, _, err = cli("stress", model, "--on", store, "--only", "MP3*")
    assert (status, err[:41]) == (1, "backbeat: --only MP3*: of maps there are ")


def test_workers_have_no_effect_on_maps(tmp_path, cli):
    model, store = bright_or_dark(tmp_path / "m.backbeat"), maps_of(tmp_path)
    status, _, err = cli("stress", model, "--on", store, "--workers", 2)
    assert status == 1
    assert "--workers: has no effect on a feature store" in err


@pytest.mark.parametrize("name", [name for name in sounds.SOUND_CHANGES if "kbit/s" in name])
def test_a_codec_leaves_the_music(name):
    samples = music(5.0)[:, 0]
    coded, rate = sounds.SOUND_CHANGES[name](samples, 22_050)
    assert len(coded) / rate == pytest.approx(5.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(coded))
    loudest = np.fft.rfftfreq(len(coded), 1 / rate)[spectrum.argmax()]
    assert min(abs(loudest - pitch) for pitch in (220, 277, 330)) < 1
    assert coded.std() == pytest.approx(samples.std(), rel=0.1)


def test_hum_and_crackle_lie_40_db_below_the_peak():
    samples = music(5.0)[:, 0]
    for change in (sounds.hum, sounds.crackle):
        changed, rate = change(samples, 22_050)
        assert rate == 22_050
        added = np.abs(changed - samples).max() / np.abs(samples).max()
        assert added == pytest.approx(0.01, rel=0.01)
    hum = np.abs(np.fft.rfft(sounds.hum(samples, 22_050)[0] - samples))
    assert np.fft.rfftfreq(len(samples), 1 / 22_050)[hum.argmax()] == pytest.approx(50)


def test_a_room_adds_an_echo_of_the_same_energy():
    click = np.zeros(22_050, np.float32)
    click[100] = 0.5
    played, _ = sounds.room(click, 22_050)
    assert played[100] == pytest.approx(0.5, abs=0.1)
    assert np.sum(np.square(played[101:])) == pytest.approx(0.25, rel=0.1)
    assert np.abs(played[:100]).max() < 1e-6


def test_silence_comes_before_and_level_is_clipped():
    samples = music(1.0)[:, 0]
    later, _ = sounds.silence_before(samples, 22_050)
    assert not later[: 5 * 22_050].any()
    assert np.array_equal(later[5 * 22_050 :], samples)
    loud, _ = sounds.louder(samples * 1.5, 22_050, 6)
    assert np.abs(loud).max() == 1.0
    quiet, _ = sounds.louder(samples, 22_050, -12)
    assert quiet.std() / samples.std() == pytest.approx(0.251, abs=0.001)
