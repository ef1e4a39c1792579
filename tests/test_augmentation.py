"""Augmentation changes slices as it says, and the same seed gives the same slices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backbeat.training.augmentation import augment, cut, equalize, mask, shift_bands
from backbeat.zoo.spec import Augmentation

EVERYTHING = Augmentation(crop=20, stretch=0.1, pitch=2, equalizer=1.0, masks=2, mixup=0.3)


def rng(seed=0):
    return np.random.default_rng(seed)


def slices(n=4, frames=37, bands=16):
    x = rng(9).standard_normal((n, frames, bands)).astype(np.float32)
    return x, np.eye(5, dtype=np.float32)[np.arange(n) % 5]


def test_nothing_chosen_changes_nothing():
    x, y = slices()
    changed, genres = augment(x, y, Augmentation(), rng())
    assert np.array_equal(changed, x)
    assert np.array_equal(genres, y)


def test_all_together_keep_shape_type_and_the_slices_given():
    x, y = slices()
    before = x.copy()
    changed, genres = augment(x, y, EVERYTHING, rng())
    assert changed.shape == (4, 20, 16)
    assert changed.dtype == genres.dtype == np.float32
    assert np.allclose(genres.sum(axis=1), 1)
    assert np.array_equal(x, before)


def test_the_same_seed_gives_the_same_and_another_gives_others():
    x, y = slices()
    first, again, other = (augment(x, y, EVERYTHING, rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def ramp(frames=100, bands=8):
    """Each cell holds its own frame and band."""
    return (np.arange(frames)[:, None] + np.arange(bands) / 10).astype(np.float32)


def test_a_piece_is_cut_whole_from_anywhere():
    starts = set()
    for seed in range(60):
        piece = cut(ramp(), 20, 0.0, rng(seed))
        start = int(piece[0, 0])
        starts.add(start)
        assert np.array_equal(piece, ramp()[start : start + 20])
    assert min(starts) < 10
    assert max(starts) > 70


@given(frames=st.integers(1, 100), stretch=st.floats(0, 1), seed=st.integers(0, 99))
@settings(max_examples=80)
def test_a_stretched_piece_goes_forward_at_one_speed(frames, stretch, seed):
    piece = cut(ramp(), frames, stretch, rng(seed))
    assert piece.shape == (frames, 8)
    places = piece[:, 0].astype(int)
    steps = np.diff(places)
    assert (steps >= 0).all()
    if frames > 1:
        speed = (places[-1] - places[0]) / (frames - 1)
        # Rounding at both ends moves it by less than a frame.
        slack = 1 / (frames - 1)
        assert np.exp(-stretch) - slack <= speed <= np.exp(stretch) + slack


def test_a_shift_moves_all_bands_and_repeats_the_outermost():
    x = np.tile(np.arange(8, dtype=np.float32), (3, 1))
    seen = {tuple(shift_bands(x, 2, rng(seed))[0].astype(int)) for seed in range(50)}
    assert seen == {
        (0, 0, 0, 1, 2, 3, 4, 5),
        (0, 0, 1, 2, 3, 4, 5, 6),
        (0, 1, 2, 3, 4, 5, 6, 7),
        (1, 2, 3, 4, 5, 6, 7, 7),
        (2, 3, 4, 5, 6, 7, 7, 7),
    }


def test_an_equalizer_adds_one_smooth_curve_to_all_frames():
    curve = equalize(np.zeros((5, 64), np.float32), 1.0, rng())
    assert np.allclose(curve, curve[0])
    assert curve.std() > 0.05
    assert np.abs(np.diff(curve[0], 2)).max() < 0.2  # no comb
    scaled = equalize(ramp(), 1.0, rng(1)) - equalize(np.zeros((100, 8), np.float32), 1.0, rng(1))
    assert np.allclose(scaled, ramp() * (scaled[-1, -1] / ramp()[-1, -1]), atol=1e-3)


def test_masks_are_stripes_of_zeros_of_bounded_width():
    hidden = []
    for seed in range(40):
        masked = mask(np.ones((40, 32), np.float32), 2, rng(seed))
        bands, frames = (masked == 0).all(axis=0), (masked == 0).all(axis=1)
        assert np.array_equal(masked == 0, bands[None] | frames[:, None])
        assert bands.sum() <= 2 * 4
        assert frames.sum() <= 2 * 5
        hidden.append((masked == 0).mean())
    assert max(hidden) > 0.2


def test_mixup_mixes_genres_as_it_mixes_slices():
    y = np.eye(2, dtype=np.float32)
    x = np.broadcast_to(y[:, :1, None], (2, 6, 3)).astype(np.float32)  # what a cell holds: genre 0
    shares = []
    for seed in range(40):
        mixed, genres = augment(x, y, Augmentation(mixup=0.5), rng(seed))
        assert np.allclose(mixed, genres[:, :1, None])
        shares.append(float(genres.max(axis=1).min()))
    assert min(shares) >= 0.5
    assert min(shares) < 0.9


def test_one_slice_alone_is_mixed_with_none():
    x, y = slices(1)
    assert np.array_equal(augment(x, y, Augmentation(mixup=0.5), rng())[0], x)


@pytest.mark.parametrize("crop", [37, 500])
def test_a_piece_as_long_as_the_slice_is_the_slice(crop):
    x, y = slices()
    assert np.array_equal(augment(x, y, Augmentation(crop=crop), rng())[0], x)
