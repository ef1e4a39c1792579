"""The folder of what visitors sent: of this process alone, cleared as soon as possible."""

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from backbeat.errors import BackbeatError, printable

_SPARE = 2**28  # bytes of the disk that are left for others


class Uploads:
    """What visitors sent and still wait for.

    Parameters
    ----------
    folder : Path
        Where it lies; see `open_uploads`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        # Two visitors may send the same file: Gradio keeps it once, and each is to be answered.
        self._wanted: Counter[Path] = Counter()
        self._held: Counter[Path] = Counter()

    @contextlib.contextmanager
    def kept(self, content: IO[bytes]) -> Iterator[Path]:
        """Write an upload to a file of its own, and remove it when the block ends."""
        descriptor, name = tempfile.mkstemp(dir=self.folder)
        path = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(content, file)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def arrived(self, paths: Iterable[str]) -> None:
        """Note that these files were sent, once more each."""
        with self._lock:
            self._wanted.update(map(Path, paths))

    def holds(self, path: Path) -> bool:
        """Tell whether a path leads into the folder, by whatever ``..`` and links it goes."""
        try:
            return self.folder in path.resolve().parents
        except (OSError, RuntimeError, ValueError):  # too long, a loop of links, no text
            return False

    @contextlib.contextmanager
    def held(self, paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
        """Keep files from being swept while the block runs, and forget them when it ends.

        Yields
        ------
        tuple of Path
            Other names of the same files, for this visitor alone: where another one sends the same
            song, Gradio puts it in the place of the first, perhaps while that is read.

        Raises
        ------
        BackbeatError
            If one was not sent: a visitor may name any path of this machine.
        """
        for path in paths:
            if not self.holds(path):
                raise BackbeatError(f"{printable(path.name)}: was not sent; send the file itself")
        own = tuple(map(self._named_again, paths))
        with self._lock:
            self._held.update((*paths, *own))
        try:
            yield own
        finally:
            with self._lock:
                self._held -= Counter((*paths, *own))
            for path in {*own} - {*paths}:
                path.unlink(missing_ok=True)
            for path in paths:
                self.forget(path)

    def _named_again(self, path: Path) -> Path:
        again = self.folder / secrets.token_hex(16)
        try:
            again.hardlink_to(path)
        except OSError:  # swept meanwhile, or a file system without links
            return path
        return again

    def forget(self, path: Path) -> None:
        """Remove a file that was sent, unless another visitor still waits for its answer."""
        if not self.holds(path):
            return
        with self._lock:
            self._wanted[path] -= 1
            if self._wanted[path] <= 0:
                del self._wanted[path]
                path.unlink(missing_ok=True)

    def room(self, most: int) -> int:
        """Give for how many bytes there is room, if `most` may lie here in all.

        A disk is never filled: what others need of it is left.
        """
        lying = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # gone meanwhile
                lying += path.stat().st_size
        return min(most - lying, shutil.disk_usage(self.folder).free - _SPARE)

    def sweep(self, older_than: float) -> int:
        """Remove what has lain here for more than `older_than` seconds and is not held.

        An upload whose visitor left before it was answered is never told of as answered.

        Returns
        -------
        int
            How many files were removed.
        """
        removed = 0
        until = time.time() - older_than
        for path in sorted(self.folder.rglob("*"), reverse=True):  # files before their folder
            with contextlib.suppress(OSError):  # gone meanwhile, or a folder that is not empty
                if path.stat().st_mtime >= until or path in self._held:
                    continue
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink()
                    removed += 1
                    with self._lock:
                        self._wanted.pop(path, None)
        return removed


class Arrivals(set[str]):
    """Gradio's set of what was uploaded, which tells `Uploads` of each arrival."""

    def __init__(self, uploads: Uploads) -> None:
        super().__init__()
        self.uploads = uploads

    def update(self, *paths: Iterable[str]) -> None:
        """Add paths, also those that are there already."""
        for some in paths:
            self.uploads.arrived(some)
        super().update(*paths)


@contextlib.contextmanager
def open_uploads() -> Iterator[Uploads]:
    """Make a folder for as long as the block runs; nobody else may look into it.

    Raises
    ------
    BackbeatError
        If it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="backbeat-")).resolve()
    except OSError as error:
        raise BackbeatError(
            f"{tempfile.gettempdir()}: no folder for uploads can be made there "
            f"({error.strerror}); name another with TMPDIR"
        ) from error
    try:
        yield Uploads(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
