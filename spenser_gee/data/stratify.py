"""Shares of a total among classes, in proportion to their sizes."""

from __future__ import annotations

from collections.abc import Sequence


def apportion(total: int, sizes: Sequence[int], lower: Sequence[int], upper: Sequence[int]) -> list[int]:
    """Integer shares of `total` in proportion to `sizes`, which add up to `total` exactly.

    The method of largest remainders (Hamilton): every class gets the whole part of its quota
    `total * size / sum(sizes)`, and the classes with the largest remainders get one more; among equal
    remainders the earlier class goes first. Shares are kept within `lower[i]..upper[i]`; what a bound takes
    or leaves goes to the classes farthest from their quota.

    Raises:
        ValueError: no shares within the bounds add up to `total`.
    """
    if not sum(lower) <= total <= sum(upper) or any(low > up for low, up in zip(lower, upper, strict=True)):
        raise ValueError(f"no shares within {list(lower)}..{list(upper)} add up to {total}")
    whole = sum(sizes)
    # Quotas are compared as integers, scaled by `whole`: a remainder is never decided by rounding.
    quotas = [total * size for size in sizes]
    shares = [min(max(quota // whole, low), up) for quota, low, up in zip(quotas, lower, upper, strict=True)]

    def lacking(i: int) -> int:
        return quotas[i] - shares[i] * whole

    classes = range(len(sizes))
    while sum(shares) < total:
        shares[max((i for i in classes if shares[i] < upper[i]), key=lacking)] += 1
    while sum(shares) > total:
        shares[min((i for i in classes if shares[i] > lower[i]), key=lacking)] -= 1
    return shares
