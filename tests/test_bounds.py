"""Freed memory is kept, so that the next song's arrays need no new pages from the system."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from backbeat.parallel.bounds import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def song():
    return float(sum(np.ones(660_000, np.float32).sum() for _ in range(3)))
for _ in range(5):
    song()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    song()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    done = subprocess.run(
        [sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has the option")
def test_later_songs_need_no_new_pages():
    kept = faults("keep")
    # A song's arrays are 1,900 pages; twenty songs would need 13,000 to 39,000.
    assert kept < 500


def test_it_does_nothing_where_there_is_no_glibc(monkeypatch):
    import ctypes

    from backbeat.parallel.bounds import keep_freed_memory

    def none(_name):
        raise OSError("no such library")

    monkeypatch.setattr(ctypes, "CDLL", none)
    keep_freed_memory.cache_clear()
    keep_freed_memory()
    keep_freed_memory.cache_clear()
