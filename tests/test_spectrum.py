"""Mel bands, decibels and cepstra are librosa's."""

import librosa
import numpy as np
import pytest

from backbeat.frontend import spectrum


@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels"),
    [(22_050, 2048, 128), (44_100, 2048, 64), (16_000, 512, 40), (8_000, 256, 20), (1_600, 128, 8)],
)
def test_mel_filters_are_librosas(rate, n_fft, n_mels):
    ours = spectrum.mel_filters(rate, n_fft, n_mels)
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-6 * theirs.max()


def test_a_mel_filter_is_a_triangle_of_known_area():
    filters = spectrum.mel_filters(22_050, 2048, 40)
    areas = filters.sum(axis=1) * 22_050 / 2048
    assert areas == pytest.approx(np.ones(40), abs=0.05)
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) > 0).all()


def test_mel_power_is_that_of_all_bins_and_filters():
    # The filters are multiplied in blocks, over the bins that they reach.
    frames = np.random.default_rng(0).standard_normal((300, 512)).astype(np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    for n_mels in (1, 16, 37, 128):
        wanted = power @ spectrum.mel_filters(16_000, 512, n_mels).T.astype(np.float64)
        found = spectrum.mel_power(frames, 16_000, n_mels)
        assert found.dtype == np.float32
        assert np.allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_frames_are_left_as_they_were():
    frames = np.ones((3, 64), np.float32)
    spectrum.mel_power(frames, 8_000, 4)
    assert (frames == 1).all()


def test_decibels_have_a_floor():
    power = np.array([1.0, 100.0, 1e-10, 1e-20, 0.0], np.float32)
    assert spectrum.decibels(power) == pytest.approx([0, 20, -100, -100, -100], abs=1e-5)


def test_the_cepstrum_is_an_orthonormal_dct():
    bands = np.random.default_rng(1).standard_normal((2, 5, 32)).astype(np.float32)
    k, n = np.arange(32)[:, None], np.arange(32)[None, :]
    matrix = np.sqrt(2 / 32) * np.cos(np.pi * k * (2 * n + 1) / 64)
    matrix[0] /= np.sqrt(2)
    found = spectrum.cepstrum(bands, 13)
    assert found.dtype == np.float32
    assert np.abs(found - (bands @ matrix.T)[..., :13]).max() < 1e-5
