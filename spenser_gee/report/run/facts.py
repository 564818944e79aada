"""What several sections ask of a run, and how they write numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from spenser_gee.runs.queries import RecordedEvaluation, candidates, evaluations
from spenser_gee.runs.store import RunFolder


@dataclass(frozen=True)
class Fitness:
    """A candidate's fitness: the mean over its evaluations.

    error: the standard error: over two evaluations or more it is theirs, of a single one it is that of its images.
    """

    mean: float
    error: float | None
    evaluations: int

    def __str__(self) -> str:
        return spread(self.mean, self.error)


def fitness_of_all(run: RunFolder) -> dict[int, Fitness]:
    """By candidate, of those that were complete."""
    return {
        candidate: _fitness([(value, each.error) for each in made if (value := each.own_value) is not None])
        for candidate, made in measured(run).items()
    }


def measured(run: RunFolder) -> dict[int, list[RecordedEvaluation]]:
    """Each candidate's own complete evaluations with its least effort: a mean over different efforts says nothing."""
    found: dict[int, list[RecordedEvaluation]] = defaultdict(list)
    for each in evaluations(run):
        if each.own_value is not None:
            found[each.candidate_id].append(each)
    least = {candidate: min(each.effort for each in made) for candidate, made in found.items()}
    return {
        candidate: [each for each in made if each.effort == least[candidate]]
        for candidate, made in found.items()
    }


def effort_of(made: Sequence[RecordedEvaluation], generation: int) -> float:
    """How many times the budget the candidates of a generation had at most."""
    return max(each.effort for each in made if each.generation == generation)


def _fitness(values: list[tuple[float, float | None]]) -> Fitness:
    number = len(values)
    mean = sum(value for value, _ in values) / number
    if number == 1:
        return Fitness(mean, values[0][1], 1)
    variance = sum((value - mean) ** 2 for value, _ in values) / (number - 1)
    return Fitness(mean, math.sqrt(variance / number), number)


def ancestors(run: RunFolder, candidate: int) -> list[int]:
    """The candidate's first parents back to the beginning, the eldest first, the candidate last."""
    parents = {each.id: each.parents for each in candidates(run)}
    chain = [candidate]
    while parents.get(chain[-1]) and parents[chain[-1]][0] not in chain:
        chain.append(parents[chain[-1]][0])
    return chain[::-1]


def spread(value: float, error: float | None) -> str:
    """`0.8703 ± 0.0017`."""
    return f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"


def percent(share: float) -> str:
    """`12 %`."""
    return f"{100 * share:.0f} %"


def seconds(value: float) -> str:
    """`3.2 s`, `5 min 2 s`, `2 h 5 min`."""
    if value < 60:
        return f"{value:.1f} s"
    whole = round(value)
    return (
        f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
    )


def number_of(count: int, one: str, many: str = "") -> str:
    """`1 candidate`, `1,200 candidates`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
