"""What a search writes down, and the record kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from spenser_gee.evaluation import Evaluation
from spenser_gee.search.strategy import Candidate, Standing


@dataclass(frozen=True)
class GenerationSummary:
    """One finished generation.

    front: after it, see `Progress`. means: of each objective over the complete evaluations made in this generation,
    the re-evaluations included (empty: there was none). evaluations: how many were made. counts: candidates of each
    status, redraws, those taken over ("duplicate"), and finalists ("finals"). seconds: wall-clock time.
    """

    generation: int
    front: tuple[Standing, ...]
    means: Mapping[str, float]
    evaluations: int
    counts: Mapping[str, int]
    seconds: float

    @property
    def finals(self) -> int:
        """How many finalists were trained longer in it; 0: it is an ordinary generation."""
        return self.counts.get("finals", 0)


class Record(Protocol):
    """Where `run_search` writes, and what it reads to go on after an interruption."""

    def recorded(self, generation: int) -> Mapping[int, tuple[str, Evaluation]]:
        """Candidate id -> (sentence, evaluation), of this generation."""
        ...

    def known(self, candidate_id: int) -> Evaluation | None:
        """The first evaluation of a candidate."""
        ...

    def evaluation(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """Write a candidate (if it is new) and its evaluation, both or neither."""
        ...

    def generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """Write a finished generation and the state after it, both or neither."""
        ...

    def evaluations_done(self) -> int:
        """Evaluations in finished generations."""
        ...

    def seconds_spent(self) -> float:
        """Wall-clock time of the earlier sessions of this run."""
        ...


@dataclass
class MemoryRecord:
    """A `Record` which is gone with the process."""

    evaluations: dict[tuple[int, int], tuple[Candidate[Any], Evaluation]] = field(default_factory=dict)
    generations: list[GenerationSummary] = field(default_factory=list)
    states: list[Mapping[str, Any]] = field(default_factory=list)

    def recorded(self, generation: int) -> Mapping[int, tuple[str, Evaluation]]:
        """See `Record.recorded`."""
        return {
            candidate.id: (candidate.sentence, evaluation)
            for (when, _), (candidate, evaluation) in self.evaluations.items()
            if when == generation
        }

    def known(self, candidate_id: int) -> Evaluation | None:
        """See `Record.known`."""
        found = sorted(key for key in self.evaluations if key[1] == candidate_id)
        return self.evaluations[found[0]][1] if found else None

    def evaluation(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """See `Record.evaluation`."""
        self.evaluations[generation, candidate.id] = (candidate, evaluation)

    def generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """See `Record.generation`."""
        self.generations.append(summary)
        self.states.append(state)

    def evaluations_done(self) -> int:
        """See `Record.evaluations_done`."""
        return sum(summary.evaluations for summary in self.generations)

    def seconds_spent(self) -> float:
        """See `Record.seconds_spent`."""
        return sum(summary.seconds for summary in self.generations)
