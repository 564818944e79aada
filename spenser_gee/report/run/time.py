"""Where the time went."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.section import Figure, Section, Table
from spenser_gee.report.run.facts import number_of, percent, seconds
from spenser_gee.runs.queries import Final, RecordedEvaluation, evaluations, events, final_result
from spenser_gee.runs.store import RunFolder

# A longer timeline could not be told apart any more, and would be most of the page.
MOST_BARS = 600

_COLOURS = {"complete": svg.BLUE, "abandoned": svg.OCHRE}
_OTHERS = svg.ORANGE

_PHASES = {
    "start_seconds": "building and start search",
    "training_seconds": "training",
    "measuring_seconds": "measuring",
}


@dataclass(frozen=True)
class Job:
    """One evaluation: its place among the workers' lanes, begin and end in seconds of the run's own time."""

    lane: int
    begin: float
    end: float
    status: str
    generation: int


def time_section(run: RunFolder) -> Section:
    """Seconds of each phase, and what the workers did when."""
    title, anchor = "Where the time went", "time"
    made = [each for each in evaluations(run) if each.evaluated]
    if not made:
        return Section(title, anchor, ("No evaluation is recorded yet.",))
    jobs = lay_out(made, [event.time for event in events(run) if event.kind in ("start", "resume")])
    spent = phases(made, jobs, final_result(run))
    lanes = 1 + max((job.lane for job in jobs), default=0)
    words = (
        f"The run took {seconds(run.seconds_spent())} of wall clock in all, with {number_of(lanes, 'evaluation')} at a "
        "time. The seconds below are those of all workers together."
    )
    parts: list[str | Figure | Table] = [words, _bars_figure(spent), _table(spent)]
    if jobs:
        parts.append(_timeline_figure(jobs[:MOST_BARS], len(jobs)))
    return Section(title, anchor, tuple(parts))


def lay_out(made: Sequence[RecordedEvaluation], session_starts: Sequence[float]) -> list[Job]:
    """What workers evaluated in the order of its beginning, each in the first lane that is free then.

    Processes come and go, so lanes are not processes: there are as many as evaluations ran at a time. The time
    between the last end of one session and the start of the next is taken out.
    """
    timed = [(*each.times, each) for each in made if each.times is not None]
    timed.sort(key=lambda entry: (entry[0], entry[2].candidate_id))
    jobs: list[Job] = []
    busy_until: list[float] = []
    first, *following = [*(session_starts or [begun for begun, _, _ in timed[:1]]), math.inf]
    removed, last_end = first, 0.0
    for begun, ended, each in timed:
        while begun >= following[0]:
            removed = following.pop(0) - last_end
        begin, end = begun - removed, ended - removed
        lane = next((i for i, until in enumerate(busy_until) if until <= begin), len(busy_until))
        busy_until[lane : lane + 1] = [end]
        last_end = max(last_end, end)
        jobs.append(Job(lane, begin, end, each.status, each.generation))
    return jobs


def phases(made: Sequence[RecordedEvaluation], jobs: Sequence[Job], final: Final | None) -> dict[str, float]:
    """Seconds by phase, of all workers together."""
    spent = {name: sum(each.cost.get(key, 0.0) for each in made) for key, name in _PHASES.items()}
    busy = sum(job.end - job.begin for job in jobs)
    spent["rest of evaluations"] = max(busy - sum(spent.values()), 0.0) if jobs else 0.0
    spent["waiting for others"] = max(_capacity(jobs) - busy, 0.0)
    spent["final training"] = final.training_seconds if final else 0.0
    spent["final test"] = final.test_seconds if final else 0.0
    return spent


def _capacity(jobs: Sequence[Job]) -> float:
    """Seconds that all lanes have had from the first begin to the last end of each generation."""
    generations: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        generations[job.generation].append(job)
    spans = [max(j.end for j in group) - min(j.begin for j in group) for group in generations.values()]
    return sum(spans) * (1 + max((job.lane for job in jobs), default=0))


def _bars_figure(spent: dict[str, float]) -> Figure:
    names, values = list(spent), list(spent.values())
    with svg.figure(svg.WIDTH, 1.9) as fig:
        axes = fig.add_subplot()
        bars = axes.barh(names, values, 0.7, color=svg.BLUE)
        axes.bar_label(bars, [seconds(value) for value in values], padding=3)
        axes.margins(x=0.2)
        axes.set_xlabel("seconds")
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        picture = svg.to_svg(fig)
    return Figure(
        picture,
        "Rest of evaluations: reading the parent's weights, saving, and what evaluations that were killed had done. "
        "Waiting for others: workers with nothing to do until the last evaluation of a generation ended.",
        "Bar chart of seconds: "
        + ", ".join(f"{name} {seconds(value)}" for name, value in spent.items())
        + ".",
    )


def _table(spent: dict[str, float]) -> Table:
    total = sum(spent.values()) or 1.0
    rows = tuple((name, f"{value:,.1f}", percent(value / total)) for name, value in spent.items())
    return Table(("phase", "seconds", "share"), rows, "", frozenset({1, 2}))


def _timeline_figure(jobs: Sequence[Job], of: int) -> Figure:
    lanes = 1 + max(job.lane for job in jobs)
    shown = {**_COLOURS, "infeasible, timed out or failed": _OTHERS}
    with svg.figure(svg.WIDTH, 0.9 + 0.24 * lanes) as fig:
        axes = fig.add_subplot()
        for name, colour in shown.items():
            chosen = [job for job in jobs if _COLOURS.get(job.status, _OTHERS) == colour]
            axes.barh(
                [job.lane for job in chosen],
                [job.end - job.begin for job in chosen],
                0.72,
                [job.begin for job in chosen],
                color=colour,
                alpha=0.85,
                label=name,
            )
        axes.set_yticks(range(lanes), [f"worker {lane + 1}" for lane in range(lanes)])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds since the start")
        fig.legend(loc="outside upper center", ncols=2)
        picture = svg.to_svg(fig)
    part = "" if len(jobs) == of else f" Only the first {len(jobs):,} of {of:,} are drawn."
    return Figure(
        picture,
        f"Every evaluation as a bar, without the time between sessions.{part} A worker here is a place for one "
        "evaluation at a time; processes are replaced now and then.",
        f"Timeline of {number_of(len(jobs), 'evaluation')} on {number_of(lanes, 'worker')} over "
        f"{seconds(max(job.end for job in jobs))}.",
    )
