"""Memory of a process that trains network after network: large blocks stay, compiled convolutions do not pile up.

The C library hands blocks above 32 MB back to the system when they are freed, and a new block costs a page
fault every 4 KB when it is first written. A network whose time steps are folded into the batch makes such
blocks for every layer and step; the faults then cost more than the neurons do. Neurons walk through such blocks with
long strides, a step of time at a time: in pages of 2 MB instead of 4 KB their addresses are found faster.
"""

from __future__ import annotations

import ctypes
import os
import sys

# Options of glibc's mallopt (malloc.h).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4

_MADV_HUGEPAGE = 14  # madvise (mman.h)
_HUGE_PAGE = 2 * 2**20
_RESERVE = 2 * 2**30  # addresses, not memory: pages that nobody touches do not exist

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
        library = ctypes.CDLL(None)
        mallopt = library.mallopt
    except (AttributeError, OSError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _GROW))
    results = [mallopt(option, value) for option, value in settings]  # all three, whatever the first one says
    _prefer_huge_pages(library)
    return all(result == 1 for result in results)


def _prefer_huge_pages(library: ctypes.CDLL) -> None:
    """Lets the heap grow once, asks for huge pages there, and gives the room back to the heap."""
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = library.malloc(_RESERVE)
    if not block:
        return
    first = -(-block // _HUGE_PAGE) * _HUGE_PAGE
    # A kernel without huge pages refuses; nothing depends on it.
    library.madvise(first, block + _RESERVE - first - _HUGE_PAGE, _MADV_HUGEPAGE)
    library.free(block)


# Convolutions that oneDNN keeps compiled; the three of each layer of a network of forty.
_KEPT_PRIMITIVES = 128


def bound_primitive_cache() -> None:
    """Keeps oneDNN from collecting compiled convolutions of networks that are gone; call it before the first one.

    It keeps 1,024 by default, which suits one network: in a search every candidate has other shapes, and the
    process grows by about 1 MB for three small candidates until the cache is full. A value that the user has set stays.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_KEPT_PRIMITIVES))
