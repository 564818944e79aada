"""From training data to what networks are trained and measured on in a search."""

from __future__ import annotations

import torch

from spenser_gee.config import Data
from spenser_gee.data import Samples, split
from spenser_gee.fitness.evaluator import Task
from spenser_gee.training.source import Source


def make_task(train: Samples, classes: int, settings: Data, seed: int, device: torch.device) -> Task:
    """EvoTrain and Fitness of the training data, split by the run's seed, on `device`."""
    parts = split(train.labels, seed, settings.fitness_share, settings.train_subset)
    there = train.to(device)
    return Task(
        Source(there, parts.evo_train.to(device), settings.batch_size, settings.time_steps),
        Source(there, parts.fitness.to(device), settings.batch_size, settings.time_steps),
        train.input_shape,
        classes,
    )
