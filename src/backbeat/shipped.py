"""Data files that come with backbeat: compared with their checksums when they are read.

``tools/sum_up_data.py`` writes the checksums. The bundles have their own.
"""

from importlib import resources
from pathlib import Path

from backbeat.sums import check_sums

ROOT = Path(str(resources.files("backbeat")))
DATA = ("gtzan/data/*", "musicnn/data/*", "zoo/models/*.yaml")
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
