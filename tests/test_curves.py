"""What curves show is said, with what to try; of a healthy curve nothing is said."""

import numpy as np
import pytest

from backbeat.training.curves import curve_lines
from backbeat.training.history import Epoch


def history(loss, val_loss, accuracy=0.6, val_accuracy=0.55):
    columns = np.broadcast_arrays(loss, accuracy, val_loss, val_accuracy)
    return tuple(
        Epoch(number, *map(float, values), 1.0)
        for number, values in enumerate(zip(*columns, strict=True), start=1)
    )


def lines(made, monitored="validation", genres=10):
    return curve_lines(made, monitored, genres=genres, learning_rate=0.01)


def falling(epochs, *, halving, noise=0.0, seed=0):
    """Losses from 2.3 towards 1, whose distance from it is halved in so many epochs."""
    values = 1 + 1.3 * 0.5 ** (np.arange(epochs) / halving)
    return values * (1 + noise * np.random.default_rng(seed).normal(size=epochs))


@pytest.mark.parametrize("epochs", [20, 30, 100])
def test_nothing_is_said_of_a_healthy_curve(epochs):
    said = [
        lines(
            history(
                falling(epochs, halving=epochs / 12),
                falling(epochs, halving=epochs / 12, noise=0.015, seed=seed),
            )
        )
        for seed in range(50)
    ]
    assert said == [()] * 50


def test_nothing_is_said_of_what_is_learnt_at_once():
    assert lines(history([0.001] * 9, [0.002] * 9, 1.0, 1.0)) == ()


def test_two_epochs_are_no_curve():
    assert lines(history([2.3, 2.3], [2.3, 2.3], 0.9, 0.1)) == ()


@pytest.mark.parametrize(
    ("losses", "first", "lowest"),
    [
        # Dead from the start; a rate that is far too low; one that is far too high at first.
        ([2.303, 2.302, 2.303, 2.303], "2.303", "2.302"),
        ([2.10, 2.09, 2.08, 2.07], "2.100", "2.070"),
        ([9.5, 2.31, 2.29, 2.30], "9.500", "2.290"),
    ],
)
def test_what_is_stuck_from_the_first_epoch_says_so(losses, first, lowest):
    assert lines(history(losses, losses, 0.1, 0.1)) == (
        f"No progress after the first epoch: the loss in training is {first} in it, {lowest} in "
        "the best of 4, and 2.303 by guessing among 10 genres. Try a lower or higher "
        "learning_rate (0.01).",
    )


def test_what_is_learnt_by_heart_says_so_and_when_it_began():
    validation = [2.0, 1.4, 1.5, 1.7, 2.0, 2.4, 2.8, 3.1]
    made = history(np.geomspace(2, 0.01, 8), validation, 0.99, [0.5] * 7 + [0.512])
    assert lines(made) == (
        "Training and validation are far apart: 99.0 % and 51.2 % of slices are correct in the "
        "last epoch. The loss in validation is lowest in epoch 2 (1.400; last 3.100): try "
        "--epochs 2, more dropout, a smaller network, or more songs.",
    )
    # Which epoch tests best must not be used.
    assert lines(made, "test") == (
        "Training and test are far apart: 99.0 % and 51.2 % of slices are correct in the last "
        "epoch. Try more dropout, a smaller network, or more songs.",
    )
    assert lines(history(falling(20, halving=2), falling(20, halving=2), 0.7, 0.51)) == ()


def test_what_still_falls_says_so():
    values = falling(20, halving=12)
    before, last = values[10:15].mean(), values[15:].mean()
    fact = f"is still falling: {last:.3f} in the last 5 epochs, {before:.3f} in the 5 before."
    made = history(values, values)
    assert lines(made) == (f"The loss in validation {fact} Try --epochs 40.",)
    assert lines(made, "test") == (
        f"The loss in test {fact} Try more --epochs, chosen by a validation part "
        "(--valid-share 0.15).",
    )
    # It fell, but has turned.
    turned = np.concatenate([values[:17], values[17] + 0.1 * np.arange(3)])
    assert lines(history(values, turned)) == ()
