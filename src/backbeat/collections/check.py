"""The check of a collection: every file is decoded, in parallel, and what is wrong is listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from backbeat.audio.integrity import WHOLE, Finding, Inspection, find_duplicates, inspect
from backbeat.collections import gtzan
from backbeat.collections.collection import Collection, Tags, Track, read_tags
from backbeat.errors import WorkerLostError, printable
from backbeat.files.folders import natural
from backbeat.parallel.bounds import guarded
from backbeat.parallel.executors import map_tasks

_Job = tuple[Track, float, Finding | None]  # with the least length (s), and what rules it out


@dataclass(frozen=True)
class FileFinding:
    """One thing that is wrong with one track's file; see `backbeat.audio.integrity.Finding`."""

    track: str
    level: Literal["unusable", "suspicious"]
    kind: str
    reason: str


@dataclass(frozen=True)
class GenreCount:
    """How many tracks of a genre there are: `usable` and `unusable` make up `tracks`.

    `suspicious` ones are usable and should be looked at; `seconds` is the usable ones' total
    length.
    """

    genre: str
    tracks: int
    usable: int
    unusable: int
    suspicious: int
    seconds: float


@dataclass(frozen=True)
class CheckReport:
    """What a check of a whole collection found.

    `collection` has the artists and albums of the files' tags filled in; `findings` are by track's
    name, unusable ones of a track first. `too_short` are the lengths (s) of tracks of which nothing
    else was found.
    """

    collection: Collection
    genres: tuple[GenreCount, ...]
    findings: tuple[FileFinding, ...]
    too_short: tuple[float, ...] = ()

    @property
    def exit_status(self) -> int:
        """1 if any file cannot be read; 0 if all are whole, even if some cannot be used."""
        return int(any(f.level == "unusable" and f.kind not in WHOLE for f in self.findings))

    def to_json(self) -> dict[str, Any]:
        """Give the report as values that JSON knows.

        ``artists`` has ``known`` and ``unknown`` (counts of tracks) and ``different`` (the number
        of artists); ``several`` counts songs with several genres; ``notes`` say what was passed
        over or read otherwise than written; ``seconds`` is of usable tracks.
        """
        artists = [track.artist for track in self.collection.tracks if track.artist]
        total = len(self.collection.tracks)
        return {
            "root": str(self.collection.root),
            "kind": self.collection.kind,
            "tracks": total,
            "usable": sum(genre.usable for genre in self.genres),
            "unusable": sum(genre.unusable for genre in self.genres),
            "suspicious": sum(genre.suspicious for genre in self.genres),
            "ignored": self.collection.ignored,
            "several": self.collection.several,
            "notes": self.collection.notes,
            "seconds": sum(genre.seconds for genre in self.genres),
            "artists": {
                "known": len(artists),
                "unknown": total - len(artists),
                "different": len(set(artists)),
            },
            "genres": [asdict(genre) for genre in self.genres],
            "findings": [asdict(finding) for finding in self.findings],
        }


def check_collection(
    collection: Collection,
    *,
    min_seconds: float,
    executor: Executor,
    on_progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Decode every file of a collection and say what is wrong.

    Parameters
    ----------
    collection : Collection
    min_seconds : float
        The length that the front-end needs.
    executor : Executor
        Where files are decoded.
    on_progress : callable, optional
        Called with the number of files done and of all, after each.

    Returns
    -------
    CheckReport
        The same whatever the number of workers.
    """
    jobs = ((track, min_seconds, excluded(collection, track)) for track in collection.tracks)
    tracks: dict[str, Track] = {}
    inspections: dict[str, Inspection] = {}
    examined = map_tasks(executor, _examine, jobs, instead=_unexamined)
    for done, (track, inspection) in enumerate(examined, 1):
        tracks[track.name], inspections[track.name] = track, inspection
        if on_progress:
            on_progress(done, len(collection.tracks))
    in_order = tuple(tracks[name] for name in sorted(tracks, key=natural))
    return _report(replace(collection, tracks=in_order), inspections)


def _examine(job: _Job) -> tuple[Track, Inspection]:
    """Inspect one file, and fill in the artist and album from its tags."""
    track, min_seconds, fault = job
    if fault:
        return track, Inspection(0.0, 0, 0, "", (fault,))
    tags = Tags()
    with guarded(track.path):
        inspection = inspect(track.path, min_seconds=min_seconds)
        if inspection.digest and not (track.artist and track.album):
            tags = read_tags(track.path)
    if tags.artist or tags.album:
        artist, album = track.artist or tags.artist, track.album or tags.album
        track = replace(track, artist=artist, album=album)
    return track, inspection


def _unexamined(job: _Job, error: WorkerLostError) -> _Job:
    """Give the job that reports that a file ended the worker."""
    track, min_seconds, _ = job
    return track, min_seconds, Finding("unusable", "unreadable", error.reason)


def _report(collection: Collection, inspections: dict[str, Inspection]) -> CheckReport:
    """Combine the inspections of all files."""
    labels = {track.name: track.genre for track in collection.tracks}
    digests = {name: found.digest for name, found in inspections.items() if found.usable}
    originals = find_duplicates(digests)
    findings = []
    counts = []
    for track in collection.tracks:
        found = inspections[track.name].findings
        if track.name in originals:
            found = (*found, duplicate(track, originals[track.name], labels))
        findings += [FileFinding(track.name, one.level, one.kind, one.reason) for one in found]
    suspicious = {one.track for one in findings if one.level == "suspicious"}
    for genre in collection.genres:
        names = [name for name, label in labels.items() if label == genre]
        usable = [name for name in names if inspections[name].usable]
        seconds = sum(inspections[name].seconds for name in usable)
        doubtful = len(suspicious.intersection(usable))
        counts.append(
            GenreCount(genre, len(names), len(usable), len(names) - len(usable), doubtful, seconds)
        )
    short = tuple(
        found.seconds
        for found in inspections.values()
        if [one.kind for one in found.findings] == ["too-short"]
    )
    return CheckReport(collection, tuple(counts), tuple(findings), short)


def excluded(collection: Collection, track: Track) -> Finding | None:
    """Give the finding that rules out GTZAN's faulty track; None for all others."""
    identity = gtzan.track_id(track.name) if collection.kind == "gtzan" else None
    if identity in gtzan.EXCLUDED:
        what = f"excluded: {identity} {gtzan.EXCLUDED[identity]}"
        return Finding("unusable", "excluded", what)
    return None


def duplicate(track: Track, original: str, labels: Mapping[str, str]) -> Finding:
    """Make the finding that a track is a copy of another, with the other's label if it differs."""
    what = f"same samples as {printable(original)}"
    if labels[original] != track.genre:
        what += f", which is labelled {labels[original]}"
    return Finding("suspicious", "duplicate", what)
