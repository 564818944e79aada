"""The finalists of every kind of strategy: who they are, what decides, and going on afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest

from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import OBJECTIVES, Objective
from spenser_gee.rng import stream
from spenser_gee.search import STRATEGIES, Frame, MemoryRecord, Proposal, Stops, make_strategy, run_search
from spenser_gee.search.finals import WithFinals
from spenser_gee.testing.toy_space import Bits, evaluator, toy_space

FITNESS, PARAMETERS = OBJECTIVES["fitness"], OBJECTIVES["parameters"]


def score(proposal: Proposal[Bits], generation: int) -> Evaluation:
    """Ones, with noise that four times the effort takes away."""
    bits = proposal.candidate.genotype
    noise = float(stream(2, "noise", proposal.draw, *bits).normal()) * (0 if proposal.effort > 1 else 3)
    return Evaluation("complete", {"fitness": sum(bits) + noise, "parameters": float(sum(bits[:12]))})


def make(kind: str, *objectives: Objective, finalists: int = 3) -> Any:
    frame = Frame(toy_space(), 5, 4, objectives=objectives or (FITNESS,), finalists=finalists)
    return make_strategy(STRATEGIES[kind].settings(), frame)


def search(strategy: Any, generations: int, record: MemoryRecord, **keys: Any) -> Any:
    keys.setdefault("evaluate_generation", evaluator(score))
    return run_search(strategy, record=record, stops=Stops(generations), **keys)


@pytest.mark.parametrize("kind", STRATEGIES)
def test_the_best_are_trained_longer_on_a_fresh_draw_and_that_decides(kind: str) -> None:
    record, made = MemoryRecord(), list[Proposal[Bits]]()

    def noting(proposal: Proposal[Bits], generation: int) -> Evaluation:
        made.append(proposal)
        return score(proposal, generation)

    state = search(make(kind), 8, record, evaluate_generation=evaluator(noting))
    finals = [proposal for proposal in made if proposal.effort > 1]
    assert [proposal.effort for proposal in finals] == [4.0] * 3
    assert not {proposal.draw for proposal in finals} & {p.draw for p in made if p.effort == 1}
    # The leaders by what the search knew: means over the evaluations of each.
    values: dict[int, list[float]] = {}
    for (generation, number), (_, evaluation) in record.evaluations.items():
        if generation < 8:
            values.setdefault(number, []).append(evaluation.objectives["fitness"])
    means = {number: sum(found) / len(found) for number, found in values.items()}
    leaders = {proposal.candidate.id for proposal in finals}
    if kind in ("evolution", "nsga2"):
        assert leaders == set(sorted(means, key=lambda number: -means[number])[:3])
    assert record.generations[7].front[0].id in leaders
    best = max(finals, key=lambda proposal: sum(proposal.candidate.genotype))
    (chosen,) = make(kind).progress(state).front
    assert chosen.means["fitness"] == sum(best.candidate.genotype)
    assert (chosen.trained, chosen.draw) == (8, finals[0].draw)
    assert (chosen.id, chosen.trained) in make(kind).needed(state)
    assert [summary.counts["finals"] for summary in record.generations] == [0] * 8 + [3]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_interrupted_in_the_finals_and_resumed_it_is_the_same(kind: str) -> None:
    whole = MemoryRecord()
    expected = search(make(kind), 4, whole)
    left = len(whole.evaluations) - 2

    def interrupted(proposal: Proposal[Bits], generation: int) -> Evaluation:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return score(proposal, generation)

    record = MemoryRecord()
    with pytest.raises(KeyboardInterrupt):
        search(make(kind), 4, record, evaluate_generation=evaluator(interrupted))
    state = make(kind).state_from_json(json.loads(json.dumps(record.states[-1])))
    assert search(make(kind), 4, record, state=state) == expected
    assert record.evaluations == whole.evaluations
    # Nothing is left to do.
    before = len(record.evaluations)
    again = make(kind).state_from_json(json.loads(json.dumps(record.states[-1])))
    assert search(make(kind), 4, record, state=again) == expected
    assert len(record.evaluations) == before


@pytest.mark.parametrize("kind", STRATEGIES)
def test_more_generations_after_the_finals_and_finals_again(kind: str) -> None:
    record = MemoryRecord()
    state = search(make(kind), 3, record)
    state = search(make(kind), 6, record, state=state)
    assert [summary.counts["finals"] for summary in record.generations] == [0, 0, 0, 3, 0, 0, 0, 3]
    assert make(kind).progress(state).generation == 8
    assert len(record.evaluations) == len({*record.evaluations})


def test_of_several_objectives_the_finalists_give_the_front() -> None:
    record = MemoryRecord()
    strategy = make("nsga2", FITNESS, PARAMETERS, finalists=5)
    state = search(strategy, 10, record)
    finals = {number: e for (g, number), (_, e) in record.evaluations.items() if g == 10}
    front = strategy.progress(state).front
    assert {standing.id for standing in front} <= set(finals)
    points = [(e.objectives["fitness"], -e.objectives["parameters"]) for e in finals.values()]
    for standing in front:
        mine = (standing.means["fitness"], -standing.means["parameters"])
        assert not any(o != mine and all(a >= b for a, b in zip(o, mine, strict=True)) for o in points)


def test_without_two_to_choose_from_there_are_no_finals() -> None:
    assert not isinstance(make("random", finalists=1), WithFinals)
    record = MemoryRecord()
    frame = Frame(toy_space(), 5, 1, finalists=3)
    strategy = make_strategy(STRATEGIES["random"].settings(), frame)
    search(strategy, 1, record)
    assert [summary.counts["finals"] for summary in record.generations] == [0]


def test_where_all_finalists_fail_the_search_decides() -> None:
    def failing(proposal: Proposal[Bits], generation: int) -> Evaluation:
        if proposal.effort > 1:
            return Evaluation("timed_out", reason="too long")
        return score(proposal, generation)

    record = MemoryRecord()
    strategy = make("evolution")
    state = search(strategy, 3, record, evaluate_generation=evaluator(failing))
    assert strategy.progress(state).front == record.generations[2].front
    assert strategy.closing(state) is None
