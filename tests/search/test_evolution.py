"""The options of the population strategy, each seen in what is proposed and who survives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spenser_gee.errors import InputError
from spenser_gee.evaluation import Evaluation
from spenser_gee.objective import FITNESS, OBJECTIVES, Objective
from spenser_gee.search import Candidate, Frame, MemoryRecord, Proposal, RandomSearch, Stops, run_search
from spenser_gee.search.evolution import Evolution, EvolutionSettings, Nsga2Settings
from spenser_gee.search.proposals import Proposer
from spenser_gee.search.screen import OPTIMISM, TREES, Experience, Hope, Trees
from spenser_gee.testing.toy_space import Bits, evaluator, toy_space

BOTH = (OBJECTIVES["fitness"], OBJECTIVES["parameters"])


def ones(proposal: Proposal[Bits], generation: int) -> Evaluation:
    return Evaluation("complete", {"fitness": float(sum(proposal.candidate.genotype))})


def evolved(
    generations: int, score: Any = ones, offspring: int = 4, **options: Any
) -> tuple[Evolution[Bits], Any, MemoryRecord]:
    settings = EvolutionSettings(**{"screen": 1, "species": False, **options})
    strategy = Evolution(settings, Frame(toy_space(), 3, offspring))
    record = MemoryRecord()
    state = run_search(strategy, evaluator(score), record, stops=Stops(generations))
    return strategy, state, record


def test_the_first_population_is_the_same_as_random_searchs_first_samples() -> None:
    _, _, record = evolved(2, population=6)
    first = [c.genotype for _, (c, _) in sorted(record.evaluations.items())][:4]
    strategy = RandomSearch(Frame(toy_space(), 3, 4))
    proposals, _ = strategy.ask(strategy.init())
    assert first == [proposal.candidate.genotype for proposal in proposals]
    origins = [c.origin == ("sampled",) for _, (c, _) in sorted(record.evaluations.items())]
    assert origins == [True] * 6 + [False] * 2


def test_by_age_the_youngest_stay_and_by_merit_the_best() -> None:
    for survival in ("age", "merit"):
        _, state, record = evolved(8, population=6, survival=survival)
        values = {number: e.objectives["fitness"] for (_, number), (_, e) in record.evaluations.items()}
        kept = [member.candidate.id for member in state.population]
        if survival == "age":
            assert kept == sorted(values)[-6:]
        else:
            assert sorted(values[number] for number in kept) == sorted(values.values())[-6:]
        # Whatever survives, the best of all is known.
        assert values[state.best[0].candidate.id] == max(values.values())


def test_the_best_of_every_species_survives_and_becomes_a_parent() -> None:
    def worse_species(proposal: Proposal[Bits], generation: int) -> Evaluation:
        """The first two bits count against their number, so that networks with both of them are always behind."""
        bits = proposal.candidate.genotype
        return Evaluation("complete", {"fitness": float(sum(bits) - 20 * bits[0] - 20 * bits[1])})

    def species(candidate: Candidate[Bits]) -> Bits:
        return candidate.genotype[:2]

    for kept in (True, False):
        _, state, record = evolved(20, worse_species, population=8, survival="merit", species=kept)
        everyone = {number: c for (_, number), (c, _) in record.evaluations.items()}
        values = {number: e.objectives["fitness"] for (_, number), (_, e) in record.evaluations.items()}
        alive = {species(member.candidate) for member in state.population}
        late = {species(everyone[c.parents[0]]) for c in everyone.values() if c.id >= 60}
        if not kept:
            assert alive == late == {(0, 0)}
            continue
        assert alive == {(0, 0), (0, 1), (1, 0), (1, 1)}
        assert len(late) > 1
        for one in alive:
            best = max(values[number] for number, c in everyone.items() if species(c) == one)
            assert best in [values[m.candidate.id] for m in state.population if species(m.candidate) == one]


def test_the_whole_population_as_tournament_makes_the_best_the_only_parent() -> None:
    _, _, record = evolved(6, population=4, tournament=4, survival="merit")
    for (generation, _), (candidate, _) in record.evaluations.items():
        if generation > 0:
            assert candidate.parents == (record.generations[generation - 1].front[0].id,)


def test_a_tournament_of_one_is_no_selection() -> None:
    _, _, record = evolved(40, population=4, tournament=1, survival="age")
    parents = {c.parents for (g, _), (c, _) in record.evaluations.items() if g > 0}
    assert len(parents) > 60


def test_immigrants_are_sampled_and_crossed_children_have_two_parents() -> None:
    _, _, record = evolved(10, population=4, immigrants=1, crossover=1.0)
    for (generation, _), (candidate, _) in record.evaluations.items():
        if generation > 0:
            last = candidate.id % 4 == 3
            assert (candidate.origin == ("sampled",)) == last
            assert len(candidate.parents) == (0 if last else 2)


def test_all_are_evaluated_on_one_draw_and_inherit_from_their_parent() -> None:
    strategy, state, _ = evolved(4, population=8)
    proposals, _ = strategy.ask(state)
    assert {proposal.draw for proposal in proposals} == {0}
    trained = {member.candidate.id: member.evaluation for member in state.population}
    assert [p.inherits for p in proposals] == [trained[p.candidate.parents[0]] for p in proposals]


def test_where_nothing_is_inherited_only_the_fronts_weights_are_kept() -> None:
    frame = Frame(toy_space(), 3, 4, inherits=False)
    strategy = Evolution(EvolutionSettings(population=8), frame)
    state = run_search(strategy, evaluator(ones), MemoryRecord(), stops=Stops(4))
    (first,) = strategy.progress(state).front
    assert strategy.needed(state) == {(first.id, first.trained)}
    assert {proposal.inherits for proposal in strategy.ask(state)[0]} == {None}


def test_a_duel_for_the_first_place_on_a_fresh_draw() -> None:
    duels = 0
    strategy, state, _ = evolved(2, population=4, duel=True)
    for _ in range(12):
        proposals, asked = strategy.ask(state)
        again = [proposal for proposal in proposals if proposal.again]
        assert len(proposals) == 4
        if again:
            duels += 1
            assert [proposal.draw for proposal in again] == [state.generation] * 2
        before = {member.candidate.id: len(member.values) for member in state.best}
        first = state.best[0].candidate.id
        evaluated = [(p.candidate, ones(p, state.generation)) for p in proposals]
        state = strategy.tell(asked, evaluated)
        after = {member.candidate.id: len(member.values) for member in state.best}
        for proposal in again:
            number = proposal.candidate.id
            assert number not in after or after[number] == before[number] + 1
        assert (len(state.challenge) == 2) == (state.best[0].candidate.id != first)
    assert duels > 1


def test_who_loses_the_duel_by_the_means_loses_the_place() -> None:
    strategy = Evolution(EvolutionSettings(population=2, duel=True), Frame(toy_space(), 3, 2))

    def told(state: Any, proposals: Sequence[Proposal[Bits]], *values: float) -> Any:
        results = [Evaluation("complete", {"fitness": value}) for value in values]
        return strategy.tell(state, [(p.candidate, e) for p, e in zip(proposals, results, strict=True)])

    proposals, state = strategy.ask(strategy.init())
    state = told(state, proposals, 5.0, 4.0)
    proposals, state = strategy.ask(state)
    state = told(state, proposals, 6.0, 1.0)
    assert (state.best[0].candidate.id, state.challenge) == (2, (0, 2))
    proposals, state = strategy.ask(state)
    assert sorted(proposal.candidate.id for proposal in proposals) == [0, 2]
    by_id = {0: 5.0, 2: 2.0}
    state = told(state, proposals, *(by_id[proposal.candidate.id] for proposal in proposals))
    assert state.best[0].candidate.id == 0
    assert state.best[0].mean("fitness") == 5.0
    assert [m.mean("fitness") for m in state.best if m.candidate.id == 2] == [4.0]


def test_a_screened_child_is_the_most_promising_of_its_mutants(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many mutants there are is log-uniform."""
    pools: list[tuple[int, list[float]]] = []
    plain = Proposer.pool

    def worth(values: Iterable[float]) -> float:
        """A number of each bit string, without rhyme."""
        return math.fsum(value * math.sin(place**2 + 1) for place, value in enumerate(values))

    def watched(self: Proposer[Bits], draw: Any, count: int) -> Any:
        found = plain(self, draw, count)
        pools.append((count, [worth(drawn.genotype) for drawn, _ in found]))
        return found

    def hopes(self: Trees, features: Sequence[Mapping[str, float]]) -> list[Hope]:
        return [Hope({"fitness": worth(each.values())}) for each in features]

    monkeypatch.setattr(Proposer, "pool", watched)
    monkeypatch.setattr(Trees, "hopes", hopes)
    _, _, record = evolved(
        41, lambda *_: Evaluation("complete", {"fitness": 0.0}), 10, screen=20, survival="age"
    )
    children = [c for (_, number), (c, _) in sorted(record.evaluations.items()) if number >= 10]
    worths = {worth(child.genotype) for child in children}
    assert len(children) == 400
    assert sum(len(pool) == count for count, pool in pools) > 0.9 * len(pools)
    assert all(max(pool) in worths for _, pool in pools if pool)
    counts = np.array([count for count, _ in pools] + [1] * (len(children) - len(pools)))
    assert (counts.min(), counts.max()) == (1, 20)
    assert np.mean(counts <= math.sqrt(20)) == pytest.approx(0.5, abs=0.06)


