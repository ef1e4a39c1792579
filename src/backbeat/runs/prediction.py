"""Answering all songs of a feature store with a bundle."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backbeat import transfer
from backbeat.bundle.archive import Bundle, read_bundle
from backbeat.bundle.network import Outputs
from backbeat.bundle.shipped import shown
from backbeat.collections.genres import places_of
from backbeat.errors import BackbeatError, one_line
from backbeat.evaluation import Predictions, mean_by_track
from backbeat.evaluation.calibration import strangeness
from backbeat.features.store import Examples, Features, with_rows
from backbeat.files.text import significant
from backbeat.frontend import LogMel, as_input
from backbeat.training.finishing import Predict

OnProgress = Callable[[int, int], None]
Maps = npt.NDArray[np.float32]

_SLICES_AT_ONCE = 32  # of a store; ten times as many numbers may be made of each


def predict(
    run: Path,
    features: Features,
    *,
    leave_out: frozenset[str] = frozenset(),
    change: Callable[[Maps], Maps] | None = None,
    strangeness_too: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[Predictions, npt.NDArray[np.float64] | None]:
    """Predict the slices of a feature store with the bundle of a run, but not of `leave_out`.

    `change` changes the store's log-mel maps, shape (n, columns, bands), before they are predicted.
    `on_progress` is called with the number of slices done and of all. Also gives the share of
    familiar songs that are less strange than each track, shape (tracks,), in order of appearance;
    None unless `strangeness_too` is wanted and the bundle was calibrated for that. Refused if the
    front-ends or the genres differ, or nothing is left.
    """
    bundle = read_bundle(run)
    described, name = bundle.description, shown(run)
    if transfer.bundle_frontend(features.frontend) != (front := described.frontend):
        length = f" --seconds {significant(front.seconds)}" if described.takes_audio else ""
        raise BackbeatError(
            f"{features.path}: made with another front-end than {name} was trained on; prepare the "
            f"collection with --frontend {front.name}{length}"
        )
    places = places_of(features.genres, described.genres, of=features.path, model=name)
    examples, answer = _answering(bundle, features, change)
    kept = np.array([name not in leave_out for name in examples.names], bool)
    rows = np.flatnonzero(kept[examples.track])
    if not len(rows):
        raise BackbeatError(
            f"{features.path}: {name} was trained or validated on all of its tracks"
        )
    renumbered = np.array([places[genre] for genre in examples.genres], np.int64)
    known = described.calibration.out_of_genre if strangeness_too else None
    parts, vectors = [], []
    for start in range(0, len(rows), _SLICES_AT_ONCE):
        if on_progress:
            on_progress(start, len(rows))
        x = examples.x[rows[start : start + _SLICES_AT_ONCE]]
        try:
            outputs = answer(x)
        except BackbeatError:
            raise
        except Exception as error:  # a network that fails for these slices alone
            raise BackbeatError(f"{name}: its network cannot be run: {one_line(error)}") from error
        parts.append(outputs.probabilities)
        if known:
            vectors.append(getattr(outputs, known.space))
    if on_progress:
        on_progress(len(rows), len(rows))
    given = np.concatenate(parts)
    answered = with_rows(
        replace(
            examples, y=examples.y[rows], track=examples.track[rows], slice=examples.slice[rows]
        ),
        given,
    )
    probabilities = given.astype(np.float64)
    predictions = Predictions(
        tracks=answered.track_names(np.arange(len(given))),
        slices=answered.slice,
        truth=renumbered[answered.y],
        probabilities=probabilities / probabilities.sum(axis=1, keepdims=True),
        genres=described.genres,
    )
    strange = None
    if known:
        means = mean_by_track(predictions.tracks, np.concatenate(vectors))
        strange = np.array([known.score(far) for far in strangeness(means, known).tolist()])
    return predictions, strange


def _answering(
    bundle: Bundle, features: Features, change: Callable[[Maps], Maps] | None
) -> tuple[Examples, Predict]:
    """Give the slices of a store, and how a bundle answers them, each perhaps several times.

    What a network takes of a map may be ten times as large as the map, so it is made on the way.
    """
    kind, frontend = bundle.description.input, features.frontend
    if kind == "musicnn" and not change and (head := transfer.head_of(bundle.network)):
        return transfer.embed(features), head.outputs
    network = bundle.open()
    if not isinstance(frontend, LogMel):
        return features.examples(kind), network.in_batches

    def answer(maps: Maps) -> Outputs:
        changed = change(maps) if change else maps
        return network.in_batches(as_input(changed, frontend, kind))

    return features.examples("maps"), answer
