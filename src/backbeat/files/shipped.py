"""Data files that come with backbeat: compared with their checksums when they are read.

``tools/sum_up_data.py`` writes the checksums.
"""

from importlib import resources
from pathlib import Path

from backbeat.files.checksums import agrees, check_sums

ROOT = Path(str(resources.files("backbeat")))
DATA = (
    "bundle/shipped/*.backbeat",
    "collections/gtzan/data/*",
    "frontend/musicnn/data/*",
    "zoo/models/*.yaml",
)
"""Which files of the package have checksums: patterns below `ROOT`."""


def data_file(name: str) -> Path:
    """Give the path of a data file that is as it was shipped.

    Parameters
    ----------
    name : str
        Its path below the package, such as ``gtzan/data/folds.yaml``.

    Raises
    ------
    BackbeatError
        If it has changed.
    """
    check_sums(ROOT, (name,), "install backbeat again")
    return ROOT / name


def is_shipped(path: Path) -> bool:
    """Whether a file lies where it came with backbeat, and is as it was shipped."""
    try:
        name = path.absolute().relative_to(ROOT).as_posix()
    except ValueError:
        return False
    return agrees(ROOT, name)
