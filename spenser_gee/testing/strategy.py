"""What every strategy promises, run by the loop on bit strings whose ones are to be many."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import OBJECTIVES, Objective
from spenser_gee.rng import stream
from spenser_gee.search import Frame, MemoryRecord, Proposal, Stops, Strategy, run_search
from spenser_gee.testing.toy_space import Bits, best_of, comparable, evaluator, one_max, toy_space

Make = Callable[[Frame[Bits]], Strategy[Any, Bits]]
MakeOne = Callable[..., Strategy[Any, Bits]]
FITNESS = OBJECTIVES["fitness"]


def run(
    strategy: Strategy[Any, Bits], generations: int, record: MemoryRecord | None = None, **keys: Any
) -> tuple[Any, MemoryRecord]:
    """A search; its last state and its record."""
    record = MemoryRecord() if record is None else record
    evaluate = keys.pop("evaluate", None) or evaluator()
    return run_search(strategy, evaluate, record, stops=Stops(generations), **keys), record


def genotype_of(record: MemoryRecord, candidate_id: int | None) -> Bits:
    """Of a candidate that was evaluated."""
    return next(c.genotype for c, _ in record.evaluations.values() if c.id == candidate_id)


class StrategyContract:
    """Override `make`: a strategy from what every one is given."""

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    @pytest.fixture
    def make_one(self, make: Make) -> MakeOne:
        """The strategy with some things changed; 24 bits, four candidates of a generation."""

        def make_one(
            seed: int = 3, offspring: int = 4, objective: Objective = FITNESS
        ) -> Strategy[Any, Bits]:
            return make(Frame(toy_space(), seed, offspring, None, 50, (objective,)))

        return make_one

    def test_the_same_seed_gives_the_same_run_and_another_seed_another(self, make_one: MakeOne) -> None:
        first, record = run(make_one(), 6)
        second, again = run(make_one(), 6)
        _, other = run(make_one(seed=4), 6)
        assert first == second
        assert record.evaluations == again.evaluations
        assert list(map(comparable, record.generations)) == list(map(comparable, again.generations))
        assert record.evaluations != other.evaluations

    @pytest.mark.parametrize("order", ["backward", "shuffled"])
    def test_the_order_in_which_candidates_finish_does_not_matter(
        self, make_one: MakeOne, order: str
    ) -> None:
        expected, record = run(make_one(), 6)
        state, other = run(make_one(), 6, evaluate=evaluator(order=order))
        assert state == expected
        assert other.evaluations == record.evaluations

    def test_resumed_from_json_after_every_generation_it_equals_the_uninterrupted_run(
        self, make_one: MakeOne
    ) -> None:
        expected, whole = run(make_one(), 6)
        record = MemoryRecord()
        state = None
        for generations in range(1, 7):
            strategy = make_one()
            if record.states:
                state = strategy.state_from_json(json.loads(json.dumps(record.states[-1])))
            run(strategy, generations, record, state=state)
        final = make_one().state_from_json(json.loads(json.dumps(record.states[-1])))
        assert final == expected
        assert record.evaluations == whole.evaluations

    @pytest.mark.parametrize("stop_after", [1, 6, 9, 17])
    def test_an_interrupted_generation_is_completed_with_what_is_missing(
        self, make_one: MakeOne, stop_after: int
    ) -> None:
        expected, whole = run(make_one(), 5)
        count = 0

        def interrupted(proposal: Proposal[Bits], generation: int) -> Evaluation:
            nonlocal count
            count += 1
            if count > stop_after:
                raise KeyboardInterrupt
            return one_max(proposal, generation)

        record = MemoryRecord()
        with pytest.raises(KeyboardInterrupt):
            run(make_one(), 5, record, evaluate=evaluator(interrupted))
        assert len(record.evaluations) == stop_after
        strategy = make_one()
        state = strategy.state_from_json(record.states[-1]) if record.states else None
        rest = evaluator()
        final, record = run(strategy, 5, record, state=state, evaluate=rest)
        assert final == expected
        assert record.evaluations == whole.evaluations
        # Only what was missing is evaluated: not a single evaluation is made twice.
        assert all(evaluation.evaluated for _, evaluation in whole.evaluations.values())
        assert len(rest.made) == len(whole.evaluations) - stop_after  # type: ignore[attr-defined]

    def test_it_improves_on_one_max(self, make_one: MakeOne) -> None:
        gained = 0
        for seed in range(3):
            strategy = make_one(seed=seed, offspring=6)
            state, record = run(strategy, 25)
            first = [
                sum(c.genotype) for (generation, _), (c, _) in record.evaluations.items() if generation == 0
            ]
            gained += sum(genotype_of(record, best_of(strategy, state))) - max(first)
        assert gained > 3

    def test_failures_never_become_best_and_the_search_goes_on(self, make_one: MakeOne) -> None:
        def score(proposal: Proposal[Bits], generation: int) -> Evaluation:
            fate = stream(5, "fate", generation, proposal.candidate.id).integers(4)
            if fate == 0:
                return one_max(proposal, generation)
            return Evaluation(("failed", "timed_out", "infeasible")[fate - 1], reason="bad luck")

        record = MemoryRecord()
        strategy = make_one(offspring=3)
        state, record = run(strategy, 30, record, evaluate=evaluator(score))
        complete = {c.id for c, e in record.evaluations.values() if e.status == "complete"}
        bests = [summary.front[0].id if summary.front else None for summary in record.generations]
        assert len(set(bests)) > 2
        assert {best for best in bests if best is not None} <= complete
        assert best_of(strategy, state) in complete

    def test_while_everything_fails_new_candidates_are_tried(self, make_one: MakeOne) -> None:
        def score(proposal: Proposal[Bits], generation: int) -> Evaluation:
            return one_max(proposal, generation) if generation == 3 else Evaluation("failed", reason="no")

        _, record = run(make_one(), 4, evaluate=evaluator(score))
        assert [not summary.front for summary in record.generations] == [True, True, True, False]
        assert [summary.evaluations for summary in record.generations] == [4, 4, 4, 4]
        assert len({candidate.genotype for candidate, _ in record.evaluations.values()}) == 16

    def test_no_network_is_evaluated_twice_but_the_best(self, make_one: MakeOne) -> None:
        _, record = run(make_one(offspring=5), 15)
        seen: dict[str, int] = {}
        for (generation, candidate_id), (candidate, evaluation) in record.evaluations.items():
            if not evaluation.evaluated:
                continue
            if candidate.sentence in seen:
                assert seen[candidate.sentence] == candidate_id
                fronts = [summary.front for summary in record.generations[:generation]]
                assert candidate_id in {member.id for front in fronts for member in front}
            seen[candidate.sentence] = candidate_id

    def test_ids_count_from_zero_in_the_order_of_proposal(self, make_one: MakeOne) -> None:
        _, record = run(make_one(), 5)
        ids = sorted({candidate.id for candidate, _ in record.evaluations.values()})
        assert ids == list(range(len(ids)))
        for candidate, _ in record.evaluations.values():
            assert all(parent < candidate.id for parent in candidate.parents)

    def test_at_least_one_offspring(self, make_one: MakeOne) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            make_one(offspring=0)

    def test_what_is_small_is_found_where_an_objective_is_minimised(self, make_one: MakeOne) -> None:
        def score(proposal: Proposal[Bits], generation: int) -> Evaluation:
            return Evaluation("complete", {"loss": float(sum(proposal.candidate.genotype))})

        strategy = make_one(offspring=6, objective=OBJECTIVES["loss"])
        state, record = run(strategy, 25, evaluate=evaluator(score))
        assert [objective.name for objective in strategy.objectives] == ["loss"]
        losses = [evaluation.objectives["loss"] for _, evaluation in record.evaluations.values()]
        assert sum(genotype_of(record, best_of(strategy, state))) == min(losses) < max(losses)

    def test_asked_again_it_proposes_the_same(self, make_one: MakeOne) -> None:
        strategy = make_one()
        state, _ = run(strategy, 3)
        assert strategy.ask(state) == strategy.ask(state) == make_one().ask(state)

    def test_weights_are_inherited_from_what_is_needed(self, make_one: MakeOne) -> None:
        strategy, record = make_one(), MemoryRecord()
        state = None
        for generations in range(1, 6):
            state, record = run(strategy, generations, record, state=state)
            proposals, _ = strategy.ask(state)
            needed = set(strategy.needed(state))
            assert {p.inherits for p in proposals if p.inherits is not None} <= needed
            assert {(member.id, member.trained) for member in strategy.progress(state).front} <= needed
            for candidate_id, generation in needed:
                _, evaluation = record.evaluations[generation, candidate_id]
                assert evaluation.status == "complete"

    def test_an_edited_grammar_that_changes_nothing_changes_nothing(self, make_one: MakeOne) -> None:
        strategy = make_one()
        for generations in (1, 4):
            state, _ = run(strategy, generations)
            assert strategy.reencode(state, lambda candidate: candidate) == state
