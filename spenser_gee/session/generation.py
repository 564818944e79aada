"""The candidates of one generation: sent to the executor, recorded, their weights kept in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spenser_gee.evaluation import Evaluation
from spenser_gee.execution import Executor, Job
from spenser_gee.genotype import Genotype
from spenser_gee.runs.origin import draw_seed
from spenser_gee.runs.store import RunFolder
from spenser_gee.search import Candidate, GenerationSummary, Proposal
from spenser_gee.session.reporter import Reporter
from spenser_gee.session.setup import Phenotype, Setup


@dataclass(frozen=True, eq=False)
class GenerationEvaluator:
    """Sends the candidates of a generation to the executor."""

    setup: Setup
    folder: RunFolder
    executor: Executor

    def __call__(
        self, proposals: Sequence[Proposal[Genotype]], generation: int
    ) -> Iterator[tuple[int, Evaluation]]:
        jobs = [
            self._job(proposal, generation)
            # The longest first: begun last, one would keep all other workers waiting.
            for proposal in sorted(proposals, key=lambda p: -_phenotype(p.candidate).plan.macs)
        ]
        yield from self.executor.run(jobs)

    def _job(self, proposal: Proposal[Genotype], generation: int) -> Job:
        candidate, parent = proposal.candidate, proposal.inherits
        return Job(
            candidate.id,
            {
                "spec": _phenotype(candidate).spec.to_dict(),
                "sentence": candidate.sentence,
                # Equal on one draw: the weights' seeds, data order and spike noise.
                "seed": draw_seed(self.setup.config, proposal.draw),
                "effort": proposal.effort,
                "parent": None if parent is None else str(self.folder.weights_path(*parent)),
                "save": str(self.folder.weights_path(candidate.id, generation)),
            },
            proposal.effort,
        )


def _phenotype(candidate: Candidate[Genotype]) -> Phenotype:
    found = candidate.payload
    assert isinstance(found, Phenotype)
    return found


class SessionRecord:
    """Records, reports, and keeps the weight files in order."""

    def __init__(self, setup: Setup, folder: RunFolder, reporter: Reporter) -> None:
        self._setup, self._run, self._reporter = setup, folder, reporter
        # It is read as it is.
        self.recorded, self.known = folder.recorded, folder.known
        self.evaluations_done, self.seconds_spent = folder.evaluations_done, folder.seconds_spent

    def evaluation(self, candidate: Candidate[Any], generation: int, evaluation: Evaluation) -> None:
        """See `Record.evaluation`."""
        self._run.evaluation(candidate, generation, evaluation)
        self._reporter.candidate(candidate, generation, evaluation)

    def generation(self, summary: GenerationSummary, state: Mapping[str, Any]) -> None:
        """See `Record.generation`."""
        self._run.generation(summary, state)
        order_weights(self._setup, self._run, self._setup.strategy.state_from_json(state))
        self._reporter.generation(summary)


def order_weights(setup: Setup, folder: RunFolder, state: Any) -> None:
    """Publishes the best and the last weights, and removes those that nothing needs any more."""
    done = folder.generations_done()
    front, last = setup.strategy.progress(state).front, folder.last_trained(done)
    if front:
        folder.publish_weights(folder.weights_path(front[0].id, front[0].trained), folder.best_weights)
    if last is not None:
        folder.publish_weights(folder.weights_path(*last), folder.last_weights)
    # One of a begun generation may become the best.
    folder.keep_weights([*setup.strategy.needed(state), *folder.trained_since(done)])