def test_trees_are_equal_for_equal_seeds_and_take_features_that_were_not_there_before() -> None:
    experience = Experience()
    for number in range(20):
        more = {"late": 1.0} if number > 10 else {}
        experience = experience.with_network({"n": float(number), **more}, (float(number), -float(number)))
    assert experience.names == ("n", "late")
    assert {len(row) for row in experience.rows} == {1, 2}
    back = Experience.from_json(experience.to_json(), 2)
    assert back == experience
    asked = [{"n": 2.0}, {"n": 17.0, "late": 1.0, "unknown": 5.0}]
    objectives = (FITNESS, Objective("loss", "minimise"))
    first, second = Trees(experience, objectives, 1).hopes(asked), Trees(back, objectives, 1).hopes(asked)
    assert first == second
    # What was evaluated is known exactly.
    assert first[0].values == pytest.approx({"fitness": 2.0, "loss": -2.0})
    assert first[1].values == pytest.approx({"fitness": 17.0, "loss": -17.0})


def test_trees_hope_for_the_best_where_they_disagree() -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    objectives = (FITNESS, Objective("loss", "minimise"), Objective("parameters", "minimise", log=True))
    known = [(float(n), (0.1 * n, 1.0 / n, 10.0**n)) for n in range(1, 13) if n != 6]
    experience = Experience()
    for n, targets in known:
        experience = experience.with_network({"n": n}, targets)
    (hope,) = Trees(experience, objectives, 3).hopes([{"n": 6.0}])
    rows, targets = [[n] for n, _ in known], [[a, b, math.log(c)] for _, (a, b, c) in known]
    forest = ExtraTreesRegressor(TREES, random_state=3).fit(np.float32(rows), targets)
    guesses = np.stack([tree.predict(np.float32([[6.0]]))[0] for tree in forest.estimators_])
    mean, spread = guesses.mean(0), OPTIMISM * guesses.std(0)
    assert hope.mean("fitness") == pytest.approx(mean[0] + spread[0])
    assert hope.mean("loss") == pytest.approx(mean[1] - spread[1])
    assert hope.mean("parameters") == pytest.approx(math.exp(mean[2] - spread[2]))
    assert 0.5 < hope.mean("fitness") < 0.7


