"""The two arms of a comparison: every network with its own recipe, and all with a common one."""

from __future__ import annotations

from typing import Literal

from spenser_gee.comparison.settings import Settings
from spenser_gee.phenotype.recipe import COMMON_RECIPE
from spenser_gee.phenotype.spec import NetworkSpec

Arm = Literal["own", "common"]
ARMS: tuple[Arm, ...] = ("own", "common")


def arms_of(settings: Settings) -> tuple[Arm, ...]:
    """Which arms a comparison has: without a common recipe only the first."""
    return ARMS if settings.common_recipe is not None else ARMS[:1]


def arm_spec(spec: NetworkSpec, arm: Arm) -> NetworkSpec:
    """The network as it is trained in this arm."""
    return spec if arm == "own" else COMMON_RECIPE.apply(spec)
