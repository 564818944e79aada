"""What a run tells while it goes on."""

from __future__ import annotations

from typing import Any, Protocol

from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import Objective
from spenser_gee.search import Candidate, GenerationSummary


class Reporter(Protocol):
    """Hears of a run's progress. It must not change anything of the run. A subclass need not hear of all."""

    def searching(self, generation: int, generations: int, budgets: float, objective: Objective) -> None:
        """The search begins (or goes on) with `generation` (from 0). budgets: evaluations that are left at most, each
        counted by its effort. objective: the first one."""
        return

    def candidate(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """A candidate was evaluated and recorded."""
        return

    def generation(self, summary: GenerationSummary) -> None:
        """A generation is finished and recorded."""
        return

    def final(self, share: float) -> None:
        """The final training has done this share of its steps."""
        return

    def note(self, text: str) -> None:
        """Something that a person should know."""
        return


class Silent(Reporter):
    """A reporter that says nothing."""
