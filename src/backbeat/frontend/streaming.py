"""A stream of samples, cut into the windows that a front-end takes."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from backbeat.frontend.kinds import FrontEnd
from backbeat.frontend.mfccs import Mfcc

Array = npt.NDArray[np.float32]


def windows(blocks: Iterable[Array], parameters: FrontEnd) -> Iterator[Array]:
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
    ndarray of float32, shape (m,)
        Windows in order. The last may be shorter: at least a slice of `Mfcc`, or (after another
        window) a nearly whole window of the others. Only a song that is one short window is given
        at less than that, down to ``min_answer_samples``; nothing for shorter songs.
    """
    max_length = parameters.window_samples + parameters.slack_samples
    held: list[Array] = []
    length = 0
    given = 0
    for block in blocks:
        held.append(block)
        length += len(block)
        while length > max_length:
            joined = held[0] if len(held) == 1 else np.concatenate(held)
            yield joined[: parameters.window_samples]
            given += 1
            held = [joined[parameters.window_samples :]]
            length = len(held[0])
    min_length = parameters.min_answer_samples
    if given and not isinstance(parameters, Mfcc):
        # A short rest would have to be repeated to fill a map; the song has better windows.
        min_length = parameters.min_samples
    if length >= min_length:
        yield held[0] if len(held) == 1 else np.concatenate(held)


def spread(seconds: float | None, parameters: FrontEnd, max_windows: int) -> tuple[int, ...]:
    """Choose at most `max_windows` whole windows of a song, evenly over its length in seconds.

    Returns their numbers from 0, in order; of a shorter song, or of unknown length (None), the
    first.
    """
    length = parameters.window_samples / parameters.sample_rate
    there = max(1, int((seconds or 0) / length))
    if there <= max_windows:
        return tuple(range(max_windows))
    return tuple(int((number + 0.5) * there / max_windows) for number in range(max_windows))
