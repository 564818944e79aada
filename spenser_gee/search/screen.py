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

from spenser_gee.objective import Objective
from spenser_gee.search.members import require

MISSING = -1.0
TREES = 50
#: Standard deviations: an upper confidence bound, as Bayesian optimisation has it (Srinivas et al., "Gaussian process
#: optimization in the bandit setting", ICML 2010), with forests as in SMAC (Hutter et al., LION 2011).
OPTIMISM = 0.5
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
    """Fitted to an experience of at least `ENOUGH` networks; equal experience and seed, equal hopes."""

    def __init__(self, experience: Experience, objectives: Sequence[Objective], seed: int) -> None:
        # It takes a second to import, and most searches' helpers never need it.
        from sklearn.ensemble import ExtraTreesRegressor

        self._names, self._objectives = experience.names, objectives
        width = len(self._names)
        rows = [(*row, *[MISSING] * (width - len(row))) for row in experience.rows]
        targets = np.array(
            [
                [o.scaled(value) for o, value in zip(objectives, row, strict=True)]
                for row in experience.targets
            ]
        )
        self._model = ExtraTreesRegressor(TREES, random_state=seed % 2**32)
        self._model.fit(np.asarray(rows, np.float32), targets if len(objectives) > 1 else targets[:, 0])

    def hopes(self, features: Sequence[Mapping[str, float]]) -> list[Hope]:
        """Of each network what it may reach: the mean of the trees, and `OPTIMISM` standard deviations between them.

        The mean alone favours copies of the best network known: no tree guesses more than the best value that it was
        fitted to, and the trees agree on that value only where nothing differs that ever mattered.
        """
        asked = np.asarray(
            [[each.get(name, MISSING) for name in self._names] for each in features], np.float32
        )
        found = np.stack(
            [
                tree.predict(asked, check_input=False).reshape(len(features), -1)
                for tree in self._model.estimators_
            ]
        )
        signs = np.array([objective.sign for objective in self._objectives])
        return [
            Hope({o.name: o.unscaled(float(value)) for o, value in zip(self._objectives, row, strict=True)})
            for row in found.mean(0) + OPTIMISM * signs * found.std(0)
        ]


@dataclass(frozen=True)
class Hope:
    """The objectives of one network by name, to be ranked."""

    values: Mapping[str, float]

    def mean(self, name: str) -> float:
        """See `ranking.Scored`."""
        return self.values[name]

    def standard_error(self, name: str) -> float | None:
        """See `ranking.Scored`."""
        return None
