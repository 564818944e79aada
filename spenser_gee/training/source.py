"""Where batches and their signals come from: a part of a data set, on the device, with its coding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from spenser_gee.config import Data
from spenser_gee.data.batches import Batch, Batches
from spenser_gee.data.samples import Samples
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import derive_seed
from spenser_gee.training.stimulus import Stimulus


@dataclass(frozen=True, eq=False)
class Source:
    """The samples `data[indices]` as batches of `batch_size`. coding_steps: into how many steps images are coded."""

    data: Samples
    indices: torch.Tensor
    batch_size: int
    coding_steps: int

    @property
    def device(self) -> torch.device:
        """Where the data are."""
        return self.data.labels.device

    @property
    def time_steps(self) -> int:
        """T: of the data where they have time, else of the coding."""
        return self.data.recorded_steps or self.coding_steps

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in one pass."""
        return Batches(self.data, self.indices, self.batch_size, keep_last=False).steps_per_epoch

    def training(self, seed: int) -> Iterator[Batch]:
        """Endless shuffled batches; their order depends on `seed` alone."""
        order = derive_seed(seed, "order")
        return Batches(self.data, self.indices, self.batch_size, order, keep_last=False).endless()

    def once(self) -> Iterator[Batch]:
        """Every sample once. Larger batches than in training: there are no gradients to keep."""
        return Batches(self.data, self.indices, 4 * self.batch_size).epoch()

    def stimulus(self, spec: NetworkSpec, seed: int, *, augment: bool) -> Stimulus:
        """The coding of `spec`; its noise depends on `seed` alone."""
        return Stimulus(spec, self.time_steps, seed, self.device, augment=augment)


def source_of(data: Samples, settings: Data, device: torch.device, most: int | None = None) -> Source:
    """All samples, or the first `most`."""
    there = data.to(device)
    indices = torch.arange(len(data) if most is None else min(most, len(data)), device=device)
    return Source(there, indices, settings.batch_size, settings.time_steps)
