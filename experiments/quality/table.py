"""The table as a ground: SpikeNAS-Bench (Sun et al., IEEE Transactions on Artificial Intelligence 2025), 15,625 trained
spiking networks.

Six edges of a cell, each with one of five operations: zero, identity, and LIF - convolution - batch norm with three
thresholds. The row of a network is its digits in base 5, the first edge least. An evaluation is a lookup: the
validation accuracy after some epochs; the endpoint is the test accuracy after 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from optuna import Trial

from quality.arms import Arm
from quality.grounds import EFFORT
from spenser_gee.errors import input_error
from spenser_gee.evaluation import Evaluation
from spenser_gee.search import Described, Space

EDGES, OPERATIONS = 6, 5
FIRST_CONVOLUTION = 2  # of the operations
STEEPNESS = 1.5  # of the heavy tail

Cell = tuple[int, ...]


@dataclass(frozen=True)
class TableRequest:
    """path: an npz with `epochs` (E,), `validation` (N, E) and `test` (N,) in per cent, and `parameters` (N,)."""

    path: Path
    epochs: int

    @property
    def label(self) -> str:
        """See `Request`."""
        return f"table, fitness after {self.epochs} epochs"

    @property
    def per_evaluation(self) -> float:
        """See `Request`."""
        return float(self.epochs)

    def ground(self) -> TableGround:
        """Raises InputError where there is no table, or it has no such column."""
        names = ("epochs", "validation", "test", "parameters")
        try:
            with np.load(self.path) as table:
                arrays = {name: table[name] for name in names}
        except (OSError, ValueError, LookupError) as error:
            problem = f"not an npz with {', '.join(names)}: {error}"
            raise input_error(str(self.path), problem, "Give such a table with --table.") from None
        columns = {int(epochs): column for column, epochs in enumerate(arrays["epochs"])}
        if self.epochs not in columns:
            known = ", ".join(map(str, columns))
            raise input_error("--epochs", f"the table has no column after {self.epochs}", f"It has {known}.")
        fitness = {
            effort: arrays["validation"][:, columns[self.epochs * effort]] / 100
            for effort in (1, EFFORT)
            if self.epochs * effort in columns
        }
        return TableGround(fitness, arrays["test"] / 100, arrays["parameters"])


@dataclass(eq=False)
class TableGround:
    """fitness: effort -> values in 0..1 by row. Draws have no part in it: each network was trained once."""

    fitness: dict[float, np.ndarray]
    test: np.ndarray
    parameters: np.ndarray
    chance: float = 0.1

    @property
    def finalists(self) -> bool:
        """See `Ground`."""
        return EFFORT in self.fitness

    @cached_property
    def log_parameters(self) -> list[float]:
        """By row."""
        return [float(value) for value in np.log(self.parameters)]

    def space(self, arm: Arm) -> Space[Cell]:
        """See `Ground`."""
        return Space(
            sample=lambda rng: tuple(int(digit) for digit in rng.integers(OPERATIONS, size=EDGES)),
            mutate=lambda cell, rng: changed(cell, arm.changes or heavy_tailed(rng), rng),
            describe=_describe,
            to_json=list,
            from_json=tuple,
            cross=_cross,
            features=self._features,
        )

    def _features(self, cell: Cell, row: int) -> dict[str, float]:
        features = {"log parameters": self.log_parameters[row]}
        for operation in range(OPERATIONS):
            features[f"operation {operation}"] = float(cell.count(operation))
            for edge, digit in enumerate(cell):
                features[f"edge {edge} is {operation}"] = float(digit == operation)
        return features

    def suggest(self, trial: Trial) -> Cell:
        """See `Ground`."""
        return tuple(
            trial.suggest_categorical(f"edge {edge}", list(range(OPERATIONS))) for edge in range(EDGES)
        )

    def evaluate(self, payload: int, seed: int, draw: int, effort: float) -> Evaluation:
        """See `Ground`."""
        return Evaluation("complete", {"fitness": float(self.fitness[effort][payload])})

    def endpoints(self, payload: int, seed: int) -> list[float]:
        """See `Ground`."""
        return [float(self.test[payload])]

    def about(self, payload: int) -> dict[str, float]:
        """See `Ground`."""
        cell = [payload // OPERATIONS**edge % OPERATIONS for edge in range(EDGES)]
        return {
            "parameters": float(self.parameters[payload]),
            "convolutions": float(sum(digit >= FIRST_CONVOLUTION for digit in cell)),
        }


def heavy_tailed(rng: np.random.Generator) -> int:
    """A number of changes k in 1..6 with P(k) ~ k^-1.5 (fast GA: Doerr et al. 2017)."""
    weights = np.arange(1.0, EDGES + 1) ** -STEEPNESS
    return 1 + int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.random(), side="right"))


def changed(cell: Cell, count: int, rng: np.random.Generator) -> tuple[Cell, Sequence[str]]:
    """`count` distinct genes get another value."""
    child, changes = list(cell), []
    for edge in rng.permutation(EDGES)[:count]:
        child[edge] = (cell[edge] + 1 + int(rng.integers(OPERATIONS - 1))) % OPERATIONS
        changes.append(f"edge {edge}: {cell[edge]} -> {child[edge]}")
    return tuple(child), changes


def _cross(first: Cell, second: Cell, rng: np.random.Generator) -> tuple[Cell, Sequence[str]]:
    """Uniform."""
    pairs = zip(first, second, rng.random(EDGES) < 0.5, strict=True)
    return tuple(a if left else b for a, b, left in pairs), ("crossed",)


def _describe(cell: Cell) -> Described:
    row = sum(digit * OPERATIONS**edge for edge, digit in enumerate(cell))
    return Described(" ".join(map(str, cell)), str(row), None, row)
