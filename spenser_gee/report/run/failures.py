"""The evaluations that did not end complete."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from spenser_gee.report.drawing.section import Section, Table
from spenser_gee.report.run.facts import number_of, percent
from spenser_gee.runs.queries import RecordedEvaluation, evaluations
from spenser_gee.runs.store import RunFolder

MOST_ROWS = 40

_MEANING = {
    "infeasible": "the network cannot be built, or is silent or saturated",
    "abandoned": "given up because its training stayed too far behind the parent's",
    "timed_out": "its training took longer than search.timeout",
    "failed": "an error, a crash, no memory, or numbers that are not finite",
}


def failures_section(run: RunFolder) -> Section:
    """By status and reason, the most frequent first. Reasons that differ only in numbers are one."""
    title, anchor = "What was not complete", "failures"
    made = evaluations(run)
    failed = [each for each in made if each.status != "complete"]
    if not failed:
        return Section(title, anchor, ("Every recorded evaluation was complete.",))
    groups: dict[tuple[str, str], list[RecordedEvaluation]] = defaultdict(list)
    for each in failed:
        groups[each.status, re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "#", each.reason)].append(each)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0].status, group[0].reason))
    met = dict.fromkeys(each.status for each in failed)
    parts: list[str | Table] = [
        f"{len(failed):,} of {number_of(len(made), 'evaluation')} ({percent(len(failed) / len(made))}) did not end "
        "complete. " + " ".join(f"{status}: {_MEANING[status]}." for status in met),
        Table(
            ("status", "evaluations", "candidate", "generation", "reason"),
            tuple(_row(group) for group in ordered[:MOST_ROWS]),
            "Reasons that differ only in numbers are counted together; the first candidate of each is the example.",
            frozenset({1, 2, 3}),
        ),
    ]
    left = ordered[MOST_ROWS:]
    if left:
        parts.append(f"{number_of(len(left), 'more reason')} not shown: show --csv lists them all.")
    return Section(title, anchor, tuple(parts))


def _row(group: Sequence[RecordedEvaluation]) -> tuple[str, ...]:
    first = group[0]
    reason = first.reason or "no reason recorded"
    return first.status, f"{len(group):,}", str(first.candidate_id), str(first.generation), reason
