"""Changes of sound that leave the music as it is: codecs, sample rates, noise, rooms, level.

Each takes mono samples, float32 of shape (n,), and their sample rate in Hz, and gives both anew;
the same input gives the same output. Band limits, tilt and hiss are `frontend.recordings`, which
log-mel maps know too.
"""

import io
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import cast

import numpy as np
import numpy.typing as npt

from backbeat.frontend.recordings import RecordingChange

Array = npt.NDArray[np.float32]
SoundChange = Callable[[Array, int], tuple[Array, int]]

_BELOW_PEAK = 0.01  # -40 dB: how loud hum and crackle are, beside the loudest sample
_CRACKLES = 8
_ROOM_SECONDS = 0.6  # until an echo is 60 dB quieter
_CODEC_RATES = {"libopus": 48_000}
_CONTAINERS = {"libmp3lame": "mp3", "aac": "adts", "libopus": "ogg"}

RECORDINGS: Mapping[str, RecordingChange] = MappingProxyType(
    {
        "low-pass 10 kHz": RecordingChange(low_pass=10_000),
        "low-pass 8 kHz": RecordingChange(low_pass=8_000),
        "low-pass 5.5 kHz": RecordingChange(low_pass=5_500),
        "high-pass 100 Hz": RecordingChange(high_pass=100),
        "tilt +6 dB": RecordingChange(tilt=6),
        "tilt -6 dB": RecordingChange(tilt=-6),
        "tilt +12 dB": RecordingChange(tilt=12),
        "tilt -12 dB": RecordingChange(tilt=-12),
        "hiss 60 dB below": RecordingChange(hiss=60),
        "hiss 50 dB below": RecordingChange(hiss=50),
    }
)
"""Changes that log-mel maps show as well as samples do."""


def resample(samples: Array, sample_rate: int, target: int) -> tuple[Array, int]:
    """Give the same sound, shape (n,), at another sample rate: shape (m,)."""
    import soxr

    return soxr.resample(samples, sample_rate, target).astype(np.float32), target


def encode(samples: Array, sample_rate: int, codec: str, kbit: int) -> tuple[Array, int]:
    """Give what a lossy codec of FFmpeg leaves of samples, shape (n,), at so many kbit/s."""
    import av

    rate = _CODEC_RATES.get(codec, 44_100)
    samples, _ = resample(samples, sample_rate, rate)
    file = io.BytesIO()
    with av.open(file, "w", format=_CONTAINERS[codec]) as written:
        stream = cast(av.AudioStream, written.add_stream(codec, rate=rate, layout="mono"))
        stream.bit_rate = kbit * 1000
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = rate
        size = stream.codec_context.frame_size or 1152
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=size)
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            written.mux(stream.encode(converted))
        written.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        decoder = av.AudioResampler("fltp", "mono", rate)
        parts = [
            part.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for part in decoder.resample(frame)
        ]
    return np.concatenate(parts), rate


def hum(samples: Array, sample_rate: int) -> tuple[Array, int]:
    """Add the hum of the mains to samples, shape (n,): 50 Hz and its harmonics, halving."""
    seconds = np.arange(len(samples)) / sample_rate
    tones = sum(0.5**n * np.sin(2 * np.pi * 50 * (n + 1) * seconds) for n in range(4))
    return _added(samples, np.asarray(tones)), sample_rate


def crackle(samples: Array, sample_rate: int) -> tuple[Array, int]:
    """Add the clicks of a record to samples, shape (n,): 8 a second, of random loudness."""
    rng = np.random.default_rng(0)
    clicks = np.zeros(len(samples))
    count = len(samples) * _CRACKLES // sample_rate
    clicks[rng.integers(0, len(samples), count)] = rng.exponential(1, count) * 10
    decay = np.exp(-np.arange(sample_rate // 500) / (sample_rate / 4_000))
    shaped = np.convolve(clicks, decay * rng.standard_normal(len(decay)))[: len(samples)]
    return _added(samples, shaped), sample_rate


def room(samples: Array, sample_rate: int) -> tuple[Array, int]:
    """Play samples, shape (n,), in a room: its echo is decaying noise of the same energy."""
    from scipy.signal import fftconvolve

    seconds = np.arange(int(_ROOM_SECONDS * sample_rate)) / sample_rate
    echo = np.random.default_rng(0).standard_normal(len(seconds)) * 10 ** (
        -3 * seconds / _ROOM_SECONDS
    )
    echo /= np.sqrt(np.sum(np.square(echo)))
    played = samples + fftconvolve(samples, echo)[: len(samples)]
    return _in_scale(played), sample_rate


def silence_before(samples: Array, sample_rate: int) -> tuple[Array, int]:
    """Give samples, shape (n,), after 5 s of silence: shape (m,)."""
    return np.concatenate([np.zeros(5 * sample_rate, np.float32), samples]), sample_rate


def louder(samples: Array, sample_rate: int, decibels: float) -> tuple[Array, int]:
    """Change the level of samples, shape (n,), by some dB; what exceeds full scale is clipped."""
    scaled = samples * np.float32(10 ** (decibels / 20))
    return np.clip(scaled, -1, 1), sample_rate


def rerecord(samples: Array, sample_rate: int, change: RecordingChange) -> tuple[Array, int]:
    """Change samples, shape (n,), as another recording would."""
    return change.on_samples(samples, sample_rate), sample_rate


SOUND_CHANGES: Mapping[str, SoundChange] = MappingProxyType(
    {
        **{name: partial(rerecord, change=change) for name, change in RECORDINGS.items()},
        "44.1 kHz copy": partial(resample, target=44_100),
        "48 kHz copy": partial(resample, target=48_000),
        "16 kHz copy": partial(resample, target=16_000),
        "8 kHz copy": partial(resample, target=8_000),
        "MP3 at 128 kbit/s": partial(encode, codec="libmp3lame", kbit=128),
        "MP3 at 64 kbit/s": partial(encode, codec="libmp3lame", kbit=64),
        "AAC at 128 kbit/s": partial(encode, codec="aac", kbit=128),
        "Opus at 96 kbit/s": partial(encode, codec="libopus", kbit=96),
        "hum": hum,
        "crackle": crackle,
        "room": room,
        "12 dB quieter": partial(louder, decibels=-12),
        "6 dB louder, clipped": partial(louder, decibels=6),
        "5 s of silence before": silence_before,
    }
)
"""Changes of samples, by the names that tables give them."""


def _added(samples: Array, noise: npt.NDArray[np.float64]) -> Array:
    """Add a noise whose loudest sample lies 40 dB below the loudest of the sound."""
    level = _BELOW_PEAK * np.abs(samples).max(initial=0.0) / np.abs(noise).max(initial=1e-12)
    return _in_scale(samples + noise * level)


def _in_scale(samples: npt.NDArray[np.floating]) -> Array:
    return (samples / max(1.0, float(np.abs(samples).max(initial=0.0)))).astype(np.float32)
