"""Dominance, fronts and the best of a front against definitions written out."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spenser_gee.objective import OBJECTIVES
from spenser_gee.search.ranking import best_first, by_species, chosen_first, fronts

BOTH = (OBJECTIVES["fitness"], OBJECTIVES["parameters"])
THREE = (*BOTH, OBJECTIVES["loss"])


@dataclass(frozen=True)
class Point:
    fitness: float
    parameters: float
    loss: float = 0.0
    error: float = 0.0

    def mean(self, name: str) -> float:
        return float(getattr(self, name))

    def standard_error(self, name: str) -> float | None:
        return self.error if name in ("fitness", "loss") else None


def dominates(one: Point, other: Point, noisy: float = 0.0) -> bool:
    """Fitness up, parameters and loss down; differences up to the larger error are ties."""
    tie = max(one.error, other.error)
    gains = [
        (one.fitness - other.fitness, tie),
        (other.parameters - one.parameters, 0.0),
        (other.loss - one.loss, tie),
    ]
    clear = [gain if abs(gain) > error else 0.0 for gain, error in gains]
    return all(gain >= 0 for gain in clear) and any(gain > 0 for gain in clear)


grid = st.integers(0, 6).map(float)
points = st.lists(st.builds(Point, grid, grid, grid, st.sampled_from([0.0, 1.0])), min_size=1, max_size=12)


@given(points)
def test_no_member_of_a_front_is_dominated_within_what_is_left(scored: list[Point]) -> None:
    sorted_out = fronts(scored, THREE)
    assert sorted(itertools.chain(*sorted_out)) == list(range(len(scored)))
    left = set(range(len(scored)))
    for front in sorted_out:
        undominated = {at for at in left if not any(dominates(scored[other], scored[at]) for other in left)}
        # deap takes equal values for one individual, whichever its error: those may differ.
        distinct = len({(p.fitness, p.parameters, p.loss) for p in scored}) == len(scored)
        if distinct:
            assert set(front) == (undominated or left)
        left -= set(front)


def test_a_difference_within_a_standard_error_is_a_tie() -> None:
    small, large = Point(0.90, 100, error=0.02), Point(0.915, 200, error=0.02)
    assert fronts([small, large], BOTH) == [[0], [1]]
    clearly = Point(0.925, 200, error=0.02)
    assert [sorted(front) for front in fronts([small, clearly], BOTH)] == [[0, 1]]


def test_a_circle_of_ties_is_one_front() -> None:
    circle = [
        Point(1.1, 0, 0, 1.0),
        Point(0, 0, 0.9, 1.0),
        Point(0, 0, 2.0, 1.0),
    ]
    assert sorted(itertools.chain(*fronts(circle, THREE))) == [0, 1, 2]


def test_within_a_front_the_extremes_and_the_lonely_come_first() -> None:
    # Sizes count by their ratios.
    line = [Point(f, math.exp(10 * f)) for f in (0.1, 0.2, 0.21, 0.22, 0.9)]
    (front,) = fronts(line, BOTH)
    assert set(front[:2]) == {0, 4}
    # (.21, 21) has neighbours at .2 and .22; (.2, 20) and (.22, 22) have one far neighbour each.
    assert front[-1] == 2


def test_with_one_objective_the_best_first_and_the_earlier_of_equals() -> None:
    some = [Point(0.5, 3), Point(0.7, 1), Point(0.7, 2), Point(0.1, 9)]
    assert best_first(some, BOTH[:1]) == [1, 2, 0, 3]
    assert best_first(some, BOTH[1:]) == [1, 2, 0, 3]
    assert chosen_first(some, BOTH[:1]) == [some[1]]
    assert chosen_first([], BOTH) == []


@pytest.mark.parametrize(("error", "chosen"), [(0.0, 2), (0.015, 1), (0.5, 1)])
def test_the_best_of_a_front_is_the_smallest_within_one_standard_error(error: float, chosen: int) -> None:
    front = [Point(0.80, 10, error=0.0), Point(0.90, 20, error=0.0), Point(0.91, 30, error=error)]
    expected = front[chosen]
    found = chosen_first(front, BOTH)
    assert found[0] == expected
    # Where a difference is a tie, the larger network is dominated, and cannot be chosen.
    assert len(found) == {0.0: 3, 0.015: 2, 0.5: 2}[error]


@given(st.lists(st.sampled_from("abc")), st.randoms())
def test_first_the_best_of_every_species_then_the_second_ones(species: list[str], random: Random) -> None:
    order = random.sample(range(len(species)), len(species))
    found = by_species(order, species)
    rounds = [[at for at in order if species[at] == one] for one in "abc"]
    expected = [
        at
        for members in itertools.zip_longest(*rounds)
        for at in sorted((at for at in members if at is not None), key=order.index)
    ]
    assert found == expected
