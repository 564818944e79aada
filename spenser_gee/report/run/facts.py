"""What several sections ask of a run, and how they write numbers."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

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
    """By candidate, of those that were complete; evaluations taken over from an equal network do not count."""
    measured: dict[int, list[tuple[float, float | None]]] = defaultdict(list)
    for row in run.rows(
        "SELECT candidate_id, fitness, objectives_json FROM evaluations WHERE evaluated AND status = 'complete'"
        " ORDER BY generation, candidate_id"
    ):
        measured[row["candidate_id"]].append((row["fitness"], row["objectives"].get("standard_error")))
    return {candidate: _fitness(values) for candidate, values in measured.items()}


def _fitness(values: list[tuple[float, float | None]]) -> Fitness:
    number = len(values)
    mean = sum(value for value, _ in values) / number
    if number == 1:
        return Fitness(mean, values[0][1], 1)
    variance = sum((value - mean) ** 2 for value, _ in values) / (number - 1)
    return Fitness(mean, math.sqrt(variance / number), number)


def best_candidate(run: RunFolder) -> int | None:
    """The best of the finished generations, or None."""
    rows = run.rows("SELECT best_id FROM generations ORDER BY generation DESC LIMIT 1")
    return rows[0]["best_id"] if rows else None


def ancestors(run: RunFolder, candidate: int) -> list[int]:
    """The candidate's first parents back to the beginning, the eldest first, the candidate last."""
    parents = {row["id"]: row["parents"] for row in run.rows("SELECT id, parents_json FROM candidates")}
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