def test_options_that_the_space_cannot_serve_are_refused() -> None:
    space = replace(toy_space(), cross=None, features=None)
    with pytest.raises(ValueError, match="no crossover"):
        Evolution(EvolutionSettings(crossover=0.1, screen=1), Frame(space, 1, 2))
    with pytest.raises(ValueError, match="features"):
        Evolution(EvolutionSettings(screen=4), Frame(space, 1, 2))
    with pytest.raises(InputError, match="a duel takes two places of a generation, found offspring: 1"):
        Evolution(EvolutionSettings(duel=True), Frame(toy_space(), 1, 1))


def test_several_objectives_keep_a_front_and_nsga2_spreads_over_it() -> None:
    def two(proposal: Proposal[Bits], generation: int) -> Evaluation:
        bits = proposal.candidate.genotype
        return Evaluation(
            "complete", {"fitness": float(sum(bits[:12])), "parameters": float(sum(bits) + bits[0])}
        )

    strategy = Evolution(Nsga2Settings(population=12), Frame(toy_space(), 3, 6, objectives=BOTH))
    record = MemoryRecord()
    state = run_search(strategy, evaluator(two), record, stops=Stops(40))
    front = strategy.progress(state).front
    points = {(s.means["fitness"], s.means["parameters"]) for s in front}
    every = {(e.objectives["fitness"], e.objectives["parameters"]) for _, e in record.evaluations.values()}
    undominated = {
        (f, p) for f, p in every if not any((g >= f and q <= p and (g, q) != (f, p)) for g, q in every)
    }
    assert points == undominated
    assert len(points) >= 4
    assert {(s.id, s.trained) for s in front} <= set(strategy.needed(state))


def test_members_that_an_edited_grammar_does_not_know_are_lost_but_not_the_best() -> None:
    strategy, state, _ = evolved(5, population=6)
    best = state.best[0].candidate.id

    def change(candidate: Any) -> Any:
        if candidate.id % 2 != best % 2:
            raise InputError()
        return candidate

    changed = strategy.reencode(state, change)
    kept = [m.candidate.id for m in state.population if m.candidate.id % 2 == best % 2]
    assert [member.candidate.id for member in changed.population] == kept

    def refuse(candidate: Any) -> Any:
        raise InputError()

    with pytest.raises(InputError):
        strategy.reencode(state, refuse)
