"""Batches of samples that stay on the device as they are stored, in an order fixed by (seed, epoch).

The order is drawn on the CPU, so it is the same on every device, and its indices go to the device once an
epoch. Nothing here waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count

import torch

from spenser_gee.data.samples import Samples
from spenser_gee.data.transfer import send
from spenser_gee.errors import input_error
from spenser_gee.rng import stream

Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, eq=False)
class Batches:
    """Epochs over `data[indices]`; a batch is (inputs float32 (B, T', C, H, W), labels int64 (B,)).

    Images are in 0..1; what sequences recorded stays as it is.

    Args:
        data: on the device where the batches are wanted.
        indices: int64 (M,), into `data`.
        batch_size: samples a batch.
        seed: orders the epochs. None: always in the order of `indices`.
        keep_last: the last batch of an epoch may be smaller. True keeps it (evaluation); False drops it if
            it holds a single sample, which batch normalisation cannot train on.

    Raises:
        InputError: a batch size below 1, or no batch at all.
    """

    data: Samples
    indices: torch.Tensor
    batch_size: int
    seed: int | None = None
    keep_last: bool = True

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise input_error("batch size", f"expected 1 or more, found {self.batch_size}")
        if self.steps_per_epoch < 1:
            raise input_error("batches", f"expected enough samples for one batch, found {len(self.indices)}")

    @property
    def steps_per_epoch(self) -> int:
        full, rest = divmod(len(self.indices), self.batch_size)
        return full + (rest >= (1 if self.keep_last else 2))

    def order(self, epoch: int) -> torch.Tensor:
        """The indices of epoch `epoch` (from 0) in their order, int64 (M,), on the CPU."""
        indices = self.indices.cpu()
        if self.seed is None:
            return indices
        permutation = stream(self.seed, "batch order", epoch).permutation(len(indices))
        return indices[torch.from_numpy(permutation)]

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """The batches of one epoch."""
        order = send(self.order(epoch), self.data.labels.device)
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.batch_size : (step + 1) * self.batch_size]
            yield self._floats(chosen), self.data.labels.index_select(0, chosen)

    def _floats(self, chosen: torch.Tensor) -> torch.Tensor:
        inputs = self.data.inputs.index_select(0, chosen)
        return to_unit(inputs) if self.data.recorded_steps is None else inputs.to(torch.float32)

    def endless(self) -> Iterator[Batch]:
        """The batches of epoch 0, 1, 2, ... without end. Each has its own order where there is a seed."""
        return chain.from_iterable(map(self.epoch, count()))


def to_unit(images: torch.Tensor) -> torch.Tensor:
    """Bytes to float32 in 0..1.

    A product, because CUDA replaces a division by a constant by a product with its reciprocal: this way the
    values are the same on every device.
    """
    return images.to(torch.float32).mul_(1 / 255)
