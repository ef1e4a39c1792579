"""Recording changes: the same music as another recording of it would sound.

Collections differ in how their songs were recorded: band limits of radio, cassettes and codecs,
tone controls, rumble filters, hiss. A model that relies on these recognises the recording rather
than the music [1]_. A `RecordingChange` alters them and leaves the music as it is, on samples or on
log-mel maps; `draw` gives a random one, for training on copies and for measuring (`stress`).

References
----------
.. [1] B. L. Sturm, "A simple method to determine if a music information retrieval system is a
   'horse'", IEEE Transactions on Multimedia 16(6), 2014.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from backbeat.frontend import spectrum
from backbeat.frontend.maps import LogMel

Array = npt.NDArray[np.float32]

_CUT_DB = 200.0  # what a band limit takes away: more than any recording has


@dataclass(frozen=True)
class RecordingChange:
    """What another recording does to the sound; as it stands, nothing."""

    low_pass: float | None = None
    """In Hz: nothing is left above it."""
    high_pass: float | None = None
    """In Hz: nothing is left below it."""
    tilt: float = 0.0
    """In dB, from the lowest to the highest band; positive is brighter. Straight on the mel scale,
    and 0 in the middle."""
    curve: tuple[float, ...] = ()
    """In dB, of equally spaced points on the mel scale."""
    hiss: float | None = None
    """White noise, in dB below the loudest cell of the log-mel map."""

    def gains(self, frontend: LogMel) -> Array:
        """Give the gain of each mel band in dB, shape (n_mels,)."""
        bands = np.arange(frontend.n_mels)
        last = max(1, frontend.n_mels - 1)
        gains = self.tilt * (bands / last - 0.5)
        if self.curve:
            gains = gains + np.interp(bands, np.linspace(0, last, len(self.curve)), self.curve)
        centres = _band_centres(frontend.sample_rate, frontend.n_mels)
        if self.low_pass is not None:
            gains = np.where(centres > self.low_pass, -_CUT_DB, gains)
        if self.high_pass is not None:
            gains = np.where(centres < self.high_pass, -_CUT_DB, gains)
        return gains.astype(np.float32)

    def on_maps(self, maps: Array, frontend: LogMel) -> Array:
        """Change log-mel maps.

        Parameters
        ----------
        maps : ndarray of float32, shape (..., columns, n_mels)
            Decibels below the loudest cell of each, as `frontend` extracts them.
        frontend : LogMel

        Returns
        -------
        ndarray of float32, shape (..., columns, n_mels)
            In dB below the loudest cell that is left, and at least ``-frontend.top_db``.
        """
        if self == RecordingChange():
            return maps
        changed = _below_loudest(maps + self.gains(frontend))
        if self.hiss is not None:
            power = np.power(np.float32(10), changed / np.float32(10))
            noise = np.float32(10 ** (-self.hiss / 10))
            changed = _below_loudest(np.float32(10) * np.log10(power + noise))
        return np.maximum(changed, np.float32(-frontend.top_db))

    def on_samples(self, samples: Array, sample_rate: int, seed: int = 0) -> Array:
        """Change samples.

        Parameters
        ----------
        samples : ndarray of float32, shape (n,)
            Mono, full scale 1; some seconds at least.
        sample_rate : int
            In Hz.
        seed : int
            Of the noise.

        Returns
        -------
        ndarray of float32, shape (n,)
            Scaled down where they would exceed full scale.
        """
        if self == RecordingChange():
            return samples
        frontend = LogMel(sample_rate=sample_rate)
        changed = _filtered(samples, sample_rate, self, frontend)
        if self.hiss is not None:
            noise = np.random.default_rng(seed).standard_normal(len(changed)).astype(np.float32)
            level = _loudest(changed, frontend) - self.hiss - _white_level(frontend)
            changed = changed + noise * np.float32(10 ** (level / 20))
        return changed / np.float32(max(1.0, float(np.abs(changed).max(initial=0.0))))


def draw(rng: np.random.Generator) -> RecordingChange:
    """Draw a recording at random: of radio, a cassette, a record, a codec, or nearly unchanged."""
    return RecordingChange(
        low_pass=float(rng.uniform(4_500, 11_000)) if rng.random() < 0.4 else None,
        high_pass=float(rng.uniform(30, 140)) if rng.random() < 0.4 else None,
        tilt=float(rng.uniform(-12, 12)),
        curve=tuple(rng.normal(0, 3, 6).tolist()),
        hiss=float(rng.uniform(42, 75)) if rng.random() < 0.6 else None,
    )


def _below_loudest(maps: Array) -> Array:
    below: Array = maps - maps.max(axis=(-2, -1), keepdims=True)
    return below


@functools.cache
def _band_centres(sample_rate: int, n_mels: int) -> npt.NDArray[np.float64]:
    """Give the frequency at which each mel band is highest, in Hz, shape (n_mels,)."""
    return spectrum.mel_edges(sample_rate, n_mels)[1:-1]


def _filtered(samples: Array, sample_rate: int, change: RecordingChange, frontend: LogMel) -> Array:
    """Give samples with the gains of a change, which stands for all frequencies between bands."""
    transformed = np.fft.rfft(samples)
    hertz = np.linspace(0, sample_rate / 2, len(transformed))
    smooth = RecordingChange(tilt=change.tilt, curve=change.curve).gains(frontend)
    gains = np.interp(hertz, _band_centres(sample_rate, frontend.n_mels), smooth)
    transformed *= np.power(10, gains / 20)
    if change.low_pass is not None:
        transformed[hertz > change.low_pass] = 0
    if change.high_pass is not None:
        transformed[hertz < change.high_pass] = 0
    return np.fft.irfft(transformed, len(samples)).astype(np.float32)


def _loudest(samples: Array, frontend: LogMel) -> float:
    """Give the level of the loudest cell of the log-mel map of samples, in dB."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, frontend.n_fft)
    power = spectrum.mel_power(
        frames[:: frontend.hop_length], frontend.sample_rate, frontend.n_mels
    )
    return float(spectrum.decibels(power.max()))


def _white_level(frontend: LogMel) -> float:
    """Give the mean level of white noise of variance 1 in a mel band, in dB."""
    filters = spectrum.mel_filters(frontend.sample_rate, frontend.n_fft, frontend.n_mels)
    # The squares of a Hann window sum to 3/8 of its length; bands narrower than a bin vary.
    return float(10 * np.log10(0.375 * frontend.n_fft * np.median(filters.sum(axis=1))))
