"""What every strategy promises, run by the loop."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from toy_space import Bits, best_of, comparable, evaluator, one_max, toy_space

from spenser_gee.evaluation import Evaluation
from spenser_gee.rng import stream
from spenser_gee.search import Candidate, MemoryRecord, OnePlusLambda, RandomSearch, Stops, run_search
from spenser_gee.search.elitist import ElitistSearch, ElitistState

Strategy = ElitistSearch[Bits]
Make = Callable[..., Strategy]


def from_start(space: Any, seed: int, offspring: int) -> OnePlusLambda[Bits]:
    return OnePlusLambda(space, seed, offspring, start=(0,) * 24)


@pytest.fixture(params=[OnePlusLambda, from_start, RandomSearch])
def make(request: pytest.FixtureRequest) -> Make:
    return lambda seed=3, offspring=4, space=None: request.param(space or toy_space(), seed, offspring)


def run(
    strategy: Strategy, generations: int, record: MemoryRecord | None = None, **keys: Any
) -> tuple[ElitistState[Bits], MemoryRecord]:
    record = MemoryRecord() if record is None else record
    evaluate = keys.pop("evaluate", None) or evaluator()
    return run_search(strategy, evaluate, record, stops=Stops(generations), **keys), record


def test_the_same_seed_gives_the_same_run_and_another_seed_another(make: Make) -> None:
    first, record = run(make(), 6)
    second, again = run(make(), 6)
    other, _ = run(make(seed=4), 6)
    assert first == second
    assert record.evaluations == again.evaluations
    assert list(map(comparable, record.generations)) == list(map(comparable, again.generations))
    assert first.seen != other.seen


@pytest.mark.parametrize("order", ["backward", "shuffled"])
def test_the_order_in_which_candidates_finish_does_not_matter(make: Make, order: str) -> None:
    expected, record = run(make(), 6)
    state, other = run(make(), 6, evaluate=evaluator(order=order))
    assert state == expected
    assert other.evaluations == record.evaluations


def test_resumed_from_json_after_every_generation_it_equals_the_uninterrupted_run(make: Make) -> None:
    expected, whole = run(make(), 6)
    record = MemoryRecord()
    state = None
    for generations in range(1, 7):
        strategy = make()
        if record.states:
            state = strategy.state_from_json(json.loads(json.dumps(record.states[-1])))
        run(strategy, generations, record, state=state)
    final = make().state_from_json(json.loads(json.dumps(record.states[-1])))
    assert final == expected
    assert record.evaluations == whole.evaluations


@pytest.mark.parametrize("stop_after", [1, 6, 9, 17])
def test_an_interrupted_generation_is_completed_with_what_is_missing(make: Make, stop_after: int) -> None:
    expected, whole = run(make(), 5)
    count = 0

    def interrupted(candidate: Candidate[Bits], generation: int) -> Evaluation:
        nonlocal count
        count += 1
        if count > stop_after:
            raise KeyboardInterrupt
        return one_max(candidate, generation)

    record = MemoryRecord()
    with pytest.raises(KeyboardInterrupt):
        run(make(), 5, record, evaluate=evaluator(interrupted))
    assert len(record.evaluations) == stop_after
    strategy = make()
    state = strategy.state_from_json(record.states[-1]) if record.states else None
    rest = evaluator()
    final, record = run(strategy, 5, record, state=state, evaluate=rest)
    assert final == expected
    assert record.evaluations == whole.evaluations
    # Only what was missing is evaluated: not a single evaluation is made twice.
    assert all(evaluation.evaluated for _, evaluation in whole.evaluations.values())
    assert len(rest.made) == len(whole.evaluations) - stop_after  # type: ignore[attr-defined]


def test_it_improves_on_one_max(make: Make) -> None:
    gained = 0
    for seed in range(3):
        state, record = run(make(seed=seed, offspring=6), 25)
        first = [sum(c.genotype) for (generation, _), (c, _) in record.evaluations.items() if generation == 0]
        assert state.elite is not None
        gained += sum(state.elite.candidate.genotype) - max(first)
    assert gained > 3


def test_failures_never_become_best_and_the_search_goes_on(make: Make) -> None:
    def score(candidate: Candidate[Bits], generation: int) -> Evaluation:
        fate = stream(5, "fate", generation, candidate.id).integers(4)
        if fate == 0:
            return one_max(candidate, generation)
        return Evaluation(("failed", "timed_out", "infeasible")[fate - 1], reason="bad luck")

    record = MemoryRecord()
    strategy = make(offspring=3)
    state, record = run(strategy, 30, record, evaluate=evaluator(score))
    complete = {c.id for c, e in record.evaluations.values() if e.status == "complete"}
    bests = [summary.front[0].id if summary.front else None for summary in record.generations]
    assert len(set(bests)) > 2
    assert {best for best in bests if best is not None} <= complete
    assert best_of(strategy, state) in complete


def test_while_everything_fails_new_candidates_are_tried(make: Make) -> None:
    def score(candidate: Candidate[Bits], generation: int) -> Evaluation:
        return one_max(candidate, generation) if generation == 3 else Evaluation("failed", reason="no")

    state, record = run(make(), 4, evaluate=evaluator(score))
    assert [not summary.front for summary in record.generations] == [True, True, True, False]
    assert [summary.evaluations for summary in record.generations] == [4, 4, 4, 4]
    assert len({candidate.genotype for candidate, _ in record.evaluations.values()}) == 16
    assert state.elite is not None


def test_no_network_is_evaluated_twice_but_the_best(make: Make) -> None:
    _, record = run(make(offspring=5), 15)
    seen: dict[str, int] = {}
    for (generation, candidate_id), (candidate, evaluation) in record.evaluations.items():
        if not evaluation.evaluated:
            continue
        if candidate.sentence in seen:
            assert seen[candidate.sentence] == candidate_id
            assert record.generations[generation - 1].front[0].id == candidate_id
        seen[candidate.sentence] = candidate_id


def test_ids_count_from_zero_in_the_order_of_proposal(make: Make) -> None:
    state, record = run(make(), 5)
    ids = sorted({candidate.id for candidate, _ in record.evaluations.values()})
    assert ids == list(range(4 * 5)) == list(range(state.next_id))
    for candidate, _ in record.evaluations.values():
        assert all(parent < candidate.id for parent in candidate.parents)


def test_at_least_one_offspring(make: Make) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make(offspring=0)
