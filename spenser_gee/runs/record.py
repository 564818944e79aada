"""The record of a search in a run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spenser_gee.evaluation import Evaluation
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import seconds_spent
from spenser_gee.search.record import GenerationSummary
from spenser_gee.search.strategy import Candidate


class RunRecord:
    """The `search.record.Record` of a run folder. `genotype_to_json` gives a genotype's JSON-able values."""

    def __init__(self, folder: RunFolder, genotype_to_json: Callable[[Any], Any]) -> None:
        self._folder = folder
        self._genotype_to_json = genotype_to_json

    def recorded(self, generation: int) -> dict[int, tuple[str, Evaluation]]:
        """See `Record.recorded`."""
        rows = self._folder.rows(
            "SELECT evaluations.*, candidates.sentence FROM evaluations JOIN candidates ON id = candidate_id"
            " WHERE evaluations.generation = ? ORDER BY candidate_id",
            generation,
        )
        return {r["candidate_id"]: (r["sentence"], self._folder.evaluation_of_row(r)) for r in rows}

    def known(self, candidate_id: int) -> Evaluation | None:
        """See `Record.known`."""
        evaluations = self._folder.evaluations(candidate_id)
        return evaluations[0][1] if evaluations else None

    def evaluation(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """See `Record.evaluation`."""
        genotype = self._genotype_to_json(candidate.genotype)
        self._folder.write_evaluation(candidate, genotype, generation, evaluation)

    def generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """See `Record.generation`."""
        self._folder.write_generation(summary, state)

    def evaluations_done(self) -> int:
        """See `Record.evaluations_done`."""
        return int(self._folder.rows("SELECT total(evaluations) AS n FROM generations")[0]["n"])

    def seconds_spent(self) -> float:
        """See `Record.seconds_spent`."""
        return seconds_spent(self._folder)
