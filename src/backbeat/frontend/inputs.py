"""From what a front-end extracts to what a network takes."""

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError
from backbeat.files.text import significant
from backbeat.frontend import spectrum
from backbeat.frontend.kinds import FrontEnd
from backbeat.frontend.maps import LogMel
from backbeat.frontend.mfccs import Mfcc
from backbeat.frontend.musicnn import Musicnn
from backbeat.frontend.vectors import Vectors

Array = npt.NDArray[np.float32]

PATCHES_A_PIECE = 3
"""Patches of MusiCNN that a "joined" input holds of each piece of 10 s."""
_STANDARD = LogMel()
# Columns of the pieces that maps are cut in. 37 make 2.9 s, a tenth of the first 29 of 30 s.
_COLUMNS = {
    "logmel_10s": _STANDARD.columns // 3,
    "logmel_3s": int(_STANDARD.columns * 29 / 30) // 10,
}


def standardise(maps: Array) -> Array:
    """Bring each map, shape (..., columns, bands), to mean 0 and variance 1 over all its cells.

    Parameters
    ----------
    maps : ndarray of float32, shape (..., columns, bands)
        One without any variation (silence) becomes all zeros.
    """
    centred = maps - maps.mean(axis=(-2, -1), keepdims=True, dtype=np.float64).astype(np.float32)
    deviation = np.sqrt(np.mean(np.square(centred), axis=(-2, -1), keepdims=True, dtype=np.float64))
    standard: Array = centred / np.maximum(deviation, 1e-6).astype(np.float32)
    return standard


def mfcc_slices(maps: Array, *, n_mfcc: int = 13) -> Array:
    """See log-mel maps as slices of MFCCs, so that the paper's models train on them too.

    Parameters
    ----------
    maps : ndarray of float32, shape (..., columns, n_mels)
        Log-mel maps in dB.
    n_mfcc : int
        As for `Mfcc`. Columns left over after slices of 37 frames (2.9 s) are ignored: 370 of 387
        columns make ten.

    Returns
    -------
    ndarray of float32, shape (..., slices, frames, n_mfcc)
        ``(..., 10, 37, 13)`` from ``(..., 387, 128)``. Equal to MFCCs up to a constant in
        coefficient 0, since the maps are relative to their loudest cell.
    """
    cut = _pieces(maps.reshape(-1, *maps.shape[-2:]), "logmel_3s")
    each = maps.shape[-2] // cut.shape[1]
    return spectrum.cepstrum(cut, n_mfcc).reshape(*maps.shape[:-2], each, cut.shape[1], n_mfcc)


def input_shape(parameters: FrontEnd, kind: str) -> tuple[int, int, int]:
    """Give the shape that `as_input` makes of one window: (slices, frames, bands)."""
    return as_input(np.zeros(parameters.shape, np.float32), parameters, kind).shape


def as_input(slices: Array, parameters: FrontEnd, kind: str) -> Array:
    """Bring what a front-end extracts to what a network takes.

    Parameters
    ----------
    slices : ndarray of float32, shape (n, frames, bands)
        Slices as extracted (or stored) with `parameters`.
    parameters : FrontEnd
        The front-end that made them.
    kind : {"mfcc", "logmel", "logmel_10s", "logmel_3s", "musicnn", "vectors", "joined", "maps"}
        What the network was designed for: MFCC slices; log-mel maps, standardised, whole or cut in
        pieces of 10 s or in the paper's slices of 2.9 s; the patches of MusiCNN; or
        pieces of 10 s and their patches together ("joined", see `transfer.joining`). "maps" leaves
        log-mel maps as they are.

    Returns
    -------
    ndarray of float32, shape (m, frames', bands')
        Of maps of 30 s, ``m`` is ten times ``n`` where they are seen as slices or patches, three
        times where they are cut in pieces of 10 s; otherwise ``n``.

    Raises
    ------
    BackbeatError
        If the front-end's features lack what the network takes, such as maps of MFCCs, or are
        shorter than a piece.
    """
    if isinstance(parameters, Vectors) or kind == "vectors":
        if isinstance(parameters, Vectors) and kind == "vectors":
            return slices
        raise BackbeatError(
            "--model head takes vectors, which `backbeat import-features --frontend vectors` "
            f"brings, and nothing else; these features are of --frontend {parameters.name}"
            if kind == "vectors"
            else "these features are vectors made elsewhere, which only --model head takes"
        )
    if isinstance(parameters, Musicnn):
        if kind != "musicnn":
            raise BackbeatError(
                "these features are MusiCNN's, which only --model transfer takes: prepare the "
                "collection again with --frontend logmel"
            )
        return slices
    if isinstance(parameters, Mfcc):
        if kind != "mfcc":
            takes, name = (
                ("MusiCNN's features", "musicnn")
                if kind == "musicnn"
                else ("log-mel maps", "logmel")
            )
            raise BackbeatError(
                f"this model takes {takes} and these features are MFCCs: prepare the collection "
                f"again with --frontend {name}"
            )
        return slices
    if kind == "mfcc":
        cut = mfcc_slices(slices)
        return cut.reshape(-1, *cut.shape[2:])
    if kind == "musicnn":
        from backbeat.frontend.musicnn.maps import maps_to_patches

        patches = maps_to_patches(slices, parameters=parameters)
        return patches.reshape(-1, *patches.shape[2:])
    if kind == "joined":
        return _packed(slices, parameters)
    if kind == "maps":
        return slices
    whole = standardise(slices)
    return _pieces(whole, kind) if kind in ("logmel_10s", "logmel_3s") else whole


def unpacked_shapes() -> tuple[tuple[int, int], tuple[int, int]]:
    """Give the shapes (frames, bands) of the piece and of each patch in a packed "joined" input."""
    from backbeat.frontend.musicnn import spectra

    piece = (_COLUMNS["logmel_10s"], _STANDARD.n_mels)
    return piece, (spectra.PATCH_FRAMES, spectra.N_MELS)


def _packed(maps: Array, parameters: LogMel) -> Array:
    """Give each piece of 10 s, and the patches that are spread over it, in one row.

    So the network has one input, as all others have.
    """
    from backbeat.frontend.musicnn import spectra
    from backbeat.frontend.musicnn.maps import spectrograms

    pieces = _pieces(standardise(maps), "logmel_10s")
    whole = spectrograms(maps, parameters=parameters)
    frames = 10 * spectra.SAMPLE_RATE // spectra.HOP_LENGTH
    each = maps.shape[1] // _COLUMNS["logmel_10s"]
    cut = whole[:, : each * frames].reshape(len(pieces), frames, -1)
    hop = (frames - spectra.PATCH_FRAMES) // (PATCHES_A_PIECE - 1)
    patches = spectra.patches(cut, hop=hop)
    rows = [part.reshape(len(pieces), 1, -1) for part in (pieces, patches)]
    return np.concatenate(rows, axis=2)


def _pieces(maps: Array, kind: str) -> Array:
    """Cut maps in equal pieces; columns left over at the end are ignored."""
    columns, bands = maps.shape[1:]
    frames = _COLUMNS[kind]
    if columns < frames:
        seconds = significant(_STANDARD.seconds * frames / _STANDARD.columns, 2)
        raise BackbeatError(
            f"this model takes pieces of {seconds} s and these maps are shorter: prepare the "
            f"collection again with --seconds {seconds} or more"
        )
    return maps[:, : columns // frames * frames].reshape(-1, frames, bands)
