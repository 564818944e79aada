"""The evaluations that did not end complete."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from spenser_gee.report.drawing.section import Section, Table
from spenser_gee.report.run.facts import number_of, percent
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
    total = run.rows("SELECT count(*) AS n FROM evaluations")[0]["n"]
    rows = run.rows(
        "SELECT candidate_id, generation, status, reason FROM evaluations WHERE status != 'complete'"
        " ORDER BY generation, candidate_id"
    )
    if not rows:
        return Section(title, anchor, ("Every recorded evaluation was complete.",))
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["status"], re.sub(r"\d[\d.,]*(e[+-]?\d+)?", "#", row["reason"])].append(row)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0]["status"], group[0]["reason"]))
    met = dict.fromkeys(row["status"] for row in rows)
    parts: list[str | Table] = [
        f"{len(rows):,} of {number_of(total, 'evaluation')} ({percent(len(rows) / total)}) did not end complete. "
        + " ".join(f"{status}: {_MEANING.get(status, 'unknown')}." for status in met),
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


def _row(group: list[dict[str, Any]]) -> tuple[str, ...]:
    first = group[0]
    reason = first["reason"] or "no reason recorded"
    return first["status"], f"{len(group):,}", str(first["candidate_id"]), str(first["generation"]), reason
