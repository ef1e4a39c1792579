"""The folder of uploads: of this process alone, cleared as soon as possible."""

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
    """Files that visitors sent and still wait for, in a folder; see `open_uploads`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        # Two visitors may send the same file: Gradio keeps it once, and both get an answer.
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
        """Whether a path leads into the folder, through any ``..`` and links."""
        try:
            return self.folder in path.resolve().parents
        except (OSError, RuntimeError, ValueError):  # too long, a loop of links, not UTF-8
            return False

    @contextlib.contextmanager
    def held(self, paths: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
        """Keep files from being swept while the block runs, and forget them when it ends.

        Yields other names of the same files for this visitor alone: if another visitor sends the
        same song, Gradio replaces the first, perhaps while it is read. Refuses a file that was not
        sent: a visitor may name any path of this machine.
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
        """Remove an upload, unless another visitor still waits for its answer."""
        if not self.holds(path):
            return
        with self._lock:
            self._wanted[path] -= 1
            if self._wanted[path] <= 0:
                del self._wanted[path]
                path.unlink(missing_ok=True)

    def room(self, most: int) -> int:
        """Give how many bytes may still come if `most` are allowed; some of the disk stays free."""
        stored = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # gone meanwhile
                stored += path.stat().st_size
        return min(most - stored, shutil.disk_usage(self.folder).free - _SPARE)

    def sweep(self, older_than: float) -> int:
        """Remove files older than `older_than` seconds that are not held, and give their number.

        Nothing else removes an upload whose visitor left before it was classified.
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
    """Gradio's set of uploaded paths, which reports each arrival to `Uploads`."""

    def __init__(self, uploads: Uploads) -> None:
        super().__init__()
        self.uploads = uploads

    def update(self, *paths: Iterable[str]) -> None:
        """Add paths, also those that are already present."""
        for some in paths:
            self.uploads.arrived(some)
        super().update(*paths)


@contextlib.contextmanager
def open_uploads() -> Iterator[Uploads]:
    """Make a folder, closed to other users, for as long as the block runs; refuse if it fails."""
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
