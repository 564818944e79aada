"""From a configuration's data section to what networks are trained and measured on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from spenser_gee.data import Dataset, ImageData, load_dataset, split
from spenser_gee.errors import input_error
from spenser_gee.fitness.evaluator import Task
from spenser_gee.training.source import Source


@dataclass(frozen=True)
class DataSettings:
    """Which data, and how they are presented. Plain values: they travel to worker processes as JSON."""

    dataset: str
    root: str | None
    download: bool
    image_size: int | None
    channels: int | None
    time_steps: int
    batch_size: int
    train_subset: int | None
    fitness_share: float

    def load(self) -> Dataset:
        """The data set, on the CPU."""
        root = None if self.root is None else Path(self.root)
        return load_dataset(
            self.dataset, root, self.download, image_size=self.image_size, channels=self.channels
        )


def make_task(
    train: ImageData, classes: int, settings: DataSettings, seed: int, device: torch.device
) -> Task:
    """EvoTrain and Fitness of the training data, split by the run's seed, on `device`."""
    parts = split(train.labels, seed, settings.fitness_share, settings.train_subset)
    there = train.to(device)
    channels, height, width = train.images.shape[1:]
    return Task(
        Source(there, parts.evo_train.to(device), settings.batch_size, settings.time_steps),
        Source(there, parts.fitness.to(device), settings.batch_size, settings.time_steps),
        (channels, height, width),
        classes,
    )


def source_of(
    data: ImageData, settings: DataSettings, device: torch.device, most: int | None = None
) -> Source:
    """All images, or the first `most`."""
    there = data.to(device)
    indices = torch.arange(len(data) if most is None else min(most, len(data)), device=device)
    return Source(there, indices, settings.batch_size, settings.time_steps)


def choose_device(wanted: str) -> torch.device:
    """The device of "auto", "cpu" or "cuda". Raises InputError for a GPU that is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise input_error("device", "this torch sees no CUDA GPU", "Use --device cpu (or auto).")
    return torch.device(wanted)
