"""Claiming a folder for a job, which a file in it with the job's settings describes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbeat.errors import BackbeatError, one_line, printable
from backbeat.files import atomic
from backbeat.files.documents import read_json


def claim(
    folder: Path,
    name: str,
    settings: Mapping[str, Any],
    kind: str,
    *,
    resume: bool = True,
    shared: bool = False,
    noted: Mapping[str, Any] | None = None,
) -> bool:
    """Make a free folder that of a job, or make sure that it is; whether it was before.

    `name` is that of the file that describes the job, `kind` is a word for the job, and `noted` is
    written beside the settings but may differ. A `shared` folder may hold other things.

    Raises
    ------
    BackbeatError
        If it is a file, holds other things or a job with other settings or, without `resume`, any
        job, or if the description is damaged.
    """
    path = folder / name
    if folder.exists() and not folder.is_dir():
        raise BackbeatError(f"{folder}: is a file; choose another -o")
    if not path.exists():
        if not shared and not atomic.is_free(folder):
            raise BackbeatError(f"{folder}: not empty and not a {kind}; choose another -o")
        content = {**settings, **(noted or {})}
        atomic.write_text(path, json.dumps(content, indent=1) + "\n")
        return False
    if not resume:
        raise BackbeatError(
            f"{folder}: holds a {kind} already; --resume goes on with it, another -o begins anew"
        )
    try:
        before = dict(read_json(path))
    except (OSError, ValueError, TypeError) as error:
        remedy = "it, and run the same command again" if shared else folder
        raise BackbeatError(f"{path}: damaged ({one_line(error)}); remove {remedy}") from error
    for key, value in json.loads(json.dumps(settings)).items():
        if before.get(key) != value:
            earlier = before.get(key)
            shown = (
                f" ({printable(str(earlier))[:80]})"
                if isinstance(earlier, str | float | int)
                else ""
            )
            raise BackbeatError(
                f"{folder}: was begun with another {key}{shown}; choose another -o or the same "
                "settings"
            )
    return True
