"""A contender of a comparison as the report shows it: a number, a colour, a marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spenser_gee.report.drawing import svg

WIDTH = 3.7  # inches: a phone's column, at the size of print

KINDS = {
    "evolved": ("evolved", svg.BLUE, "o"),
    "first-generation": ("first generation", svg.OCHRE, "s"),
    "random": ("random search", svg.GREEN, "^"),
    "backbone": ("hand-designed", svg.ORANGE, "D"),
}
ARMS = {"own": "each with its own recipe", "common": "all with the common recipe"}
ENERGY = "energy_with_memory_nj"


@dataclass(frozen=True)
class ShownContender:
    """One contender; its number stands for its name in figures."""

    number: int
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.values["name"])

    @property
    def colour(self) -> str:
        return KINDS.get(self.values["kind"], ("", svg.GREY, "o"))[1]

    @property
    def marker(self) -> str:
        return KINDS.get(self.values["kind"], ("", svg.GREY, "o"))[2]

    def arm(self, arm: str) -> Mapping[str, Any]:
        """What is known of it in an arm, or nothing."""
        return (self.values.get("arms") or {}).get(arm) or {}


def numbered(contenders: Sequence[ShownContender]) -> str:
    return ", ".join(f"{contender.number} {contender.name}" for contender in contenders)


def reach(spread: Mapping[str, Any]) -> tuple[float, float]:
    """How far an interval reaches below and above its mean; 0 where it is not known."""
    if spread.get("low") is None or spread.get("high") is None:
        return 0.0, 0.0
    return spread["mean"] - spread["low"], spread["high"] - spread["mean"]
