"""The bundles that come with backbeat, by name; made by ``make train-default``."""

from importlib import resources
from pathlib import Path

DEFAULT = "gtzan"

_FOLDER = Path(str(resources.files(__name__)))


def find_bundle(model: Path | str) -> Path:
    """Give the path of a shipped bundle by its name (``gtzan``), or the path itself.

    The path of a bundle or run goes before a name, but not a folder that is no run, such as
    GTZAN's songs.
    """
    path = Path(model)
    if path.is_file() or (path / "model.backbeat").exists():
        return path
    shipped = _FOLDER / f"{path.name}.backbeat"
    return shipped if str(model) == path.name and shipped.exists() else path


def shown(path: Path) -> str:
    """Give what a message calls a bundle: a shipped one by its name, others by their path."""
    return path.stem if is_shipped(path) else str(path)


def is_shipped(path: Path) -> bool:
    """Whether a bundle lies where this package has its own.

    Its place is proof enough: anyone who can write there can also change the code that runs it.
    """
    return path.absolute().parent == _FOLDER
