"""What the curves of a training show: no progress, learning by heart, or an end that is too early.

A sentence states what was measured and what to try. There is none where noise could be the cause.
"""

import math
from collections.abc import Sequence

from backbeat.files.text import number, percent, significant
from backbeat.training.history import Epoch

# Fewer epochs are no curve.
_MIN_EPOCHS = 3
# Of the loss of guessing: a network whose loss only wavers around it has learnt nothing.
_GUESSING = 0.98
# Of the first epoch's loss: even a slow learner's falls by more in three epochs.
_MIN_FALL = 0.02
# In nats, 90 % for the true genre: a loss that has no room to fall.
_LEARNT = 0.1
# Of accuracy: twice the standard error of that of 25 validation songs.
_FAR = 0.2
# Of the loss, from a quarter of the epochs to the next: where it varies by 5 % from epoch to epoch,
# the means of two quarters of a flat curve differ by so much in 1 of 100 cases (30 epochs).
_STILL_FALLING = 0.05


def curve_lines(
    history: Sequence[Epoch], monitored: str, *, genres: int, learning_rate: float
) -> tuple[str, ...]:
    """Say what a history shows; `monitored` is the part of its ``val_`` columns, in words.

    Nothing is advised by a test part, which must choose nothing.
    """
    if len(history) < _MIN_EPOCHS:
        return ()
    if line := _no_progress(history, genres, learning_rate):
        return (line,)
    return tuple(filter(None, (_far_apart(history, monitored), _unfinished(history, monitored))))


def _no_progress(history: Sequence[Epoch], genres: int, learning_rate: float) -> str:
    first, lowest = history[0].loss, min(epoch.loss for epoch in history)
    guessing = math.log(genres)
    flat = lowest > (1 - _MIN_FALL) * first and lowest > _LEARNT
    if not (flat or lowest > _GUESSING * guessing):
        return ""
    return (
        f"No progress after the first epoch: the loss in training is {number(first, 3)} in it, "
        f"{number(lowest, 3)} in the best of {number(len(history))}, and {number(guessing, 3)} by "
        f"guessing among {number(genres)} genres. Try a lower or higher learning_rate "
        f"({significant(learning_rate)})."
    )


def _far_apart(history: Sequence[Epoch], monitored: str) -> str:
    last = history[-1]
    if last.accuracy - last.val_accuracy < _FAR:
        return ""
    best = min(history, key=lambda epoch: epoch.val_loss)
    line = (
        f"Training and {monitored} are far apart: {percent(last.accuracy)} and "
        f"{percent(last.val_accuracy)} of slices are correct in the last epoch."
    )
    if monitored == "test" or best is last:
        return f"{line} Try more dropout, a smaller network, or more songs."
    return (
        f"{line} The loss in {monitored} is lowest in epoch {number(best.epoch)} "
        f"({number(best.val_loss, 3)}; last {number(last.val_loss, 3)}): try --epochs "
        f"{best.epoch}, more dropout, a smaller network, or more songs."
    )


def _unfinished(history: Sequence[Epoch], monitored: str) -> str:
    size = max(2, len(history) // 4)
    if len(history) < 2 * size:
        return ""
    losses = [epoch.val_loss for epoch in history[-2 * size :]]
    before, last = math.fsum(losses[:size]) / size, math.fsum(losses[size:]) / size
    half = size // 2
    ends = math.fsum(losses[-half:]) < math.fsum(losses[size : size + half])
    if not ends or last > (1 - _STILL_FALLING) * before:
        return ""
    advice = f"Try --epochs {2 * len(history)}."
    if monitored == "test":
        advice = "Try more --epochs, chosen by a validation part (--valid-share 0.15)."
    return (
        f"The loss in {monitored} is still falling: {number(last, 3)} in the last {number(size)} "
        f"epochs, {number(before, 3)} in the {number(size)} before. {advice}"
    )
