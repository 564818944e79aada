"""Numeric domains: the set of values of a numeric gene, how it is drawn and how it is perturbed.

Bounds are inclusive. A `log` domain is uniform on a logarithmic scale; its bounds are above 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: Every integer up to here is exact in a float, so a whole number can be read and drawn without loss.
LARGEST_INT = 2**53


def _clip(value: float, lo: float, hi: float) -> float:
    return min(max(value, lo), hi)


def _check(lo: float, hi: float, log: bool) -> None:
    if not (math.isfinite(lo) and math.isfinite(hi)):
        raise ValueError("the bounds must be finite")
    if lo > hi:
        raise ValueError(f"the lower bound {lo!r} is above the upper bound {hi!r}")
    if log and lo <= 0:
        raise ValueError(f"a logarithmic range must begin above 0, not at {lo!r}")


@dataclass(frozen=True)
class IntDomain:
    """Whole numbers lo..hi. Raises ValueError where the bounds make no domain."""

    lo: int
    hi: int
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.lo, self.hi, self.log)
        if max(abs(self.lo), abs(self.hi)) > LARGEST_INT:
            raise ValueError(f"whole-number bounds must lie within -2^53..2^53 ({LARGEST_INT})")

    def __str__(self) -> str:
        return f"{'log_' if self.log else ''}int{{{self.lo}..{self.hi}}}"

    @property
    def fixed(self) -> bool:
        """Whether the domain holds a single value."""
        return self.lo == self.hi

    def contains(self, value: object) -> bool:
        """Whether `value` is a plain number of the right kind within the bounds."""
        return type(value) is int and self.lo <= value <= self.hi

    def sample(self, rng: np.random.Generator) -> int:
        """A uniform draw (on a logarithmic scale for a log domain)."""
        if not self.log:
            # A float draw is several times faster than Generator.integers, and exact enough below 2^53.
            return min(self.lo + int(rng.random() * (self.hi - self.lo + 1)), self.hi)
        # Half a unit is added on both sides, so that the bounds get their full share of the scale.
        a, b = math.log(self.lo - 0.5), math.log(self.hi + 0.5)
        return int(_clip(round(math.exp(a + rng.random() * (b - a))), self.lo, self.hi))

    def perturb(self, value: int | float, sigma: float, rng: np.random.Generator, relative: bool) -> int:
        """`relative`: value + N(0, sigma) * range (in log space for a log domain), rounded, clipped, and
        never the same value if there is another. Else SPENSER's: a uniform resample."""
        if not relative:
            return self.sample(rng)
        if self.fixed:
            return self.lo
        noise = float(rng.normal(0.0, sigma))
        for candidate in (self._moved(value, noise), self._moved(value, -noise)):
            if candidate != value:
                return candidate
        step = 1 if noise >= 0 else -1
        return int(value) + (step if self.lo <= value + step <= self.hi else -step)

    def _moved(self, value: int | float, noise: float) -> int:
        if self.log:
            moved = math.exp(_clip(math.log(value) + noise * math.log(self.hi / self.lo), -700.0, 700.0))
        else:
            moved = value + noise * (self.hi - self.lo)
        return int(_clip(round(_clip(moved, self.lo, self.hi)), self.lo, self.hi))

    def read(self, text: str) -> int | None:
        """The value that `text` denotes, or None where it is no member. Any way to write a whole number will do:
        `3`, `3.0`, `3e0`."""
        value = float(text)
        if not math.isfinite(value) or value != int(value) or abs(value) > LARGEST_INT:
            return None
        return int(value) if self.lo <= value <= self.hi else None

    def describe(self) -> str:
        """What a value must be, in words."""
        return f"a whole number in {self.lo}..{self.hi}"

    def levels(self) -> int:
        """The number of distinct values; a float counts as 1,000."""
        return self.hi - self.lo + 1


@dataclass(frozen=True)
class FloatDomain:
    """Real numbers lo..hi. Raises ValueError where the bounds make no domain."""

    lo: float
    hi: float
    log: bool = False

    def __post_init__(self) -> None:
        _check(self.lo, self.hi, self.log)
        if not math.isfinite(self.hi - self.lo):
            raise ValueError("the range is too wide: its width is no finite number")

    def __str__(self) -> str:
        return f"{'log_' if self.log else ''}float{{{self.lo!r}..{self.hi!r}}}"

    @property
    def fixed(self) -> bool:
        return self.lo == self.hi

    def contains(self, value: object) -> bool:
        return type(value) is float and self.lo <= value <= self.hi

    def sample(self, rng: np.random.Generator) -> float:
        if self.log:
            a, b = math.log(self.lo), math.log(self.hi)
            return _clip(math.exp(a + rng.random() * (b - a)), self.lo, self.hi)
        return _clip(self.lo + rng.random() * (self.hi - self.lo), self.lo, self.hi) + 0.0

    def perturb(self, value: int | float, sigma: float, rng: np.random.Generator, relative: bool) -> float:
        """`relative`: value + N(0, sigma) * range (in log space for a log domain), clipped; noise that
        only pushes against a bound is turned round. Else SPENSER's: value + N(0, sigma), clipped."""
        noise = float(rng.normal(0.0, sigma))
        if not relative:
            return _clip(value + noise, self.lo, self.hi) + 0.0
        moved = self._moved(value, noise)
        return moved if moved != value else self._moved(value, -noise)

    def _moved(self, value: float, noise: float) -> float:
        if self.log:
            # Clipped before exp as well: a large sigma must not overflow.
            a, b = math.log(self.lo), math.log(self.hi)
            return _clip(math.exp(_clip(math.log(value) + noise * (b - a), a, b)), self.lo, self.hi)
        return _clip(value + noise * (self.hi - self.lo), self.lo, self.hi) + 0.0

    def read(self, text: str) -> float | None:
        # + 0.0 turns -0.0 into 0.0: one value, one way to print it.
        value = float(text) + 0.0
        return value if self.lo <= value <= self.hi else None

    def describe(self) -> str:
        return f"a number in {self.lo!r}..{self.hi!r}"

    def levels(self) -> int:
        return 1 if self.fixed else 1000


Domain = IntDomain | FloatDomain
