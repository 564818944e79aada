import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from spenser_gee.comparison.statistics import (
    MOST_SEEDS,
    POWER,
    holm,
    interval,
    paired_difference,
    power,
    seeds_needed,
)


def test_interval_by_hand() -> None:
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.302653: half width 4.302653 / sqrt(3).
    found = interval([1.0, 2.0, 3.0])
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert (found.mean, found.n) == (2.0, 3)
    assert found.high - found.mean == pytest.approx(2.484138, abs=1e-6)
    assert found.mean - found.low == pytest.approx(2.484138, abs=1e-6)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    one = interval([0.5])
    assert one is not None
    assert (one.mean, one.low, one.high, one.n) == (0.5, None, None, 1)
    assert interval([]) is None
    assert paired_difference([], []) is None


def test_intervals_cover_the_mean_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        found = interval(rng.normal(3.0, 2.0, size=4).tolist())
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 3.0 <= found.high
    # 95 % of 2,000, give or take four standard errors.
    assert 1900 - 39 < covered < 1900 + 39


def test_paired_difference_is_the_paired_t_test() -> None:
    # By hand: differences -0.1, -0.08, -0.09: mean -0.09, sd 0.01, t = -0.09 / (0.01 / sqrt 3) = -15.588.
    found = paired_difference([0.80, 0.81, 0.83], [0.90, 0.89, 0.92])
    assert found is not None
    assert found.difference == pytest.approx(-0.09)
    assert found.p == pytest.approx(2 * stats.t.sf(15.588457, 2), rel=1e-5)
    assert found.seeds_needed == 3


def test_pairs_share_what_moves_both() -> None:
    # The seeds differ by far more than the contenders do: only pairing sees the difference.
    base = [0.50, 0.90, 0.70, 0.60]
    found = paired_difference(
        [b + 0.01 + e for b, e in zip(base, (0.001, -0.001, 0.0, 0.001), strict=True)], base
    )
    assert found is not None
    assert found.p is not None
    assert found.p < 0.001
    assert stats.ttest_ind([b + 0.01 for b in base], base).pvalue > 0.9


def test_equal_differences_cannot_be_tested() -> None:
    for values in ([0.5, 0.6, 0.7], [0.6, 0.7, 0.8]):
        found = paired_difference(values, [0.5, 0.6, 0.7])
        assert found is not None
        assert found.p is None
        assert found.seeds_needed is None
    single = paired_difference([0.4], [0.5])
    assert single is not None
    assert (single.low, single.p) == (None, None)


def test_pairs_need_equal_numbers() -> None:
    with pytest.raises(ValueError, match="equal numbers"):
        paired_difference([0.1], [0.1, 0.2])


def reference_power(effect: float, n: int) -> float:
    """By integrating over the standard deviation: T = (Z + d) / sqrt(V / df), V chi-squared."""
    df, shift = n - 1, effect * math.sqrt(n)
    critical = stats.t.ppf(0.975, df)

    def rejected(v: float) -> float:
        scaled = critical * math.sqrt(v / df)
        beyond = stats.norm.sf(scaled - shift) + stats.norm.cdf(-scaled - shift)
        return float(beyond * stats.chi2.pdf(v, df))

    return float(integrate.quad(rejected, 0, np.inf, limit=200)[0])


@pytest.mark.parametrize(("effect", "n"), [(0.5, 5), (0.5, 34), (1.0, 10), (2.0, 3), (9.0, 4), (-1.0, 10)])
def test_power_is_that_of_the_definition(effect: float, n: int) -> None:
    assert power(effect, n) == pytest.approx(reference_power(effect, n), abs=1e-6)


def test_seeds_needed_are_those_of_the_tables() -> None:
    # Cohen's dz of 0.5 and 0.8 at 5 % and 80 %: 34 and 15 pairs (G*Power 3.1, two-sided).
    assert seeds_needed(0.5, 1.0) == 34
    assert seeds_needed(-0.8, 1.0) == 15
    assert seeds_needed(1e-4, 1.0) is None


@given(st.floats(0.1, 20.0))
@settings(deadline=None, max_examples=30)
def test_one_seed_less_is_too_few(effect: float) -> None:
    n = seeds_needed(effect, 1.0)
    assert n is not None
    assert 2 <= n <= MOST_SEEDS
    assert power(effect, n) >= POWER
    assert n == 2 or power(effect, n - 1) < POWER


def test_holm_by_hand() -> None:
    # Sorted: 0.01 * 3, 0.03 * 2, max(0.06, 0.04 * 1).
    assert holm([0.01, None, 0.04, 0.03]) == [
        pytest.approx(0.03),
        None,
        pytest.approx(0.06),
        pytest.approx(0.06),
    ]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0.0, 1.0), max_size=8))
def test_adjusted_p_values_keep_their_order_and_never_fall(ps: list[float]) -> None:
    adjusted = holm(ps)
    for p, q in zip(ps, adjusted, strict=True):
        assert q is not None
        assert p <= q <= 1.0
    order = sorted(range(len(ps)), key=lambda index: ps[index])
    values = [adjusted[index] or 0.0 for index in order]
    assert values == sorted(values)
