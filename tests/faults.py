"""Decoders that crash or hang for files of certain names, in processes that are started here."""

import os
from pathlib import Path

SECONDS = 2.0  # that a file is allowed, unless it is said

# A real crash, and a real hang, outside of what Python could catch or interrupt.
_PATCH = """
import ctypes, time
import backbeat.audio.reading as reading
import backbeat.parallel.bounds as bounds
bounds.SECONDS, bounds.SECONDS_A_MEGABYTE = {seconds}, 0
open_as_ever = reading.open_sndfile
def open_strangely(path, stack):
    if "crash" in path.name:
        ctypes.string_at(0)
    if "hang" in path.name:
        time.sleep(600)
    return open_as_ever(path, stack)
reading.open_sndfile = open_strangely
"""


def faulty_environment(folder: Path, seconds: float = SECONDS) -> dict[str, str]:
    """Give the variable with which Python begins as above, every file being allowed so long."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_PATCH.format(seconds=seconds))
    paths = (str(folder), os.environ.get("PYTHONPATH", ""))
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def processes_of(folder: Path) -> list[int]:
    """Give the processes that began so and are still there, where Linux shows them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # gone, or another user's
            continue
    return found
