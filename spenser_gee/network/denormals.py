"""Numbers below the smallest normal float (1.2e-38 in float32): some processors take over a hundred times longer for each.

Trainings of hundreds of steps make them, in the optimiser's means of gradients and their squares where a weight is no
longer used. Nothing that is computed from them would be another number with a zero in their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# More elements than torch gives to one thread.
_MANY = 2**20


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within the block, this thread takes such numbers for zero, and so do the threads that it starts; as before after it.

    On processors that cannot, nothing changes.
    """
    before = float(torch.tensor(1e-39) * 1.0) == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def start_threads() -> None:
    """Starts torch's threads so that they take such numbers for zero; call it before torch computes anything.

    Threads inherit this from the one that starts them, and keep it.
    """
    with flushed_denormals():
        torch.ones(_MANY).add_(1.0)
