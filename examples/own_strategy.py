"""A search strategy of one's own: a class, and a line in the registry.

    python examples/own_strategy.py

Hill climbing with restarts: mutants of the best, and a new sample in each `restart`-th place.
"""

import tempfile
from pathlib import Path

import spenser_gee
from spenser_gee.rng import stream
from spenser_gee.search.elitist import ElitistSearch, ElitistState
from spenser_gee.search.proposals import Frame, Proposer
from spenser_gee.search.registry import STRATEGIES, StrategyEntry
from spenser_gee.search.strategy import G, Proposal
from spenser_gee.settings import Chosen, Positive


class RestartSettings(Chosen):
    """The keys of the strategy in a configuration: {kind: restarts, restart: 3}."""

    kind: str = "restarts"
    restart: Positive = 3


class Restarts(ElitistSearch[G]):
    """What strategies with one elite share is inherited; only the newcomers are new."""

    inheriting = True
    restart = 3

    def _newcomers(self, state: ElitistState[G], proposer: Proposer[G]) -> list[Proposal[G]]:
        proposals = []
        for index in range(self._frame.offspring):
            rng = stream(self._frame.seed, "restarts", state.generation, index)
            if state.elite is None or index % self.restart == self.restart - 1:
                proposals.append(proposer.fresh(rng))
            else:
                parent = state.elite.candidate
                proposals.append(proposer.mutant(parent.genotype, (parent.id,), rng))
        return proposals


def make(settings: RestartSettings, frame: Frame[G]) -> Restarts[G]:
    """The strategy that a configuration asks for."""
    strategy = Restarts(frame)
    strategy.restart = settings.restart
    return strategy


STRATEGIES["restarts"] = StrategyEntry(RestartSettings, make)


def main(folder: Path) -> None:
    """A short run with it."""
    config = spenser_gee.load_config(
        "configs/digits.yaml",
        [
            "search.strategy={kind: restarts, restart: 2}",
            "search.generations=3",
            "search.offspring=2",
            "search.finalists=0",
            "search.workers=0",
            "training.steps=20",
            "final.epochs=1",
        ],
    )
    summary = spenser_gee.start_run(config, folder)
    for generation in summary["history"]:
        print(f"generation {generation['generation']}: best {generation['best']:.3f}")


if __name__ == "__main__":
    main(Path(tempfile.mkdtemp()) / "run")
