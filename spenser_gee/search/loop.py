"""The generation loop: ask, evaluate what is not recorded yet, tell, record."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from spenser_gee.errors import input_error
from spenser_gee.evaluation import STATUSES, Evaluation
from spenser_gee.objective import Objective
from spenser_gee.search.finals import WithFinals
from spenser_gee.search.record import GenerationSummary, Record
from spenser_gee.search.strategy import (
    G,
    Proposal,
    S,
    Strategy,
    taken_over,
    unbuildable,
)

EvaluateGeneration = Callable[[Sequence[Proposal[G]], int], Iterator[tuple[int, Evaluation]]]
"""evaluate_generation(proposals, generation) yields (candidate id, evaluation) for each, in any order."""


@dataclass(frozen=True)
class Stops:
    """When a search ends: before the generation that would begin with any of these reached (None: no limit).

    generations: finished ones. evaluations: made in finished generations. wall_clock_s: seconds of all
    sessions of the run together. A generation that has begun is finished, so the last two may be passed by a
    generation.
    """

    generations: int | None = None
    evaluations: int | None = None
    wall_clock_s: float | None = None

    def reached(self, generations: int, evaluations: int, seconds: float) -> bool:
        """Whether any limit is reached."""
        pairs = (
            (generations, self.generations),
            (evaluations, self.evaluations),
            (seconds, self.wall_clock_s),
        )
        return any(limit is not None and done >= limit for done, limit in pairs)


def run_search(
    strategy: Strategy[S, G],
    evaluate_generation: EvaluateGeneration[G],
    record: Record,
    *,
    stops: Stops,
    state: S | None = None,
    exhausted: Callable[[int], None] = lambda generation: None,
) -> S:
    """Run the search until one of `stops`, or until the space holds no more networks; the state at the end.

    exhausted: called with the generation for which only networks could be drawn that were evaluated before: it is
    not begun, since evaluating the best once more would be no search.
    state: the last recorded one, to go on from. A generation of which a part is recorded is completed: only
    what is missing is evaluated. Raises InputError where the recorded part is not what the strategy proposes
    (another version of the software, or a changed configuration).

    A strategy with finalists (`WithFinals`) evaluates them in the end, as a generation that `stops` do not count.
    """
    state = strategy.init() if state is None else state
    begun, before = time.monotonic(), record.seconds_spent()
    while not stopped(strategy, state, record, stops, before + time.monotonic() - begun):
        generation = strategy.progress(state).generation
        proposals, asked = strategy.ask(state)
        if any(p.same_as is not None for p in proposals) and not any(p.is_new for p in proposals):
            exhausted(generation)
            break
        state = _run_generation(strategy, evaluate_generation, record, asked, proposals, generation)
    closing = _closing(strategy, state)
    if closing is not None:
        proposals, asked = closing
        generation = strategy.progress(state).generation
        state = _run_generation(strategy, evaluate_generation, record, asked, proposals, generation)
    return state


def stopped(strategy: Strategy[S, G], state: S, record: Record, stops: Stops, seconds: float) -> bool:
    """Whether the search has reached one of its stops, `seconds` of wall clock after its beginning."""
    progress = strategy.progress(state)
    return stops.reached(progress.generation - progress.finals, record.evaluations_done(), seconds)


def finished(strategy: Strategy[S, G], state: S, record: Record, stops: Stops) -> bool:
    """Whether it is stopped, and its finalists are evaluated."""
    at_its_stop = stopped(strategy, state, record, stops, record.seconds_spent())
    return at_its_stop and _closing(strategy, state) is None


def _closing(strategy: Strategy[S, G], state: S) -> tuple[Sequence[Proposal[G]], S] | None:
    return strategy.closing(state) if isinstance(strategy, WithFinals) else None


def _run_generation(
    strategy: Strategy[S, G],
    evaluate_generation: EvaluateGeneration[G],
    record: Record,
    state: S,
    proposals: Sequence[Proposal[G]],
    generation: int,
) -> S:
    begun = time.monotonic()
    results = _already_recorded(proposals, record.recorded(generation))
    pending = {
        proposal.candidate.id: proposal
        for proposal in proposals
        if proposal.candidate.id not in results and (proposal.again or proposal.is_new)
    }
    if pending:
        for candidate_id, evaluation in evaluate_generation(list(pending.values()), generation):
            evaluation = _with_all_objectives(evaluation, strategy.objectives)
            effort = pending[candidate_id].effort
            if effort != 1:
                evaluation = replace(evaluation, cost={**evaluation.cost, "effort": effort})
            record.evaluation(pending[candidate_id].candidate, generation, evaluation)
            results[candidate_id] = evaluation
    missing = pending.keys() - results.keys()
    if missing:
        raise RuntimeError(f"no evaluation came for candidates {sorted(missing)}")
    for proposal in proposals:
        if proposal.candidate.id not in results:
            evaluation = _without_evaluating(proposal, results, record)
            record.evaluation(proposal.candidate, generation, evaluation)
            results[proposal.candidate.id] = evaluation
    state = strategy.tell(state, [(p.candidate, results[p.candidate.id]) for p in proposals])
    finals = sum(proposal.effort > 1 for proposal in proposals)
    summary = _summary(strategy, state, generation, results, finals, time.monotonic() - begun)
    record.generation(summary, strategy.state_to_json(state))
    return state


def _with_all_objectives(evaluation: Evaluation, objectives: Sequence[Objective]) -> Evaluation:
    """A failure where a declared objective is missing: nothing could be ranked by it."""
    missing = [o.name for o in objectives if o.name not in evaluation.objectives]
    if evaluation.status != "complete" or not missing:
        return evaluation
    reason = f"the evaluation has no {', '.join(missing)}, found {', '.join(evaluation.objectives)}"
    return replace(evaluation, status="failed", objectives={}, errors={}, reason=reason)


def _already_recorded(
    proposals: Sequence[Proposal[G]], recorded: Mapping[int, tuple[str, Evaluation]]
) -> dict[int, Evaluation]:
    sentences = {proposal.candidate.id: proposal.candidate.sentence for proposal in proposals}
    for candidate_id, (sentence, _) in recorded.items():
        if sentences.get(candidate_id) != sentence:
            raise input_error(
                "run",
                f"candidate {candidate_id} in the record is not the one that the search proposes now: "
                f'expected "{sentences.get(candidate_id, "no such candidate")}", found "{sentence}"',
                "resume with the version, grammar and configuration that began this run",
            )
    return {candidate_id: evaluation for candidate_id, (_, evaluation) in recorded.items()}


def _without_evaluating(
    proposal: Proposal[G], results: Mapping[int, Evaluation], record: Record
) -> Evaluation:
    if proposal.same_as is None:
        return unbuildable(proposal.infeasible)
    earlier = results.get(proposal.same_as) or record.known(proposal.same_as)
    if earlier is None:
        raise RuntimeError(f"candidate {proposal.same_as} has no recorded evaluation")
    return taken_over(earlier, proposal.same_as)


def _summary(
    strategy: Strategy[S, G],
    state: S,
    generation: int,
    results: Mapping[int, Evaluation],
    finals: int,
    seconds: float,
) -> GenerationSummary:
    progress = strategy.progress(state)
    made = [evaluation for evaluation in results.values() if evaluation.evaluated]
    complete = [evaluation.objectives for evaluation in made if evaluation.status == "complete"]
    names = [objective.name for objective in strategy.objectives] if complete else []
    statuses = Counter(evaluation.status for evaluation in results.values())
    duplicates = sum(evaluation.same_as is not None for evaluation in results.values())
    return GenerationSummary(
        generation=generation,
        front=progress.front,
        means={name: math.fsum(values[name] for values in complete) / len(complete) for name in names},
        evaluations=len(made),
        counts={
            **{status: statuses[status] for status in STATUSES},
            **progress.counts,
            "duplicate": duplicates,
            "finals": finals,
        },
        seconds=seconds,
    )
