"""Reading finished runs: what was trained, on what, and what it answered."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.bundle.archive import read_bundle
from backbeat.bundle.description import Description
from backbeat.collections import gtzan, jam
from backbeat.errors import BackbeatError, one_line, printable
from backbeat.evaluation import Predictions, read_predictions, vote_by_track
from backbeat.evaluation.calibration import with_temperature
from backbeat.files.checksums import check_sums
from backbeat.files.documents import read_json
from backbeat.files.text import duration, number
from backbeat.splits import PARTS, Leaks, leaks_from_json, read_parts, tracks_in
from backbeat.splits.groups import known_artist
from backbeat.training.crossvalidation import fold_runs, is_crossvalidation
from backbeat.training.curves import curve_lines
from backbeat.training.history import Epoch, read_history

# What is read of a run, beside its bundle.
_READ = ("environment.json", "split.json", "history.csv", "predictions.csv")


@dataclass(frozen=True)
class Run:
    """A finished run."""

    path: Path
    description: Description  # of its bundle
    split: dict[str, Any]  # the content of ``split.json``
    environment: dict[str, Any]  # the content of ``environment.json``
    history: tuple[Epoch, ...]
    predictions: Predictions  # of its test part, a row a slice

    @property
    def leaks(self) -> Leaks:
        """What its split was measured to leak."""
        return leaks_from_json(self.split["leaks"])

    @property
    def in_epochs(self) -> bool:
        """Whether it was trained epoch by epoch; a head on MusiCNN's features is fitted at once."""
        return bool(self.description.spec["family"] != "transfer")

    @property
    def curves(self) -> tuple[str, ...]:
        """What its history shows, in sentences."""
        if not self.in_epochs:
            return ()
        return curve_lines(
            self.history,
            "validation" if self.split["parts"]["valid"] else "test",
            genres=len(self.description.genres),
            learning_rate=self.description.spec["learning_rate"],
        )

    def tracks(self) -> frozenset[str]:
        """Give all tracks of its split."""
        return tracks_in(self.split["parts"], self.split["unit"], *PARTS)

    def songs(self) -> "Songs":
        """Give the calibrated answers to the songs of its test part."""
        return songs_of(
            self.predictions, self.description.calibration.temperature, self.split["artists"]
        )


@dataclass(frozen=True)
class Songs:
    """Predictions by song, after the vote of the slices.

    `truth` has shape (n,); `raw` and `probabilities`, before and after temperature scaling, (n, k).
    """

    tracks: tuple[str, ...]
    truth: npt.NDArray[np.int64]
    raw: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]
    groups: tuple[str, ...]
    artists_known: int

    def __len__(self) -> int:
        return len(self.tracks)

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each song's most probable genre is the true one, shape (n,)."""
        return np.asarray(self.raw.argmax(axis=1) == self.truth)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """Calibrated probability of each song's answer, shape (n,)."""
        return np.asarray(self.probabilities.max(axis=1))


def songs_of(predictions: Predictions, temperature: float, artists: dict[str, str]) -> Songs:
    """Let slices vote, and calibrate the songs' probabilities; `artists` are by track."""
    votes = vote_by_track(predictions)
    tracks = tuple(str(track) for track in votes.tracks)
    known = [known_artist(artists.get(track, "")) for track in tracks]
    return Songs(
        tracks=tracks,
        truth=votes.truth,
        raw=votes.probabilities,
        probabilities=with_temperature(votes.probabilities, temperature),
        groups=tuple(
            f"artist {artist}" if artist else f"track {track}"
            for artist, track in zip(known, tracks, strict=True)
        ),
        artists_known=sum(map(bool, known)),
    )


