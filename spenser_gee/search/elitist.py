"""What strategies with one surviving candidate share: their state, and the selection under a noisy fitness.

Training is noisy, so the largest of many fitness values is a lucky one: a parent scored once would keep its
luck for ever. Therefore the best candidate is evaluated again in every generation, on the same draw (data
order, spike noise) as its rivals, and only values of the same draw are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from deap import base, tools

from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import FITNESS, Objective
from spenser_gee.search.proposals import Frame, Proposer
from spenser_gee.search.strategy import Candidate, G, Progress, Proposal, Standing, Trained


@dataclass(frozen=True)
class Elite(Generic[G]):
    """The best candidate, its values in each generation in which its evaluation was complete, and the last of these."""

    candidate: Candidate[G]
    scores: tuple[float, ...]
    trained: int

    @property
    def mean(self) -> float:
        """The mean over its evaluations."""
        return sum(self.scores) / len(self.scores)

    @property
    def standard_error(self) -> float | None:
        """Of the mean: s / sqrt(n), s with n - 1 degrees of freedom. None for fewer than two evaluations."""
        n = len(self.scores)
        if n < 2:
            return None
        variance = sum((score - self.mean) ** 2 for score in self.scores) / (n - 1)
        return float((variance / n) ** 0.5)

    @property
    def evaluation(self) -> Trained:
        """Its newest complete one."""
        return self.candidate.id, self.trained


@dataclass(frozen=True)
class ElitistState(Generic[G]):
    """generation: the next one to ask for. seen: short phenotype key -> id, of every network proposed so far.
    counts: redraws of the last `ask`."""

    generation: int = 0
    next_id: int = 0
    elite: Elite[G] | None = None
    seen: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


class _Entrant(Generic[G]):
    """A candidate as deap's selection wants it."""

    def __init__(self, elite: Elite[G], value: float, sign: float) -> None:
        self.elite = elite
        self.fitness = type("Fitness", (base.Fitness,), {"weights": (sign,)})((value,))


