"""A comparison's results as sections. All of them show what is there so far: an unfinished comparison has contenders
without figures, and figures without intervals."""

from __future__ import annotations

from spenser_gee.comparison.results import Results
from spenser_gee.report.comparison.contender import ShownContender
from spenser_gee.report.comparison.curves import rates_section, robustness_section
from spenser_gee.report.comparison.tables import table_section
from spenser_gee.report.comparison.trade_off import ENERGY, SIZE, trade_off_section
from spenser_gee.report.drawing.section import Section


def comparison_sections(results: Results) -> list[Section]:
    """Sections on the results: table, accuracy against size and energy, robustness, and firing rates. A section that
    would be empty is left out."""
    contenders = shown_contenders(results)
    sections = [
        table_section(results, contenders),
        trade_off_section("Accuracy and size", "accuracy-size", contenders, results.arms, SIZE),
        trade_off_section("Accuracy and energy", "accuracy-energy", contenders, results.arms, ENERGY),
        robustness_section(contenders, results.arms),
        rates_section(contenders, results.arms),
    ]
    return [section for section in sections if section is not None]


def shown_contenders(results: Results) -> list[ShownContender]:
    """All of them, numbered from 1."""
    return [ShownContender(number, row) for number, row in enumerate(results.contenders, start=1)]
