"""Checkpoints: the whole state of a training in one atomic file, to resume from after a kill.

A checkpoint is an npz of plain arrays: ``history``, a row an epoch, and ``variable_0000`` onwards,
all that changes while a network learns: weights, running statistics, optimiser, dropout's seeds.
"""

import io
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, one_line
from backbeat.files import atomic
from backbeat.training.history import COLUMNS, Epoch

NAME = "checkpoint.npz"

State = list[npt.NDArray[Any]]


def snapshot(network: Any) -> State:
    """Copy each variable, of any shape (...), of a ``keras.Model`` whose optimiser is built."""
    return [np.asarray(variable).copy() for variable in _variables(network)]


def save(path: Path, state: State, history: tuple[Epoch, ...]) -> None:
    """Write a snapshot (variables of any shape (...)) and the history up to it."""
    rows = np.array([astuple(epoch) for epoch in history], np.float64).reshape(-1, len(COLUMNS))
    arrays: dict[str, Any] = {_key(index): value for index, value in enumerate(state)}
    content = io.BytesIO()
    np.savez(content, history=rows, **arrays)
    atomic.write_bytes(path, content.getvalue())


def restore(network: Any, path: Path) -> tuple[Epoch, ...]:
    """Bring a network to the state of a checkpoint, if there is one, and give its history.

    Raises a BackbeatError if the checkpoint is damaged, or of another network.
    """
    if not path.exists():
        return ()
    try:
        with np.load(path, allow_pickle=False) as saved:
            rows = saved["history"]
            state = [saved[_key(index)] for index in range(len(saved.files) - 1)]
        if not all(isinstance(value, np.ndarray) for value in state):
            raise ValueError("a variable is no array")
        history = tuple(Epoch(int(row[0]), *map(float, row[1:])) for row in rows)
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds on damage
        raise BackbeatError(f"{path}: damaged checkpoint ({one_line(error)}); remove it") from error
    variables = _variables(network)
    if [value.shape for value in state] != [tuple(variable.shape) for variable in variables]:
        raise BackbeatError(f"{path}: checkpoint of another network; remove it")
    assign(network, state)
    return history


def assign(network: Any, state: State) -> None:
    """Bring a network to the state of a snapshot (variables of any shape (...))."""
    for variable, value in zip(_variables(network), state, strict=True):
        variable.assign(value)


def _variables(network: Any) -> list[Any]:
    return [*network.variables, *network.optimizer.variables]


def _key(index: int) -> str:
    return f"variable_{index:04d}"