class ElitistSearch(Generic[G]):
    """The strategy's common half; a strategy adds `_newcomers`, the proposals beside the elite.

    inheriting: whether all of a generation, the elite too, inherit from the elite, so that what is compared is the
        architecture.
    """

    inheriting = False

    def __init__(self, frame: Frame[G]) -> None:
        if frame.offspring < 1:
            raise ValueError(f"offspring is at least 1, got {frame.offspring}")
        self._frame, self._space = frame, frame.space
        (self._objective,) = frame.objectives

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """See `Strategy.objectives`."""
        return (self._objective,)

    def _newcomers(self, state: ElitistState[G], proposer: Proposer[G]) -> list[Proposal[G]]:
        raise NotImplementedError

    def init(self) -> ElitistState[G]:
        """See `Strategy.init`."""
        return ElitistState()

    def ask(self, state: ElitistState[G]) -> tuple[Sequence[Proposal[G]], ElitistState[G]]:
        """The elite again (if there is one), then `offspring` newcomers."""
        proposer = Proposer(self._space, state.seen, state.next_id, self._frame.tries)
        again = [] if state.elite is None else [Proposal(state.elite.candidate, again=True)]
        proposals = [
            replace(proposal, draw=state.generation)
            for proposal in (*again, *self._newcomers(state, proposer))
        ]
        if self.inheriting and state.elite is not None:
            proposals = [replace(proposal, inherits=state.elite.evaluation) for proposal in proposals]
        asked = replace(state, seen=proposer.seen, next_id=proposer.next_id, counts=dict(proposer.counts))
        return proposals, asked

    def tell(
        self, state: ElitistState[G], evaluated: Sequence[tuple[Candidate[G], Evaluation]]
    ) -> ElitistState[G]:
        """Select the elite: see `select`."""
        elite = select(state.elite, evaluated, state.generation, self._objective)
        return replace(state, generation=state.generation + 1, elite=elite)

    def progress(self, state: ElitistState[G]) -> Progress:
        """See `Strategy.progress`."""
        front = () if state.elite is None else (self._standing(state.elite),)
        return Progress(state.generation, front, state.counts)

    def _standing(self, elite: Elite[G]) -> Standing:
        name, error = self._objective.name, elite.standard_error
        return Standing(
            elite.candidate.id,
            elite.trained,
            elite.trained,
            {name: elite.scores[-1]},
            {name: elite.mean},
            {} if error is None else {name: error},
        )

    def needed(self, state: ElitistState[G]) -> Collection[Trained]:
        """See `Strategy.needed`."""
        return () if state.elite is None else (state.elite.evaluation,)

    def reencode(
        self, state: ElitistState[G], change: Callable[[Candidate[G]], Candidate[G]]
    ) -> ElitistState[G]:
        """See `Strategy.reencode`."""
        if state.elite is None:
            return state
        return replace(state, elite=replace(state.elite, candidate=change(state.elite.candidate)))

    def state_to_json(self, state: ElitistState[G]) -> dict[str, Any]:
        """See `Strategy.state_to_json`."""
        elite = state.elite and {
            "candidate": self._space.candidate_to_json(state.elite.candidate),
            "scores": list(state.elite.scores),
            "trained": state.elite.trained,
        }
        return {
            "generation": state.generation,
            "next_id": state.next_id,
            "elite": elite,
            "seen": dict(state.seen),
            "counts": dict(state.counts),
        }

    def state_from_json(self, values: Mapping[str, Any]) -> ElitistState[G]:
        """See `Strategy.state_from_json`."""
        elite = None
        seen, counts = dict(values["seen"]), dict(values["counts"])
        numbers = [values["generation"], values["next_id"], *seen.values(), *counts.values()]
        if values["elite"] is not None:
            scores = tuple(float(score) for score in values["elite"]["scores"])
            _require(bool(scores) and all(math.isfinite(score) for score in scores))
            candidate = self._space.candidate_from_json(values["elite"]["candidate"])
            elite = Elite(candidate, scores, values["elite"]["trained"])
            numbers += [candidate.id, *candidate.parents, elite.trained]
            words = [candidate.sentence, candidate.phenotype_key, *candidate.origin]
            _require(all(isinstance(word, str) for word in words))
        _require(all(type(number) is int and 0 <= number < 2**53 for number in numbers))
        return ElitistState(values["generation"], values["next_id"], elite, seen, counts)


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("this is not the state of a search")


def select(
    elite: Elite[G] | None,
    evaluated: Sequence[tuple[Candidate[G], Evaluation]],
    generation: int,
    objective: Objective = FITNESS,
) -> Elite[G] | None:
    """The elite after a generation.

    A newcomer replaces it with a value at least as good on the same draw (so that neutral steps are taken;
    among equal newcomers the first id wins). Only complete evaluations of this generation compete: one taken
    over from an earlier candidate belongs to another draw. If the elite's own evaluation is not complete
    this time, it is not lost: newcomers are then compared with its mean over the earlier generations.
    """
    complete = {
        c.id: (c, e.objectives[objective.name])
        for c, e in evaluated
        if e.status == "complete" and e.evaluated
    }
    again = None if elite is None else complete.pop(elite.candidate.id, None)
    entrants = [
        _Entrant(Elite(candidate, (value,), generation), value, objective.sign)
        for _, (candidate, value) in sorted(complete.items())
    ]
    if elite is not None:
        if again is not None:
            elite = replace(elite, scores=(*elite.scores, again[1]), trained=generation)
        # selBest keeps the order of equals: the elite comes last, so that it gives way to an equal newcomer.
        entrants.append(_Entrant(elite, elite.mean if again is None else again[1], objective.sign))
    if not entrants:
        return None
    best: list[_Entrant[G]] = tools.selBest(entrants, 1)
    return best[0].elite
