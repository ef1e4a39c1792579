"""Writing the collection to a folder, as GTZAN lies in one: a subfolder a genre."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray
from scipy.io import wavfile

from backbeat.collections.jam.compose import compose
from backbeat.collections.jam.sounds import LENGTH, SAMPLE_RATE
from backbeat.collections.jam.styles import GENRES
from backbeat.errors import BackbeatError
from backbeat.files.atomic import write_bytes, write_text
from backbeat.files.claims import claim
from backbeat.files.locks import locked
from backbeat.parallel.executors import map_tasks, open_executor

#: To be raised whenever the same seed would give other samples.
VERSION = 2
MANIFEST = "jam.json"

#: The broken files: kind, genre, suffix; see `_fault`.
FAULTS = (
    ("truncated", "jazz", ".wav"), ("empty", "rock", ".wav"), ("text", "pop", ".mp3"),
    ("silent", "classical", ".wav"), ("nan", "metal", ".wav"), ("short", "hiphop", ".wav"),
    ("clipped", "disco", ".wav"), ("duplicate", "reggae", ".flac"),
)  # fmt: skip
#: Faulty files hold songs from here on, so that only the duplicate resembles a sound clip.
_FIRST_FAULT = 90_000

_README = """\
jam: a synthetic collection of sketched music
=============================================

Every clip in this folder was composed and rendered by a program, backbeat, from the seed
{seed}. The artists, albums and titles in the files' tags are made up, and any likeness to real ones
is chance. The genres' names are those of the GTZAN collection and the clips have its form (30 s,
22,050 Hz, mono, 16 bit), so that whatever handles GTZAN can be tried on this folder.

It stands for no real music. An accuracy measured here says that a program works; it says nothing
about how well a model would do on real recordings, and must not be quoted as if it did.
"""


def is_clip(name: str) -> bool:
    """Whether a track's name, such as ``rock/jam-rock-000.wav``, is that of one of these songs."""
    return re.fullmatch(rf"jam-({'|'.join(GENRES)})-\d+\.\w+", name.rpartition("/")[2]) is not None


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
        Whether to add one broken file of each kind (see `FAULTS`).
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
        settings = {"seed": seed, "version": VERSION}
        resumed = claim(out, MANIFEST, settings, "jam collection", shared=True)
        if not resumed:
            write_text(out / "README.txt", _README.format(seed=seed))
        clips = [
            (out / genre / f"jam-{genre}-{index:03d}.wav", genre, index, seed)
            for genre in GENRES
            for index in range(per_genre)
        ]
        missing = [clip for clip in clips if not (resumed and _whole(clip[0]))]
        report = on_progress or (lambda done, total: None)
        report(len(clips) - len(missing), len(clips))
        with open_executor(min(workers, len(missing)) if workers else workers) as executor:
            made = map_tasks(executor, _make, missing)
            for done, _ in enumerate(made, len(clips) - len(missing) + 1):
                report(done, len(clips))
        paths = [clip[0] for clip in clips]
        for number, (kind, genre, suffix) in enumerate(FAULTS if with_faults else ()):
            paths.append(out / genre / f"jam-fault-{kind}{suffix}")
            first = out / genre / f"jam-{genre}-000.wav"
            write_bytes(paths[-1], _fault(kind, genre, _FIRST_FAULT + number, seed, first))
        return paths


def _make(clip: tuple[Path, str, int, int]) -> None:
    path, genre, index, seed = clip
    song = compose(genre, index, seed=seed)
    write_bytes(path, _encode(song.samples, title=song.title, artist=song.artist, album=song.album))


def _encode(samples: NDArray[Any], form: str = "WAV", **names: str) -> bytes:
    """Encode `samples` with 16 bit; `names` go into the LIST INFO chunk."""
    # By way of memory: libsndfile does not say that the disk is full.
    content = io.BytesIO()
    with sf.SoundFile(content, "w", SAMPLE_RATE, 1, "PCM_16", format=form) as file:
        for name, value in names.items():
            setattr(file, name, value)
        file.write(samples)
    return content.getvalue()


def _fault(kind: str, genre: str, number: int, seed: int, first: Path) -> bytes:
    """Make the content of the broken file `kind`; `first` is the genre's first sound clip."""
    match kind:
        case "empty":
            return b""
        case "text":
            return b"This is a text file, whatever its name says.\n" * 100
        case "silent":
            return _encode(np.zeros(LENGTH, np.float32))
        case "duplicate":
            return _encode(sf.read(first, dtype="int16")[0], "FLAC")
    samples = compose(genre, number, seed=seed).samples
    match kind:
        case "short":
            return _encode(samples[:SAMPLE_RATE])
        case "clipped":
            return _encode(np.clip(samples * np.float32(30), -1, 1))
        case "nan":
            samples[LENGTH // 3 : LENGTH // 3 + 100] = np.nan
            # Not soundfile: it stamps float files with the time, and a seed gives the same bytes.
            content = io.BytesIO()
            wavfile.write(content, SAMPLE_RATE, samples)
            return content.getvalue()
    whole = _encode(samples)
    return whole[: len(whole) // 2]  # truncated: its header declares more


def _whole(path: Path) -> bool:
    """Whether `path` is a complete clip."""
    try:
        info = sf.info(str(path))
    except (OSError, sf.LibsndfileError):
        return False
    form = (info.format, info.subtype, info.channels, info.samplerate, info.frames)
    return bool(form == ("WAV", "PCM_16", 1, SAMPLE_RATE, LENGTH))
