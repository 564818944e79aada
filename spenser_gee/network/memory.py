"""Memory of a process that trains network after network: large blocks stay, compiled convolutions do not pile up.

The C library hands blocks above 32 MB back to the system when they are freed, and a new block costs a page
fault every 4 KB when it is first written. A network whose time steps are folded into the batch makes such
blocks for every layer and step; the faults then cost more than the neurons do.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Options of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4

_NEVER = -1  # as the trim threshold: free memory at the end of the heap is kept
_GROW = 64 * 2**20  # bytes that the heap grows by at a time


def reuse_large_blocks() -> bool:
    """Lets the C library reuse freed blocks of any size; call it once when a process starts.

    A block is reused where it fits, as most do when the blocks of a whole training step are freed together.

    The process then holds its peak of memory until it ends. Returns whether it could be set: only under Linux
    with glibc; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _GROW))
    results = [mallopt(option, value) for option, value in settings]  # all three, whatever the first one says
    return all(result == 1 for result in results)


# Convolutions that oneDNN keeps compiled; the three of each layer of a network of forty.
_KEPT_PRIMITIVES = 128


def bound_primitive_cache() -> None:
    """Keeps oneDNN from collecting compiled convolutions of networks that are gone; call it before the first one.

    It keeps 1,024 by default, which suits one network: in a search every candidate has other shapes, and the
    process grows by about 1 MB for three small candidates until the cache is full. A value that the user has set stays.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KEPT_PRIMITIVES))
