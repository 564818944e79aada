"""A contender of a comparison as the report shows it: a number, a colour, a marker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spenser_gee.comparison.contenders import Kind
from spenser_gee.comparison.recipes import Arm
from spenser_gee.comparison.results import ArmResults, ContenderResults
from spenser_gee.comparison.statistics import Interval
from spenser_gee.report.drawing import svg

WIDTH = 3.7  # inches: a phone's column, at the size of print

KINDS: Mapping[Kind, tuple[str, str, str]] = {
    "evolved": ("evolved", svg.BLUE, "o"),
    "first-generation": ("first generation", svg.OCHRE, "s"),
    "random": ("random search", svg.GREEN, "^"),
    "backbone": ("hand-designed", svg.ORANGE, "D"),
}
ARMS: Mapping[Arm, str] = {"own": "each with its own recipe", "common": "all with the common recipe"}


@dataclass(frozen=True)
class ShownContender:
    """One contender; its number stands for its name in figures."""

    number: int
    row: ContenderResults

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def colour(self) -> str:
        return KINDS[self.row.kind][1]

    @property
    def marker(self) -> str:
        return KINDS[self.row.kind][2]


def numbered(contenders: Sequence[ShownContender]) -> str:
    return ", ".join(f"{contender.number} {contender.name}" for contender in contenders)


def in_arm(contenders: Sequence[ShownContender], arm: Arm) -> list[tuple[ShownContender, ArmResults]]:
    """Those that are in the arm, with what is known of them there."""
    return [(contender, contender.row.arms[arm]) for contender in contenders if arm in contender.row.arms]


def reach(spread: Interval) -> tuple[float, float]:
    """How far an interval reaches below and above its mean; 0 where it is not known."""
    if spread.low is None or spread.high is None:
        return 0.0, 0.0
    return spread.mean - spread.low, spread.high - spread.mean
