"""The vocabulary of a search: candidates, proposals, and the ask/tell contract of a strategy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import Objective

G = TypeVar("G")
S = TypeVar("S")

Trained = tuple[int, int]
"""(candidate, generation): an evaluation, and the weights that it left."""


@dataclass(frozen=True)
class Candidate(Generic[G]):
    """One individual.

    id: counts from 0 over the run; a pure function of the seed and the earlier evaluations.
    parents: ids of the candidates it was made from (none: sampled).
    origin: the changes that made it, in words.
    sentence: its genotype as a sentence of the grammar. phenotype_key: equal for equal networks.
    payload: what the space worked out of the genotype; the search only carries it.
    """

    id: int
    genotype: G
    parents: tuple[int, ...]
    origin: tuple[str, ...]
    sentence: str
    phenotype_key: str
    payload: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Proposal(Generic[G]):
    """A candidate and what its evaluation takes.

    again: it was evaluated in an earlier generation and is evaluated once more, on this generation's draw.
    infeasible: why it cannot be built ("" where it can): it is recorded without an evaluation.
    same_as: the earlier candidate which is the same network: its evaluation is taken over.
    inherits: the evaluation whose trained weights it may take over.
    draw: the number of the draw (data order, spike noise, seeds of weights) that it is evaluated on: values of one draw
        are compared.
    effort: how many times the budget its evaluation may spend.
    """

    candidate: Candidate[G]
    again: bool = False
    infeasible: str = ""
    same_as: int | None = None
    inherits: Trained | None = None
    draw: int = 0
    effort: float = 1.0

    @property
    def is_new(self) -> bool:
        """Whether it is a network that was not evaluated before."""
        return not (self.again or self.infeasible) and self.same_as is None


@dataclass(frozen=True)
class Standing:
    """One member of a front: what is known of it, for each objective.

    trained: the last generation in which it was complete. draw: that of this evaluation. latest: its values there.
    means and errors: over all its evaluations; the standard error of one alone is what it measured itself.
    """

    id: int
    trained: int
    draw: int
    latest: Mapping[str, float]
    means: Mapping[str, float]
    errors: Mapping[str, float]

    def mean(self, name: str) -> float:
        """Of an objective over its evaluations."""
        return self.means[name]

    def standard_error(self, name: str) -> float | None:
        """Of this mean, where it is known."""
        return self.errors.get(name)


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    generation: how many are finished; finals: how many of these were of finalists. front: those that no other is better
    than; with one objective, one; the first is the one to train on. counts: of the redraws in the last generation asked for.
    """

    generation: int
    front: tuple[Standing, ...]
    counts: Mapping[str, int]
    finals: int = 0


def best_rule(objectives: Sequence[Objective]) -> str:
    """How the first of a front is chosen where there are several objectives, in words."""
    first, second, *_ = objectives
    extreme = "highest" if first.direction == "maximise" else "lowest"
    return (
        f"best: of those within one standard error of the {extreme} {first.name}, "
        f"the one with the best {second.name}"
    )


class Strategy(Protocol[S, G]):
    """Ask/tell over an immutable state.

    `ask` is a pure function of the state and the strategy's own seed: asked again after an interruption it
    proposes the same candidates. `tell` receives each proposal of that `ask` with its evaluation; their order
    does not matter.
    """

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What it strives for."""
        ...

    def init(self) -> S:
        """The state before generation 0."""
        ...

    def ask(self, state: S) -> tuple[Sequence[Proposal[G]], S]:
        """The candidates of the next generation, and the state to `tell`."""
        ...

    def tell(self, state: S, evaluated: Sequence[tuple[Candidate[G], Evaluation]]) -> S:
        """The state after this generation. Nothing evaluated: a generation of something else, which only counts."""
        ...

    def progress(self, state: S) -> Progress:
        """What the state knows of the search."""
        ...

    def finalists(self, state: S) -> Sequence[Candidate[G]]:
        """Those worth a longer training before one is chosen, the best first; at most as many as it was asked for."""
        ...

    def needed(self, state: S) -> Collection[Trained]:
        """The evaluations whose weights later proposals, or the final training, may ask for."""
        ...

    def reencode(self, state: S, change: Callable[[Candidate[G]], Candidate[G]]) -> S:
        """The state with every candidate in it changed: to the genotypes of an edited grammar. What `change` raises
        passes."""
        ...

    def state_to_json(self, state: S) -> dict[str, Any]:
        """The whole state in JSON-able values."""
        ...

    def state_from_json(self, values: Mapping[str, Any]) -> S:
        """The inverse of `state_to_json`. Raises ValueError, TypeError or LookupError for other values."""
        ...


def unbuildable(reason: str) -> Evaluation:
    """The evaluation of a candidate that is known to be infeasible without evaluating it."""
    return Evaluation("infeasible", reason=reason, evaluated=False)


def taken_over(earlier: Evaluation, earlier_id: int) -> Evaluation:
    """`earlier`, taken over by a candidate which is the same network. It cost nothing, so it has no cost but
    the network's parameters."""
    reason = f"same network as candidate {earlier_id}"
    if earlier.status != "complete":
        reason += f" ({earlier.status}: {earlier.reason})"
    return Evaluation(
        earlier.status,
        dict(earlier.objectives),
        {key: value for key, value in earlier.cost.items() if key == "parameters"},
        reason,
        errors=dict(earlier.errors),
        measures=dict(earlier.measures),
        evaluated=False,
        same_as=earlier_id,
    )
