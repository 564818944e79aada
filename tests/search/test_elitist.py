"""Selection under noise, and the proposals of each strategy."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spenser_gee.evaluation import Evaluation
from spenser_gee.search import Candidate, Frame, MemoryRecord, OnePlusLambda, RandomSearch, Stops, run_search
from spenser_gee.search.elitist import select
from spenser_gee.search.members import Member
from spenser_gee.search.strategy import taken_over
from spenser_gee.testing.toy_space import Bits, best_of, evaluator, one_max, toy_space


def candidate(number: int) -> Candidate[Bits]:
    return Candidate(number, (number,), (), (), str(number), str(number))


def complete(fitness: float) -> Evaluation:
    return Evaluation("complete", {"fitness": fitness})


FAILED = Evaluation("failed", reason="crash")
NOW = 4


def member(number: int, scores: tuple[float, ...], trained: int) -> Member[Bits]:
    return Member(candidate(number), tuple({"fitness": score} for score in scores), {}, trained, trained)


PARENT = member(0, (5.0, 7.0), 3)


def test_a_better_newcomer_replaces_the_parent() -> None:
    evaluated = [(candidate(0), complete(5.0)), (candidate(1), complete(6.0)), (candidate(2), complete(8.0))]
    assert select(PARENT, evaluated, NOW) == member(2, (8.0,), NOW)


def test_an_equal_newcomer_replaces_the_parent_and_the_first_of_equals_wins() -> None:
    evaluated = [(candidate(2), complete(5.0)), (candidate(0), complete(5.0)), (candidate(1), complete(5.0))]
    assert select(PARENT, evaluated, NOW) == member(1, (5.0,), NOW)


def test_the_parent_stays_by_its_fitness_on_this_draw_however_lucky_it_was() -> None:
    lucky = member(0, (99.0,), 3)
    stays = [(candidate(0), complete(5.0)), (candidate(1), complete(4.9))]
    goes = [(candidate(0), complete(5.0)), (candidate(1), complete(5.1))]
    assert select(lucky, stays, NOW) == member(0, (99.0, 5.0), NOW)
    assert select(lucky, goes, NOW) == member(1, (5.1,), NOW)


def test_a_parent_whose_evaluation_fails_is_compared_by_its_mean() -> None:
    assert select(PARENT, [(candidate(0), FAILED), (candidate(1), complete(5.9))], NOW) == PARENT
    assert select(PARENT, [(candidate(0), FAILED), (candidate(1), FAILED)], NOW) == PARENT
    replaced = select(PARENT, [(candidate(0), FAILED), (candidate(1), complete(6.0))], NOW)
    assert replaced == member(1, (6.0,), NOW)


def test_an_evaluation_taken_over_from_another_draw_does_not_compete() -> None:
    evaluated = [(candidate(0), complete(5.0)), (candidate(9), taken_over(complete(50.0), 3))]
    assert select(PARENT, evaluated, NOW) == member(0, (5.0, 7.0, 5.0), NOW)


def test_without_parent_and_complete_evaluations_there_is_no_elite() -> None:
    assert select(None, [(candidate(1), FAILED)], NOW) is None


@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=8), st.one_of(st.none(), st.integers(0, 5)))
def test_selection_against_a_plain_maximum(newcomers: list[int | None], parent: int | None) -> None:
    evaluated = [
        (candidate(i + 1), FAILED if f is None else complete(float(f))) for i, f in enumerate(newcomers)
    ]
    evaluated.append((candidate(0), FAILED if parent is None else complete(float(parent))))
    chosen = select(PARENT, evaluated, NOW)
    bar = 6.0 if parent is None else float(parent)
    good = [f for f in newcomers if f is not None and f >= bar]
    assert chosen is not None
    assert chosen.candidate.id == (newcomers.index(max(good)) + 1 if good else 0)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=10))
def test_mean_and_standard_error_against_the_standard_library(scores: list[float]) -> None:
    elite = member(0, tuple(scores), 0)
    assert elite.mean("fitness") == pytest.approx(statistics.mean(scores), abs=1e-9)
    expected = statistics.stdev(scores) / len(scores) ** 0.5
    assert elite.standard_error("fitness") == pytest.approx(expected, abs=1e-9)


def test_the_standard_error_of_one_evaluation_is_what_it_measured() -> None:
    assert member(0, (1.0,), NOW).standard_error("fitness") is None
    measured = Evaluation("complete", {"fitness": 1.0}, errors={"fitness": 0.25})
    assert Member.of(candidate(0), measured, NOW, NOW).standard_error("fitness") == 0.25


def test_one_plus_lambda_makes_mutants_of_the_parent() -> None:
    strategy = OnePlusLambda(Frame(toy_space(), seed=1, offspring=4))
    record = MemoryRecord()
    run_search(strategy, evaluator(), record, stops=Stops(8))
    genotypes = {c.id: c.genotype for c, _ in record.evaluations.values()}
    for (generation, _), (c, _) in record.evaluations.items():
        if generation == 0:
            assert (c.parents, c.origin) == ((), ("sampled",))
        elif c.id >= 4 * generation:  # born in this generation
            parent = record.generations[generation - 1].front[0].id
            assert c.parents == (parent,)
            differences = sum(a != b for a, b in zip(c.genotype, genotypes[parent], strict=True))
            assert differences == 1
            assert c.origin[0].startswith("flip ")


def test_a_start_genotype_is_the_first_candidate_and_the_others_are_its_mutants() -> None:
    start = (1,) * 23 + (0,)
    strategy = OnePlusLambda(Frame(toy_space(), 1, 4, start=start))
    proposals, _ = strategy.ask(strategy.init())
    first, *others = [proposal.candidate for proposal in proposals]
    assert (first.id, first.genotype, first.origin) == (0, start, ("start",))
    assert len(others) == 3
    assert all(other.parents == (0,) for other in others)
    assert all(sum(a != b for a, b in zip(o.genotype, start, strict=True)) == 1 for o in others)


def test_random_search_inherits_nothing_and_evaluates_as_often() -> None:
    records = []
    for make in (OnePlusLambda, RandomSearch):
        record = MemoryRecord()
        run_search(make(Frame(toy_space(), 1, 4)), evaluator(), record, stops=Stops(8))
        records.append(record)
    assert all(c.parents == () for c, _ in records[1].evaluations.values())
    assert [s.evaluations for s in records[0].generations] == [s.evaluations for s in records[1].generations]
    assert records[0].recorded(0) == records[1].recorded(0)


def test_the_parent_is_evaluated_again_in_every_generation_on_its_draw() -> None:
    strategy = OnePlusLambda(Frame(toy_space(), 2, 3))
    record = MemoryRecord()
    state = run_search(strategy, evaluator(), record, stops=Stops(10))
    best = best_of(strategy, state)
    scores = [e.objectives["fitness"] for (_, i), (_, e) in sorted(record.evaluations.items()) if i == best]
    assert state.elite is not None
    assert [values["fitness"] for values in state.elite.values] == scores
    for before, after in zip(record.generations, record.generations[1:], strict=False):
        assert (after.generation, before.front[0].id) in record.evaluations
        chosen = record.evaluations[after.generation, after.front[0].id][1]
        assert after.front[0].latest == chosen.objectives


def test_common_noise_of_a_generation_never_costs_progress() -> None:
    strategy = OnePlusLambda(Frame(toy_space(), 2, 3))
    record = MemoryRecord()
    run_search(strategy, evaluator(one_max), record, stops=Stops(15))
    genotypes = {c.id: c.genotype for c, _ in record.evaluations.values()}
    ones = [sum(genotypes[s.front[0].id]) for s in record.generations]
    assert ones == sorted(ones)
