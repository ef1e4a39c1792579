"""Keep the memory that one song needed for the next."""

import ctypes
import functools

# The names of glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_TRIM = 256 * 2**20  # more than a song's arrays together
_MMAP = 32 * 2**20  # glibc's own greatest


@functools.cache
def keep_freed_memory() -> None:
    """Have glibc keep freed memory of up to 256 MB, instead of asking for it anew for each song.

    The arrays of half a minute are some megabytes each, which glibc gives back to the system when
    they are freed; the system then clears every page again before the next song has it. That took
    a third of the time of a log-mel map. It needs no more memory at its peak, but frees it later.
    Does nothing where there is no glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return
    mallopt(_M_MMAP_THRESHOLD, _MMAP)
    mallopt(_M_TRIM_THRESHOLD, _TRIM)
