"""The bundles that come with backbeat, by name; made by ``make train-default``."""

from importlib import resources
from pathlib import Path

DEFAULT = "gtzan"


def find_bundle(model: Path | str) -> Path:
    """Give the path of a bundle that comes with backbeat, or the path itself.

    Parameters
    ----------
    model : Path or str
        The name of a shipped bundle (``gtzan``), or the path of a bundle or run, which goes before.
        A folder that is no run, such as GTZAN's songs, does not.
    """
    path = Path(model)
    if path.is_file() or (path / "model.backbeat").exists():
        return path
    shipped = Path(str(resources.files(__name__) / f"{path.name}.backbeat"))
    return shipped if str(model) == path.name and shipped.exists() else path
