"""A tiny recorded data set: dots that move to the left or to the right."""

from __future__ import annotations

import torch

from spenser_gee.data import Samples

STEPS = 5  # T'
SIZE = 7


def moving_dots(count: int, seed: int = 0, dtype: torch.dtype = torch.uint8) -> Samples:
    """A dot that moves to the right (class 1) or to the left (class 0): summed over time both are the same line, so
    that only the order of the steps tells them apart."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=generator)
    rows = torch.randint(SIZE, (count,), generator=generator)
    inputs = torch.zeros(count, STEPS, 1, SIZE, SIZE, dtype=dtype)
    for step in range(STEPS):
        columns = torch.where(labels == 1, step + 1, STEPS - step)
        inputs[torch.arange(count), step, 0, rows, columns] = 1
    return Samples(inputs, labels)
