"""Figures of a trained network that are measured on Fitness only where an objective needs them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from spenser_gee.assessment.energy import Energy, energy
from spenser_gee.assessment.latency import latency
from spenser_gee.assessment.operations import Operations, count_operations
from spenser_gee.assessment.robustness import measure_with_noise
from spenser_gee.network.build import SpikingNetwork
from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.rng import derive_seed
from spenser_gee.training.mode import Mode
from spenser_gee.training.source import Source

# Operations are counted on so many images: a mean over hundreds of them is steady.
COUNTED = 512
# GEE's Fig. 2.
NOISE = 0.5


@dataclass(frozen=True, eq=False)
class Bench:
    """A network and what it is measured on. seed: the same for all candidates of a draw."""

    network: SpikingNetwork
    spec: NetworkSpec
    fitness: Source
    seed: int
    mode: Mode

    @cached_property
    def operations(self) -> Operations:
        """Counted on `COUNTED` images of Fitness, or on all where there are fewer."""
        source = _some(self.fitness, COUNTED)
        stimulus = source.stimulus(self.spec, derive_seed(self.seed, "operations"), augment=False)
        return count_operations(self.network, (stimulus(images) for images, _ in source.once()))

    @property
    def energy(self) -> Energy:
        """Picojoules of these operations."""
        return energy(self.operations)


def _some(source: Source, most: int) -> Source:
    """Evenly spread over the source, which may be in the order of the classes."""
    count = len(source.indices)
    if count <= most:
        return source
    chosen = torch.arange(most, device=source.device) * count // most
    return replace(source, indices=source.indices[chosen])


Figure = tuple[float, float | None]
"""A value, and its error where it has one."""


def _robustness(bench: Bench) -> Figure:
    """On all of Fitness: so its standard error is as small as that of the accuracy without noise."""
    seed = derive_seed(bench.seed, "robustness")
    found = measure_with_noise(bench.network, bench.spec, bench.fitness.once(), NOISE, seed, bench.mode)
    return found.accuracy, found.standard_error


def _latency(bench: Bench) -> Figure:
    """Median of the milliseconds of one image, and half their interquartile range.

    A wall-clock time: it repeats only as far as the clock does, and workers side by side disturb it.
    """
    source = _some(bench.fitness, 1)
    stimulus = source.stimulus(bench.spec, derive_seed(bench.seed, "latency"), augment=False)
    found = latency(bench.network, stimulus(next(source.once())[0]), batch_size=1)
    return 1000 * found.seconds, 1000 * (found.upper - found.lower) / 2


FIGURES: Mapping[str, Callable[[Bench], Figure]] = {
    "sops": lambda bench: (bench.operations.sops, None),
    "energy": lambda bench: (bench.energy.operations / 1000, None),
    "energy_with_memory": lambda bench: (bench.energy.with_memory / 1000, None),
    "robustness": _robustness,
    "latency": _latency,
}
"""By the names that `FITNESS_KINDS` gives, in the units of `OBJECTIVES`."""


def measure_figures(needed: Collection[str], bench: Bench) -> tuple[dict[str, float], dict[str, float]]:
    """The values of those needed that stand in `FIGURES`, and their errors."""
    found = {name: measured(bench) for name, measured in FIGURES.items() if name in needed}
    values = {name: value for name, (value, _) in found.items()}
    return values, {name: error for name, (_, error) in found.items() if error is not None}
