"""What strategies with one surviving candidate share: their state, and the selection under a noisy fitness.

Training is noisy, so the largest of many fitness values is a lucky one: a parent scored once would keep its
luck for ever. Therefore the best candidate is evaluated again in every generation, on the same draw (data
order, spike noise) as its rivals, and only values of the same draw are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from deap import base, tools

from spenser_gee.evaluation import Evaluation
from spenser_gee.search.proposals import Proposer, Space
from spenser_gee.search.strategy import Candidate, G, Progress, Proposal, was_evaluated


@dataclass(frozen=True)
class Elite(Generic[G]):
    """The best candidate and its fitness in each generation in which its evaluation was complete."""

    candidate: Candidate[G]
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean fitness over its evaluations."""
        return sum(self.scores) / len(self.scores)

    @property
    def standard_error(self) -> float | None:
        """Of the mean: s / sqrt(n), s with n - 1 degrees of freedom. None for fewer than two evaluations."""
        n = len(self.scores)
        if n < 2:
            return None
        variance = sum((score - self.mean) ** 2 for score in self.scores) / (n - 1)
        return float((variance / n) ** 0.5)


@dataclass(frozen=True)
class ElitistState(Generic[G]):
    """generation: the next one to ask for. seen: short phenotype key -> id, of every network proposed so far.
    counts: redraws of the last `ask`."""

    generation: int = 0
    next_id: int = 0
    elite: Elite[G] | None = None
    seen: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


class _Fitness(base.Fitness):  # type: ignore[misc]
    weights = (1.0,)


class _Entrant(Generic[G]):
    """A candidate as deap's selection wants it."""

    def __init__(self, candidate: Candidate[G], fitness: float) -> None:
        self.candidate = candidate
        self.fitness = _Fitness((fitness,))


class ElitistSearch(Generic[G]):
    """The strategy's common half; a strategy adds `_newcomers`, the proposals beside the elite."""

    def __init__(self, space: Space[G], seed: int, offspring: int, tries: int = 50) -> None:
        if offspring < 1:
            raise ValueError(f"offspring is at least 1, got {offspring}")
        self._space = space
        self._seed = seed
        self._offspring = offspring
        self._tries = tries

    def _newcomers(self, state: ElitistState[G], proposer: Proposer[G]) -> list[Proposal[G]]:
        raise NotImplementedError

    def init(self) -> ElitistState[G]:
        """See `Strategy.init`."""
        return ElitistState()

    def ask(self, state: ElitistState[G]) -> tuple[Sequence[Proposal[G]], ElitistState[G]]:
        """The elite again (if there is one), then `offspring` newcomers."""
        proposer = Proposer(self._space, state.seen, state.next_id, self._tries)
        again = [] if state.elite is None else [Proposal(state.elite.candidate, again=True)]
        newcomers = self._newcomers(state, proposer)
        asked = replace(state, seen=proposer.seen, next_id=proposer.next_id, counts=dict(proposer.counts))
        return [*again, *newcomers], asked

    def tell(
        self, state: ElitistState[G], evaluated: Sequence[tuple[Candidate[G], Evaluation]]
    ) -> ElitistState[G]:
        """Select the elite: see `select`."""
        return replace(state, generation=state.generation + 1, elite=select(state.elite, evaluated))

    def progress(self, state: ElitistState[G]) -> Progress:
        """See `Strategy.progress`."""
        if state.elite is None:
            return Progress(state.generation, None, None, None, None, state.counts)
        elite = state.elite
        return Progress(
            state.generation,
            elite.candidate.id,
            elite.scores[-1],
            elite.mean,
            elite.standard_error,
            state.counts,
        )

    def best(self, state: ElitistState[G]) -> Candidate[G] | None:
        """The elite: not the candidate with the largest single fitness."""
        return None if state.elite is None else state.elite.candidate

    def state_to_json(self, state: ElitistState[G]) -> dict[str, Any]:
        """See `Strategy.state_to_json`."""
        elite = state.elite and {
            "candidate": self._space.candidate_to_json(state.elite.candidate),
            "scores": list(state.elite.scores),
        }
        return {
            "generation": state.generation,
            "next_id": state.next_id,
            "elite": elite,
            "seen": dict(state.seen),
            "counts": dict(state.counts),
        }

    def state_from_json(self, values: Mapping[str, Any]) -> ElitistState[G]:
        """See `Strategy.state_from_json`. Raises ValueError, TypeError or LookupError for other values."""
        elite = None
        if values["elite"] is not None:
            scores = tuple(float(score) for score in values["elite"]["scores"])
            _require(bool(scores) and all(math.isfinite(score) for score in scores))
            elite = Elite(self._space.candidate_from_json(values["elite"]["candidate"]), scores)
        seen, counts = dict(values["seen"]), dict(values["counts"])
        numbers = [values["generation"], values["next_id"], *seen.values(), *counts.values()]
        if elite is not None:
            numbers += [elite.candidate.id, *elite.candidate.parents]
            words = [elite.candidate.sentence, elite.candidate.phenotype_key, *elite.candidate.origin]
            _require(all(isinstance(word, str) for word in words))
        _require(all(type(number) is int and 0 <= number < 2**53 for number in numbers))
        return ElitistState(values["generation"], values["next_id"], elite, seen, counts)


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("this is not the state of a search")


def select(elite: Elite[G] | None, evaluated: Sequence[tuple[Candidate[G], Evaluation]]) -> Elite[G] | None:
    """The elite after a generation.

    A newcomer replaces it with a fitness at least as high on the same draw (so that neutral steps are taken;
    among equal newcomers the first id wins). Only complete evaluations of this generation compete: one taken
    over from an earlier candidate belongs to another draw. If the elite's own evaluation is not complete
    this time, it is not lost: newcomers are then compared with its mean over the earlier generations.
    """
    complete = [(c, e.fitness) for c, e in evaluated if e.status == "complete" and was_evaluated(e)]
    complete.sort(key=lambda pair: pair[0].id)
    elite_id = None if elite is None else elite.candidate.id
    entrants = [_Entrant(candidate, fitness) for candidate, fitness in complete if candidate.id != elite_id]
    if elite is not None:
        now = [fitness for candidate, fitness in complete if candidate.id == elite_id]
        elite = replace(elite, scores=(*elite.scores, *now))
        # selBest keeps the order of equals: the elite comes last, so that it gives way to an equal newcomer.
        entrants.append(_Entrant(elite.candidate, now[0] if now else elite.mean))
    if not entrants:
        return None
    winner: _Entrant[G] = tools.selBest(entrants, 1)[0]
    if elite is not None and winner.candidate.id == elite_id:
        return elite
    return Elite(winner.candidate, (float(winner.fitness.values[0]),))
