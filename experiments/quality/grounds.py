"""What is searched: the vocabulary of a ground, and the meter that counts what a search spends on it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from optuna import Trial

from quality.arms import Arm
from spenser_gee.evaluation import Evaluation
from spenser_gee.search import Described, Space

EFFORT = 4  # times the budget, for finalists


class Ground(Protocol):
    """A space with a fitness, and an endpoint that no search sees. `payload` is what its space describes with."""

    chance: float
    finalists: bool  # whether evaluations with EFFORT times the budget exist

    def space(self, arm: Arm) -> Space[Any]:
        """With the arm's mutation."""
        ...

    def suggest(self, trial: Trial) -> Any:
        """A genotype whose genes are the trial's parameters."""
        ...

    def evaluate(self, payload: Any, seed: int, draw: int, effort: float) -> Evaluation:
        """Its fitness. Failures are values."""
        ...

    def endpoints(self, payload: Any, seed: int) -> list[float]:
        """Accuracies in 0..1 of the chosen network after its whole training."""
        ...

    def about(self, payload: Any) -> dict[str, float]:
        """What is worth telling of a network: numbers, and 1 or 0 for yes or no."""
        ...


class Request(Protocol):
    """A ground's settings, which travel to worker processes."""

    @property
    def label(self) -> str:
        """Of the ground in results: grounds with other fitness or endpoint have other ones."""
        ...

    @property
    def per_evaluation(self) -> float:
        """Steps (or epochs) of training that an evaluation is counted as."""
        ...

    def ground(self) -> Ground:
        """Loads what it needs."""
        ...


Cache = dict[tuple[str, int, float], tuple[Evaluation, float]]
"""(phenotype key, draw, effort) -> an evaluation of one seed, and its seconds."""


@dataclass
class Meter:
    """Evaluates and counts. What the cache holds is not trained twice, but is counted as if it were.

    units: plain budgets. seconds: of the evaluations; waited: how long the search really waited for them.
    """

    ground: Ground
    seed: int
    cache: Cache = field(default_factory=dict)
    evaluations: int = 0
    units: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0

    def evaluate(self, network: Described, draw: int, effort: float) -> Evaluation:
        """On this draw, with this effort."""
        begun = time.monotonic()
        key = network.phenotype_key, draw, effort
        if key not in self.cache:
            evaluation = self.ground.evaluate(network.payload, self.seed, draw, effort)
            self.cache[key] = evaluation, time.monotonic() - begun
        evaluation, seconds = self.cache[key]
        self.evaluations += 1
        self.units += effort
        self.seconds += seconds
        self.waited += time.monotonic() - begun
        return evaluation


def spent(meter: Meter) -> Mapping[str, float]:
    """For the record of a search."""
    return {"evaluations": meter.evaluations, "units": meter.units, "evaluation_seconds": meter.seconds}
