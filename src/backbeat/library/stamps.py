"""What shows that a file is the one that was analysed."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import xxhash

_SAMPLES = 8
_SAMPLE_BYTES = 1 << 14


@dataclass(frozen=True)
class Stamp:
    """What shows that a file is unchanged.

    Where only the last two differ, as after another mount or a change of rights, `samples_of` the
    file decide.
    """

    size: int  # in bytes
    changed: int  # in nanoseconds since 1970
    inode: int
    status_changed: int  # in nanoseconds since 1970; on Windows the time when the file was made

    # As text: SQLite's integers hold neither the year 2300 nor the inodes of all network shares.

    @property
    def written(self) -> str:
        """What writing to the file changes."""
        return f"{self.size} {self.changed}"

    @property
    def place(self) -> str:
        """What else shows that another file has taken its place."""
        return f"{self.inode} {self.status_changed}"


def stamp_of(path: Path) -> Stamp | None:
    """Give a file's stamp; None if that fails: decoding then says what is wrong."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return stamp_from(status)


def stamp_from(status: os.stat_result) -> Stamp:
    """Give the stamp of a file by what the system says of it."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def samples_of(path: Path, stamp: Stamp) -> bytes | None:
    """Give a digest of parts of a file, spread over it; None if it has another stamp by then."""
    last = max(0, stamp.size - _SAMPLE_BYTES)
    digest = xxhash.xxh3_128()
    try:
        with path.open("rb") as file:
            for number in range(_SAMPLES):
                file.seek(last * number // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    except OSError:
        return None
    return digest.digest() if stamp_of(path) == stamp else None
