"""A song as pictures: the paper's Figures 1 to 4, of any song."""

from pathlib import Path

import numpy as np
import scipy.signal

from backbeat import audio
from backbeat.errors import BackbeatError, needing, printable
from backbeat.frontend import Mfcc, mfcc
from backbeat.frontend.spectrum import mel_filters

_FLOOR_DB = 80.0


def show(song: Path, out: Path, *, seconds: float = 30.0) -> tuple[Path, ...]:
    """Draw a song's waveplot, spectrogram, mel filters and MFCCs.

    Parameters
    ----------
    song : Path
    out : Path
        A folder, made if missing; its pictures of these names are replaced.
    seconds : float
        How much of the song's beginning to draw.

    Returns
    -------
    tuple of Path
        ``song.png`` (all in one), ``waveplot.png``, ``spectrogram.png``, ``mel_filters.png``,
        ``mfcc.png``.

    Raises
    ------
    BackbeatError
        If the song cannot be decoded or is shorter than a tenth of a second.
    """
    with needing("train", "drawing"):
        from backbeat import figures
    samples, decibels, coefficients = analyse(song, seconds)
    front = Mfcc()
    length = len(samples) / front.sample_rate
    title = printable(song.name)
    filters = mel_filters(front.sample_rate, front.n_fft, front.n_mels)
    drawn = {
        "song": figures.song(
            samples, front.sample_rate, title=title, spectrogram_db=decibels, mfcc=coefficients
        ),
        "waveplot": figures.waveplot(samples, front.sample_rate, title=title),
        "spectrogram": figures.spectrogram(
            decibels, front.sample_rate, seconds=length, title=title
        ),
        "mel_filters": figures.mel_filters(filters, front.sample_rate),
        "mfcc": figures.mfcc_map(coefficients, seconds=length, title=title),
    }
    written = []
    for name, figure in drawn.items():
        figures.save(figure, out / f"{name}.png")
        written.append(out / f"{name}.png")
    return tuple(written)


def analyse(song: Path, seconds: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute what the paper's Figures 1 to 3 show of the first `seconds` of a song.

    Returns samples at the paper's rate, shape (n,), a spectrogram in dB below its loudest cell,
    shape (bins, frames), and MFCCs, shape (n_mfcc, frames).
    """
    front = Mfcc()
    samples = audio.read(song, sample_rate=front.sample_rate, seconds=seconds)
    if len(samples) < front.sample_rate // 10:
        raise BackbeatError(f"{printable(song)}: too short to draw")
    samples = np.nan_to_num(samples)
    whole = front.model_copy(update={"seconds": len(samples) / front.sample_rate, "slices": 1})
    return samples, spectrogram_db(samples, front), mfcc(samples, whole)[0].T


def spectrogram_db(samples: np.ndarray, front: Mfcc) -> np.ndarray:
    """Compute a spectrogram of samples, shape (n,), in dB from -80 to 0 below its loudest cell.

    The result has shape (1 + n_fft // 2, frames).
    """
    _, _, spectrum = scipy.signal.stft(
        samples,
        window="hann",
        nperseg=front.n_fft,
        noverlap=front.n_fft - front.hop_length,
        boundary="zeros",
        padded=False,
    )
    power = np.square(np.abs(spectrum))
    decibels = 10 * np.log10(np.maximum(power, 1e-10 * max(float(power.max()), 1e-20)))
    relative: np.ndarray = np.maximum(decibels - decibels.max(), -_FLOOR_DB).astype(np.float32)
    return relative
