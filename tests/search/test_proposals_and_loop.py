"""Redraws, duplicates, stops and what the loop records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.rng import stream
from spenser_gee.search import (
    Candidate,
    Frame,
    MemoryRecord,
    OnePlusLambda,
    Proposer,
    RandomSearch,
    Stops,
    run_search,
)
from spenser_gee.search.strategy import Proposal, taken_over, unbuildable
from spenser_gee.testing.toy_space import Bits, evaluator, one_max, toy_space


def odd(bits: Bits) -> str | None:
    return "odd number of ones" if sum(bits) % 2 else None


def rng(index: int = 0):  # type: ignore[no-untyped-def]
    return stream(0, "test", index)


def test_infeasible_draws_are_redrawn_and_counted() -> None:
    proposer = Proposer(toy_space(10, odd), {}, 0)
    proposals = [proposer.fresh(rng(i)) for i in range(40)]
    assert all(odd(p.candidate.genotype) is None and not p.infeasible for p in proposals)
    assert 10 < proposer.counts["redrawn_infeasible"] < 100  # about as many as good ones


def test_networks_proposed_before_are_redrawn_and_counted() -> None:
    proposer = Proposer(toy_space(5), {}, 0, tries=1000)
    proposals = [proposer.fresh(rng(i)) for i in range(32)]
    assert len({p.candidate.genotype for p in proposals}) == 32
    assert all(p.same_as is None for p in proposals)
    assert proposer.counts["redrawn_duplicate"] > 32


def test_after_the_last_try_an_infeasible_draw_is_proposed_as_such() -> None:
    proposer = Proposer(toy_space(5, lambda bits: "too small"), {}, 7, tries=6)
    proposal = proposer.fresh(rng())
    assert (proposal.infeasible, proposal.candidate.id) == ("too small", 7)
    assert proposer.counts == {"redrawn_infeasible": 5, "redrawn_duplicate": 0}
    assert proposer.seen == {}


def test_after_the_last_try_a_duplicate_names_the_earlier_candidate() -> None:
    proposer = Proposer(toy_space(1), {}, 0, tries=30)
    by_bit = {}
    for i in range(2):
        p = proposer.fresh(rng(i))
        by_bit[p.candidate.genotype] = p.candidate.id
    assert len(by_bit) == 2
    proposal = proposer.fresh(rng(2))
    assert proposal.same_as == by_bit[proposal.candidate.genotype]
    assert proposal.candidate.id == 2


def test_candidates_without_an_evaluation_are_recorded_with_the_reason() -> None:
    # 4 networks only, 2 of them infeasible: the search runs out of new ones at once.
    record = MemoryRecord()
    evaluate = evaluator()
    strategy = RandomSearch(Frame(toy_space(2, odd), seed=1, offspring=6, tries=5))
    run_search(strategy, evaluate, record, stops=Stops(3))
    assert len(evaluate.made) == 2  # type: ignore[attr-defined]
    assert [summary.evaluations for summary in record.generations] == [2]
    seen: dict[Bits, int] = {}
    for (_, candidate_id), (candidate, evaluation) in sorted(record.evaluations.items()):
        if odd(candidate.genotype):
            assert (evaluation.status, evaluation.reason) == ("infeasible", "odd number of ones")
        elif seen.setdefault(candidate.genotype, candidate_id) != candidate_id:
            assert evaluation.reason == f"same network as candidate {seen[candidate.genotype]}"
            assert evaluation.status == "complete"
            assert not evaluation.evaluated
    counts = [summary.counts for summary in record.generations]
    assert counts[0]["complete"] - counts[0]["duplicate"] == 2
    assert all(c["complete"] + c["infeasible"] == 6 + (i > 0) for i, c in enumerate(counts))
    assert sum(c["redrawn_duplicate"] for c in counts) > 0


def test_an_evaluation_taken_over_keeps_status_and_objectives_but_no_cost() -> None:
    earlier = Evaluation(
        "complete", {"fitness": 1.0}, {"seconds": 9.0, "parameters": 4.0}, inner=({"f": 1.0},)
    )
    copy = taken_over(earlier, 3)
    assert (copy.objectives["fitness"], dict(copy.cost)) == (1.0, {"parameters": 4.0})
    assert (copy.same_as, copy.evaluated, copy.inner) == (3, False, ())
    failed = taken_over(Evaluation("failed", reason="crash"), 3)
    assert (failed.status, failed.reason) == ("failed", "same network as candidate 3 (failed: crash)")
    assert earlier.evaluated
    assert not unbuildable("too small").evaluated


@pytest.mark.parametrize(
    ("stops", "generations"),
    [(Stops(4), 4), (Stops(0), 0), (Stops(evaluations=4), 1), (Stops(evaluations=5), 2), (Stops(9, 14), 3)],
)
def test_stops(stops: Stops, generations: int) -> None:
    record = MemoryRecord()
    run_search(OnePlusLambda(Frame(toy_space(), 1, 4)), evaluator(), record, stops=stops)
    assert len(record.generations) == generations


def test_the_wall_clock_counts_over_the_sessions_of_a_run() -> None:
    class Spent(MemoryRecord):
        def seconds_spent(self) -> float:
            return 100.0

    record = Spent()
    strategy = OnePlusLambda(Frame(toy_space(), 1, 4))
    state = run_search(strategy, evaluator(), record, stops=Stops(3, wall_clock_s=100.0))
    assert (state.generation, record.generations) == (0, [])
    state = run_search(strategy, evaluator(), record, stops=Stops(3, wall_clock_s=160.0))
    assert state.generation == 3


def test_more_generations_can_be_asked_for_later() -> None:
    strategy = OnePlusLambda(Frame(toy_space(), 1, 4))
    record, whole = MemoryRecord(), MemoryRecord()
    state = run_search(strategy, evaluator(), record, stops=Stops(3))
    state = run_search(strategy, evaluator(), record, stops=Stops(7), state=state)
    assert state == run_search(strategy, evaluator(), whole, stops=Stops(7))


def test_a_record_of_another_search_is_refused() -> None:
    record = MemoryRecord()
    record.evaluation(Candidate(0, (1,), (), (), "1 0 1", ""), 0, Evaluation("failed", reason="x"))
    with pytest.raises(InputError, match="candidate 0 in the record is not the one"):
        run_search(OnePlusLambda(Frame(toy_space(), 1, 4)), evaluator(), record, stops=Stops(1))


def test_an_evaluator_that_forgets_a_candidate_is_a_bug() -> None:
    def forgetful(proposals: Sequence[Proposal[Bits]], generation: int) -> Iterator[tuple[int, Evaluation]]:
        for proposal in proposals[1:]:
            yield proposal.candidate.id, one_max(proposal, generation)

    with pytest.raises(RuntimeError, match=r"no evaluation came for candidates \[0\]"):
        run_search(OnePlusLambda(Frame(toy_space(), 1, 4)), forgetful, MemoryRecord(), stops=Stops(1))
