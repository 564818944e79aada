"""The front of a search with several objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spenser_gee.objective import Objective, figure
from spenser_gee.report.drawing import svg
from spenser_gee.report.drawing.front import draw_front, log_ticks
from spenser_gee.report.drawing.label_places import label_points
from spenser_gee.report.drawing.section import Figure, Section, Table
from spenser_gee.report.run.facts import effort_of, measured, number_of
from spenser_gee.runs.queries import evaluations, generations
from spenser_gee.runs.store import RunFolder
from spenser_gee.runs.summary import Member, summarise
from spenser_gee.search.strategy import best_rule

# Members that are named in the picture: more names would hide it.
MOST_NAMES = 12
# A logarithmic axis from this ratio of the largest value to the smallest.
_WIDE = 10.0

_Means = Mapping[str, float]


def front_section(run: RunFolder) -> Section | None:
    """Each further objective against the first, and the members. None where there is one objective, or no front."""
    summary = summarise(run)
    objectives, front = summary.objectives, summary.front
    if not objectives:
        return None
    members = {member.id for member in front}
    others = [
        {o.name: sum(each.objectives[o.name] for each in made) / len(made) for o in objectives}
        for number, made in measured(run).items()
        if number not in members
    ]
    rule = best_rule(objectives)
    figures = (_figure(front, others, objectives[0], other) for other in objectives[1:])
    said = f"{rule[0].upper()}{rule[1:]}.{_of_the_finals(run)}"
    return Section("Front", "front", (said, *figures, _table(front, objectives)))


def _of_the_finals(run: RunFolder) -> str:
    """The values of a front that the finals decided are of another budget than all others."""
    last = generations(run)[-1]
    if not last.finals:
        return ""
    effort = effort_of(evaluations(run), last.generation)
    return (
        f" The finals decided it: its values are those after {effort:g} times the training that the others had, "
        "so that they cannot be compared with the pale ones."
    )


def _figure(front: Sequence[Member], others: Sequence[_Means], first: Objective, other: Objective) -> Figure:
    best, count = front[0], number_of(len(front), "network")
    return Figure(
        _picture(front, others, first, other),
        f"Blue: the front, {count}, with standard errors; line: what it reaches in this plane; star: the best, "
        f"candidate {best.id}; pale: the means of the {len(others):,} other complete candidates. "
        f"Better is {_better(other, ('left', 'right'))} and {_better(first, ('down', 'up'))}.",
        f"Scatter plot of {first.name} against {other.name}: {count} on the front, the best is candidate {best.id} "
        f"with {first.name} {figure(best.means[first.name])} and {other.name} {figure(best.means[other.name])}.",
    )


def _better(objective: Objective, ways: tuple[str, str]) -> str:
    return ways[objective.direction == "maximise"]


def _picture(front: Sequence[Member], others: Sequence[_Means], first: Objective, other: Objective) -> str:
    points = [(member.means[other.name], member.means[first.name]) for member in front]
    pale = [(means[other.name], means[first.name]) for means in others]
    with svg.figure(svg.WIDTH, 3.2) as fig:
        axes = fig.add_subplot()
        axes.plot(
            [x for x, _ in pale],
            [y for _, y in pale],
            "o",
            color=svg.GREY,
            markersize=3,
            alpha=0.4,
            markeredgewidth=0,
            label="not on the front",
        )
        axes.errorbar(
            [x for x, _ in points],
            [y for _, y in points],
            xerr=[member.errors.get(other.name, 0.0) for member in front],
            yerr=[member.errors.get(first.name, 0.0) for member in front],
            fmt="o",
            color=svg.BLUE,
            markersize=4,
            elinewidth=0.9,
            label="front",
        )
        axes.plot(*points[0], "*", color=svg.ORANGE, markersize=11, zorder=3, label="best")
        across = [x for x, _ in (*points, *pale)]
        if min(across) > 0 and max(across) >= _WIDE * min(across):
            log_ticks(axes)
        draw_front(axes, points, (other.sign, first.sign))
        axes.set_xlabel(other.label)
        axes.set_ylabel(first.label)
        axes.grid(axis="y")
        fig.legend(loc="outside upper center", ncols=3)
        if len(front) <= MOST_NAMES:
            label_points(fig, axes, points, [str(member.id) for member in front])
        return svg.to_svg(fig)


def _table(front: Sequence[Member], objectives: Sequence[Objective]) -> Table:
    first = objectives[0]
    sizes = [] if any(o.name == "parameters" for o in objectives) else ["parameters"]
    rows = [
        (
            str(member.id),
            *(_spread(member, objective.name) for objective in objectives),
            *("–" if member.parameters is None else figure(member.parameters) for _ in sizes),
            "best" if member is front[0] else "",
        )
        for member in sorted(front, key=lambda member: -first.sign * member.means[first.name])
    ]
    columns = ("candidate", *(f"{o.name} ({o.direction})" for o in objectives), *sizes, "")
    return Table(
        columns,
        tuple(rows),
        "The front: means over each candidate's evaluations, with standard errors where there are two or more",
        numeric=frozenset(range(len(columns) - 1)),
    )


def _spread(member: Member, name: str) -> str:
    error = member.errors.get(name)
    return figure(member.means[name]) + ("" if error is None else f" ± {figure(error)}")
