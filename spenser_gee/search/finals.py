"""The finalists: before one network is chosen, the best few are trained once more, from birth and longer.

A search ranks by short trainings on one draw. The largest of many such values belongs to a lucky network, or to one that
learns fast and ends low. So the best of any strategy are evaluated again on a fresh draw with several times the budget,
as a last generation, and that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic

from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import Objective
from spenser_gee.search.members import complete_members, require_counts
from spenser_gee.search.proposals import Frame
from spenser_gee.search.ranking import chosen_first
from spenser_gee.search.strategy import Candidate, G, Progress, Proposal, S, Standing, Strategy, Trained


@dataclass(frozen=True)
class FinalsState(Generic[S]):
    """search: the strategy's own. asked: whether the generation asked for is the finalists'. held: how many such
    generations there were. closed: whether the last generation was one. front: of the last one, while it is closed."""

    search: S
    asked: bool = False
    held: int = 0
    closed: bool = False
    front: tuple[Standing, ...] = ()


class WithFinals(Generic[S, G]):
    """A strategy whose best `frame.finalists` are evaluated with `frame.effort` times the budget before one is chosen."""

    def __init__(self, strategy: Strategy[S, G], frame: Frame[G]) -> None:
        self._strategy, self._effort = strategy, frame.effort

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """See `Strategy.objectives`."""
        return self._strategy.objectives

    def init(self) -> FinalsState[S]:
        """See `Strategy.init`."""
        return FinalsState(self._strategy.init())

    def ask(self, state: FinalsState[S]) -> tuple[Sequence[Proposal[G]], FinalsState[S]]:
        """The strategy's own proposals."""
        proposals, search = self._strategy.ask(state.search)
        return proposals, replace(state, search=search, asked=False)

    def closing(self, state: FinalsState[S]) -> tuple[Sequence[Proposal[G]], FinalsState[S]] | None:
        """The finalists, and the state to `tell`. None where they are evaluated, or there is nothing to choose from."""
        finalists = self._strategy.finalists(state.search)
        if state.closed or len(finalists) < 2:
            return None
        draw = self._strategy.progress(state.search).generation
        proposals = [
            Proposal(candidate, again=True, draw=draw, effort=self._effort) for candidate in finalists
        ]
        return proposals, replace(state, asked=True)

    def tell(
        self, state: FinalsState[S], evaluated: Sequence[tuple[Candidate[G], Evaluation]]
    ) -> FinalsState[S]:
        """The state after this generation, of either kind."""
        if not state.asked:
            return FinalsState(self._strategy.tell(state.search, evaluated), held=state.held)
        draw = self._strategy.progress(state.search).generation
        members = complete_members(evaluated, draw, draw)
        complete = [member.standing(self.objectives) for member in members]
        front = chosen_first(complete, self.objectives)
        search = self._strategy.tell(state.search, ())
        return FinalsState(search, held=state.held + 1, closed=True, front=tuple(front))

    def progress(self, state: FinalsState[S]) -> Progress:
        """See `Strategy.progress`; the front is the finalists' while no search followed them."""
        progress = self._strategy.progress(state.search)
        return replace(progress, front=state.front or progress.front, finals=state.held)

    def finalists(self, state: FinalsState[S]) -> Sequence[Candidate[G]]:
        """See `Strategy.finalists`."""
        return self._strategy.finalists(state.search)

    def needed(self, state: FinalsState[S]) -> Collection[Trained]:
        """See `Strategy.needed`."""
        return {*self._strategy.needed(state.search), *((each.id, each.trained) for each in state.front)}

    def reencode(
        self, state: FinalsState[S], change: Callable[[Candidate[G]], Candidate[G]]
    ) -> FinalsState[S]:
        """See `Strategy.reencode`."""
        return replace(state, search=self._strategy.reencode(state.search, change))

    def state_to_json(self, state: FinalsState[S]) -> dict[str, Any]:
        """See `Strategy.state_to_json`."""
        front = [asdict(standing) for standing in state.front]
        search = self._strategy.state_to_json(state.search)
        return {"search": search, "held": state.held, "closed": state.closed, "front": front}

    def state_from_json(self, values: Mapping[str, Any]) -> FinalsState[S]:
        """See `Strategy.state_from_json`."""
        front = tuple(Standing(**standing) for standing in values["front"])
        require_counts(values["held"], *(n for s in front for n in (s.id, s.trained, s.draw)))
        search = self._strategy.state_from_json(values["search"])
        return FinalsState(search, held=values["held"], closed=bool(values["closed"]), front=front)
