"""The long verbs as they are run here, and what they work on."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soundfile as sf
import soxr

from killing.processes import MAX_SECONDS, run, start
from killing.states import State, of_bytes, tree

SPEC = """\
name: small
family: cnn
layers:
- {kind: conv, filters: 8, kernel: 3}
- {kind: pool, size: 2}
- {kind: batch_norm}
- {kind: flatten}
- {kind: dropout, rate: 0.3}
- {kind: dense, units: 16}
learning_rate: 0.001
batch_size: 16
epochs: 30
"""


@dataclass(frozen=True)
class Place:
    """Where one trial of a verb works: a folder of its own, beside the inputs of all."""

    inputs: Path
    folder: Path
    workers: int = 2

    @property
    def out(self) -> Path:
        """The output of the verb."""
        return self.folder / "out"


@dataclass(frozen=True)
class Verb:
    """A verb as it is run here.

    Attributes
    ----------
    command : callable
        From a place to the arguments.
    first : callable
        Whether the first of its output is there.
    state : callable
        From a place to what must be equal in the end, by name.
    prepare : callable
        What must be there before.
    """

    command: Callable[[Place], list[Any]]
    first: Callable[[Place], bool]
    state: Callable[[Place], State]
    prepare: Callable[[Place], None] = field(default=lambda _place: None)


def tagged_state(place: Place) -> State:
    """Give the songs as they are now, and as they are when all logs are taken back."""
    state = {f"songs/{path.name}": of_bytes(path.read_bytes()) for path in files(place.out)}
    logs = sorted((place.folder / "state" / "backbeat" / "tags").glob("*.jsonl"))
    for log in sorted(logs, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        done = start(["tag", "--undo", log], place.folder).communicate(timeout=MAX_SECONDS)
        assert b"0 not" in done[1], done[1]
    for path in files(place.out):
        state[f"undone/{path.name}"] = of_bytes(path.read_bytes())
    state["hidden"] = ",".join(
        str(path.relative_to(place.folder)) for path in place.folder.rglob(".*")
    )
    return state


def files(folder: Path) -> Iterator[Path]:
    """Give the files in a folder, in order of names."""
    return (path for path in sorted(folder.iterdir()) if path.is_file())


def with_copies(place: Place) -> None:
    """Put copies of the songs there, to be tagged."""
    shutil.copytree(place.inputs / "songs", place.out)


VERBS: dict[str, Verb] = {
    "data": Verb(
        lambda p: ["data", "jam", "-o", p.out, "--per-genre", 1, "--with-faults", "--workers", 2],
        lambda p: (p.out / "README.txt").exists(),
        lambda p: tree(p.folder),
    ),
    "prepare": Verb(
        lambda p: ["prepare", p.inputs / "clips", "-o", p.out, "--workers", 2],
        lambda p: p.out.exists(),
        lambda p: tree(p.folder),
    ),
    "train": Verb(
        lambda p: [
            *("train", p.inputs / "features", "--model", p.inputs / "small.yaml"),
            *("--split", "tracks", "-o", p.out, "--resume"),
        ],
        lambda p: (p.out / "environment.json").exists(),
        lambda p: tree(p.folder),
    ),
    "reproduce": Verb(
        lambda p: [
            *("reproduce", "sears2021", p.inputs / "features", "-o", p.out),
            *("--only", "mlp_1[34]", "--epochs-scale", 0.2, "--workers", p.workers),
        ],
        lambda p: any(p.out.glob("runs/*/environment.json")),
        lambda p: tree(p.folder),
    ),
    "tune": Verb(
        lambda p: [
            *("tune", p.inputs / "features", "-o", p.out, "--family", "mlp", "--split", "tracks"),
            *("--budget", 3, "--epochs-scale", 0.05),
        ],
        lambda p: (p.out / "tuning.json").exists(),
        lambda p: tree(p.folder),
    ),
    "classify": Verb(
        lambda p: [
            *("classify", p.inputs / "songs", "--model", p.inputs / "run", "--format", "csv"),
            *("-o", p.out / "answers.csv", "--index", p.folder / "index.sqlite"),
        ],
        lambda p: (p.folder / "index.sqlite").exists(),
        lambda p: tree(p.folder),
    ),
    "tag": Verb(
        lambda p: [
            *("tag", p.out, "--yes", "--model", p.inputs / "run", "--min-confidence", 0),
            *("--index", p.folder / "index.sqlite"),
        ],
        lambda p: any((p.folder / "state").rglob("*.jsonl")),
        tagged_state,
        with_copies,
    ),
}


def make_inputs(folder: Path) -> None:
    """Make what the verbs work on, once."""
    if (folder / "done").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    place = Place(folder, folder)
    folder.mkdir(parents=True)
    run(["data", "jam", "-o", folder / "clips", "--per-genre", 6], place.folder)
    run(["prepare", folder / "clips", "-o", folder / "features"], place.folder)
    (folder / "small.yaml").write_text(SPEC)
    # Its answers are not calibrated, so that none is withheld and every song gets a tag.
    train = ("train", folder / "features", "--model", folder / "small.yaml", "--split", "slices")
    run([*train, "-o", folder / "run"], place.folder)
    songs = folder / "songs"
    songs.mkdir()
    for number, clip in enumerate(sorted(folder.glob("clips/*/*.wav"))):
        samples, rate = sf.read(clip, dtype="float32")
        for part in range(4):
            suffix = ("wav", "flac", "mp3", "ogg")[(number + part) % 4]
            piece = samples[part * 6 * rate : (part + 1) * 6 * rate]
            path = songs / f"{number:03d}-{part}.{suffix}"
            sf.write(path, soxr.resample(piece, rate, 44_100), 44_100)
    (folder / "done").touch()
