"""What is wrong with one file, in words that are told beside its name."""

from pathlib import Path

from backbeat.errors import BackbeatError


class TagError(BackbeatError):
    """A file whose genre cannot be read or written.

    Parameters
    ----------
    path : Path
    what : str
        What is wrong, without the file's name.
    """

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(path, what)
        self.path = path
        self.what = what

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"