def joined_songs(parts: list[Songs]) -> Songs:
    """Put songs of several runs in one table, each once for each run that answered it."""
    return Songs(
        tracks=tuple(track for part in parts for track in part.tracks),
        truth=np.concatenate([part.truth for part in parts]),
        raw=np.concatenate([part.raw for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        groups=tuple(group for part in parts for group in part.groups),
        artists_known=sum(part.artists_known for part in parts),
    )


def read_runs(path: Path) -> tuple[Run, ...]:
    """Read a finished run, or all folds of a cross-validation."""
    if is_crossvalidation(path):
        folds = fold_runs(path)
        runs = tuple(map(read_run, folds))
        for run in runs:
            if run.split["hash"] != folds[run.path]:
                raise BackbeatError(f"{run.path}: is of another split than {path}; train again")
        return runs
    return (read_run(path),)


def read_run(path: Path) -> Run:
    """Read a finished run; refuse one that is unfinished or damaged."""
    if not (path / "environment.json").exists():
        raise BackbeatError(f"{path}: not a run; `backbeat train` makes one")
    if not (path / "model.backbeat").exists():
        raise BackbeatError(f"{path}: this run is unfinished; go on with `backbeat train --resume`")
    check_sums(path, _READ, "put the file back as it was, or train again")
    description, split = read_bundle(path).description, read_parts(path / "split.json")
    if description.split.hash != split["hash"]:
        raise BackbeatError(f"{path}: its model.backbeat is of another split; train again")
    return Run(
        path=path,
        description=description,
        split=split,
        environment=_read_environment(path / "environment.json"),
        history=read_history(path / "history.csv"),
        predictions=read_predictions(path / "predictions.csv"),
    )


def _read_environment(path: Path) -> dict[str, Any]:
    """Read how a run was made."""
    try:
        there = read_json(path)
        if not isinstance(there["packages"], dict):
            raise TypeError("packages")
        for key in ("seed", "processors", "platform", "backbeat", "spec"):
            there[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackbeatError(f"{path}: damaged ({one_line(error)}); train again") from error
    return dict(there)


def collection_of(songs: Collection[str], store: str) -> str:
    """Name the collection that most songs are of, by their names; else by that of their store."""
    if 2 * sum(map(jam.is_clip, songs)) > len(songs):
        return "jam, which backbeat composes: synthetic songs, which say nothing about real music"
    if 2 * sum(gtzan.track_id(song) is not None for song in songs) > len(songs):
        return "GTZAN"
    return f"the collection in {printable(store) or 'a feature store'}"


def facts_of(runs: tuple[Run, ...]) -> dict[str, str]:
    """Say how runs were made, for a table."""
    first = runs[0]
    described, made = first.description, first.environment
    unit = first.split["unit"]
    trained_on = [len(run.split["parts"]["train"]) for run in runs]
    packages = (f"{name} {version}" for name, version in made["packages"].items())
    seconds = sum(epoch.seconds for run in runs for epoch in run.history)
    hashes = ", ".join(run.description.split.hash for run in runs)
    return {
        "Model": described.model,
        "Collection": collection_of(first.tracks(), Path(made.get("features", "")).name),
        "Split": f"{protocol_of(runs)}, seed {described.split.seed}, hash {hashes}",
        "Trained on": f"{_range(trained_on)} {unit}",
        "Front-end": described.front_end,
        "Epochs": str(len(first.history)) if first.in_epochs else "none, fitted at once",
        "Processing time": duration(seconds),
        "Seed": str(made["seed"]),
        "Threads": str(made.get("threads", "not recorded")),
        "Machine": f"{made['processors']} processors, {made['platform']}",
        "Software": f"backbeat {made['backbeat']}, {', '.join(packages)}",
    }


def protocol_of(runs: tuple[Run, ...]) -> str:
    """Name the split of runs, with the folds."""
    split = runs[0].split
    if len(runs) > 1:
        return f"{split['protocol']}, {len(runs)} folds"
    if split.get("folds") and ":" not in split["protocol"]:
        return f"{split['protocol']}, fold {split['fold']} of {split['folds']}"
    return str(split["protocol"])


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return number(low) if low == high else f"{number(low)} to {number(high)}"
