"""Means with intervals, and paired differences with a test: what a few seeds can and cannot say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95  # of every interval
POWER = 0.8  # that `seeds_needed` asks for
MOST_SEEDS = 1000  # beyond this, no number of seeds is named


@dataclass(frozen=True)
class Interval:
    """The mean of n values and its 95 % interval by Student's t; low and high are None for a single value.

    It holds the variation between trainings (weights, order of data, noise) on one test set. The sampling error of
    the test set is not in it: it moves all contenders together.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


def interval(values: Sequence[float]) -> Interval | None:
    """Of the values; None where there are none."""
    n = len(values)
    if n == 0:
        return None
    mean = float(np.mean(values))
    if n == 1:
        return Interval(mean, None, None, 1)
    half = float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


@dataclass(frozen=True)
class PairedDifference:
    """The mean of `values - reference`, paired by seed, with its 95 % interval and the two-sided p of a paired t-test.

    None where n is 1; p is None too where all differences are equal, since nothing can be tested then.
    seeds_needed: how many pairs a test at 5 % needs to find a difference of this size, with differences that scatter
        like these, in 80 % of all repetitions; at least as uncertain as the difference itself. None: over 1000, or
        unknown.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    n: int
    seeds_needed: int | None


def paired_difference(values: Sequence[float], reference: Sequence[float]) -> PairedDifference | None:
    """Equally many values of both, those of one seed at one place; None for none.

    Raises ValueError for different numbers.
    """
    if len(values) != len(reference):
        raise ValueError(f"pairs need equal numbers, got {len(values)} and {len(reference)}")
    differences = np.asarray(values, float) - np.asarray(reference, float)
    found = interval(differences.tolist())
    if found is None:
        return None
    spread = float(np.std(differences, ddof=1)) if found.n > 1 else 0.0
    # Differences of proportions carry rounding errors: equal ones have a spread of 1e-17, not of 0.
    if spread < 1e-12:
        return PairedDifference(found.mean, found.low, found.high, None, found.n, None)
    p = float(stats.ttest_rel(values, reference).pvalue)
    return PairedDifference(found.mean, found.low, found.high, p, found.n, seeds_needed(found.mean, spread))


def power(effect: float, n: int) -> float:
    """Of the two-sided paired t-test at 5 % with n pairs, where mean / standard deviation of the differences is
    `effect`: by the noncentral t distribution."""
    critical = stats.t.ppf(1 - (1 - LEVEL) / 2, n - 1)
    shift = abs(effect) * math.sqrt(n)
    # The lower tail is the wrong sign: next to nothing, and NaN where it underflows.
    wrong_side = float(np.nan_to_num(stats.nct.cdf(-critical, n - 1, shift)))
    return float(stats.nct.sf(critical, n - 1, shift)) + wrong_side


def seeds_needed(difference: float, spread: float) -> int | None:
    """The smallest number of pairs with a power of 80 %; None over 1000. spread: standard deviation, above 0."""
    effect = difference / spread
    low, high = 2, MOST_SEEDS
    if power(effect, high) < POWER:
        return None
    while low < high:
        middle = (low + high) // 2
        if power(effect, middle) >= POWER:
            high = middle
        else:
            low = middle + 1
    return low


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """The p-values adjusted for testing them all (Holm 1979); None stays None and does not count."""
    tested = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[index] = largest
    return adjusted
