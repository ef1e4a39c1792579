"""What is analysed of a song: all its windows, or a few that are spread over it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backbeat import audio
from backbeat import frontend as frontends
from backbeat.frontend import FrontEnd

Array = npt.NDArray[np.float32]

DEFAULT_WINDOWS = 4
"""Windows of each song that the command line analyses by default."""


@dataclass(frozen=True)
class Window:
    """A window of a song, as a front-end takes it."""

    start: float
    """In seconds from the song's beginning."""
    samples: Array
    """Of shape (n,)."""


class SongWindows:
    """The windows of an open song, by iteration, and after it the song's `seconds`.

    At most `max_windows` (by default all), spread over the song; what lies between is not decoded,
    unless to learn the length of a song that does not declare it.

    After the iteration `asked` is how many seconds of the song the windows were to cover (of a song
    analysed whole, what its header declares), `read` how many of them were there, and `errors` why
    decoding ended early. Where not a sample could be read, the error is raised.
    """

    def __init__(
        self, source: audio.Source, frontend: FrontEnd, max_windows: int | None = None
    ) -> None:
        self.seconds = self.asked = self.read = 0.0
        self.errors: list[audio.AudioError] = []
        self._source = source
        self._frontend = frontend
        self._max = max_windows

    def __iter__(self) -> Iterator[Window]:
        seconds = self._source.info.seconds
        if self._max is None or (seconds is not None and not self._is_long(seconds)):
            yield from self._all(self._source)
            return
        if seconds is not None:
            found = False
            for window in self._few(self._source, seconds):
                found = True
                yield window
            if found:
                self.seconds = seconds
                return
        # It declares no length, or far too much: an MP3 without a count of its frames.
        path = self._source.path
        with audio.open_source(path) as anew:
            self.asked, self.errors = 0.0, []
            seconds = sum(map(len, self._until_error(anew))) / anew.info.sample_rate
            if self._is_long(seconds):
                yield from self._few(anew, seconds)
                self.seconds = seconds
                return
        with audio.open_source(path) as anew:
            self.errors = []
            yield from self._all(anew)

    def _is_long(self, seconds: float) -> bool:
        return self._max is not None and seconds >= (self._max + 1) * self._length

    @property
    def _length(self) -> float:
        """Of a window, in seconds."""
        return self._frontend.window_samples / self._frontend.sample_rate

    def _few(self, source: audio.Source, seconds: float) -> Iterator[Window]:
        """Give the windows that are spread over a song, without decoding what lies between."""
        for number in frontends.spread(seconds, self._frontend, self._max or 0):
            start = number * self._length
            self.asked += min(self._length, seconds - start)
            mono = self._until_error(self._mono(_since(source, start)))
            window = next(frontends.windows(mono, self._frontend), None)
            if window is not None:
                self.read += min(self._length, len(window) / self._frontend.sample_rate)
                yield Window(start, window)

    def _all(self, source: audio.Source) -> Iterator[Window]:
        rate = self._frontend.sample_rate
        samples = start = 0

        def counted(mono: Iterable[Array]) -> Iterator[Array]:
            nonlocal samples
            for block in mono:
                samples += len(block)
                yield block

        mono = self._until_error(counted(self._mono(source)))
        for window in frontends.windows(mono, self._frontend):
            yield Window(start / rate, window)
            start += len(window)
        self.seconds = self.read = samples / rate
        self.asked = source.info.seconds or self.read
        if self.errors and not samples:
            raise self.errors[0]

    def _until_error(self, mono: Iterable[Array]) -> Iterator[Array]:
        """Pass on what can be decoded, and note what ends it."""
        try:
            yield from mono
        except audio.AudioError as error:
            self.errors.append(error)

    def _mono(self, blocks: Iterable[Array]) -> Iterator[Array]:
        return audio.mono_blocks(blocks, self._source.info, self._frontend.sample_rate)


def _since(source: audio.Source, start: float) -> Iterator[Array]:
    """Enter a song at `start` (s) when the first block is asked for, where an error is noted."""
    yield from source.since(start)
