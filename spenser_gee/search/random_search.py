"""Random search: the control for every other strategy.

Each generation is `offspring` sampled candidates; the best so far is kept, and evaluated again beside them
like the parent of the (1 + lambda) strategy. So it spends the same number of evaluations and the same
selection, and differs in one thing: nothing is inherited.
"""

from __future__ import annotations

from spenser_gee.rng import stream
from spenser_gee.search.elitist import ElitistSearch, ElitistState
from spenser_gee.search.proposals import Proposer
from spenser_gee.search.strategy import G, Proposal


class RandomSearch(ElitistSearch[G]):
    """`offspring` sampled candidates a generation; a start has no part in it."""

    def _newcomers(self, state: ElitistState[G], proposer: Proposer[G]) -> list[Proposal[G]]:
        return [
            proposer.fresh(stream(self._frame.seed, "sample", state.generation, index))
            for index in range(self._frame.offspring)
        ]
