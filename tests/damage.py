"""Files damaged in every way, and what became of reading them, for the tests."""

import os
import shutil
from collections import Counter
from pathlib import Path

from backbeat.errors import BackbeatError

# How many bytes of each file are flipped, spread over it; more by hand, as
# BACKBEAT_FLIPS=400 pytest tests/test_corruption.py -s
FLIPS = int(os.environ.get("BACKBEAT_FLIPS", "8"))
_MASKS = (0x01, 0x10, 0x02, 0x80, 0x20, 0x04)


class Healed:
    """A result that differs from the undamaged one only in what is known to be lost."""


def damages(content: bytes, flips=None):
    """Each damage of a file's content, with its name; None for a file that is gone."""
    flips = FLIPS if flips is None else flips
    step = max(1, len(content) // flips)
    for number, place in enumerate(range(0, len(content), step)):
        mask = _MASKS[number % len(_MASKS)]
        flipped = bytes([content[place] ^ mask])
        yield f"byte {place} ^ {mask:#x}", content[:place] + flipped + content[place + 1 :]
    half = len(content) // 2
    yield "cut in half", content[:half]
    yield "without its last byte", content[:-1]
    yield "half of it zeros", content[:half] + bytes(len(content) - half)
    yield "empty", b""
    yield "gone", None


def try_all(whole: Path, names, read, copy: Path, flips=None, fresh=False) -> Counter[str]:
    """Read a folder with each of its files damaged in each way.

    A result must be that of the undamaged folder, or `Healed`, or one line that names the folder.
    `read` takes the folder. With `fresh` it is copied for each damage, as `read` writes to it.
    """
    counts: Counter[str] = Counter()
    shutil.copytree(whole, copy)
    wanted = read(copy)
    for name in names:
        content = (whole / name).read_bytes()
        for damage, damaged in damages(content, flips):
            if fresh:
                shutil.rmtree(copy)
                shutil.copytree(whole, copy)
            (copy / name).unlink(missing_ok=True)
            if damaged is not None:
                (copy / name).write_bytes(damaged)
            what = f"{name}, {damage}"
            try:
                found = read(copy)
            except BackbeatError as error:
                message = str(error)
                assert "\n" not in message, what
                assert str(copy) in message, f"{what}: {message}"
                counts["refused"] += 1
            except Exception as error:
                raise AssertionError(f"{what}: {error!r}") from error
            else:
                if isinstance(found, Healed):
                    counts["healed"] += 1
                else:
                    assert found == wanted, what
                    counts["equal"] += 1
        if not fresh:
            (copy / name).write_bytes(content)
    print(f"{sum(counts.values())} damages: {dict(counts)}")
    return counts
