"""What is heard of a song: all its windows, or a few that are spread over it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backbeat import audio
from backbeat import frontend as frontends
from backbeat.frontend import FrontEnd

Array = npt.NDArray[np.float32]

A_FEW = 4
"""Windows that are heard of each song of a library, where nothing else is said."""


@dataclass(frozen=True)
class Window:
    """A window of a song, as a front-end takes it.

    Attributes
    ----------
    start : float
        In seconds from the song's beginning.
    samples : ndarray of float32, shape (n,)
    """

    start: float
    samples: Array


class Listening:
    """The windows of an open song, by iteration, and after it the song's `seconds`.

    Parameters
    ----------
    source : Source
    frontend : FrontEnd
    most : int, optional
        The most windows, spread over the song; what lies between is not decoded. All by default.
    """

    def __init__(self, source: audio.Source, frontend: FrontEnd, most: int | None = None) -> None:
        self.seconds = 0.0
        self._source = source
        self._frontend = frontend
        self._most = most

    def __iter__(self) -> Iterator[Window]:
        declared = self._source.info.seconds
        length = self._frontend.window_samples / self._frontend.sample_rate
        if self._most is None or declared is None or declared < (self._most + 1) * length:
            yield from self._all(self._source)
            return
        # Its estimated length can be far too long: an MP3 without a count of its frames.
        heard = False
        for number in frontends.spread(declared, self._frontend, self._most):
            start = number * length
            try:
                blocks = self._mono(self._source.since(start))
                window = next(frontends.windows(blocks, self._frontend), None)
            except audio.AudioError:  # it ends before, or cannot be entered there
                continue
            if window is not None:
                heard = True
                yield Window(start, window)
        self.seconds = declared
        if not heard:
            with audio.open_source(self._source.path) as anew:
                yield from self._all(anew)

    def _all(self, blocks: Iterable[Array]) -> Iterator[Window]:
        rate = self._frontend.sample_rate
        samples = start = 0

        def counted(mono: Iterable[Array]) -> Iterator[Array]:
            nonlocal samples
            for block in mono:
                samples += len(block)
                yield block

        for window in frontends.windows(counted(self._mono(blocks)), self._frontend):
            yield Window(start / rate, window)
            start += len(window)
        self.seconds = samples / rate

    def _mono(self, blocks: Iterable[Array]) -> Iterator[Array]:
        return audio.mono_blocks(blocks, self._source.info, self._frontend.sample_rate)
