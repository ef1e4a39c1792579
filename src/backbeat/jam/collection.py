"""Writing the collection to a folder, as GTZAN lies in one: a subfolder a genre."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import soundfile as sf

from backbeat.atomic import write_bytes, write_text
from backbeat.documents import read_json
from backbeat.engine import map_unordered, open_executor
from backbeat.errors import BackbeatError
from backbeat.jam.basics import GENRES, LENGTH, SAMPLE_RATE
from backbeat.jam.compose import Song, compose
from backbeat.jam.faults import write_faults
from backbeat.locks import locked

#: To be raised whenever the same seed would give other samples.
VERSION = 1
MANIFEST = "jam.json"

_README = """\
jam: a synthetic collection of sketched music
=============================================

Every clip in this folder was composed and rendered by a program (backbeat.jam) from the seed
{seed}. The artists, albums and titles in the files' tags are made up, and any likeness to real ones
is chance. The genres' names are those of the GTZAN collection and the clips have its form (30 s,
22,050 Hz, mono, 16 bit), so that whatever handles GTZAN can be tried on this folder.

It stands for no real music. An accuracy measured here says that a program works; it says nothing
about how well a model would do on real recordings, and must not be quoted as if it did.
"""


class _Clip(NamedTuple):
    genre: str
    number: int
    seed: int
    path: Path


def generate(
    out: Path,
    *,
    per_genre: int = 100,
    seed: int = 0,
    workers: int | None = None,
    with_faults: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write the collection, or what is still missing of it.

    Parameters
    ----------
    out : Path
        The folder; made if need be. Clips that it already holds whole are kept.
    per_genre : int
        Clips a genre. A larger collection contains the smaller ones.
    seed : int
        The seed of everything.
    workers : int, optional
        Processes; one a processor by default. The samples do not depend on it.
    with_faults : bool
        Whether to add one broken file of each kind (see `faults.FAULTS`).
    on_progress : callable, optional
        Called with the number of clips done and of all clips, first with those that were there.

    Returns
    -------
    list of Path
        The clips' files, genre by genre, then those of the faults.

    Raises
    ------
    BackbeatError
        If `out` holds a collection of another seed or version or is in use, or a number is out of
        range.
    """
    if per_genre < 1:
        raise BackbeatError(f"per_genre: {per_genre} is too few; ask for at least 1 clip a genre")
    if seed < 0:
        raise BackbeatError(f"seed: {seed} is negative; give 0 or more")
    with locked(out):
        return _generate(out, per_genre, seed, workers, with_faults, on_progress)


def _generate(
    out: Path,
    per_genre: int,
    seed: int,
    workers: int | None,
    with_faults: bool,
    on_progress: Callable[[int, int], None] | None,
) -> list[Path]:
    resumed = _claim(out, seed)
    clips = [
        _Clip(genre, index, seed, out / genre / f"jam-{genre}-{index:03d}.wav")
        for genre in GENRES
        for index in range(per_genre)
    ]
    missing = [clip for clip in clips if not (resumed and _whole(clip.path))]
    done = len(clips) - len(missing)
    if on_progress:
        on_progress(done, len(clips))
    with open_executor(min(workers, len(missing)) if workers else workers) as executor:
        for _ in map_unordered(executor, _make, missing):
            done += 1
            if on_progress:
                on_progress(done, len(clips))
    paths = [clip.path for clip in clips]
    if with_faults:
        paths += write_faults(out, seed)
    return paths


def write_clip(path: Path, song: Song) -> None:
    """Write `song` to `path` atomically: WAV, PCM 16 bit, its names in the LIST INFO chunk."""
    # By way of memory: libsndfile does not say that the disk is full.
    content = io.BytesIO()
    with sf.SoundFile(content, "w", SAMPLE_RATE, 1, "PCM_16", format="WAV") as file:
        file.title, file.artist, file.album = song.title, song.artist, song.album
        file.write(song.samples)
    write_bytes(path, content.getvalue())


def _make(clip: _Clip) -> None:
    write_clip(clip.path, compose(clip.genre, clip.number, seed=clip.seed))


def _whole(path: Path) -> bool:
    """Tell whether `path` is a complete clip."""
    try:
        info = sf.info(str(path))
    except (OSError, sf.LibsndfileError):
        return False
    form = (info.format, info.subtype, info.channels, info.samplerate, info.frames)
    return bool(form == ("WAV", "PCM_16", 1, SAMPLE_RATE, LENGTH))


def _claim(out: Path, seed: int) -> bool:
    """Make sure that `out` is this collection's folder; tell whether it was already."""
    manifest = out / MANIFEST
    wanted = {"seed": seed, "version": VERSION}
    if manifest.exists():
        try:
            found = read_json(manifest)
        except (OSError, ValueError):
            found = None
        if found == wanted:
            return True
        if isinstance(found, dict) and {"seed", "version"} <= found.keys():
            what = f"the jam of seed {found['seed']}, version {found['version']}"
        else:
            what = f"an unreadable {MANIFEST}"
        raise BackbeatError(
            f"{out}: holds {what}, not seed {seed}, version {VERSION}; "
            "give another folder or delete this one"
        )
    if out.exists() and not out.is_dir():
        raise BackbeatError(f"{out}: is not a folder; give another one")
    write_text(out / "README.txt", _README.format(seed=seed))
    write_text(manifest, json.dumps(wanted) + "\n")
    return False
