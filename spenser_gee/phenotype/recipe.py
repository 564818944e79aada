"""How a network is trained, apart from what it is: its loss, optimiser, schedule, clipping and augmentation.

The input's coding is not a part of it: it decides what the first layer computes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from spenser_gee.phenotype.spec import NetworkSpec
from spenser_gee.phenotype.words.training import (
    AdamW,
    Augmentation,
    CEMembrane,
    Clip,
    CosineRate,
    Loss,
    Optimiser,
    Schedule,
)


@dataclass(frozen=True)
class Recipe:
    """The parts of a `NetworkSpec` that training reads."""

    loss: Loss
    optimiser: Optimiser
    schedule: Schedule
    clip: Clip | None = None
    augmentation: tuple[Augmentation, ...] = ()

    @staticmethod
    def of(spec: NetworkSpec) -> Recipe:
        """The recipe of a network."""
        return Recipe(**{part.name: getattr(spec, part.name) for part in fields(Recipe)})

    def apply(self, spec: NetworkSpec) -> NetworkSpec:
        """The same network with this recipe."""
        return replace(spec, **vars(self))

    def __str__(self) -> str:
        """Its words, as a sentence has them."""
        parts = [self.loss, *self.augmentation, self.optimiser, self.schedule]
        return " ".join(_words(part) for part in [*parts, *([self.clip] if self.clip else [])])


# A recipe that no contender was tuned with, and that does every kind of network justice: a usual optimiser at usual
# settings, and a loss that does not depend on the output neurons firing. (With few time steps, spikes are few and
# coarse logits: networks trained by their counts stay behind for that reason alone.)
COMMON_RECIPE = Recipe(CEMembrane(), AdamW(lr=0.001, decay=0.0001), CosineRate(warmup=0.05))


def _words(part: Any) -> str:
    return " ".join([part.word, *(f"{f.name}={_value(getattr(part, f.name))}" for f in fields(part))])


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"
