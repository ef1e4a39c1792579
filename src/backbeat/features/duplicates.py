"""Near duplicates: tracks that hold the same recording, found from their features alone.

They may differ in level, in where they start and end, and in what a lossy encoder left of them.
Compared are MFCCs 1 to 12 (0 is the level) of each window: the excerpt of `Mfcc`, a map of
`LogMel`. Each coefficient is brought to mean 0 over the seconds around it, which takes away what a
constant filter adds, and each frame to the same strength over these seconds, so that no rise or
fall of the music decides alone. Silence counts for nothing.

All pairs of windows are screened at 0.31 s a frame by their normalised cross-correlation over all
offsets [1]_, by FFT. The few similar ones are compared at 0.0775 s, the spacing of a map's
columns, where the most similar stretch is found as the maximal sum of consecutive numbers
[2]_: a recording is found inside other material too. 4,000 windows take 14 to 20 s of one core.

`THRESHOLD` lies between the measured scores of copies (0.64 and above for MP3s of 32 kbit/s, cut
starts, and excerpts within other music) and those of different songs (at most 0.65, for loops of
one tempo): ``docs/evaluation.md`` has the table. A log-mel map has a column only every 0.0775 s,
and other columns after a cut, so its copies score lower.

References
----------
.. [1] J. P. Lewis, "Fast normalized cross-correlation", Vision Interface, 1995.
.. [2] J. Bentley, "Programming pearls: algorithm design techniques", CACM 27(9), 1984.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage
import scipy.sparse

from backbeat.features.store import Examples
from backbeat.files.text import number
from backbeat.frontend import FrontEnd, LogMel, Mfcc, Musicnn, Vectors, input_shape

Array = npt.NDArray[np.float32]

THRESHOLD = 0.65
"""The score from which two tracks count as one recording."""

MIN_SECONDS = 5.0
"""The shortest stretch in common that is looked for."""

_COARSE_STEP = 0.31
_FINE_STEP = _COARSE_STEP / 4
_REACH = 2.0  # half the base of a frame's triangle, in steps: wide, as offsets fall between frames
_LOCAL_SECONDS = 8.0
_SCREENING = 0.55  # of the threshold: a copy with other material around it is less similar
_DOUBT_SECONDS = 1.0
_ALIKE = 0.5  # correlation from which frames are taken into the most similar stretch
_SILENT = 0.1  # dB: silence has a flat spectrum, since front-ends have a floor
_MIN_DEVIATION = 0.1  # dB: below it a coefficient moves by rounding
_STRONGEST = 2.0  # of the strength around a frame: one click is no recording
_WINDOWS_IN_MEMORY = 2048  # at the fine step, of 20 kB each: most are never needed
_WINDOWS_IN_A_BLOCK = 32  # so that a block's correlations stay in the processor's cache


@dataclass(frozen=True)
class NearDuplicate:
    """Two tracks that hold the same recording."""

    first: int  # tracks, as `Examples.track` numbers them: first < second
    second: int
    correlation: float  # of the stretch that they share; 1 for equal features
    # By which `second` starts later in the recording than `first`; of tracks with several windows,
    # between the starts of the two windows that are most similar.
    offset: float  # in seconds
    seconds: float  # length of the stretch that they share, without silence

    @property
    def score(self) -> float:
        """The correlation, the less the shorter the stretch: r n / (n + 1) over n seconds.

        So 5 s must correlate 1.2 times the threshold, and 29 s 1.03 times.
        """
        return self.correlation * self.seconds / (self.seconds + _DOUBT_SECONDS)


def why_unsearchable(frontend: FrontEnd) -> str:
    """Say why near duplicates cannot be found in features; empty where they can."""
    if isinstance(frontend, Musicnn | Vectors):
        return f"features of --frontend {frontend.name} do not show them"
    if frontend.seconds < MIN_SECONDS:
        return (
            f"stretches of {number(frontend.seconds, 1)} s are shorter than the "
            f"{number(MIN_SECONDS)} s that two songs must share"
        )
    return ""


def find_near_duplicates(
    examples: Examples,
    frontend: FrontEnd,
    *,
    seconds: npt.NDArray[np.float64] | None = None,
    threshold: float = THRESHOLD,
    min_seconds: float = MIN_SECONDS,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[NearDuplicate, ...]:
    """Find all pairs of tracks that hold the same recording.

    Parameters
    ----------
    examples : Examples
        MFCCs, ``features.examples("mfcc")``, in the order of the store.
    frontend : FrontEnd
        What made them.
    seconds : ndarray of float64, shape (tracks,), optional
        Lengths of the tracks. They matter to log-mel maps of clips of 29 to 31 s, each of which has
        its columns spread over its own length; 30 s by default.
    threshold : float
        The least `NearDuplicate.score`, above 0.
    min_seconds : float
        The shortest stretch in common, above 0.
    on_progress : callable, optional
        Called with (pairs of windows screened, pairs in all).

    Returns
    -------
    tuple of NearDuplicate
        By `first` and `second`; each pair of tracks once, by the two of their windows with the
        highest score. Nothing if windows are shorter than `min_seconds`.

    Raises
    ------
    ValueError
        If `examples` are not MFCCs of this front-end, or a limit is not above 0.
    """
    if not (threshold > 0 and min_seconds > 0):
        raise ValueError("threshold and min_seconds must be above 0")
    windows = _windows(examples, frontend, seconds)
    coarse = [_series(window, frontend, _COARSE_STEP) for window in windows]
    track = np.array([window.track for window in windows], np.int64)

    @functools.lru_cache(maxsize=_WINDOWS_IN_MEMORY)
    def fine(place: int) -> Array:
        return _series(windows[place], frontend, _FINE_STEP)

    found: dict[tuple[int, int], NearDuplicate] = {}
    screened = _screen(coarse, track, _SCREENING * threshold, min_seconds, on_progress)
    for first, second, near in screened:
        fitted = _fit(fine(first), fine(second), near, min_seconds)
        pair = NearDuplicate(int(track[first]), int(track[second]), *fitted)
        key = pair.first, pair.second
        likely = pair.score >= threshold and pair.seconds >= min_seconds
        if likely and (key not in found or pair.score > found[key].score):
            found[key] = pair
    return tuple(found[key] for key in sorted(found))


@dataclass(frozen=True)
class _Window:
    """Slices without a gap between them: (slices, frames, coefficients)."""

    track: int
    slices: Array
    seconds: float


def _windows(
    examples: Examples, frontend: FrontEnd, seconds: npt.NDArray[np.float64] | None
) -> list[_Window]:
    """Part the slices of all tracks into windows."""
    each, *shape = input_shape(frontend, "mfcc")
    if examples.x.shape[1:] != tuple(shape):
        raise ValueError(f"examples of shape {examples.x.shape[1:]} are not of this front-end")
    bounds = np.append(np.flatnonzero(examples.slice % each == 0), len(examples.x))
    # What one map of a shorter song holds; a longer one's maps are of the standard length, but for
    # its last, of which it is not known whether it was taken.
    max_samples = frontend.window_samples + frontend.slack_samples
    windows = []
    for start, end in itertools.pairwise(bounds):
        track = int(examples.track[start])
        own = frontend.seconds if seconds is None else float(seconds[track])
        length = own if own * frontend.sample_rate <= max_samples else frontend.seconds
        # To 10 ms, so that most windows have their frames in common places.
        windows.append(_Window(track, examples.x[start:end], round(length, 2)))
    return windows


def _series(window: _Window, frontend: FrontEnd, step: float) -> Array:
    """Convert a window to frames `step` seconds apart, shape (frames, coefficients - 1).

    Zero where there is silence or nothing; as many frames as the longest window of `frontend` has.
    """
    weights = _resampling(frontend, window.slices.shape[:2], window.seconds, step)
    values = window.slices[:, :, 1:].reshape(weights.shape[1], window.slices.shape[2] - 1)
    sound = np.square(values).sum(axis=1, keepdims=True) > values.shape[1] * _SILENT**2
    share = weights @ sound.astype(np.float32)
    mean = (weights @ (values * sound)) / np.maximum(share, 1e-6)
    return _normalised(mean, share > 0, step)


@functools.lru_cache(maxsize=256)
def _resampling(frontend: FrontEnd, shape: tuple[int, int], seconds: float, step: float) -> Any:
    """Give the weights that make frames `step` apart of the frames of a window of `seconds`.

    A sparse array of float32 (frames', slices * frames): triangles around the multiples of `step`,
    each of sum 1, empty past the window's end.
    """
    slices, frames = shape
    if isinstance(frontend, Mfcc):
        centres = np.arange(frames) * frontend.hop_length
        starts = np.arange(slices)[:, None] * frontend.slice_samples
        times = (starts + centres).ravel() / frontend.sample_rate
    elif isinstance(frontend, LogMel):
        # The columns of a map are picked at this spacing; see `frontend.LogMel`.
        n_frames = 1 + int(seconds * frontend.sample_rate) // frontend.hop_length
        spacing = (n_frames - 1.7) / frontend.columns * frontend.hop_length
        times = (np.arange(slices * frames) + 0.5) * spacing / frontend.sample_rate
    else:
        raise TypeError(f"{frontend.name}: holds no MFCCs")
    longest = (frontend.window_samples + frontend.slack_samples) / frontend.sample_rate
    grid = np.arange(math.ceil(longest / step)) * step
    triangles = np.maximum(0, 1 - np.abs(grid[:, None] - times) / (_REACH * step))
    weights = triangles / np.maximum(triangles.sum(axis=1, keepdims=True), 1e-6)
    return scipy.sparse.csr_array(weights.astype(np.float32))


def _normalised(values: Array, sound: npt.NDArray[np.bool_], step: float) -> Array:
    """Bring each coefficient to mean 0 and each frame to mean square 1, by the seconds around.

    `values` are (frames, coefficients) and `sound` is (frames, 1): the others become 0.
    """
    if not sound.any() or not values.size:
        return np.zeros_like(values)
    # An odd number of frames, without the zeros at both ends.
    window = np.hanning((round(_LOCAL_SECONDS / step) | 1) + 2)[1:-1].astype(np.float32)

    def around(series: Array) -> Array:
        sums: Array = scipy.ndimage.convolve1d(series, window, axis=0, mode="constant")
        return sums

    taken = sound.astype(np.float32)
    weight = np.maximum(around(taken), 1e-3)
    centred = (values - around(values * taken) / weight) * taken
    deviation = np.sqrt(np.square(centred).sum(axis=0) / taken.sum())
    scaled = centred / np.maximum(deviation, _MIN_DEVIATION)
    strength = np.sqrt(around(np.square(scaled).mean(axis=1, keepdims=True)) / weight)
    even = scaled / np.maximum(strength, 1e-3)
    size = np.sqrt(np.square(even).mean(axis=1, keepdims=True))
    limited: Array = even / np.maximum(1, size / _STRONGEST)
    return limited


def _screen(
    series: list[Array],
    track: npt.NDArray[np.int64],
    threshold: float,
    min_seconds: float,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, int, float]]:
    """Correlate all pairs of windows at all offsets, block by block.

    Yields each two windows of different tracks whose correlation, made less for short overlaps as
    in `NearDuplicate.score`, reaches `threshold`, and the offset in seconds where it is highest.
    `series` are those of the coarse step, `track` says whose they are.
    """
    n = len(series)
    min_frames = math.ceil(min_seconds / _COARSE_STEP)
    far = len(series[0]) - min_frames if n else -1
    if far < 0:
        return
    x = np.stack(series)
    size = scipy.fft.next_fast_len(x.shape[1] + far, real=True)
    lags = np.arange(-far, far + 1)
    scale_first, scale_second = _scales(x, lags, min_frames)
    done = 0
    for top in range(0, n, _WINDOWS_IN_A_BLOCK):
        rows = slice(top, min(top + _WINDOWS_IN_A_BLOCK, n))
        left = scipy.fft.rfft(x[rows], size, axis=1).transpose(1, 0, 2)
        for start in range(top, n, _WINDOWS_IN_A_BLOCK):
            columns = slice(start, min(start + _WINDOWS_IN_A_BLOCK, n))
            right = scipy.fft.rfft(x[columns], size, axis=1).conj().transpose(1, 2, 0)
            # A product of matrices for each frequency: all pairs, summed over the coefficients.
            products = scipy.fft.irfft(left @ right, size, axis=0)
            score = np.concatenate([products[size - far :], products[: far + 1]])
            score *= scale_first[:, rows, None]
            score *= scale_second[:, None, columns]
            alike = score.max(axis=0) >= threshold
            alike &= track[rows, None] != track[None, columns]
            # A block on the diagonal holds each pair twice.
            for row, column in np.argwhere(np.triu(alike) if start == top else alike):
                best = lags[score[:, row, column].argmax()]
                yield top + int(row), start + int(column), float(best * _COARSE_STEP)
            height, width = alike.shape
            done += height * (height - 1) // 2 if start == top else height * width
            if on_progress:
                on_progress(done, n * (n - 1) // 2)


def _scales(x: Array, lags: npt.NDArray[np.int64], min_frames: int) -> tuple[Array, Array]:
    """Give the factors that make correlations of sums of products, and less of short overlaps.

    `x` is (n, frames, coefficients); the factors, for each window as the first of a pair and as the
    second, are (lags, n). An overlap with fewer than `min_frames` frames of sound counts as if it
    had that many, and the rest were unlike.
    """
    frames = x.shape[1]
    sums = np.cumsum(np.square(x).sum(axis=2, dtype=np.float64), axis=1)
    energy = np.pad(sums, ((0, 0), (1, 0)))

    def inverted(start: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> Array:
        floor = max(1, min_frames * x.shape[2])
        within = np.maximum(energy[:, end] - energy[:, start], floor)
        return np.ascontiguousarray(1 / np.sqrt(within.T), np.float32)

    overlap = frames - np.abs(lags)
    sure = (overlap / (overlap + _DOUBT_SECONDS / _COARSE_STEP)).astype(np.float32)
    first = inverted(np.maximum(0, lags), np.minimum(frames, frames + lags))
    second = inverted(np.maximum(0, -lags), np.minimum(frames, frames - lags))
    return first * sure[:, None], second


def _fit(x: Array, y: Array, near: float, min_seconds: float) -> tuple[float, float, float]:
    """Compare two windows at the fine step and offsets near the coarse one.

    Gives correlation, offset and seconds as in `NearDuplicate`, at the best of these offsets.
    """
    middle = round(near / _FINE_STEP)
    reach = math.ceil(1.5 * _COARSE_STEP / _FINE_STEP)
    # The overlap at `near` itself may be a frame short, as the two steps divide a window unlike.
    max_lag = max(abs(middle), len(x) - math.ceil(min_seconds / _FINE_STEP))
    lags = [lag for lag in range(middle - reach, middle + reach + 1) if abs(lag) <= max_lag]
    heights = [_correlation(*_overlap(x, y, lag)) for lag in lags]
    best = int(np.argmax(heights))
    left, right = _overlap(x, y, lags[best])
    shared = _most_alike(left, right)
    left, right = left[shared], right[shared]
    frames = math.sqrt(_energy(left) * _energy(right)) / max(1, x.shape[1])
    offset = (lags[best] + _peak(heights, best)) * _FINE_STEP
    return _correlation(left, right), offset, frames * _FINE_STEP


def _overlap(x: Array, y: Array, lag: int) -> tuple[Array, Array]:
    """Give the frames that two windows share where the second starts `lag` frames later."""
    n = len(x) - abs(lag)
    return x[max(0, lag) :][:n], y[max(0, -lag) :][:n]


def _energy(x: Array) -> float:
    return float(np.vdot(x, x))


def _correlation(x: Array, y: Array) -> float:
    """Give the correlation of two stretches, whose means are about 0; 0 if one is silent."""
    size = math.sqrt(_energy(x) * _energy(y))
    return float(np.vdot(x, y)) / size if size > 0 else 0.0


def _most_alike(x: Array, y: Array) -> slice:
    """Find the frames where the correlation exceeds `_ALIKE` by the most in sum."""
    gain = (x * y - _ALIKE / 2 * (x * x + y * y)).sum(axis=1, dtype=np.float64)
    total = np.append(0.0, np.cumsum(gain))
    end = int(np.argmax(total - np.minimum.accumulate(total)))
    return slice(int(np.argmin(total[: end + 1])), end)


def _peak(heights: list[float], best: int) -> float:
    """Give how far from `best` the top of the parabola through it and its neighbours lies."""
    if not 0 < best < len(heights) - 1:
        return 0.0
    before, top, after = heights[best - 1 : best + 2]
    curvature = before - 2 * top + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0
