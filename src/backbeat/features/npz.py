"""Arrays out of an npz file of somebody else, each checked before it is unpacked."""

import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backbeat.errors import BackbeatError, one_line
from backbeat.files.text import number

Arrays = dict[str, npt.NDArray[Any]]

# Features are noisy numbers, which compress to a half at best; zeros to a thousandth.
_MAX_RATIO = 50
MAX_UNPACKED = 256 * 2**20
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True)
class Field:
    """An array as the archive declares it, before it is unpacked."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def read_npz(
    source: Path, known: Sequence[str], check: Callable[[Mapping[str, Field]], None]
) -> tuple[Arrays, list[str]]:
    """Read the known fields that a file has, and name the others.

    What the archive declares of them, dtype and shape (n, ...), is checked first (`check` raises a
    BackbeatError): an array may unpack to gigabytes.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            _require_no_bomb(source, archive)
            members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
            wanted = [name for name in known if name in members]
            check({name: _declared(source, archive, members[name], name) for name in wanted})
            fields = {name: _read_field(source, archive, members[name], name) for name in wanted}
            return fields, [name for name in members if name not in wanted]
    except (BackbeatError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise BackbeatError(f"{source}: no such file") from error
    except Exception as error:  # zipfile, zlib and NumPy raise errors of many kinds
        raise BackbeatError(
            f"{source}: not an npz file of plain arrays ({one_line(error, 120)})"
        ) from error


def _declared(source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Field:
    try:
        with archive.open(member) as file:
            magic = np.lib.format.MAGIC_PREFIX
            if file.read(len(magic)) != magic:
                raise BackbeatError(f"{source}: {name} is no array")
            file.seek(0)
            version = np.lib.format.read_magic(file)
            read = _HEADERS[version]
            shape, _, dtype = read(file)
            stored = member.file_size - file.tell()
    except BackbeatError:
        raise
    except Exception as error:
        raise BackbeatError(f"{source}: {name} cannot be read ({one_line(error, 120)})") from error
    if dtype.hasobject:
        raise BackbeatError(
            f"{source}: {name} cannot be read (it holds Python objects, as NumPy makes of rows of "
            "different lengths); cut all rows to one length, and save text with .astype(str)"
        )
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != stored:
        raise BackbeatError(f"{source}: {name} is cut or damaged")
    return Field(dtype, shape)


def _read_field(
    source: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str
) -> npt.NDArray[Any]:
    try:
        with archive.open(member) as file:
            field: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except MemoryError:
        raise
    except Exception as error:
        raise BackbeatError(f"{source}: {name} cannot be read ({one_line(error, 120)})") from error
    return field


def _require_no_bomb(source: Path, archive: zipfile.ZipFile) -> None:
    """Refuse a file that declares far more unpacked bytes than features have."""
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(MAX_UNPACKED, _MAX_RATIO * source.stat().st_size):
        raise BackbeatError(
            f"{source}: unpacks to {number(unpacked / 2**20)} MB, more than {_MAX_RATIO} times its "
            "size; if that is intended, save it with np.savez, which does not compress"
        )
