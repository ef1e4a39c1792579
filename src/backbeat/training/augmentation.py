"""Augmentation: training slices changed at random in ways that leave the genre as it is.

All are of standardised log-mel slices, whose loudness is gone already. What is left to vary is
the piece, tempo, pitch, and the sound of the recording (a smooth curve over the bands, and the
range of loudness). Masks [1]_ and mixup [2]_ keep a network from relying on one place or one
example. Pure functions of a generator: the same seed gives the same slices.

References
----------
.. [1] D. Park et al., "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
   Recognition", Interspeech 2019.
.. [2] H. Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

import numpy as np
import numpy.typing as npt

from backbeat.zoo.spec import Augmentation

Array = npt.NDArray[np.float32]

_CURVE_POINTS = 6  # of the equaliser, over all bands: a tone control, not a comb
_CURVE = 0.3  # deviation of the curve, and of the range of loudness, at equalizer 1
_RANGE = 0.1
_BAND_MASK = 1 / 8  # widest mask, as a share of the bands and of the frames
_FRAME_MASK = 1 / 8


def augment(
    x: Array, y: Array, chosen: Augmentation, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Change slices, shape (n, frames, bands), and mix them and their genres, shape (n, genres).

    With a crop, what is returned has as many frames; nothing is changed in place.
    """
    frames = min(chosen.crop or x.shape[1], x.shape[1])
    changed = np.stack([_changed(one, frames, chosen, rng) for one in x])
    if not chosen.mixup or len(x) < 2:
        return changed, y
    drawn = rng.beta(chosen.mixup, chosen.mixup)
    share = np.float32(max(drawn, 1 - drawn))
    other = rng.permutation(len(x))
    return (
        share * changed + (1 - share) * changed[other],
        share * y + (1 - share) * y[other],
    )


def _changed(one: Array, frames: int, chosen: Augmentation, rng: np.random.Generator) -> Array:
    piece = shift_bands(cut(one, frames, chosen.stretch, rng), chosen.pitch, rng)
    if chosen.equalizer:
        piece = equalize(piece, chosen.equalizer, rng)
    return mask(piece, chosen.masks, rng)


def cut(one: Array, frames: int, stretch: float, rng: np.random.Generator) -> Array:
    """Cut `frames` frames of a slice, shape (n, bands), up to `stretch` faster or slower.

    A stretch of 0.1 is a tenth. A piece that would be longer than the slice is slowed to fit.
    """
    speed = np.exp(rng.uniform(-stretch, stretch)) if stretch else 1.0
    speed = min(speed, (len(one) - 1) / max(1, frames - 1))
    reach = min((frames - 1) * speed, len(one) - 1)  # rounding may make it a little more
    start = rng.uniform(0, len(one) - 1 - reach)
    # The nearest frame: a mean of two would be smoother than any music.
    places = np.round(start + np.arange(frames) * speed).astype(np.intp)
    piece: Array = one[np.clip(places, 0, len(one) - 1)]
    return piece


def shift_bands(piece: Array, max_shift: int, rng: np.random.Generator) -> Array:
    """Shift a piece, shape (frames, bands), by up to `max_shift` bands up or down.

    The outermost band fills what is left open.
    """
    if not max_shift:
        return piece
    shift = int(rng.integers(-max_shift, max_shift + 1))
    places = np.clip(np.arange(piece.shape[1]) - shift, 0, piece.shape[1] - 1)
    moved: Array = piece[:, places]
    return moved


def equalize(piece: Array, strength: float, rng: np.random.Generator) -> Array:
    """Add a smooth random curve over the bands, and scale the range of loudness.

    The piece is standardised, shape (frames, bands).
    """
    bands = piece.shape[1]
    points = rng.normal(0, _CURVE * strength, _CURVE_POINTS)
    curve = np.interp(np.arange(bands), np.linspace(0, bands - 1, _CURVE_POINTS), points)
    scale = 1 + _RANGE * strength * rng.normal()
    return (piece * scale + curve).astype(np.float32)


def mask(piece: Array, stripes: int, rng: np.random.Generator) -> Array:
    """Set stripes of bands, and as many of frames, to 0, the mean of a slice, shape (n, bands)."""
    masked = piece.copy()
    for _ in range(stripes):
        for axis, share in ((1, _BAND_MASK), (0, _FRAME_MASK)):
            size = masked.shape[axis]
            width = int(rng.integers(0, max(1, int(size * share)) + 1))
            start = int(rng.integers(0, size - width + 1))
            if axis:
                masked[:, start : start + width] = 0
            else:
                masked[start : start + width] = 0
    return masked
