"""The vocabulary of a search: candidates, proposals, and the ask/tell contract of a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from spenser_gee.evaluation import Evaluation

G = TypeVar("G")
S = TypeVar("S")


@dataclass(frozen=True)
class Candidate(Generic[G]):
    """One individual.

    id: counts from 0 over the run; a pure function of the seed and the earlier evaluations.
    parents: ids of the candidates it was made from (none: sampled).
    origin: the changes that made it, in words.
    sentence: its genotype as a sentence of the grammar. phenotype_key: equal for equal networks.
    """

    id: int
    genotype: G
    parents: tuple[int, ...]
    origin: tuple[str, ...]
    sentence: str
    phenotype_key: str


@dataclass(frozen=True)
class Proposal(Generic[G]):
    """A candidate and what its evaluation takes.

    again: it was evaluated in an earlier generation and is evaluated once more, on this generation's draw.
    infeasible: why it cannot be built ("" where it can): it is recorded without an evaluation.
    same_as: the earlier candidate which is the same network: its evaluation is taken over.
    """

    candidate: Candidate[G]
    again: bool = False
    infeasible: str = ""
    same_as: int | None = None


@dataclass(frozen=True)
class Progress:
    """Where a search stands. `generation` counts the finished generations.

    best_fitness is the best candidate's on the draw of the last generation in which it was complete;
    best_mean and best_standard_error are over all its evaluations (the error is None for fewer than two).
    counts: of the redraws in the last generation asked for.
    """

    generation: int
    best_id: int | None
    best_fitness: float | None
    best_mean: float | None
    best_standard_error: float | None
    counts: Mapping[str, int]


class Strategy(Protocol[S, G]):
    """Ask/tell over an immutable state.

    `ask` is a pure function of the state and the strategy's own seed: asked again after an interruption it
    proposes the same candidates. `tell` receives each proposal of that `ask` with its evaluation; their order
    does not matter.
    """

    def init(self) -> S:
        """The state before generation 0."""
        ...

    def ask(self, state: S) -> tuple[Sequence[Proposal[G]], S]:
        """The candidates of the next generation, and the state to `tell`."""
        ...

    def tell(self, state: S, evaluated: Sequence[tuple[Candidate[G], Evaluation]]) -> S:
        """The state after this generation."""
        ...

    def progress(self, state: S) -> Progress:
        """What the state knows of the search."""
        ...

    def best(self, state: S) -> Candidate[G] | None:
        """The best candidate so far."""
        ...

    def state_to_json(self, state: S) -> dict[str, Any]:
        """The whole state in JSON-able values."""
        ...

    def state_from_json(self, values: Mapping[str, Any]) -> S:
        """The inverse of `state_to_json`."""
        ...


def unbuildable(reason: str) -> Evaluation:
    """The evaluation of a candidate that is known to be infeasible without evaluating it."""
    return Evaluation(status="infeasible", reason=reason, details={"not_evaluated": True})


def taken_over(earlier: Evaluation, earlier_id: int) -> Evaluation:
    """`earlier`, taken over by a candidate which is the same network. It cost nothing, so it has no cost but
    the network's parameters."""
    reason = f"same network as candidate {earlier_id}"
    if earlier.status != "complete":
        reason += f" ({earlier.status}: {earlier.reason})"
    cost = {key: value for key, value in earlier.cost.items() if key == "parameters"}
    details = {"not_evaluated": True, "same_network_as": earlier_id}
    return Evaluation(earlier.status, dict(earlier.objectives), cost, reason, details)


def was_evaluated(evaluation: Evaluation) -> bool:
    """False for `unbuildable` and `taken_over` evaluations."""
    return not evaluation.details.get("not_evaluated", False)
