"""What a run strives for: figures of merit with a name, a direction and a unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["maximise", "minimise"]


@dataclass(frozen=True)
class Objective:
    """One declared objective.

    unit: in words, for axes. of: its value from the figures of an evaluation; None: the
    figure of its name. reads: the figures that `of` takes. log: whether ratios count, not differences, in how far apart
    two values are: sizes span orders of magnitude.
    """

    name: str
    direction: Direction = "maximise"
    unit: str = ""
    of: Callable[[Mapping[str, float]], float] | None = None
    reads: tuple[str, ...] = ()
    log: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """The figures that have to be measured for it."""
        return (self.name,) if self.of is None else self.reads

    @property
    def sign(self) -> float:
        """1 where larger is better, -1 where smaller is."""
        return 1.0 if self.direction == "maximise" else -1.0

    @property
    def label(self) -> str:
        """For an axis."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def value(self, figures: Mapping[str, float]) -> float:
        """What these figures give. Raises KeyError where one is missing."""
        return float(figures[self.name] if self.of is None else self.of(figures))

    def scaled(self, value: float) -> float:
        """On the scale on which differences count: the logarithm, where ratios do."""
        return math.log(max(value, math.ulp(0.0))) if self.log else value

    def unscaled(self, value: float) -> float:
        """The inverse of `scaled`."""
        return math.exp(value) if self.log else value


def figure(value: float) -> str:
    """The value of an objective: a share or a loss with four digits, a count as a whole number."""
    count = abs(value) > 1 and value == round(value)
    return f"{value:,.0f}" if count or abs(value) >= 1000 else f"{value:.4f}"


FITNESS = Objective("fitness", unit="accuracy")

OBJECTIVES: dict[str, Objective] = {
    objective.name: objective
    for objective in (
        FITNESS,
        Objective("loss", "minimise"),
        Objective("parameters", "minimise", "numbers", log=True),
        Objective("macs", "minimise", "multiply-accumulates per time step", log=True),
        Objective("firing_rate", "minimise", "spikes per neuron and time step"),
        Objective("sops", "minimise", "synaptic operations per sample", log=True),
        Objective("energy", "minimise", "nanojoules per sample", log=True),
        Objective("energy_with_memory", "minimise", "nanojoules per sample", log=True),
        Objective("robustness", unit="accuracy with 50 % image noise"),
        Objective("latency", "minimise", "milliseconds per sample"),
    )
}
"""All that a configuration can name. The figures come from the evaluation: its measures and its costs."""
