"""Drums and percussion: noise, falling sines and filters."""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from backbeat.jam.basics import SAMPLE_RATE, Samples, sample_count


@dataclass(frozen=True)
class Kit:
    """One drum kit's tuning.

    Pitches and band edges are in Hz, decays in seconds (to 1/e), shares between 0 and 1.
    """

    kick_pitch: float = 52.0
    kick_decay: float = 0.14
    kick_click: float = 0.3
    snare_pitch: float = 190.0
    snare_noise: float = 0.7
    snare_decay: float = 0.09
    hat_edge: float = 6500.0
    hat_decay: float = 0.03
    cymbal_edge: float = 4200.0
    cymbal_decay: float = 0.5
    tom_pitch: float = 95.0
    clap_edge: float = 1100.0


def hit(name: str, kit: Kit, rng: np.random.Generator) -> Samples:
    """Strike one drum.

    Parameters
    ----------
    name : str
        kick, snare, brush, rim, hat, open, ride, crash, tom, floor, clap, shaker, tambourine,
        conga, cowbell, timpani or scratch.
    kit : Kit
        The kit's tuning.
    rng : numpy.random.Generator
        For the noise.

    Returns
    -------
    Samples
        float32, shape (n,), of peak about 1.

    Raises
    ------
    ValueError
        If there is no such drum.
    """
    match name:
        case "kick":
            body = _falling(kit.kick_pitch, 2.2, 0.03, kit.kick_decay, rng)
            return body + kit.kick_click * _fit(_noise(0.006, 1500, 6000, rng), len(body))
        case "snare":
            shell = _falling(kit.snare_pitch, 0.4, 0.02, kit.snare_decay * 0.8, rng)
            wires = _noise(kit.snare_decay, 1400, 9000, rng)
            return (1 - kit.snare_noise) * _fit(shell, len(wires)) + kit.snare_noise * wires
        case "brush":
            return _noise(kit.snare_decay * 1.3, 1800, 7000, rng, attack=0.03)
        case "rim":
            return _falling(kit.snare_pitch * 2.4, 0.1, 0.01, 0.018, rng) + _fit(
                0.5 * _noise(0.008, 2500, 6000, rng), sample_count(0.018 * 6)
            )
        case "hat":
            return _noise(kit.hat_decay, kit.hat_edge, 10800, rng)
        case "open":
            return _noise(kit.hat_decay * 7, kit.hat_edge * 0.9, 10800, rng)
        case "ride":
            bell = _noise(kit.cymbal_decay * 0.7, kit.cymbal_edge * 1.2, 10500, rng)
            stick = _noise(0.012, 3000, 8000, rng)
            return 0.6 * bell + 0.5 * _fit(stick, len(bell))
        case "crash":
            return _noise(kit.cymbal_decay * 1.8, kit.cymbal_edge * 0.6, 10800, rng)
        case "tom":
            return _falling(kit.tom_pitch * 1.4, 0.5, 0.05, 0.16, rng)
        case "floor":
            return _falling(kit.tom_pitch, 0.5, 0.05, 0.22, rng)
        case "clap":
            return _clap(kit.clap_edge, rng)
        case "shaker":
            return _noise(0.04, 5000, 10500, rng, attack=0.02)
        case "tambourine":
            return _noise(0.07, 7000, 10800, rng)
        case "conga":
            return _falling(kit.tom_pitch * 2.6, 0.15, 0.02, 0.09, rng)
        case "cowbell":
            return _cowbell(rng)
        case "timpani":
            return _falling(kit.tom_pitch * 0.8, 0.03, 0.05, 0.5, rng)
        case "scratch":
            return _scratch(rng)
        case _:
            raise KeyError(name)


def _falling(
    pitch: float, drop: float, drop_decay: float, decay: float, rng: np.random.Generator
) -> Samples:
    """Make a sine that falls from ``pitch * (1 + drop)`` to `pitch` (Hz) while it dies away."""
    time = np.arange(sample_count(decay * 6)) / SAMPLE_RATE
    cycles = pitch * (time + drop * drop_decay * (1 - np.exp(-time / drop_decay)))
    tone = np.sin(2 * np.pi * cycles) * np.exp(-time / decay) * (0.96 + 0.08 * rng.random())
    return tone.astype(np.float32)


def _noise(
    decay: float, low: float, high: float, rng: np.random.Generator, attack: float = 0.0
) -> Samples:
    """Make noise between `low` and `high` (Hz) that dies away in `decay` (s)."""
    count = sample_count(decay * 5 + attack)
    time = np.arange(count, dtype=np.float32) / SAMPLE_RATE
    # An artist's tuning may carry an edge towards half the sampling rate.
    edges = (min(low, 9500.0), min(high, 10900.0))
    band = signal.butter(1, edges, "bandpass", fs=SAMPLE_RATE, output="sos")
    noise = signal.sosfilt(band, rng.standard_normal(count, dtype=np.float32))
    envelope = np.exp(-np.maximum(time - attack, 0) / decay)
    if attack:
        envelope *= np.minimum(time / attack, 1)
    out: Samples = (noise * envelope).astype(np.float32)
    return out / np.float32(np.abs(out).max() + 1e-9)


def _clap(edge: float, rng: np.random.Generator) -> Samples:
    """Make several hands that do not quite meet at once."""
    out = np.zeros(sample_count(0.35), dtype=np.float32)
    for delay in (0.0, 0.011, 0.021, 0.03):
        hands = _noise(0.045 if delay == 0.03 else 0.006, edge, edge * 2.5, rng)
        start = sample_count(delay)
        out[start : start + len(hands)] += hands[: len(out) - start]
    return out


def _cowbell(rng: np.random.Generator) -> Samples:
    time = np.arange(sample_count(0.25)) / SAMPLE_RATE
    tone = np.sign(np.sin(2 * np.pi * 540 * time)) + np.sign(np.sin(2 * np.pi * 800 * time))
    band = signal.butter(1, (500, 2500), "bandpass", fs=SAMPLE_RATE, output="sos")
    knock = signal.sosfilt(band, tone * np.exp(-time / 0.06)) * (0.5 + 0.1 * rng.random())
    return np.asarray(knock, np.float32)


def _scratch(rng: np.random.Generator) -> Samples:
    """Make a record pushed forth and back under the needle."""
    time = np.arange(sample_count(0.28)) / SAMPLE_RATE
    speed = np.sin(2 * np.pi * (3.2 + rng.random()) * time)
    phase = np.cumsum(np.abs(speed)) * (900 + 500 * rng.random()) / SAMPLE_RATE
    grit = 0.5 + 0.5 * rng.standard_normal(len(time))
    tone = np.sin(2 * np.pi * phase) * np.abs(speed) * grit * np.hanning(len(time)) ** 0.3
    return (0.6 * tone).astype(np.float32)


def _fit(samples: Samples, length: int) -> Samples:
    """Cut or pad `samples` to `length`."""
    if len(samples) >= length:
        return samples[:length]
    return np.pad(samples, (0, length - len(samples)))
