"""The table: everything that reads bytes from outside, with valid seeds and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backbeat.collections.collection import read_collection
from backbeat.training.history import read_history
from backbeat.tuning.judge import read_judgement
from backbeat.zoo.spec import read_spec
from fuzzing import files, mutations, sounds
from fuzzing.mutations import Mutator


@dataclass(frozen=True)
class Target:
    """One reader of bytes."""

    name: str
    """Such as ``audio/flac``."""
    suffix: str
    """Of the file that is read, such as ``.flac``."""
    make: Callable[[Path], object]
    """Writes seeds into a folder: each file is one; or, if `file` is given, only that one."""
    read: Callable[[Path], object]
    """Reads a damaged file by its path. It may return, or raise `BackbeatError`."""
    mutate: Mutator = mutations.of_bytes
    file: str = ""
    weight: int = 1
    """How many times as many cases as of others."""
    megabytes: int = 128
    """How much the process may grow in a case: what the kind of file needs, and some more."""
    seconds: float = 10.0
    """Processor time of a case: a hundred times that of a valid seed."""
    says: bool = False
    """Whether it may warn that something is damaged and go on."""


@cache
def targets() -> dict[str, Target]:
    """Give all targets by name."""
    return {target.name: target for target in (*_audio(), *_tags(), *_files(), *_runs(), *_store())}


def _audio() -> list[Target]:
    mutators = dict.fromkeys(("ogg", "oga", "opus", "opus-silent"), mutations.of_ogg)
    return [
        Target(
            f"audio/{name}",
            f".{name.partition('-')[0]}",
            make,
            sounds.read_audio,
            mutators.get(name, mutations.of_bytes),
            weight=3,
        )
        for name, make in sounds.makers().items()
    ]


def _tags() -> list[Target]:
    return [
        Target(f"tags/{name}", f".{name}", make, sounds.read_tags)
        for name, make in sounds.tag_makers().items()
    ]


def _files() -> list[Target]:
    arrays = mutations.of_zip()
    return [
        Target("npz", ".npz", files.npz, files.read_npz, arrays, weight=4),
        Target("checkpoint", ".npz", files.checkpoints, files.read_checkpoint, arrays),
        Target("embedding", ".npz", files.embeddings, files.read_embeddings, arrays),
        Target("spec", ".yaml", files.spec, read_spec, mutations.of_text, weight=4),
        Target("bundle", ".backbeat", files.bundles, files.read_bundle, files.of_bundle, weight=4),
        Target("table", ".csv", files.table, read_collection, mutations.of_text, weight=2),
        Target(
            *("split-table", ".csv", files.split_table, files.read_split_table),
            *(mutations.of_text, "seed.csv"),
        ),
        Target("study", ".db", files.study, files.read_study),
        Target("archive", ".tar", files.archives, files.read_archive, weight=2),
        Target("index", ".sqlite", files.index, files.read_index, weight=3, says=True),
        Target(
            *("undo-log", ".jsonl", files.log, files.read_undo),
            *(files.of_log, "seed.jsonl"),
            weight=2,
        ),
        Target("http-body", ".body", files.bodies, files.send_body, weight=3),
    ]


_RUN = "runs/cnn_base_01-seed0"


def _runs() -> list[Target]:
    """Make a target of each file of a run, and of the folders that hold runs."""
    json, text = mutations.of_json, mutations.of_text
    table: list[tuple[str, str, Callable[[Path], object], Mutator]] = [
        ("run/environment", f"{_RUN}/environment.json", files.read_run, json),
        ("run/split", f"{_RUN}/split.json", files.read_run, json),
        ("run/history", f"{_RUN}/history.csv", files.read_run, text),
        ("run/predictions", f"{_RUN}/predictions.csv", files.read_run, text),
        ("run/bundle", f"{_RUN}/model.backbeat", files.read_run, files.of_bundle),
        ("run/judgement", f"{_RUN}/result.json", read_judgement, json),
        ("reproduction/metrics", f"{_RUN}/metrics.json", files.read_reproduction, json),
        ("reproduction/environment", f"{_RUN}/environment.json", files.read_reproduction, json),
        ("reproduction/split", f"{_RUN}/split.json", files.read_reproduction, json),
        ("reproduction/spec", f"{_RUN}/spec.yaml", files.read_reproduction, text),
        ("reproduction/failures", "failures.json", files.read_reproduction, json),
        ("split-json", f"{_RUN}/split.json", files.read_split, json),
        ("scores", f"{_RUN}/predictions.csv", files.predictions, text),
        ("history", f"{_RUN}/history.csv", read_history, text),
    ]
    claims = [
        ("claim/run", "run/environment.json", files.read_run_claim),
        ("claim/folds", "folds/crossvalidation.json", files.read_folds_claim),
    ]
    return [
        *(Target(n, Path(f).suffix, files.run, read, mutate, f) for n, f, read, mutate in table),
        *(Target(name, ".json", files.claims, read, json, file) for name, file, read in claims),
    ]


def _store() -> list[Target]:
    """Make a target of each kind of file of a feature store."""
    parts = {
        "group": "store/zarr.json",
        "array": "store/features/zarr.json",
        "chunk": "store/features/c/0/0/0/0",
        "column": "store/tracks/name/zarr.json",
        "names": "store/tracks/name/c/0",
        "slices": "store/tracks/slices/c/0",
    }
    return [
        Target(
            f"store/{name}",
            Path(file).suffix,
            files.store,
            files.read_store,
            mutations.of_json if file.endswith(".json") else mutations.of_bytes,
            file,
        )
        for name, file in parts.items()
    ]
