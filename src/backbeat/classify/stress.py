"""Stress: what a model answers when the recording changes and the music does not.

Of log-mel maps in a feature store, or of songs, from the middle of which half a minute is taken.
Songs that the model was trained on say whether it keeps its answer; how often it is right is
measured on the others.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat import audio
from backbeat.bundle.archive import read_bundle
from backbeat.classify.batches import Model, load_model
from backbeat.classify.classifier import Classifier, Failure, Verdict, verdict_of
from backbeat.classify.sounds import RECORDINGS, SOUND_CHANGES, SoundChange
from backbeat.collections.collection import Collection
from backbeat.collections.genres import places_of
from backbeat.errors import BackbeatError, WorkerLostError
from backbeat.features.store import Features
from backbeat.files.text import number
from backbeat.frontend import LogMel
from backbeat.frontend.recordings import RecordingChange
from backbeat.parallel.bounds import guarded
from backbeat.parallel.executors import map_tasks
from backbeat.runs.overlap import Overlap, find_overlap, find_overlap_of_names
from backbeat.runs.prediction import predict
from backbeat.runs.reading import songs_of

UNCHANGED = "none"
_SECONDS = 30.5  # of each song: what the widest front-end takes


@dataclass(frozen=True)
class Row:
    """What became of the answers under one change."""

    change: str
    kept: float
    """Share of all songs whose likeliest genre is that of the unchanged song."""
    answered: float | None
    """Share of all songs that are neither "unsure" nor "out of genre"; None if not calibrated."""
    correct: float | None
    """Share of the songs that the model was not trained on; None if there is none."""
    recall: Mapping[str, float]
    """The same of each genre that has such songs."""
    wrong: float | None
    """Share of wrong answers among those answered of these songs."""

    @property
    def worst(self) -> str:
        """The genre of the least recall; empty if there is none."""
        return min(self.recall, key=lambda genre: self.recall[genre], default="")


@dataclass(frozen=True)
class Stress:
    """A model's answers to changed recordings."""

    model: str
    songs: int
    new: int
    """Of these, songs that the model was not trained or validated on, as far as is recorded."""
    overlap: str
    """How that was found out, in a sentence."""
    rows: tuple[Row, ...]
    """The unchanged songs first."""
    failures: tuple[Failure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the content of a JSON file; shares, not percentages."""
        return {
            "model": self.model,
            "songs": self.songs,
            "new_songs": self.new,
            "overlap": self.overlap,
            "rows": [{**asdict(row), "worst": row.worst or None} for row in self.rows],
        }


@dataclass(frozen=True)
class _Answers:
    """The likeliest genre of each song, shape (n,), and whether it is answered."""

    genre: npt.NDArray[np.int64]
    answered: npt.NDArray[np.bool_] | None


def named(only: str | None) -> dict[str, SoundChange]:
    """Give the changes whose names match one of some patterns, divided by commas.

    Raises BackbeatError if none does. All of them by default.
    """
    patterns = [pattern.strip() for pattern in (only or "*").split(",")]
    found = {
        name: change
        for name, change in SOUND_CHANGES.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    if not found:
        raise BackbeatError(f"--only {only}: matches none of {', '.join(SOUND_CHANGES)}")
    return found


def stress_features(
    path: Path,
    features: Features,
    *,
    only: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Stress:
    """Change the log-mel maps of a feature store, and predict them by a bundle or run.

    Parameters
    ----------
    path : Path
        A bundle or a run.
    features : Features
    only : str, optional
        Names of changes, see `named`.
    on_progress : callable, optional
        Called with the number of changes done and of all.

    Raises
    ------
    BackbeatError
        If the store holds no log-mel maps, or does not fit the model; or no change of maps is left.
    """
    frontend = features.frontend
    if not isinstance(frontend, LogMel):
        raise BackbeatError(
            f"{features.path}: holds {frontend.name} features, in which a recording cannot be "
            "changed: prepare the songs with --frontend logmel, or name their folder"
        )
    described = read_bundle(path).description
    calibration = described.calibration
    overlap = find_overlap(described, features)
    changes = {name: change for name, change in RECORDINGS.items() if name in named(only)}
    if not changes:
        raise BackbeatError(f"--only {only}: of maps there are {', '.join(RECORDINGS)}")
    answers: dict[str, _Answers] = {}
    for name, change in {UNCHANGED: RecordingChange(), **changes}.items():
        if on_progress:
            on_progress(len(answers), 1 + len(changes))
        changed = partial(change.on_maps, frontend=frontend)
        given, strange = predict(path, features, change=changed, strangeness_too=True)
        songs = songs_of(given, calibration.temperature, {})
        verdicts = [
            verdict_of(calibration, float(row.max()), far)
            for row, far in zip(
                songs.probabilities,
                [None] * len(songs) if strange is None else strange.tolist(),
                strict=True,
            )
        ]
        answers[name] = _Answers(songs.raw.argmax(axis=1), _answered(verdicts))
    return _stress(described.model, songs.tracks, songs.truth, described.genres, overlap, answers)


@dataclass(frozen=True)
class _Task:
    """A song for a worker to change and classify."""

    model: Model
    path: Path
    only: str | None
    lost: str = ""
    """How it ended a worker, if it did."""


def stress_songs(
    classifier: Classifier,
    collection: Collection,
    executor: Executor,
    *,
    only: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Stress:
    """Change songs, and classify them.

    Parameters
    ----------
    classifier : Classifier
        Loaded here; workers load its bundle by themselves.
    collection : Collection
        Labelled songs.
    executor : Executor
        See `parallel.executors.open_executor`; isolated, since decoders are native code.
    only : str, optional
        Names of changes, see `named`.
    on_progress : callable, optional
        Called with the number of songs done and of all.

    Raises
    ------
    BackbeatError
        If the model does not know a genre of the songs, no song can be classified, or `only`
        matches no change.
    """
    described = classifier.bundle.description
    places = places_of(
        collection.genres, classifier.genres, of=collection.root, model=described.model
    )
    changes, model = named(only), Model.of(classifier)
    tasks = (_Task(model, track.path, only) for track in collection.tracks)
    given: list[dict[str, tuple[str, Verdict]]] = []
    kept, failures = [], []
    for track, result in zip(
        collection.tracks,
        map_tasks(executor, _stress_song, tasks, ordered=True, instead=_without),
        strict=True,
    ):
        if isinstance(result, Failure):
            failures.append(result)
        else:
            kept.append(track)
            given.append(result)
        if on_progress:
            on_progress(len(kept) + len(failures), len(collection.tracks))
    if not kept:
        raise BackbeatError(f"{collection.root}: no song of it can be classified")
    order = {genre: place for place, genre in enumerate(classifier.genres)}
    answers = {
        name: _Answers(
            np.array([order[one[name][0]] for one in given]),
            _answered([one[name][1] for one in given]),
        )
        for name in (UNCHANGED, *changes)
    }
    names = tuple(track.name for track in kept)
    truth = np.array([places[track.genre] for track in kept])
    overlap = find_overlap_of_names(described, names)
    found = _stress(described.model, names, truth, classifier.genres, overlap, answers)
    return replace(found, failures=tuple(failures))


def _without(task: _Task, error: WorkerLostError) -> _Task:
    """Give the same task as one that fails at once, of a song that ended its worker."""
    if task.lost or error.what != str(task.path):
        raise error
    return replace(task, lost=error.reason)


def _stress_song(task: _Task) -> "dict[str, tuple[str, Verdict]] | Failure":
    """Classify a song as it is and after each change; in a worker."""
    if task.lost:
        return Failure(task.path, task.lost)
    classifier = load_model(task.model)
    try:
        with guarded(task.path):
            samples, rate = _middle(task.path)
        answers = {}
        for name, change in {UNCHANGED: _unchanged, **named(task.only)}.items():
            with guarded(task.path):  # each is as much work as a song
                answers[name] = classifier.classify(*change(samples, rate))
    except BackbeatError as error:
        return Failure(task.path, error.what if isinstance(error, audio.AudioError) else str(error))
    return {name: (answer.genre, answer.verdict) for name, answer in answers.items()}


def _unchanged(
    samples: npt.NDArray[np.float32], sample_rate: int
) -> tuple[npt.NDArray[np.float32], int]:
    return samples, sample_rate


def _middle(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """Read the middle half minute of a song at its own sample rate, mono."""
    with audio.open_source(path) as source:
        rate = source.info.sample_rate
    samples = audio.read(path, sample_rate=rate)
    size = int(_SECONDS * rate)
    start = max(0, (len(samples) - size) // 2)
    return samples[start : start + size], rate


def _answered(verdicts: list[Verdict]) -> npt.NDArray[np.bool_] | None:
    if "not calibrated" in verdicts:
        return None
    return np.array([verdict == "sure" for verdict in verdicts], bool)


def _stress(
    model: str,
    names: Sequence[str],
    truth: npt.NDArray[np.int64],
    genres: Sequence[str],
    overlap: Overlap,
    answers: Mapping[str, _Answers],
) -> Stress:
    """Count what became of the answers to songs, whose genres `truth` are places in `genres`."""
    known = overlap.names
    sentence = overlap.sentence
    if overlap.recorded:
        sentence = (
            f"The model was trained or validated on {number(len(known))} of {number(len(names))} "
            f"songs ({overlap.counts}), which count only for whether it keeps its answer."
        )
    new = np.array([name not in known for name in names], bool)
    rows = []
    for change, given in answers.items():
        correct = given.genre == truth
        sure = None if given.answered is None else given.answered & new
        rows.append(
            Row(
                change=change,
                kept=float((given.genre == answers[UNCHANGED].genre).mean()),
                answered=None if given.answered is None else float(given.answered.mean()),
                correct=float(correct[new].mean()) if new.any() else None,
                recall={
                    genres[genre]: float(correct[new & (truth == genre)].mean())
                    for genre in np.unique(truth[new]).tolist()
                },
                wrong=None if sure is None or not sure.any() else float((~correct)[sure].mean()),
            )
        )
    return Stress(model, len(names), int(new.sum()), sentence, tuple(rows))
