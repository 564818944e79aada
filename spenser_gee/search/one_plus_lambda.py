"""The (1 + lambda) evolution strategy.

Beyer and Schwefel, "Evolution strategies: a comprehensive introduction", Natural Computing 1 (2002); used by
SPENSER (GECCO 2023), section 4, without crossover. Differences from SPENSER: the parent is scored on the same
draw as its offspring (see `elitist`), and candidates that cannot be built or were evaluated before are
redrawn.
"""

from __future__ import annotations

from spenser_gee.rng import stream
from spenser_gee.search.elitist import ElitistSearch, ElitistState
from spenser_gee.search.proposals import Proposer
from spenser_gee.search.strategy import G, Proposal


class OnePlusLambda(ElitistSearch[G]):
    """One parent, `offspring` (lambda) mutants of it in each generation; the best of all becomes the parent.

    start: a genotype to begin with; generation 0 is then it and `offspring - 1` mutants of it. Without one,
        generation 0 is `offspring` sampled candidates.

    While there is no parent (nothing of the earlier generations could be evaluated), a generation is again
    made like generation 0, by new draws: sampled candidates, or mutants of the start.
    """

    inheriting = True

    def _newcomers(self, state: ElitistState[G], proposer: Proposer[G]) -> list[Proposal[G]]:
        proposals: list[Proposal[G]] = []
        if state.generation == 0 and self._frame.start is not None:
            proposals.append(proposer.given(self._frame.start, "start"))
        while len(proposals) < self._frame.offspring:
            proposals.append(self._newcomer(state, proposer, len(proposals)))
        return proposals

    def _newcomer(self, state: ElitistState[G], proposer: Proposer[G], index: int) -> Proposal[G]:
        seed, start = self._frame.seed, self._frame.start
        if state.elite is None and start is None:
            return proposer.fresh(stream(seed, "sample", state.generation, index))
        rng = stream(seed, "mutation", state.generation, index)
        if state.elite is not None:
            parent = state.elite.candidate
            return proposer.mutant(parent.genotype, (parent.id,), rng)
        assert start is not None  # for the type checker: the case above
        return proposer.mutant(start, (0,), rng)
