"""A space that holds no more networks, objectives that are minimised, and edited grammars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import FITNESS, OBJECTIVES
from spenser_gee.search import (
    STRATEGIES,
    Candidate,
    Frame,
    MemoryRecord,
    OnePlusLambda,
    Proposal,
    RandomSearch,
    Stops,
    make_strategy,
    run_search,
)
from spenser_gee.testing.toy_space import Bits, best_of, evaluator, toy_space

LOSS = OBJECTIVES["loss"]


@pytest.mark.parametrize("make", [OnePlusLambda, RandomSearch])
@pytest.mark.parametrize(("length", "networks"), [(0, 1), (1, 2), (2, 4)])
def test_an_exhausted_space_ends_the_search_and_says_so(make: Any, length: int, networks: int) -> None:
    record, evaluate, said = MemoryRecord(), evaluator(), []
    space = toy_space(length) if length else _single()
    strategy = make(Frame(space, 1, 3))
    state = run_search(strategy, evaluate, record, stops=Stops(12), exhausted=said.append)
    assert said == [len(record.generations)]
    new = [e for _, e in record.evaluations.values() if e.evaluated]
    # Every network once, and the best again in each further generation: none is trained for nothing.
    assert len(new) == networks + len(record.generations) - 1
    assert best_of(strategy, state) is not None
    # Asked to go on, it says so again and evaluates nothing.
    before = len(evaluate.made)  # type: ignore[attr-defined]
    assert (
        run_search(strategy, evaluate, record, stops=Stops(20), state=state, exhausted=said.append) == state
    )
    assert (len(evaluate.made), len(said)) == (before, 2)  # type: ignore[attr-defined]


def _single() -> Any:
    space = toy_space(1)
    return replace(space, sample=lambda rng: (1,), mutate=lambda bits, rng: ((1,), ("nothing",)))


def test_a_space_without_a_feasible_network_is_not_taken_for_an_exhausted_one() -> None:
    record, said = MemoryRecord(), []
    strategy = RandomSearch(Frame(toy_space(3, lambda bits: "too small"), 1, 2, tries=3))
    run_search(strategy, evaluator(), record, stops=Stops(4), exhausted=said.append)
    assert (said, len(record.generations)) == ([], 4)


def zeros(proposal: Proposal[Bits], generation: int) -> Evaluation:
    return Evaluation("complete", {"loss": float(sum(proposal.candidate.genotype))})


@pytest.mark.parametrize("make", [OnePlusLambda, RandomSearch])
def test_an_objective_that_is_minimised(make: Any) -> None:
    record = MemoryRecord()
    strategy = make(Frame(toy_space(), 2, 6, objectives=(LOSS,)))
    state = run_search(strategy, evaluator(zeros), record, stops=Stops(25))
    losses = [summary.front[0].latest["loss"] for summary in record.generations]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    assert losses[-1] == min(e.objectives["loss"] for _, e in record.evaluations.values() if e.evaluated)
    assert strategy.progress(state).front[0].means == {"loss": losses[-1]}


def test_an_evaluation_without_the_declared_objective_fails_and_says_what_it_has() -> None:
    record = MemoryRecord()
    run_search(OnePlusLambda(Frame(toy_space(), 2, 2)), evaluator(zeros), record, stops=Stops(1))
    for _, evaluation in record.evaluations.values():
        assert (evaluation.status, evaluation.reason) == (
            "failed",
            "the evaluation has no fitness, found loss",
        )


def test_what_is_inherited_and_whose_weights_are_kept() -> None:
    for make, inherits in ((OnePlusLambda, True), (RandomSearch, False)):
        strategy = make(Frame(toy_space(), 1, 3))
        state = run_search(strategy, evaluator(), MemoryRecord(), stops=Stops(4))
        (elite,) = strategy.progress(state).front
        assert list(strategy.needed(state)) == [(elite.id, elite.trained)]
        proposals, _ = strategy.ask(state)
        expected = (elite.id, elite.trained) if inherits else None
        assert [proposal.inherits for proposal in proposals] == [expected] * 4


def test_the_candidates_of_a_state_are_reencoded() -> None:
    space = toy_space()
    strategy = OnePlusLambda(Frame(space, 1, 3))
    assert strategy.reencode(strategy.init(), _refuse) == strategy.init()
    state = run_search(strategy, evaluator(), MemoryRecord(), stops=Stops(2))
    changed = strategy.reencode(state, lambda candidate: space.candidate_of(candidate, (1,) * 24))
    assert changed.elite is not None
    assert state.elite is not None
    assert changed.elite.candidate.genotype == (1,) * 24
    assert changed.elite.candidate.sentence == " ".join("1" * 24)
    assert changed.elite.candidate.id == state.elite.candidate.id
    with pytest.raises(LookupError):
        strategy.reencode(state, _refuse)


def _refuse(candidate: Candidate[Bits]) -> Candidate[Bits]:
    raise LookupError


@pytest.mark.parametrize("name", list(STRATEGIES))
def test_strategies_that_strive_for_one_objective_refuse_two(name: str) -> None:
    entry = STRATEGIES[name]
    if entry.several:
        pytest.skip("it strives for several")
    frame = Frame(toy_space(), 1, 2, None, 5, (LOSS, FITNESS))
    with pytest.raises(InputError, match="strives for one objective, found 2: loss, fitness"):
        make_strategy(entry.settings(kind=name), frame)
