"""Answering all songs of a feature store with a bundle."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from backbeat import transfer
from backbeat.bundle.archive import Bundle, read_bundle
from backbeat.bundle.shipped import shown
from backbeat.collections.genres import find_genre
from backbeat.errors import BackbeatError, one_line
from backbeat.evaluation import Predictions
from backbeat.features.store import Examples, Features, with_rows
from backbeat.frontend import LogMel, as_input
from backbeat.training.finishing import Predict

OnProgress = Callable[[int, int], None]

_SLICES_AT_ONCE = 32  # of a store; ten times as many numbers may be made of each


def predict(
    run: Path,
    features: Features,
    *,
    leave_out: frozenset[str] = frozenset(),
    on_progress: OnProgress | None = None,
) -> tuple[Predictions, int]:
    """Predict the slices of a feature store with the bundle of a run, but not of `leave_out`.

    `on_progress` is called with the number of slices done and of all. Also returns how many tracks
    were left out. Refused if the front-ends or the genres differ, or nothing is left.
    """
    bundle = read_bundle(run)
    described, name = bundle.description, shown(run)
    if transfer.bundle_frontend(features.frontend) != described.frontend:
        raise BackbeatError(
            f"{features.path}: made with another front-end than {name} was trained on; prepare the "
            f"collection with --frontend {described.frontend.name}"
        )
    places = {genre: find_genre(genre, described.genres) for genre in features.genres}
    if unknown := sorted(genre for genre, place in places.items() if place is None):
        raise BackbeatError(
            f"{features.path}: genres that {name} does not know: {', '.join(unknown)}"
        )
    examples, answer = _answering(bundle, features)
    kept = np.array([name not in leave_out for name in examples.names], bool)
    rows = np.flatnonzero(kept[examples.track])
    if not len(rows):
        raise BackbeatError(
            f"{features.path}: {name} was trained or validated on all of its tracks"
        )
    renumbered = np.array([places[genre] for genre in examples.genres], np.int64)
    parts = []
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
    return predictions, int(np.count_nonzero(~kept))


def _answering(bundle: Bundle, features: Features) -> tuple[Examples, Predict]:
    """Give the slices of a store, and how a bundle answers them, each perhaps several times.

    What a network takes of a map may be ten times as large as the map, so it is made on the way.
    """
    kind, frontend = bundle.description.input, features.frontend
    if kind == "musicnn" and (head := transfer.head_of(bundle.network)):
        return transfer.embed(features), head.outputs
    network = bundle.open()
    if not isinstance(frontend, LogMel):
        return features.examples(kind), network.in_batches
    return features.examples("maps"), lambda x: network.in_batches(as_input(x, frontend, kind))
