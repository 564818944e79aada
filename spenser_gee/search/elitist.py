"""What strategies with one surviving candidate share: their state, and the selection under a noisy fitness.

Training is noisy, so the largest of many fitness values is a lucky one: a parent scored once would keep its
luck for ever. Therefore the best candidate is evaluated again in every generation, on the same draw (data
order, spike noise) as its rivals, and only values of the same draw are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic

from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import FITNESS, Objective
from spenser_gee.search.members import Member, complete_members, readable, require_counts
from spenser_gee.search.proposals import Frame, Proposer
from spenser_gee.search.ranking import best_first
from spenser_gee.search.strategy import Candidate, G, Progress, Proposal, Trained


@dataclass(frozen=True)
class ElitistState(Generic[G]):
    """generation: the next one to ask for. seen: short phenotype key -> id, of every network proposed so far.
    leading: the best by their means, the elite apart. counts: redraws of the last `ask`."""

    generation: int = 0
    next_id: int = 0
    elite: Member[G] | None = None
    leading: tuple[Member[G], ...] = ()
    seen: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


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
        return proposals, replace(state, **proposer.state)

    def tell(
        self, state: ElitistState[G], evaluated: Sequence[tuple[Candidate[G], Evaluation]]
    ) -> ElitistState[G]:
        """Select the elite: see `select`."""
        elite = select(state.elite, evaluated, state.generation, self._objective)
        told = complete_members(evaluated, state.generation, state.generation)
        known = {member.candidate.id: member for member in (*state.leading, *told)}
        for member in (state.elite, elite):
            if member is not None:
                known[member.candidate.id] = member
        others = [member for _, member in sorted(known.items()) if member is not elite]
        best = best_first(others, self.objectives)[: self._frame.finalists]
        leading = tuple(others[index] for index in best)
        return replace(state, generation=state.generation + 1, elite=elite, leading=leading)

    def progress(self, state: ElitistState[G]) -> Progress:
        """See `Strategy.progress`."""
        front = () if state.elite is None else (state.elite.standing(self.objectives),)
        return Progress(state.generation, front, state.counts)

    def finalists(self, state: ElitistState[G]) -> Sequence[Candidate[G]]:
        """The elite, and the best of the others by their means."""
        elite = () if state.elite is None else (state.elite,)
        return [member.candidate for member in (*elite, *state.leading)][: self._frame.finalists]

    def needed(self, state: ElitistState[G]) -> Collection[Trained]:
        """See `Strategy.needed`."""
        return () if state.elite is None else (state.elite.evaluation,)

    def reencode(
        self, state: ElitistState[G], change: Callable[[Candidate[G]], Candidate[G]]
    ) -> ElitistState[G]:
        """See `Strategy.reencode`."""
        elite = state.elite and state.elite.reencoded(change)
        return replace(state, elite=elite, leading=readable(state.leading, change))

    def state_to_json(self, state: ElitistState[G]) -> dict[str, Any]:
        """See `Strategy.state_to_json`."""
        return {
            "generation": state.generation,
            "next_id": state.next_id,
            "elite": state.elite and state.elite.to_json(self._space),
            "leading": [member.to_json(self._space) for member in state.leading],
            "seen": dict(state.seen),
            "counts": dict(state.counts),
        }

    def state_from_json(self, values: Mapping[str, Any]) -> ElitistState[G]:
        """See `Strategy.state_from_json`."""
        seen, counts = dict(values["seen"]), dict(values["counts"])
        require_counts(values["generation"], values["next_id"], *seen.values(), *counts.values())
        read = partial(Member.from_json, space=self._space, names=[self._objective.name])
        elite = None if values["elite"] is None else read(values["elite"])
        leading = tuple(read(member) for member in values["leading"])
        return ElitistState(values["generation"], values["next_id"], elite, leading, seen, counts)


def select(
    elite: Member[G] | None,
    evaluated: Sequence[tuple[Candidate[G], Evaluation]],
    generation: int,
    objective: Objective = FITNESS,
) -> Member[G] | None:
    """The elite after a generation.

    A newcomer replaces it with a value at least as good on the same draw (so that neutral steps are taken;
    among equal newcomers the first id wins). Only complete evaluations of this generation compete: one taken
    over from an earlier candidate belongs to another draw. If the elite's own evaluation is not complete
    this time, it is not lost: newcomers are then compared with its mean over the earlier generations.
    """

    def value(member: Member[G]) -> float:
        return objective.sign * member.mean(objective.name)

    entrants = complete_members(evaluated, generation, generation)
    rivals = [member for member in entrants if elite is None or member.candidate.id != elite.candidate.id]
    best = max(rivals, key=value, default=None)
    if elite is None:
        return best
    bar = value(elite)
    for again in entrants:
        if again.candidate.id == elite.candidate.id:
            bar = value(again)
            elite = again.after(elite)
    return elite if best is None or value(best) < bar else best
