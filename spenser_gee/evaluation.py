"""What an evaluation of a candidate is: a value with a status, never an exception and never a magic number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["complete", "infeasible", "abandoned", "timed_out", "failed"]
STATUSES: tuple[Status, ...] = ("complete", "infeasible", "abandoned", "timed_out", "failed")


@dataclass(frozen=True)
class Evaluation:
    """The outcome of one evaluation.

    status: complete (it has a fitness); infeasible (the network cannot be built, or it is dead: silent or
        saturated); abandoned (its training was given up, too far behind the parent's); timed_out; failed (an
        exception, a crash, out of memory, NaN).
    objectives: named figures of merit; `fitness` (higher is better) is there if and only if complete.
    cost: what it took: seconds of each phase, parameters, steps, ...
    reason: one line on why it is not complete.
    details: the record of the inner search and of the training curve, JSON-able.
    """

    status: Status
    objectives: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r} is not one of {', '.join(STATUSES)}")
        if (self.status == "complete") != ("fitness" in self.objectives):
            raise ValueError("an evaluation has a fitness if and only if it is complete")
        if self.status == "complete" and not math.isfinite(self.objectives["fitness"]):
            raise ValueError("a complete evaluation has a finite fitness")

    @property
    def fitness(self) -> float:
        """The fitness, or minus infinity where there is none: a bad candidate can never be the best."""
        return self.objectives.get("fitness", -math.inf)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return {
            "status": self.status,
            "objectives": dict(self.objectives),
            "cost": dict(self.cost),
            "reason": self.reason,
            "details": dict(self.details),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_dict`."""
        return Evaluation(**values)
