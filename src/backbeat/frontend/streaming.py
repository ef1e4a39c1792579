"""A stream of samples, cut into the windows that a front-end takes."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from backbeat.frontend.kinds import FrontEnd
from backbeat.frontend.mfccs import Mfcc

Array = npt.NDArray[np.float32]


def windows(blocks: Iterable[Array], parameters: FrontEnd) -> Iterator[tuple[int, Array]]:
    """Cut a stream of samples into the windows that `extract` takes, in bounded memory.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (n_i,)
        Consecutive mono samples at the front-end's rate, in pieces of any length.
    parameters : FrontEnd
        Gives the length of a window, how much more still belongs to it (a "30 s" clip may last
        30.4 s), and the least that can be classified.

    Yields
    ------
    start : int
        The sample that the window begins with.
    window : ndarray of float32, shape (m,)
        Windows in order, up to the end of the song: where the last would be too short, it begins
        earlier, within the window before (of 45 s: 0 to 30 s, 15 to 45 s). Of `Mfcc`, whose slices
        can be fewer, it is shorter instead, at least a slice. Only a song that is one short window
        is given at less than that, down to ``min_answer_samples``; nothing for shorter songs.
    """
    size = parameters.window_samples
    held: list[Array] = []
    length = start = 0
    before: Array | None = None
    for block in blocks:
        held.append(block)
        length += len(block)
        while length > size + parameters.slack_samples:
            joined = held[0] if len(held) == 1 else np.concatenate(held)
            yield start, joined[:size]
            start += size
            before = None if isinstance(parameters, Mfcc) else joined[:size]
            held = [joined[size:]]
            length = len(held[0])
    if before is not None:
        missing = max(0, size - length)
        yield start - missing, np.concatenate([before[size - missing :], *held])
    elif length >= parameters.min_answer_samples:
        yield start, held[0] if len(held) == 1 else np.concatenate(held)


def half_minute(parameters: FrontEnd) -> int:
    """Count the windows in half a minute, at least 1: 1 of 29 s, 3 of 10 s, 10 of 2.9 s."""
    return max(1, round(30 * parameters.sample_rate / parameters.window_samples))


def spread(seconds: float | None, parameters: FrontEnd, max_windows: int) -> tuple[int, ...]:
    """Choose at most `max_windows` whole windows of a song, evenly over its length in seconds.

    Each is in the middle of one of `max_windows` equal parts of the song.
    Returns their numbers from 0, in order; of a shorter song, or of unknown length (None), the
    first.
    """
    length = parameters.window_samples / parameters.sample_rate
    there = max(1, int((seconds or 0) / length))
    if there <= max_windows:
        return tuple(range(max_windows))
    return tuple(int((number + 0.5) * there / max_windows) for number in range(max_windows))


def starts(seconds: float, parameters: FrontEnd, max_windows: int) -> tuple[float, ...] | None:
    """Choose where at most `max_windows` windows of a song begin, in seconds; None for all of it.

    They are those of `spread`; the last whole one is moved back to end with the song.
    """
    length = parameters.window_samples / parameters.sample_rate
    slack = parameters.slack_samples / parameters.sample_rate
    # Slices of MFCCs follow the last whole window.
    ends_in_slices = isinstance(parameters, Mfcc) and seconds < (max_windows + 1) * length
    if ends_in_slices or seconds <= max_windows * length + slack:
        return None
    numbers = spread(seconds, parameters, max_windows)
    chosen = [number * length for number in numbers]
    if numbers[-1] == int(seconds / length) - 1 and seconds - chosen[-1] > length + slack:
        chosen[-1] = seconds - length
    return tuple(chosen)
