"""The same music as another recording of it: on log-mel maps and on samples."""

import numpy as np
import pytest

from backbeat.frontend import LogMel, logmel
from backbeat.frontend.recordings import RecordingChange, draw
from sounds import music

FRONTEND = LogMel()
CHANGES = [
    RecordingChange(low_pass=5_500),
    RecordingChange(high_pass=100),
    RecordingChange(tilt=12),
    RecordingChange(tilt=-12),
    RecordingChange(curve=(3, -3, 0, 5, 2, -6)),
    RecordingChange(hiss=50),
]


def level_map(level=-20.0):
    """A map of one level, but for a loudest cell in the middle."""
    decibels = np.full((1, 387, 128), level, np.float32)
    decibels[0, 100, 64] = 0.0
    return decibels


def test_nothing_is_left_beyond_a_band_limit():
    changed = RecordingChange(low_pass=8_000, high_pass=100).on_maps(level_map(), FRONTEND)
    centres = np.array([band for band in range(128) if (changed[0, :, band] > -80).any()])
    # By Slaney's scale band 3 lies at 103 Hz and band 115 at 7,936 Hz, their neighbours beyond.
    assert (centres.min(), centres.max()) == (3, 115)
    np.testing.assert_allclose(changed[0, 0, 3:116], -20.0, atol=1e-5)


def test_a_tilt_raises_the_highest_band_over_the_lowest():
    changed = RecordingChange(tilt=12).on_maps(level_map(-40.0), FRONTEND)
    assert changed[0, 0, 127] - changed[0, 0, 0] == pytest.approx(12.0, abs=1e-4)
    assert changed.max() == 0.0  # the loudest cell stays the loudest


def test_a_curve_is_straight_between_its_points():
    changed = RecordingChange(curve=(6.0, 0.0, 6.0)).on_maps(level_map(-40.0), FRONTEND)
    gains = changed[0, 0] - changed[0, 0].min()
    np.testing.assert_allclose(gains[[0, 127]], 6.0, atol=0.06)
    assert gains[32] == pytest.approx(3.0, abs=0.1)


def test_hiss_adds_its_power_to_each_cell():
    changed = RecordingChange(hiss=60).on_maps(level_map(-60.0), FRONTEND)
    assert changed[0, 0, 0] == pytest.approx(-60 + 10 * np.log10(2), abs=1e-3)
    quiet = RecordingChange(hiss=50).on_maps(level_map(-80.0), FRONTEND)
    assert quiet[0, 0, 0] == pytest.approx(-50.0, abs=0.01)


def test_no_change_gives_what_it_was_given():
    maps, samples = level_map(), music(1.0)[:, 0]
    assert RecordingChange().on_maps(maps, FRONTEND) is maps
    assert RecordingChange().on_samples(samples, 22_050) is samples


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_changed_samples_have_the_changed_map(change):
    samples = music(30.0, seed=3)[:, 0]
    expected = change.on_maps(logmel(samples), FRONTEND)
    found = logmel(change.on_samples(samples, 22_050))
    # Noise varies from cell to cell, and filters have no edge between two bands.
    assert np.abs(found - expected).mean() < (1.5 if change.hiss else 0.5)


def test_hiss_is_as_loud_at_another_sample_rate():
    samples = music(30.0, rate=44_100)[:, 0]
    noise = RecordingChange(hiss=20).on_samples(samples, 44_100) - samples
    low = RecordingChange(hiss=20).on_samples(music(30.0)[:, 0], 22_050) - music(30.0)[:, 0]
    # The same chord over the same FFT: within what half the window changes of its peaks.
    assert 20 * np.log10(noise.std() / low.std()) == pytest.approx(0.0, abs=1.5)


def test_what_exceeds_full_scale_is_scaled_down():
    samples = music(5.0)[:, 0] / 0.6
    changed = RecordingChange(tilt=-30).on_samples(samples, 22_050)
    assert np.abs(changed).max() == pytest.approx(1.0, abs=1e-6)


def test_a_draw_depends_on_its_generator_alone_and_keeps_its_bounds():
    drawn = [draw(np.random.default_rng(seed)) for seed in range(200)]
    assert drawn[7] == draw(np.random.default_rng(7))
    assert 60 <= sum(one.low_pass is not None for one in drawn) <= 100  # 0.4 of 200
    assert 100 <= sum(one.hiss is not None for one in drawn) <= 140  # 0.6
    assert all(4_500 <= (one.low_pass or 5_000) <= 11_000 for one in drawn)
    assert all(30 <= (one.high_pass or 100) <= 140 for one in drawn)
    assert all(42 <= (one.hiss or 50) <= 75 and -12 <= one.tilt <= 12 for one in drawn)
