"""The end state to compare: the content of an output's files without the clock."""

import contextlib
import csv
import hashlib
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

State = dict[str, str]


def of_bytes(content: bytes) -> str:
    """Hash bytes."""
    return hashlib.sha256(content).hexdigest()[:16]


def tree(folder: Path) -> State:
    """Every file below a folder, by its bytes."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): canonical(path) for path in found}


def canonical(path: Path) -> str:
    """Hash a file's content without what depends on the clock or on the place."""
    handler = CANONICAL.get(path.name) or CANONICAL.get(path.suffix)
    return of_bytes(handler(path) if handler else path.read_bytes())


def without_clock(value: Any) -> Any:
    """Leave seconds and minutes out of JSON."""
    if isinstance(value, dict):
        clock = ("seconds", "minutes", "training_seconds", "ours_minutes", "features")
        return {key: without_clock(inner) for key, inner in value.items() if key not in clock}
    if isinstance(value, list):
        return [without_clock(inner) for inner in value]
    return value


def json_of(path: Path) -> bytes:
    """Read JSON without its clock."""
    return json.dumps(without_clock(json.loads(path.read_text()))).encode()


def columns_of(path: Path) -> bytes:
    """Read a CSV without its columns of the clock."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    timed = [i for i, name in enumerate(rows[0]) if "seconds" in name or "minutes" in name]
    return json.dumps([[c for i, c in enumerate(row) if i not in timed] for row in rows]).encode()


def table_of(path: Path) -> bytes:
    """``tables.csv`` of a reproduction without its rows and columns of minutes."""
    return b"\n".join(
        json.dumps(row).encode()
        for row in csv.reader(path.read_text().splitlines())
        if not any("minutes" in cell or "time" in cell for cell in row)
    )


def bundle_of(path: Path) -> bytes:
    """Read a bundle's description and its network: operations and weights, without names.

    Some of them are named and ordered by what TensorFlow and tf2onnx have counted before.
    """
    import onnx

    with zipfile.ZipFile(path) as zipped:
        content = {name: zipped.read(name) for name in sorted(zipped.namelist())}
    graph = onnx.load_model_from_string(content.pop("network.onnx")).graph
    described = json.loads(content.pop("bundle.json"))
    described.pop("network_sha256")
    parts = [
        sorted([node.op_type, *map(str, node.attribute)] for node in graph.node),
        sorted([list(array.dims), of_bytes(array.raw_data)] for array in graph.initializer),
        described,
        {name: of_bytes(member) for name, member in content.items()},
    ]
    return json.dumps(parts).encode()


def keras_of(path: Path) -> bytes:
    """Read the weights in a Keras file, by their bytes."""
    import h5py

    found: list[tuple[str, str]] = []
    with zipfile.ZipFile(path) as zipped:
        content = io.BytesIO(zipped.read("model.weights.h5"))

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, of_bytes(np.asarray(item).tobytes())))

    with h5py.File(content) as weights:
        weights.visititems(note)
    return json.dumps(sorted(found)).encode()


def answers_of(path: Path) -> bytes:
    """Read the rows of an index of answers, without the place's name and the files' times."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
        rows = connection.execute(
            "select path, settings, written, answer from answers order by path"
        )
        answers = [
            (Path(os.fsdecode(path)).name, settings, written.partition(" ")[0], answer)
            for path, settings, written, answer in rows
        ]
    return json.dumps(answers).encode()


def study_of(path: Path) -> bytes:
    """Read the finished trials of an Optuna study."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "select state, value from trials left join trial_values using (trial_id) "
            "where state in ('COMPLETE', 'PRUNED') order by trials.trial_id"
        ).fetchall()
    return json.dumps(rows).encode()


def nothing(_path: Path) -> bytes:
    """For files whose name alone counts: pages and pictures of what other files hold."""
    return b""


CANONICAL: dict[str, Callable[[Path], bytes]] = {
    ".json": json_of,
    "history.csv": columns_of,
    "tables.csv": table_of,
    "model.backbeat": bundle_of,
    ".keras": keras_of,
    ".sqlite": answers_of,
    ".db": study_of,
    # Pages, pictures and sums of what the other files hold, with minutes in them.
    ".html": nothing,
    ".png": nothing,
    ".md": nothing,
    "SHA256SUMS": nothing,
}


def differences(state: State, wanted: State) -> list[str]:
    """List how an end state differs from the wanted one."""
    return [
        *(f"left over: {name}" for name in state.keys() - wanted.keys()),
        *(f"missing: {name}" for name in wanted.keys() - state.keys()),
        *(
            f"differs: {name}"
            for name in state.keys() & wanted.keys()
            if state[name] != wanted[name]
        ),
    ]
