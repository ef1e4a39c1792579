"""What is analysed of a song: all its windows, or a few that are spread over it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backbeat import audio
from backbeat import frontend as frontends
from backbeat.audio.containers import breaks_off, declared_seconds
from backbeat.audio.integrity import TOLERATED_SECONDS
from backbeat.files.text import number
from backbeat.frontend import FrontEnd

Array = npt.NDArray[np.float32]

# FFmpeg guesses the length of an Ogg that lost pages, and `ogg.seconds` knows it.
_IN_OGG = ("flac", "opus", "speex", "vorbis")

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
    """The windows of an open song, by iteration, and after it what was read of the song.

    At most `max_windows` (by default all), spread over the song; what lies between is not decoded,
    unless to learn the length of a song that does not declare it.

    After the iteration `seconds` is the song's length, `asked` how much of it the windows were to
    cover, `read` how much of that was there (both in seconds), `errors` why decoding ended early,
    `count` how many windows there were, `whole` whether they were all of the song, and `note` what
    is missing. Where not a sample could be read, the error is raised.
    """

    def __init__(
        self, source: audio.Source, frontend: FrontEnd, max_windows: int | None = None
    ) -> None:
        self.seconds = self.asked = self.read = 0.0
        self.count = 0
        self.whole = False
        self.errors: list[audio.AudioError] = []
        self._source = source
        self._frontend = frontend
        self._max = max_windows
        self._length, self._promised = _length(source)

    def __iter__(self) -> Iterator[Window]:
        for window in self._windows():
            self.count += 1
            yield window
        if not self._promised:
            self.asked = self.read
        elif not self._missing:
            self.read = self.asked = min(self.asked, self.read)
        if self.errors and not self.read:
            raise self.errors[0]

    @property
    def note(self) -> str:
        """What is missing of the song, or wrong with it although it plays; empty if nothing is."""
        return "; ".join(filter(None, [*dict.fromkeys(self._source.notes), self.damage]))

    @property
    def damage(self) -> str:
        """What is missing of the song; empty if nothing is."""
        if self._missing:
            return could_be_read(self.read, self.asked)
        if self.errors:
            return self.errors[0].what
        cut = None if self._promised else breaks_off(self._source.path)
        return f"truncated: {cut}" if cut else ""

    @property
    def _missing(self) -> bool:
        return self.asked - self.read > TOLERATED_SECONDS

    def _windows(self) -> Iterator[Window]:
        begins = self._starts(self._length)
        if self._max is None or (self._length is not None and begins is None):
            yield from self._all(self._source, self._length)
            return
        if begins is not None and self._length is not None:
            yield from self._few(self._source, begins, self._length)
            if self.read:
                return
        # It declares no length, or far too much: an MP3 without a count of its frames.
        asked, path = self.asked, self._source.path
        self.errors.clear()
        with audio.open_source(path) as anew:
            seconds = sum(map(len, self._until_error(anew))) / anew.info.sample_rate
            if begins := self._starts(seconds):
                yield from self._few(anew, begins, seconds)
        if not begins:
            self.errors.clear()
            with audio.open_source(path) as anew:
                yield from self._all(anew, None)
        if self._promised:
            self.asked, self.seconds = asked, self._length or seconds

    def _starts(self, seconds: float | None) -> tuple[float, ...] | None:
        """Give where windows begin, in seconds; None if all of the song is analysed."""
        if seconds is None or self._max is None:
            return None
        return frontends.starts(seconds, self._frontend, self._max)

    def _few(
        self, source: audio.Source, begins: Iterable[float], seconds: float
    ) -> Iterator[Window]:
        """Give the windows that are spread over a song, without decoding what lies between."""
        rate = self._frontend.sample_rate
        size = self._frontend.window_samples / rate
        slack = self._frontend.slack_samples / rate
        asked = 0.0
        for start in begins:
            rest = seconds - start
            wanted = rest if rest <= size + slack else size
            asked += wanted
            mono = self._mono(self._until_error(_since(source, start, wanted)))
            _, window = next(frontends.windows(mono, self._frontend), (0, None))
            if window is not None:
                self.read += min(wanted, len(window) / rate)
                yield Window(start, window)
        self.asked, self.seconds = asked, seconds

    def _all(self, source: audio.Source, seconds: float | None) -> Iterator[Window]:
        """Give all windows of a song that is `seconds` long, if that is known."""
        rate = self._frontend.sample_rate
        samples = 0

        def counted(mono: Iterable[Array]) -> Iterator[Array]:
            nonlocal samples
            for block in mono:
                samples += len(block)
                yield block

        mono = counted(self._mono(self._until_error(source)))
        for start, window in frontends.windows(mono, self._frontend):
            yield Window(start / rate, window)
        self.whole = True
        self.read = samples / rate
        self.asked = max(self.read, seconds or 0)
        self.seconds = self.asked if self._promised and self._missing else self.read

    def _until_error(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass on what can be decoded, and note what ends it."""
        errors: list[audio.AudioError] = []
        given = False
        for block in until_error(blocks, errors):
            given = True
            yield block
        # Beyond the end of a song whose length is only estimated nothing is wrong.
        if given or self._promised:
            self.errors += errors

    def _mono(self, blocks: Iterable[Array]) -> Iterator[Array]:
        return audio.mono_blocks(blocks, self._source.info, self._frontend.sample_rate)


def _length(source: audio.Source) -> tuple[float | None, bool]:
    """Give a song's length in seconds, and whether its header promises that."""
    guess, declared = source.info.seconds, declared_seconds(source.path, source.info)
    if declared is None:
        return guess, False
    if guess is None or declared > guess + TOLERATED_SECONDS or source.info.codec in _IN_OGG:
        return declared, True  # of a cut WAV, libsndfile counts what is there
    # A header that declares less than there is promises nothing.
    return guess, guess <= declared + TOLERATED_SECONDS


def until_error(blocks: Iterable[Array], errors: list[audio.AudioError]) -> Iterator[Array]:
    """Pass on the blocks of a source, of shape (n, ...), and add the error that ends them."""
    try:
        yield from blocks
    except audio.AudioError as error:
        errors.append(error)


def could_be_read(read: float, asked: float) -> str:
    """Say how many of the seconds that were asked for could be read."""
    digits = 0 if round(read) < round(asked) else 1
    return f"{number(read, digits)} of {number(asked, digits)} s could be read"


def _since(source: audio.Source, start: float, seconds: float) -> Iterator[Array]:
    """Enter a song at `start` (s) when the first block is asked for, where an error is noted.

    Where sound is lost, what follows `seconds` later is another window's.
    """
    before, rate = sum(source.lost), source.info.sample_rate
    given = 0
    for block in source.since(start):
        lost = sum(source.lost) - before
        left = round((seconds - lost) * rate) - given
        if lost and left < len(block):
            yield block[: max(0, left)]
            return
        given += len(block)
        yield block
