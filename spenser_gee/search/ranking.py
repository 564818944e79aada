"""Who is better than whom: by the value of one objective, or by non-dominated fronts of several.

NSGA-II (Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on Evolutionary
Computation 6 (2002)) by means of deap, with one change for noisy objectives: a difference that is smaller than the
larger one of the two standard errors is a tie.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from deap import base, tools

from spenser_gee.objective import Objective


class Scored(Protocol):
    """What can be ranked."""

    def mean(self, name: str) -> float:
        """The value of an objective."""
        ...

    def standard_error(self, name: str) -> float | None:
        """Of this value, where it is known."""
        ...


def best_first(scored: Sequence[Scored], objectives: Sequence[Objective]) -> list[int]:
    """Places in `scored`, the best first: front by front, and within a front those that stand alone; earlier ones first
    where that says nothing."""
    if len(objectives) == 1:
        (objective,) = objectives
        return sorted(range(len(scored)), key=lambda at: -objective.sign * scored[at].mean(objective.name))
    return [at for front in fronts(scored, objectives) for at in front]


def by_species(order: Sequence[int], species: Sequence[str]) -> list[int]:
    """The same places, the first of every species before the second of any, and so on. species: of each place."""
    met: Counter[str] = Counter()
    ranks = {}
    for at in order:
        ranks[at] = met[species[at]]
        met[species[at]] += 1
    return sorted(order, key=ranks.__getitem__)


def fronts(scored: Sequence[Scored], objectives: Sequence[Objective]) -> list[list[int]]:
    """Places in `scored`, in non-dominated fronts; each front by its crowding distance, the extremes first."""
    weights = tuple(objective.sign for objective in objectives)
    kind = type("Fitness", (_Fitness,), {"weights": weights})
    remaining = [_Entrant(at, each, objectives, kind) for at, each in enumerate(scored)]
    result = []
    while remaining:
        # One front at a time: where ties make dominance run in a circle, none is undominated, and the rest is a front.
        (front,) = tools.sortNondominated(remaining, len(remaining), first_front_only=True)
        front = sorted(front or remaining, key=lambda entrant: entrant.place)
        tools.emo.assignCrowdingDist(front)
        front.sort(key=lambda entrant: (-entrant.fitness.crowding_dist, entrant.place))
        result.append([entrant.place for entrant in front])
        taken = set(result[-1])
        remaining = [entrant for entrant in remaining if entrant.place not in taken]
    return result


Ranked = TypeVar("Ranked", bound=Scored)


def chosen_first(scored: Sequence[Ranked], objectives: Sequence[Objective]) -> list[Ranked]:
    """The first front, the one to choose first; with one objective, the best alone."""
    if not scored:
        return []
    if len(objectives) == 1:
        return [scored[best_first(scored, objectives)[0]]]
    front = [scored[at] for at in fronts(scored, objectives)[0]]
    front.insert(0, front.pop(_to_choose(front, objectives)))
    return front


def _to_choose(front: Sequence[Scored], objectives: Sequence[Objective]) -> int:
    """By `strategy.best_rule` (Breiman et al., "Classification and Regression Trees", 1984, section 3.4.3)."""
    first = objectives[0]

    def value(at: int, objective: Objective) -> float:
        return objective.sign * front[at].mean(objective.name)

    best = max(range(len(front)), key=lambda at: value(at, first))
    bar = value(best, first) - (front[best].standard_error(first.name) or 0.0)
    near = [at for at in range(len(front)) if value(at, first) >= bar]
    return max(near, key=lambda at: (value(at, objectives[1]), value(at, first)))


class _Entrant:
    """One of the ranked as deap wants it."""

    def __init__(self, place: int, scored: Scored, objectives: Sequence[Objective], kind: Any) -> None:
        self.place = place
        pairs = [_scaled(scored, objective) for objective in objectives]
        self.fitness = kind([value for value, _ in pairs])
        self.fitness.errors = tuple(error for _, error in pairs)


def _scaled(scored: Scored, objective: Objective) -> tuple[float, float]:
    """Value and standard error, where ratios count as their logarithms."""
    value, error = scored.mean(objective.name), scored.standard_error(objective.name) or 0.0
    return objective.scaled(value), error / max(value, math.ulp(0.0)) if objective.log else error


class _Fitness(base.Fitness):  # type: ignore[misc]  # deap has no types
    """Pareto dominance in which differences within a standard error are ties."""

    weights: tuple[float, ...] = (1.0,)
    errors: tuple[float, ...] = ()

    def dominates(self, other: Any, obj: slice = slice(None)) -> bool:
        """deap's name and signature."""
        gains = [
            (mine - theirs) if abs(mine - theirs) > max(pair) else 0.0
            for mine, theirs, *pair in zip(
                self.wvalues[obj], other.wvalues[obj], self.errors[obj], other.errors[obj], strict=True
            )
        ]
        return min(gains) >= 0.0 and max(gains) > 0.0
