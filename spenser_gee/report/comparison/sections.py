"""A comparison's results as sections. All of them show what is there so far: an unfinished comparison has contenders
without figures, and figures without intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spenser_gee.report.comparison.contender import ENERGY, ShownContender
from spenser_gee.report.comparison.curves import rates_section, robustness_section
from spenser_gee.report.comparison.tables import table_section
from spenser_gee.report.drawing.section import Section
from spenser_gee.report.run.trade_off import Axis, trade_off_section


def comparison_sections(results: Mapping[str, Any]) -> list[Section]:
    """Sections on `results` (results.json of a comparison): table, accuracy against size and energy, robustness, and
    firing rates. A section that would be empty is left out."""
    contenders = [
        ShownContender(number, values) for number, values in enumerate(results["contenders"], start=1)
    ]
    arms = [str(arm) for arm in results["arms"]]
    sections = [
        table_section(results, contenders, arms),
        trade_off_section(
            "Accuracy and size",
            "accuracy-size",
            contenders,
            arms,
            Axis("parameters", lambda contender, arm: contender.values.get("parameters")),
        ),
        trade_off_section(
            "Accuracy and energy",
            "accuracy-energy",
            contenders,
            arms,
            Axis(
                "energy per image with memory, nJ",
                lambda contender, arm: (contender.arm(arm).get(ENERGY) or {}).get("mean"),
            ),
        ),
        robustness_section(contenders, arms),
        rates_section(contenders, arms),
    ]
    return [section for section in sections if section is not None]
