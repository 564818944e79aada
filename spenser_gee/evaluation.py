"""What an evaluation of a candidate is: a value with a status, never an exception and never a magic number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["complete", "infeasible", "abandoned", "timed_out", "failed"]
STATUSES: tuple[Status, ...] = ("complete", "infeasible", "abandoned", "timed_out", "failed")


@dataclass(frozen=True)
class Execution:
    """Where and when an evaluation ran: seconds since the epoch, and the worker's name."""

    started: float
    finished: float
    worker: str


@dataclass(frozen=True)
class Evaluation:
    """The outcome of one evaluation.

    status: complete (it has its objectives); infeasible (the network cannot be built, or it is dead: silent or
        saturated); abandoned (by an earlier version: its training was too far behind the parent's); timed_out;
        failed (an exception, a crash, out of memory, NaN).
    objectives: the declared figures of merit, all of them finite; there are some if and only if complete.
    errors: of those figures that have one: standard errors, and half the interquartile range of a latency.
    measures: other figures of interest, such as the loss.
    cost: what it took: seconds of each phase, parameters, steps, ...; "effort": how many times the budget (else once).
    reason: one line on why it is not complete, or on where it was taken from.
    curve: of the training: (step, mean loss, accuracy) since the entry before.
    inner: one row for each generation of the inner search.
    details: remarks, JSON-able; nothing in the program depends on them.
    evaluated: False for what is known without evaluating.
    same_as: the earlier candidate whose evaluation this is, since it is the same network.
    worker_spent: the worker may have been damaged, and is to be replaced.
    execution: None for what was not evaluated.
    """

    status: Status
    objectives: Mapping[str, float] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    curve: Sequence[Sequence[float]] = ()
    inner: Sequence[Mapping[str, float]] = ()
    evaluated: bool = True
    same_as: int | None = None
    worker_spent: bool = False
    execution: Execution | None = None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r} is not one of {', '.join(STATUSES)}")
        if (self.status == "complete") != bool(self.objectives):
            raise ValueError("an evaluation has objectives if and only if it is complete")
        if not all(math.isfinite(value) for value in self.objectives.values()):
            raise ValueError("the objectives of a complete evaluation are finite")

    @property
    def effort(self) -> float:
        """How many times the budget it might spend."""
        return self.cost.get("effort", 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Evaluation:
        """The inverse of `to_dict`; what is not there has its default."""
        execution = values.get("execution")
        return Evaluation(
            **{
                **values,
                "curve": tuple(tuple(point) for point in values.get("curve", ())),
                "inner": tuple(values.get("inner", ())),
                "execution": None if execution is None else Execution(**execution),
            }
        )
