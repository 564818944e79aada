"""A candidate that a strategy remembers, with what is known of it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import Objective
from spenser_gee.search.proposals import Space
from spenser_gee.search.strategy import Candidate, G, Standing, Trained


@dataclass(frozen=True)
class Member(Generic[G]):
    """values: of each objective, in each generation in which the evaluation was complete; errors: the standard errors
    that the last of these measured. trained, draw: of the last of these."""

    candidate: Candidate[G]
    values: tuple[Mapping[str, float], ...]
    errors: Mapping[str, float]
    trained: int
    draw: int

    @staticmethod
    def of(candidate: Candidate[G], evaluation: Evaluation, generation: int, draw: int) -> Member[G]:
        """From its first complete evaluation."""
        return Member(candidate, (dict(evaluation.objectives),), dict(evaluation.errors), generation, draw)

    def after(self, earlier: Member[G]) -> Member[G]:
        """The same candidate with the values of its earlier evaluations too."""
        return replace(self, values=(*earlier.values, *self.values))

    def mean(self, name: str) -> float:
        """Of an objective over its evaluations."""
        return math.fsum(values[name] for values in self.values) / len(self.values)

    def standard_error(self, name: str) -> float | None:
        """Of the mean: s / sqrt(n) over its evaluations, s with n - 1 degrees of freedom; of a single evaluation, what it
        measured itself, if anything."""
        n, mean = len(self.values), self.mean(name)
        if n < 2:
            return self.errors.get(name)
        return math.sqrt(math.fsum((values[name] - mean) ** 2 for values in self.values) / (n - 1) / n)

    @property
    def evaluation(self) -> Trained:
        """Its newest complete one."""
        return self.candidate.id, self.trained

    def standing(self, objectives: Sequence[Objective]) -> Standing:
        """What is known of it."""
        names = [objective.name for objective in objectives]
        errors = {name: self.standard_error(name) for name in names}
        return Standing(
            self.candidate.id,
            self.trained,
            self.draw,
            {name: self.values[-1][name] for name in names},
            {name: self.mean(name) for name in names},
            {name: error for name, error in errors.items() if error is not None},
        )

    def reencoded(self, change: Callable[[Candidate[G]], Candidate[G]]) -> Member[G]:
        """With a changed candidate."""
        return replace(self, candidate=change(self.candidate))

    def to_json(self, space: Space[G]) -> dict[str, Any]:
        """JSON-able values."""
        return {
            "candidate": space.candidate_to_json(self.candidate),
            "values": [dict(values) for values in self.values],
            "errors": dict(self.errors),
            "trained": self.trained,
            "draw": self.draw,
        }

    @staticmethod
    def from_json(values: Mapping[str, Any], space: Space[G], names: Sequence[str]) -> Member[G]:
        """The inverse of `to_json`. Raises ValueError, TypeError or LookupError for what is no member of a search that
        strives for the objectives `names`."""
        candidate = space.candidate_from_json(values["candidate"])
        scores = tuple({str(name): float(x) for name, x in score.items()} for score in values["values"])
        errors = {str(name): float(error) for name, error in values["errors"].items()}
        known = [*errors.values(), *(value for score in scores for value in score.values())]
        require(bool(scores) and all(math.isfinite(value) for value in known))
        require(all(name in score for score in scores for name in names))
        words = [candidate.sentence, candidate.phenotype_key, *candidate.origin]
        require(all(isinstance(word, str) for word in words))
        require_counts(candidate.id, *candidate.parents, values["trained"], values["draw"])
        return Member(candidate, scores, errors, values["trained"], values["draw"])


def complete_members(
    evaluated: Sequence[tuple[Candidate[G], Evaluation]], generation: int, draw: int
) -> list[Member[G]]:
    """Of those whose evaluation is complete and was made in this generation, by id."""
    return [
        Member.of(candidate, evaluation, generation, draw)
        for candidate, evaluation in sorted(evaluated, key=lambda pair: pair[0].id)
        if evaluation.status == "complete" and evaluation.evaluated
    ]


def readable(
    members: Sequence[Member[G]], change: Callable[[Candidate[G]], Candidate[G]]
) -> tuple[Member[G], ...]:
    """The members with changed candidates, without those that cannot be changed: they are no longer in the space."""
    kept = []
    for member in members:
        with contextlib.suppress(InputError):
            kept.append(member.reencoded(change))
    return tuple(kept)


def require(holds: bool) -> None:
    """Raises ValueError where it does not."""
    if not holds:
        raise ValueError("this is not the state of a search")


def require_counts(*numbers: Any) -> None:
    """Raises ValueError where one is no whole number from 0."""
    require(all(type(number) is int and 0 <= number < 2**53 for number in numbers))
