"""Trees that guess what a network is worth from what it is like, so that of many mutants only good ones are evaluated.

Extremely randomised trees take categorical, missing and conditional genes as they are (Luo et al., "Accuracy prediction
with non-neural model for neural architecture search" (GBDT-NAS), arXiv 2007.04785, screens with boosted trees).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spenser_gee.search.members import require

MISSING = -1.0
TREES = 50
#: Evaluations from which trees are fitted.
ENOUGH = 10


@dataclass(frozen=True)
class Experience:
    """What was evaluated. names: of the features, in the order in which they were first met. rows: of each network its
    features; those that were met later are missing at the end. targets: of each network its objectives."""

    names: tuple[str, ...] = ()
    rows: tuple[tuple[float, ...], ...] = ()
    targets: tuple[tuple[float, ...], ...] = ()

    def with_network(self, features: Mapping[str, float], targets: Sequence[float]) -> Experience:
        """And one network more."""
        names = (*self.names, *(name for name in features if name not in self.names))
        row = tuple(round(features.get(name, MISSING), 6) for name in names)
        return Experience(names, (*self.rows, row), (*self.targets, tuple(targets)))

    def to_json(self) -> dict[str, Any]:
        """JSON-able values."""
        return {"names": self.names, "rows": self.rows, "targets": self.targets}

    @staticmethod
    def from_json(values: Mapping[str, Any], objectives: int) -> Experience:
        """The inverse of `to_json`. Raises ValueError, TypeError or LookupError for other values."""
        names = tuple(str(name) for name in values["names"])
        rows = tuple(tuple(float(number) for number in row) for row in values["rows"])
        targets = tuple(tuple(float(number) for number in row) for row in values["targets"])
        require(len(rows) == len(targets) and all(len(row) <= len(names) for row in rows))
        require(all(len(row) == objectives for row in targets))
        require(all(math.isfinite(number) for row in (*rows, *targets) for number in row))
        return Experience(names, rows, targets)


class Trees:
    """Fitted to an experience of at least `ENOUGH` networks; equal experience and seed, equal guesses."""

    def __init__(self, experience: Experience, seed: int) -> None:
        # It takes a second to import, and most searches' helpers never need it.
        from sklearn.ensemble import ExtraTreesRegressor

        self._names = experience.names
        width = len(self._names)
        rows = [(*row, *[MISSING] * (width - len(row))) for row in experience.rows]
        self._model = ExtraTreesRegressor(TREES, random_state=seed % 2**32)
        targets = np.asarray(experience.targets)
        self._model.fit(np.asarray(rows, np.float32), targets if targets.shape[1] > 1 else targets[:, 0])

    def guesses(self, features: Sequence[Mapping[str, float]]) -> list[tuple[float, ...]]:
        """Of each network its objectives."""
        rows = [[each.get(name, MISSING) for name in self._names] for each in features]
        found = self._model.predict(np.asarray(rows, np.float32))
        return [tuple(map(float, np.atleast_1d(row))) for row in found]


@dataclass(frozen=True)
class Guess:
    """The objectives of one network by name, to be ranked."""

    values: Mapping[str, float]

    def mean(self, name: str) -> float:
        """See `ranking.Scored`."""
        return self.values[name]

    def standard_error(self, name: str) -> float | None:
        """See `ranking.Scored`."""
        return None
