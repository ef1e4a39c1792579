"""MusiCNN's features of each patch of a feature store, computed once and kept in the store.

A store of the front-end ``musicnn`` holds them already; those of log-mel maps are computed.
"""

import contextlib
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backbeat import frontend as frontends
from backbeat.errors import BackbeatError
from backbeat.features.store import Examples, Features, with_rows
from backbeat.files import atomic
from backbeat.frontend import LogMel, as_input
from backbeat.frontend.musicnn.runtime import (
    MusicnnNetwork,
    features_of,
    network_path,
    open_musicnn,
)

_KEPT = "musicnn.npz"

Array = npt.NDArray[np.float32]


def embed(features: Features, *, on_progress: Callable[[int, int], None] | None = None) -> Examples:
    """Describe each patch of 3 s of a store by MusiCNN's features: ``x`` of shape (n, 1, 1706).

    The store is of the front-end ``musicnn``, or of log-mel maps, 10 patches a map; MFCCs raise a
    BackbeatError. `on_progress` is called with (tracks done, tracks).
    """
    _require_no_mfcc(features)
    if not isinstance(features.frontend, LogMel):
        return features.examples("musicnn")
    maps = features.examples("maps")
    network = network_path()
    key = _key(maps, network.read_bytes())
    path = features.path / _KEPT
    found = _read(path, key)
    if found is None:
        found = _embed(maps, features.frontend, open_musicnn(network), on_progress)
        content = io.BytesIO()
        np.savez(content, key=key, features=found)
        # What cannot be kept (a store that may only be read) is computed again.
        with contextlib.suppress(OSError):
            atomic.write_bytes(path, content.getvalue())
    return with_rows(maps, found[:, np.newaxis])


def outline_of_embedding(features: Features) -> Examples:
    """Give what `embed` gives at once, without features, as `Features.outline` does."""
    _require_no_mfcc(features)
    return features.outline("musicnn")


def _require_no_mfcc(features: Features) -> None:
    if isinstance(features.frontend, frontends.Mfcc):
        raise BackbeatError(
            f"{features.path}: holds MFCCs, from which --model transfer cannot learn: prepare the "
            "collection again with --frontend musicnn"
        )


def _embed(
    maps: Examples,
    frontend: LogMel,
    musicnn: MusicnnNetwork,
    on_progress: Callable[[int, int], None] | None,
) -> Array:
    rows = []
    for number, decibels in enumerate(maps.x):
        if on_progress:
            on_progress(number, len(maps.x))
        rows.append(features_of(musicnn(as_input(decibels[np.newaxis], frontend, "musicnn"))))
    if on_progress:
        on_progress(len(maps.x), len(maps.x))
    return np.concatenate(rows)


def _key(maps: Examples, network: bytes) -> str:
    """Name what an embedding was made from, so that it is made again where that has changed."""
    content = hashlib.sha256(network)
    content.update(np.ascontiguousarray(maps.x).data)
    return content.hexdigest()


def _read(path: Path, key: str) -> Array | None:
    """Read what was kept; None where there is nothing, or it is of something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            return np.asarray(file["features"], np.float32)
    except Exception:  # noqa: BLE001 - zipfile and NumPy raise many kinds; it is made again
        return None
