from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spenser_gee.grammar.domains import FloatDomain, IntDomain

ints = st.tuples(st.integers(-1000, 1000), st.integers(0, 500)).map(lambda t: (t[0], t[0] + t[1]))
floats = st.floats(-1e6, 1e6)


@given(ints, st.integers(0, 2**32), st.floats(0, 3), st.booleans())
def test_int_draws_and_perturbations_stay_inside(bounds, seed, sigma, relative):
    domain, rng = IntDomain(*bounds), np.random.default_rng(seed)
    value = domain.sample(rng)
    moved = domain.perturb(value, sigma, rng, relative)
    assert type(value) is int
    assert type(moved) is int
    assert domain.contains(value)
    assert domain.contains(moved)
    if relative and bounds[0] < bounds[1]:
        assert moved != value


@given(floats, floats, st.integers(0, 2**32), st.floats(0, 1000), st.booleans(), st.booleans())
def test_float_draws_and_perturbations_stay_inside(a, b, seed, sigma, relative, log):
    lo, hi = sorted((abs(a) + 1e-9, abs(b) + 1e-9) if log else (a, b))
    domain, rng = FloatDomain(lo, hi, log), np.random.default_rng(seed)
    value = domain.sample(rng)
    moved = domain.perturb(value, sigma, rng, relative)
    assert type(value) is float
    assert type(moved) is float
    assert domain.contains(value)
    assert domain.contains(moved)
    assert domain.read(repr(value)) == value


def test_log_int_draws_follow_the_logarithm():
    domain, rng = IntDomain(1, 1024, log=True), np.random.default_rng(0)
    draws = np.array([domain.sample(rng) for _ in range(20_000)])
    # Half a unit is added at both ends: the median is the geometric mean of 0.5 and 1024.5.
    assert abs(math.log(np.median(draws)) - math.log(math.sqrt(0.5 * 1024.5))) < 0.1
    assert {1, 2, 3} <= set(draws.tolist())


def test_uniform_int_takes_every_value_equally():
    domain, rng = IntDomain(2, 4), np.random.default_rng(1)
    counts = np.bincount([domain.sample(rng) for _ in range(9000)], minlength=5)[2:]
    # chi-square, 2 degrees of freedom, p = .001
    assert ((counts - 3000) ** 2 / 3000).sum() < 13.8


def test_relative_noise_is_relative_to_the_range_in_log_space():
    domain, rng = FloatDomain(1e-4, 0.1, log=True), np.random.default_rng(2)
    centre = math.sqrt(1e-4 * 0.1)
    moves = [math.log(domain.perturb(centre, 0.1, rng, True) / centre) for _ in range(4000)]
    assert np.std(moves) == pytest.approx(0.1 * math.log(1000), rel=0.05)


def test_absolute_noise_is_added_as_it_is_and_clipped():
    domain, rng = FloatDomain(0.0001, 0.1), np.random.default_rng(3)
    moved = [domain.perturb(0.05, 0.15, rng, False) for _ in range(4000)]
    at_bounds = np.mean([value in (0.0001, 0.1) for value in moved])
    # P(|N(0, .15)| > .05) = .739: the defect that the relative option mends.
    assert at_bounds == pytest.approx(0.739, abs=0.03)


def test_noise_against_a_bound_is_turned_round():
    domain, rng = FloatDomain(0.0, 1.0), np.random.default_rng(4)
    assert all(domain.perturb(1.0, 0.15, rng, True) < 1.0 for _ in range(200))


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("3.0", 3), ("3e0", 3), ("+3", 3), ("3.5", None), ("5", None), ("1e999", None), ("1", None)],
)
def test_reading_whole_numbers(text, value):
    found = IntDomain(2, 4).read(text)
    assert found == value
    assert found is None or type(found) is int


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), (".5", 0.5), ("1e-3", 0.001), ("-0", 0.0), ("1.01", None), ("1e999", None)],
)
def test_reading_floats(text, value):
    found = FloatDomain(0, 1).read(text)
    assert found == value
    assert found is None or math.copysign(1, found) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: IntDomain(2, 1),
        lambda: IntDomain(0, 5, log=True),
        lambda: FloatDomain(0, math.inf),
        lambda: FloatDomain(math.nan, 1),
        lambda: FloatDomain(-1, 1, log=True),
        lambda: FloatDomain(-1.7e308, 1.7e308),
        lambda: IntDomain(0, 2**60),
    ],
)
def test_impossible_bounds_are_refused(make):
    with pytest.raises(ValueError):  # noqa: PT011
        make()


def test_values_of_another_kind_are_no_members():
    assert not IntDomain(0, 1).contains(True)
    assert not IntDomain(0, 1).contains(1.0)
    assert not FloatDomain(0, 1).contains(1)
    assert not FloatDomain(0, 1).contains(np.float64(0.5))
    assert not FloatDomain(0, 1).contains(math.nan)
